"""What prevents a release, found before it starts."""
