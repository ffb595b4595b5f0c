"""Many short sweeps under random faults."""
