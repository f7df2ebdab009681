"""Plans: the steps that a task would run, and what a rehearsal measures of them."""
