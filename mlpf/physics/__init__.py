"""Physics performance: figures of events, with errors, from truth and the algorithms' answers."""
