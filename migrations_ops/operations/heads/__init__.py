"""One head: checked for CI, and mended where two branches have grown apart."""
