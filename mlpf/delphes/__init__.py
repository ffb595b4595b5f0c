"""Published Delphes files: safe unpickling, corrections, conversion."""
