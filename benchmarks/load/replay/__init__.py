"""Scale and storage under load."""
