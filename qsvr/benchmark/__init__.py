"""How well the end of a learning curve is predicted: `python -m qsvr.benchmark --help`."""
