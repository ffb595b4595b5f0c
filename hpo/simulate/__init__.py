"""Sweeps replayed from recorded learning curves in virtual time: `python -m hpo.simulate`."""
