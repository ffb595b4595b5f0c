"""SLURM and PostgreSQL for the tests: real ones on this machine, without root or containers."""
