"""Forecasts of the end of a learning curve, from the trials of a study."""
