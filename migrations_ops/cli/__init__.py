"""Command line in, text or JSON out: one file for each group of tasks; decides nothing."""
