"""The shared study: its trials as tickets, and the leases on them."""
