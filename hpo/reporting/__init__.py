"""What people see of a study: figures, table, pictures, the best configuration."""
