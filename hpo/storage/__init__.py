"""Where a study is kept: opening it, patience, the journal file and its repair."""
