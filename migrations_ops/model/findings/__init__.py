"""The catalogue of findings: for each code its severity, its sentence, and what to do.

All checks make their findings from these entries::

    ORPHANS.found(child, rows=3, parent=parent)

A code and its severities are a contract: ``--allow`` names the code, and other programs read it.
docs/findings.md describes each code under a heading of its own.

One module has one theme; all names are here, too.
"""

# ruff: noqa: F403, F405 (what the modules of the catalogue define is what it has)

from __future__ import annotations

from migrations_ops.model.findings import lint, lint_mariadb, lint_postgresql, lint_sqlite
from migrations_ops.model.findings.before_release import *
from migrations_ops.model.findings.changed import *
from migrations_ops.model.findings.comments import *
from migrations_ops.model.findings.doctor import *
from migrations_ops.model.findings.entry import *
from migrations_ops.model.findings.lint import *
from migrations_ops.model.findings.lint_mariadb import *
from migrations_ops.model.findings.lint_postgresql import *
from migrations_ops.model.findings.lint_sqlite import *
from migrations_ops.model.findings.lost import *
from migrations_ops.model.findings.rehearsal import *
from migrations_ops.model.findings.release import *
from migrations_ops.model.findings.verify import *

# Their entries all say what to write instead, whatever their severity.
_LINT = (lint, lint_mariadb, lint_postgresql, lint_sqlite)

CATALOGUE = tuple(each for each in [*globals().values()] if isinstance(each, Entry))
CODES = {code: entry for entry in reversed(CATALOGUE) for code in entry.codes}
LINT_CODES = frozenset(
    code
    for module in _LINT
    for each in vars(module).values()
    if isinstance(each, Entry)
    for code in each.codes
)
