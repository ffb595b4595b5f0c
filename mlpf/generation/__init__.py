"""Own events: Pythia, pile-up, detector simulation, particle flow."""
