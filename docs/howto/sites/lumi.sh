#!/bin/bash

# Parameters
#SBATCH --account=ACCOUNT
#SBATCH --array=0-11%12
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-node=8
#SBATCH --job-name=asha_bo
#SBATCH --mem=450G
#SBATCH --no-requeue
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --open-mode=append
#SBATCH --output=FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH/%A_%a_0_log.out
#SBATCH --partition=standard-g
#SBATCH --signal=USR2@120
#SBATCH --time=1440

# setup
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}
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
export NCCL_SOCKET_IFNAME=hsn0,hsn1,hsn2,hsn3 NCCL_NET_GDR_LEVEL=PHB
export MIOPEN_USER_DB_PATH=/tmp/$USER-miopen-$SLURM_JOB_ID MIOPEN_CUSTOM_CACHE_DIR=/tmp/$USER-miopen-$SLURM_JOB_ID
set +e
trap - DEBUG
case "$(trap -p EXIT)" in *hpo_failed*) trap - EXIT ;; esac

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH/%A_%a_%t_log.out --kill-on-bad-exit=0 --cpus-per-task=4 python -u -m submitit.core._submit FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH

