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
export NCCL_SOCKET_IFNAME=hsn0,hsn1,hsn2,hsn3 NCCL_NET_GDR_LEVEL=PHB
export MIOPEN_USER_DB_PATH=/tmp/$USER-miopen-$SLURM_JOB_ID MIOPEN_CUSTOM_CACHE_DIR=/tmp/$USER-miopen-$SLURM_JOB_ID

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH/%A_%a_%t_log.out --kill-on-bad-exit=0 --cpus-per-task=4 python -u -m submitit.core._submit FOLDER/outputs/sweeps/asha_bo/workers/LAUNCH

