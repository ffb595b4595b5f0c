"""Training: trainer, losses, metrics, schedules, checkpoints, ranks."""
