"""The report of a task, as HTML and Markdown."""
