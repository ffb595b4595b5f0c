"""What all packages share: command lines, files, locks, processes."""
