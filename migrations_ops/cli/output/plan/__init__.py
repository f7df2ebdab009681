"""A measured plan as text, Markdown and HTML."""
