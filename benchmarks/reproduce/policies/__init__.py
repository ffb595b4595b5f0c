"""Search policies compared on recorded learning curves.

On those of MLPF trainings (`make repro-pruner`), and on tables of several kinds beside the pruners
of other packages (`make repro-policies`).
"""
