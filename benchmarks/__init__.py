"""How long the tasks take, each beside what would be typed by hand; ``python -m benchmarks``."""
