"""Search policies of papers, compared on the recorded MLPF curves (`make repro-pruner`)."""
