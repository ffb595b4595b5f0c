"""The storage of a study: opening it, patience, the journal file and its repair."""
