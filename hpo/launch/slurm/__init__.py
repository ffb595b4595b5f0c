"""Hydra jobs as SLURM job arrays: options, submission, what runs inside, who watches."""
