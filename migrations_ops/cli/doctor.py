"""The task doctor: the troubleshooting of the guide."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from migrations_ops.backups.store import BackupStore
from migrations_ops.cli.console import Console
from migrations_ops.cli.output import text
from migrations_ops.cli.output.style import Style
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.model.findings import Finding
from migrations_ops.model.results import Selector
from migrations_ops.model.text import counted
from migrations_ops.operations.state import read_state
from migrations_ops.operations.status import read_selector
from migrations_ops.project.environments import Environment
from migrations_ops.project.interpreters import find_package
from migrations_ops.project.project import Project
from migrations_ops.revisions.loader import find_scripts
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import start_step

# Variables that have led a hand-typed command to another database, or changed what it does.
_TELLING = (
    "ALEMBIC_CONFIG", "DATABASE_URL", "SQLALCHEMY_URL", "PGHOST", "PGSERVICE", "PGOPTIONS",
    "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV",
)  # fmt: skip


def examine(here: Console) -> None:
    """Look at everything that a release rests on.

    :raises Refused: something is wrong; each finding is shown before.
    """
    project = here.project_as_it_is()
    selector = read_selector(project)
    versions = _versions()
    findings = [
        *_shell(selector),
        *(
            finding
            for each in project.settings.path
            for finding in _environment(project, each.name)
        ),
    ]
    errors = [finding for finding in findings if finding.severity == "error"]
    document = {
        "passed": not errors,
        "configuration": str(project.settings.file),
        "alembic": str(project.settings.alembic),
        "path": [environment.name for environment in project.settings.path],
        "selector": asdict(selector),
        "python": sys.executable,
        "versions": versions,
        "findings": [asdict(finding) for finding in findings],
    }
    here.show(lambda: _as_text(_facts(project, selector, versions), findings, here.style), document)
    if errors:
        raise Refused(
            f"doctor found {counted(len(errors), 'thing')} to mend.",
            untouched="Nothing was changed.",
        )


def _facts(project: Project, selector: Selector, versions: dict[str, str]) -> dict[str, str]:
    settings = project.settings
    value = selector.shell_value
    return {
        "configuration": str(settings.file),
        "alembic.ini": str(settings.alembic),
        "path": " -> ".join(environment.name for environment in settings.path),
        "selector": f"{selector.name}={value}" if value else f"{selector.name} is not set",
        "now": selector.effect,
        "python": f"{versions['python']} ({sys.executable})",
        **{name: found for name, found in versions.items() if name != "python"},
    }


def _versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version}
    for package in ("alembic", "sqlalchemy", "invoke", "migrations-ops"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed here"
    return versions


def _shell(selector: Selector) -> list[Finding]:
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
        others = project.others(environment)
        state = read_state(project, environment)
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
    if state.kind in ("ahead", "diverged", "unversioned", "unreachable", "dirty"):
        detail = f": {state.trouble}" if state.trouble else ""
        message = f"{name} ({database.label}) is {state.kind}{detail}"
        findings.append(Finding("state", "error", message, name))
    elif state.pending:
        pending = counted(len(state.pending), "revision")
        message = f"{name} ({database.label}) is {state.kind}, {pending} pending"
        findings.append(Finding("state", "note", message, name))
    else:
        findings.append(Finding("state", "note", f"{name} ({database.label}) is at head", name))
    findings += [each for each in database.find_obstacles(others) if each.code != "unreachable"]
    if state.look.exists:
        obstacle = BackupStore.of(project.settings, environment).find_obstacle(database)
        if obstacle:
            findings.append(Finding("unusable", "error", obstacle.removesuffix("."), name))
        findings += [*database.check_integrity(), *_ask_env_py(project, environment)]
    return [*dict.fromkeys(findings), *_plugin(project, environment)]


def _ask_env_py(project: Project, environment: Environment) -> list[Finding]:
    """Let env.py open the database, and see whether that is the one that is meant.

    Nothing is asked where there is no database yet: opening it would create one.
    """
    if environment.commands:
        return []
    name = environment.name
    log = project.settings.releases / f"doctor.{name}.log"
    try:
        child = start_step(project, environment, [["current"]], log)
    except OpsError as error:
        return [Finding("unusable", "error", f"{name}: {error.what}", name)]
    try:
        run = child.run(instructions_for(project, environment))
    finally:
        child.close()
    if run.refused:
        return [Finding("elsewhere", "error", f"{name}: {run.refused}", name)]
    if run.failure:
        return [Finding("env-py-fails", "error", f"{name}: {run.failure}", run.where or str(log))]
    with suppress(OSError):
        log.unlink()
    return []


def _plugin(project: Project, environment: Environment) -> list[Finding]:
    """Whether a bare alembic of the environment's own interpreter has our plugin."""
    python, name = environment.python, environment.name
    if python is None:
        return []
    try:
        variables = project.variables(environment)
        found = find_package(python, "migrations_ops", variables, environment.directory)
    except OpsError as error:
        return [Finding("unusable", "error", f"{name}: {error.what}", name)]
    if found is not None:
        return []
    message = (
        f"migrations_ops is not installed for {python}: tasks work, but a bare alembic there is"
        " not protected"
    )
    return [Finding("no-plugin", "note", message, name)]


def _as_text(facts: dict[str, str], findings: list[Finding], style: Style) -> str:
    columns = max(len(name) for name in facts)
    lines = [
        f"{style.paint(name.ljust(columns), 'bold')}  {value}" for name, value in facts.items()
    ]
    return "\n".join([*lines, "", *(text.finding(finding, style) for finding in findings)])
