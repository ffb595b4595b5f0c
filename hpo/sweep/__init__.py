"""The sweep of one command: the study, its crew of workers, the result."""
