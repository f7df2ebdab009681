"""doctor: the guide's troubleshooting, done by a task."""

from __future__ import annotations

import os
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version

from migrations_ops.console import Console
from migrations_ops.errors import OpsError, Refused
from migrations_ops.project import Project
from migrations_ops.render import text
from migrations_ops.render.style import Style
from migrations_ops.results import Finding
from migrations_ops.scripts import find_scripts
from migrations_ops.status import read_selector, stand

# Variables that have led a hand-typed command to another database, or changed what it does.
_TELLING = (
    "ALEMBIC_CONFIG", "DATABASE_URL", "SQLALCHEMY_URL", "PGHOST", "PGSERVICE", "PGOPTIONS",
    "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV",
)  # fmt: skip


def examine(here: Console) -> None:
    """Look at everything that a release rests on.

    :raises Refused: something is wrong; each finding is shown before.
    """
    project = here.project()
    facts = _facts(project)
    findings = [
        *_shell(project),
        *(
            finding
            for each in project.settings.path
            for finding in _environment(project, each.name)
        ),
    ]
    document = {
        "facts": facts,
        "findings": [
            {"code": f.code, "severity": f.severity, "message": f.message, "where": f.where}
            for f in findings
        ],
    }
    here.show(lambda: _as_text(facts, findings, here.style), document)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise Refused(
            f"doctor found {len(errors)} thing{'s' * (len(errors) > 1)} to mend.",
            untouched="Nothing was changed.",
        )


def _facts(project: Project) -> dict[str, str]:
    settings = project.settings
    selector = read_selector(project)
    value = selector.shell_value
    facts = {
        "configuration": str(settings.file),
        "alembic.ini": str(settings.alembic),
        "path": " -> ".join(environment.name for environment in settings.path),
        "selector": f"{selector.name}={value}" if value else f"{selector.name} is not set",
        "now": selector.effect,
        "python": f"{sys.version.split()[0]} ({sys.executable})",
        "sqlite": sqlite3.sqlite_version,
    }
    for package in ("alembic", "sqlalchemy", "invoke", "migrations-ops"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed here"
    return facts


def _shell(project: Project) -> list[Finding]:
    selector = read_selector(project)
    findings = []
    if selector.shell_value:
        message = (
            f"{selector.name}={selector.shell_value} is set in this shell: {selector.effect}."
            f" To clear it: unset {selector.name}, in PowerShell"
            f" Remove-Item Env:\\{selector.name}"
        )
        findings.append(Finding("selector-set", "warning", message, selector.name))
    for name in _TELLING:
        if os.environ.get(name):
            message = f"{name} is set in this shell; tasks ignore it, a bare alembic may not"
            findings.append(Finding("variable-set", "note", message, name))
    return findings


def _environment(project: Project, name: str) -> list[Finding]:
    environment = project.settings.environment(name)
    try:
        database = project.database(environment)
        standing = stand(project, environment)
        if environment.python is None:
            find_scripts(
                project.settings.alembic, environment.section, directory=environment.directory
            )
    except OpsError as error:
        return [Finding("unusable", "error", f"{name}: {error}", name)]
    findings = []
    try:
        database.require_usable()
    except OpsError as error:
        return [Finding("unusable", "error", f"{name}: {error.what}", name)]
    if standing.state in ("ahead", "diverged", "unversioned", "unreachable"):
        detail = f": {standing.trouble}" if standing.trouble else ""
        message = f"{name} ({database.label}) is {standing.state}{detail}"
        findings.append(Finding("state", "error", message, name))
    elif standing.pending:
        message = f"{name} ({database.label}) has {len(standing.pending)} pending"
        findings.append(Finding("state", "note", message, name))
    else:
        findings.append(Finding("state", "note", f"{name} ({database.label}) is at head", name))
    if standing.look.exists:
        findings += database.check_integrity()
    return findings


def _as_text(facts: dict[str, str], findings: list[Finding], style: Style) -> str:
    columns = max(len(name) for name in facts)
    lines = [
        f"{style.paint(name.ljust(columns), 'bold')}  {value}" for name, value in facts.items()
    ]
    return "\n".join([*lines, "", *(text.finding(finding, style) for finding in findings)])
