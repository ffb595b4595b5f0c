"""Figures of physics performance, from arrays: classes, momenta, jets, missing energy."""
