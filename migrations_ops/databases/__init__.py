"""The engines: one small interface, and a package for each engine with the same modules."""
