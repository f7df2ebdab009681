"""Refuses a revision whose id is longer than its server's version table takes: PostgreSQL fails
after the revision ran, and MariaDB cuts the id short where its sql_mode lets it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.model.allowed import Consent, allow_flags, allow_setting, without_allowed
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.model.findings import LONG_REVISION_ID, Finding
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import Revision
from migrations_ops.system.reading import read_bytes

if TYPE_CHECKING:
    # A check of scripts alone needs neither, and would take longer.
    from migrations_ops.operations.session import Session
    from migrations_ops.operations.state import DatabaseState

# What Alembic makes, if neither env.py nor a plugin makes something else.
WIDTH = 32
# Wide enough for most, and on MariaDB narrow enough for a key in utf8mb4 of any row format.
_WIDER = 128
_MADE_ELSEWHERE = (b"version_num", b"version_table_impl")


def require_short_ids(session: Session, state: DatabaseState) -> None:
    """:raises Refused: the id of a pending revision does not fit into the version table."""
    require_fitting(session, state, state.pending)


def require_fitting(session: Session, state: DatabaseState, revisions: Iterable[Revision]) -> None:
    """:raises Refused: the id of one of these does not fit into the version table."""
    environment = state.environment
    width = width_of(state)
    if width is None:
        return
    too_long = find_too_long([*revisions], width)
    allowed = session.allowed(environment)
    errors = _errors(session.project, environment, too_long, width, allowed)
    if not errors:
        return
    longest = max(len(each.revision) for each in too_long)
    statement = write_statement(
        state.database.syntax, environment, max(longest, _WIDER), made=state.inspection.versioned
    )
    raise Refused(
        f"{environment.name} cannot be released: {errors[0].message}.",
        untouched="No database was touched.",
        next=f"Type there: {statement}; or, where it has run nowhere yet, give it a shorter id in"
        f" {too_long[0].file}; or, if it is made longer before: {allow_flags(errors)}",
    )


def require_short(project: Project, environment: Environment, revisions: list[Revision]) -> None:
    """As the preflight, for scripts alone: of a version table as Alembic makes it.

    :raises Refused: the id of one of these does not fit.
    """
    too_long, allowed = find_too_long(revisions, WIDTH), [*map(Consent.of, environment.allow)]
    errors = _errors(project, environment, too_long, WIDTH, allowed)
    if errors:
        raise Refused(
            f"{errors[0].message[0].upper()}{errors[0].message[1:]}.",
            untouched="Nothing was changed.",
            next=f"Give it a shorter id in {too_long[0].file}; or, if that column is longer there:"
            f" {allow_setting(errors, environment.name)}",
        )


def _errors(
    project: Project,
    environment: Environment,
    too_long: list[Revision],
    width: int,
    allowed: Collection[Consent],
) -> list[Finding]:
    if not too_long or _is_made_by_env_py(project, environment):
        return []
    found = [
        LONG_REVISION_ID.found(
            each.revision,
            length=len(each.revision),
            table=environment.version_table,
            width=width,
            environment=environment.name,
        )
        for each in too_long
    ]
    return [each for each in without_allowed(found, allowed) if each.severity == "error"]


def width_of(state: DatabaseState) -> int | None:
    """How many characters the version table takes, or will take; None for any number."""
    if not state.database.is_server:
        return None  # SQLite enforces no length
    return state.inspection.version_width if state.inspection.versioned else WIDTH


def find_too_long(revisions: Iterable[Revision], width: int) -> list[Revision]:
    """Those whose ids are longer, up to the first that may change the version table itself."""
    revisions, found = [*revisions], []
    if all(len(each.revision) <= width for each in revisions):
        return []
    for each in revisions:
        if _mentions(each.path):
            break
        if len(each.revision) > width:
            found.append(each)
    return found


def _is_made_by_env_py(project: Project, environment: Environment) -> bool:
    file: Path | None = None
    with suppress(OpsError):
        file = project.script_location(environment).env
    return file is not None and _mentions(file)


def _mentions(file: Path) -> bool:
    with suppress(OSError):
        text = read_bytes(file)
        return any(each in text for each in _MADE_ELSEWHERE)
    return False


def write_statement(syntax: Syntax, environment: Environment, width: int, *, made: bool) -> str:
    """The SQL that lets the version table take ids of this length, or makes it so."""
    quote = "`" if syntax == "mariadb" else '"'
    names = filter(None, (environment.version_table_schema, environment.version_table))
    table = ".".join(quote + each.replace(quote, 2 * quote) + quote for each in names)
    column = f"version_num VARCHAR({width}) NOT NULL"
    if not made:
        return f"CREATE TABLE {table} ({column} PRIMARY KEY)"
    if syntax == "mariadb":
        return f"ALTER TABLE {table} MODIFY {column}"
    return f"ALTER TABLE {table} ALTER COLUMN version_num TYPE VARCHAR({width})"
