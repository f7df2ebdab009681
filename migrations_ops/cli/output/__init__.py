"""How results look: as text for people, as JSON for programs. Knows results alone."""
