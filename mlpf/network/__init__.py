"""The network: encoding, bins, GNN-LSH layers, heads."""
