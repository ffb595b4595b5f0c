"""What to try and what to stop: search spaces, samplers, pruners."""
