"""How results look: as text for people, as JSON for programs. Depends on results only."""
