"""One worker of a sweep, and what it records about itself."""
