"""Random histories: a random schema with random rows, and random revisions that change it."""
