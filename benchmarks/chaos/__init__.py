"""Sweeps on a real SLURM cluster under faults; see `benchmarks.chaos.__main__`."""
