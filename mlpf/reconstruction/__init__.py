"""Trained networks at work: exported models, particles of events in files."""
