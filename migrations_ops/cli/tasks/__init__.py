"""The tasks: the flags of each, and its help. What it does is in the module that it calls."""
