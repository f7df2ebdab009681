"""The engines: one small interface, and a folder for each engine with the same rooms."""
