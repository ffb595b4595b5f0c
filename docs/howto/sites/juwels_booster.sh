#!/bin/bash

# Parameters
#SBATCH --account=ACCOUNT
#SBATCH --array=0-23%24
#SBATCH --cpus-per-task=24
#SBATCH --gres=gpu:4
#SBATCH --job-name=asha_bo
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --open-mode=append
#SBATCH --output=FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH/%A_%a_0_log.out
#SBATCH --partition=booster
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --time=360

# setup
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-24}
hpo_failed() {
  echo "hpo: setup line $((hpo_line - hpo_first)) ended with code $1: $hpo_command" >&2
  printf '%s\n' "$((hpo_line - hpo_first)) $1 $(hostname) $hpo_command" > FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH/setup-failed-${SLURM_ARRAY_TASK_ID:-0}
}
hpo_command=
trap 'hpo_failed $?' EXIT
hpo_note() { [ "$2" = "$hpo_command" ] || { hpo_line=$1; hpo_command=$2; }; }
trap 'hpo_note $LINENO "$BASH_COMMAND"' DEBUG
set -e
hpo_first=$LINENO
module load Stages/2024 GCC/12.3.0 Python/3.11.3 CUDA/12 cuDNN/8.9.5.29-CUDA-12 NCCL/default-CUDA-12
export MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)i"
set +e
trap - DEBUG
case "$(trap -p EXIT)" in *hpo_failed*) trap - EXIT ;; esac

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH/%A_%a_%t_log.out --kill-on-bad-exit=0 --cpus-per-task=24 python -u -m submitit.core._submit FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH

