"""A trained network judged beside the rules: tables, pages and pictures."""
