"""Checks everything that a release depends on, and changes nothing."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from migrations_ops.backups.space import find_obstacle
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.address import redirected
from migrations_ops.databases.interface import Database, DatabaseFile
from migrations_ops.model.allowed import Consent, advice_on_finding
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.model.findings import (
    BACKUPS_NOT_KEPT,
    DOCTOR_LISTS,
    ELSEWHERE,
    ENV_PY_FAILS,
    ENV_PY_NOT_TRIED,
    HOOK_MISSING,
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
from migrations_ops.model.outcome import DoctorReport
from migrations_ops.model.status import Selector
from migrations_ops.model.text import counted
from migrations_ops.operations.advice import advice_on_destination, with_advice_on_url
from migrations_ops.operations.edited_revisions import find_edited
from migrations_ops.operations.hooks import hook_variables
from migrations_ops.operations.preflight.clock import find_clock_behind
from migrations_ops.operations.preflight.obstacles import judge
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.operations.status import read_selector
from migrations_ops.project.environments import Environment
from migrations_ops.project.interpreters import find_package
from migrations_ops.project.project import Project
from migrations_ops.project.settings import Settings
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import start_step
from migrations_ops.steps.watched_command import find_program
from migrations_ops.system.mounts import Mount, mount_of
from migrations_ops.system.removal import remove_file

# Variables that lead a command typed by hand to another database, or change what it does.
_MISLEADING = (
    "ALEMBIC_CONFIG", "DATABASE_URL", "SQLALCHEMY_URL", "PGHOST", "PGSERVICE", "PGOPTIONS",
    "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV",
)  # fmt: skip


def examine(project: Project) -> DoctorReport:
    """Check everything that a release depends on."""
    settings, selector = project.settings, read_selector(project)
    findings, advice = [*_shell(selector), *_hooks(settings)], []
    # Environments that share an interpreter share what is found about it.
    last_of = {environment.python: environment for environment in settings.path}
    for environment in settings.path:
        found = _environment(project, environment)
        if last_of[environment.python] is environment:
            found += _plugin(project, environment)
        findings += found
        errors = (each for each in found if each.severity == "error")
        advice += [_advice_on(project, environment, each) for each in errors]
    return DoctorReport(
        configuration=str(settings.file),
        alembic=str(settings.alembic),
        path=tuple(environment.name for environment in settings.path),
        selector=selector,
        python=sys.executable,
        versions=_versions(),
        findings=tuple(findings),
        advice=tuple(advice),
    )


def _advice_on(project: Project, environment: Environment, found: Finding) -> str:
    if found.code == ELSEWHERE.code:
        return advice_on_destination(project, environment)
    advice = advice_on_finding(found, environment.name, by_flag=False).replace(DOCTOR_LISTS, "")
    if found.code == ENV_PY_FAILS.code:
        advice = with_advice_on_url(project, environment, advice)
    return advice


def require_no_errors(report: DoctorReport) -> None:
    """:raises Refused: a finding is an error."""
    if not report.passed:
        raise Refused(
            f"doctor found {counted(len(report.advice), 'thing')} to fix.",
            untouched="Nothing was changed.",
            next=report.advice[0],
        )


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


def _hooks(settings: Settings) -> list[Finding]:
    """Finds hooks whose program does not exist."""
    variables = hook_variables()
    return [
        HOOK_MISSING.found(moment, command=argv[0])
        for moment, argv in settings.hooks.configured()
        if find_program(argv[0], variables, settings.root) is None
    ]


def _environment(project: Project, environment: Environment) -> list[Finding]:
    """Check the scripts first, then the database, then what prevents a release of it."""
    name = environment.name
    try:
        database = project.database(environment)
        others = project.other_identities(environment)
        state = read_state(project, environment)
        if environment.python is None:
            project.script_location(environment)
    except OpsError as error:
        return [UNUSABLE.found(name, reason=_with_advice(error))]
    try:
        database.require_usable()
    except OpsError as error:
        return [UNUSABLE.found(name, reason=_with_advice(error))]
    found = database.find_obstacles(others)
    if state.kind == "unreachable":
        # The state gives the reason already.
        found = [each for each in found if each.code != UNREACHABLE.code]
    if state.inspection.exists:
        found += [*database.check_integrity(), *find_edited(state)]
    judged = judge(
        dict.fromkeys(found),
        environment,
        map(Consent.of, environment.allow),
        is_rehearsed=project.settings.is_rehearsed(environment),
        is_pending=bool(state.pending),
    )
    findings = [_state(state), *judged]
    findings += find_clock_behind(project, environment)
    if state.inspection.exists:
        findings += _store(project, state)
    findings += _kept(project, state, mount_of)
    if state.kind != "unreachable":
        findings += _ask_env_py(project, environment, state)
    return findings


def _with_advice(error: OpsError) -> str:
    return " ".join(filter(None, (error.what, error.next)))


def _state(state: DatabaseState) -> Finding:
    name, label = state.environment.name, state.database.label
    if state.kind in NOT_UPGRADABLE.kinds:
        detail = f": {state.trouble}" if state.trouble else ""
        return STATE.found(name, database=label, state=state.kind, detail=detail)
    if state.pending:
        pending = counted(len(state.pending), "revision")
        return STATE_PENDING.found(name, database=label, state=state.kind, pending=pending)
    if state.kind in ("missing", "empty"):
        return STATE_PENDING.found(name, database=label, state=state.kind, pending="no revision")
    return STATE_AT_HEAD.found(name, database=label)


def _store(project: Project, state: DatabaseState) -> list[Finding]:
    obstacle = find_obstacle(BackupStore.of(project.settings, state.environment), state.database)
    reason = obstacle.removesuffix(".")
    return [UNUSABLE_STORE.found(state.environment.name, reason=reason)] if reason else []


def _kept(
    project: Project, state: DatabaseState, mount_of: Callable[[Path], Mount | None]
) -> list[Finding]:
    """Finds backups that end with the container, or with the machine, before their database."""
    name, database = state.environment.name, state.database
    folder = BackupStore.of(project.settings, state.environment).folder
    mount = mount_of(folder)
    is_beside = isinstance(database, DatabaseFile) and mount_of(database.folder) == mount
    if mount is None or not mount.ends_with or is_beside:
        return []
    return [
        BACKUPS_NOT_KEPT.found(
            name, folder=folder, type=mount.type, end=mount.ends_with, database=database.label
        )
    ]


def _ask_env_py(project: Project, environment: Environment, state: DatabaseState) -> list[Finding]:
    """Let env.py open the database, and check that it is the configured one.

    If there is no database yet, it gets an empty one, which is thrown away.
    """
    if environment.commands:
        return []
    name = environment.name
    log = project.settings.releases / f"doctor.{name}.log"
    with ExitStack() as stack:
        try:
            asked = stack.enter_context(_asked(project, environment, state))
        except OpsError as error:
            reason = _with_advice(error).removesuffix(".")
            return [ENV_PY_NOT_TRIED.found(name, reason=reason)]
        try:
            child = start_step(asked.project, asked.environment, [["current"]], log)
        except OpsError as error:
            return [UNUSABLE.found(name, reason=_with_advice(error))]
        stack.callback(child.close)
        instructions = instructions_for(asked.project, asked.environment, scratch=asked.scratch)
        run = child.run(instructions)
    if run.refused:
        return [ELSEWHERE.found(name, reason=run.refused)]
    if run.failure:
        where = run.where or str(log)
        reason = f"{run.failure}. {run.next.removesuffix('.')}" if run.next else run.failure
        return [ENV_PY_FAILS.found(where, environment=name, reason=reason)]
    with suppress(OSError):
        remove_file(log)
    return []


@dataclass(frozen=True)
class _Asked:
    """What env.py is asked to open; ``scratch`` is what it is redirected to."""

    project: Project
    environment: Environment
    scratch: Database | None = None


@contextmanager
def _asked(project: Project, environment: Environment, state: DatabaseState) -> Iterator[_Asked]:
    """The database; in place of one that does not exist yet, an empty one.

    A connection to a server can be redirected only once it is there: so the other URL is handed
    over instead.

    :raises OpsError: the server permits none, or another task has locked it.
    """
    if state.inspection.exists:
        yield _Asked(project, environment)
        return
    database = state.database
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="migrations_ops."))
        if not database.is_server:
            scratch = database.make_scratch(Path(folder) / "doctor.sqlite3", None)
            yield _Asked(project, environment, scratch)
            return
        if not (environment.ini_url or "{url}" in "".join(environment.variables.values())):
            raise Refused("it takes no URL, and its database does not exist yet.")
        # Copies that are left are dropped when the lock is released.
        stack.enter_context(database.locked("doctor", 0))
        parts = database.make_scratch(Path(folder), None).redirect() or {}
        other = replace(environment, url=redirected(project.url(environment), parts))
        yield _Asked(Project(replace(project.settings, path=(other,))), other)


def _plugin(project: Project, environment: Environment) -> list[Finding]:
    """Finds an interpreter of the environment's own that lacks our plugin."""
    python, name = environment.python, environment.name
    if python is None:
        return []
    try:
        variables = project.variables(environment)
        found = find_package(python, "migrations_ops", variables, environment.directory)
    except OpsError as error:
        return [UNUSABLE.found(name, reason=_with_advice(error))]
    if found is not None:
        return []
    return [NO_PLUGIN.found(str(python), python=python)]
