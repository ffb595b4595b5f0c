#!/bin/bash

# Parameters
#SBATCH --account=ACCOUNT
#SBATCH --array=0-95%96
#SBATCH --constraint=h100
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --job-name=asha_bo
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --time=240

# setup
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-8}
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
module load modules/2.4-20250724 slurm gcc cmake cuda/12.8.0 cudnn/9.2.0.82-12 nccl openmpi apptainer
set +e
trap - DEBUG
case "$(trap -p EXIT)" in *hpo_failed*) trap - EXIT ;; esac

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH/%A_%a_%t_log.out --kill-on-bad-exit=0 --cpus-per-task=8 python -u -m submitit.core._submit FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH

