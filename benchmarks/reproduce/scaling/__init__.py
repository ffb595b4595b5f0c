"""Speed-up of a search over nodes, measured and simulated (`make repro-scaling`)."""
