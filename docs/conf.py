"""The site: ``python -m sphinx -W --keep-going -c docs . site``, from the top of the repository."""

from migrations_ops import __version__

project = "migrations_ops"
author = "The migrations_ops authors"
release = version = __version__
extensions = ["myst_parser"]
root_doc = "docs/index"
# The documents as they lie in the repository, so that their links lead to the same place in both.
include_patterns = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/*.md"]
html_theme = "alabaster"
html_theme_options = {"page_width": "75em", "description": "Alembic releases by one command"}
html_copy_source = False
# The headings are linked to by the anchors that GitHub makes of them.
myst_heading_anchors = 4
suppress_warnings = [
    # A file of the repository that is no page, a schema for instance.
    "myst.xref_missing",
    # MariaDB's quoted names, which Pygments does not know as SQL.
    "misc.highlighting_failure",
    # The findings have a heading for each code, and none for the groups.
    "myst.header",
]
