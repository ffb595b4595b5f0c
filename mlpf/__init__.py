"""Machine-learned particle flow: events, networks, training and physics performance."""

__version__ = "0.1.0"
