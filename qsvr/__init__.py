"""Learning-curve prediction by support vector regression, classical and annealed."""
