"""The task doctor: checks everything that a release depends on, as the guide describes it."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from migrations_ops.backups.space import find_obstacle
from migrations_ops.backups.store import BackupStore
from migrations_ops.cli.console import Console
from migrations_ops.cli.output import text
from migrations_ops.cli.output.style import Style
from migrations_ops.model.allowed import what_to_do
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.model.findings import (
    ELSEWHERE,
    ENV_PY_FAILS,
    NO_PLUGIN,
    NOT_UPGRADABLE,
    SELECTOR_SET,
    STATE,
    STATE_AT_HEAD,
    STATE_PENDING,
    UNREACHABLE,
    UNUSABLE,
    UNUSABLE_STORE,
    VARIABLE_SET,
    Finding,
)
from migrations_ops.model.status import Selector
from migrations_ops.model.text import counted
from migrations_ops.operations.state import read_state
from migrations_ops.operations.status import read_selector
from migrations_ops.project.environments import Environment
from migrations_ops.project.interpreters import find_package
from migrations_ops.project.project import Project
from migrations_ops.revisions.loader import find_scripts
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import start_step

# Variables that lead a command typed by hand to another database, or change what it does.
_MISLEADING = (
    "ALEMBIC_CONFIG", "DATABASE_URL", "SQLALCHEMY_URL", "PGHOST", "PGSERVICE", "PGOPTIONS",
    "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV",
)  # fmt: skip


def examine(here: Console) -> None:
    """Check everything that a release depends on.

    :raises Refused: something is wrong; each finding is shown before.
    """
    project = here.project_as_it_is()
    selector = read_selector(project)
    versions = _versions()
    names = [environment.name for environment in project.settings.path]
    by_name = {name: _environment(project, name) for name in names}
    findings = [*_shell(selector), *(each for found in by_name.values() for each in found)]
    todo = [
        what_to_do(each, name)
        for name, found in by_name.items()
        for each in found
        if each.severity == "error"
    ]
    document = {
        "passed": not todo,
        "configuration": str(project.settings.file),
        "alembic": str(project.settings.alembic),
        "path": names,
        "selector": asdict(selector),
        "python": sys.executable,
        "versions": versions,
        "findings": [asdict(finding) for finding in findings],
    }
    here.show(lambda: _as_text(_facts(project, selector, versions), findings, here.style), document)
    if todo:
        raise Refused(
            f"doctor found {counted(len(todo), 'thing')} to mend.",
            untouched="Nothing was changed.",
            next=todo[0],
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
        findings.append(
            SELECTOR_SET.found(selector.name, value=selector.shell_value, effect=selector.effect)
        )
    return findings + [VARIABLE_SET.found(name) for name in _MISLEADING if os.environ.get(name)]


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
        return [UNUSABLE.found(name, reason=error)]
    findings = []
    try:
        database.require_usable()
    except OpsError as error:
        return [UNUSABLE.found(name, reason=error.what)]
    if state.kind in NOT_UPGRADABLE.kinds:
        detail = f": {state.trouble}" if state.trouble else ""
        findings.append(STATE.found(name, database=database.label, state=state.kind, detail=detail))
    elif state.pending:
        pending = counted(len(state.pending), "revision")
        findings.append(
            STATE_PENDING.found(name, database=database.label, state=state.kind, pending=pending)
        )
    else:
        findings.append(STATE_AT_HEAD.found(name, database=database.label))
    findings += [each for each in database.find_obstacles(others) if each.code != UNREACHABLE.code]
    if state.look.exists:
        obstacle = find_obstacle(BackupStore.of(project.settings, environment), database)
        if obstacle:
            findings.append(UNUSABLE_STORE.found(name, reason=obstacle.removesuffix(".")))
        findings += [*database.check_integrity(), *_ask_env_py(project, environment)]
    return [*dict.fromkeys(findings), *_plugin(project, environment)]


def _ask_env_py(project: Project, environment: Environment) -> list[Finding]:
    """Let env.py open the database, and check that it is the configured one.

    Nothing is asked where there is no database yet: opening it would create one.
    """
    if environment.commands:
        return []
    name = environment.name
    log = project.settings.releases / f"doctor.{name}.log"
    try:
        child = start_step(project, environment, [["current"]], log)
    except OpsError as error:
        return [UNUSABLE.found(name, reason=error.what)]
    try:
        run = child.run(instructions_for(project, environment))
    finally:
        child.close()
    if run.refused:
        return [ELSEWHERE.found(name, reason=run.refused)]
    if run.failure:
        where = run.where or str(log)
        return [ENV_PY_FAILS.found(where, environment=name, reason=run.failure)]
    with suppress(OSError):
        log.unlink()
    return []


def _plugin(project: Project, environment: Environment) -> list[Finding]:
    """Finds an interpreter of the environment's own that lacks our plugin."""
    python, name = environment.python, environment.name
    if python is None:
        return []
    try:
        variables = project.variables(environment)
        found = find_package(python, "migrations_ops", variables, environment.directory)
    except OpsError as error:
        return [UNUSABLE.found(name, reason=error.what)]
    if found is not None:
        return []
    return [NO_PLUGIN.found(name, python=python)]


def _as_text(facts: dict[str, str], findings: list[Finding], style: Style) -> str:
    columns = max(len(name) for name in facts)
    lines = [
        f"{style.paint(name.ljust(columns), 'bold')}  {value}" for name, value in facts.items()
    ]
    return "\n".join([*lines, "", *(text.finding(finding, style) for finding in findings)])
