"""QUBO formulation and the samplers that minimize it."""
