"""CPU and GPU time of parts."""
