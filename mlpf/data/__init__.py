"""Events on disk and in memory: Parquet files, batches, loaders."""
