"""Sweeps on a real SLURM cluster to which faults are done; see `benchmarks.chaos.__main__`."""
