"""Hydra jobs as processes of this machine or as SLURM job arrays."""
