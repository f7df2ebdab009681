"""Writes a new revision file, compared with the database of the first environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from migrations_ops.databases.interface import Database
from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.errors import ConfigurationError, OpsError, Refused
from migrations_ops.model.text import quoted
from migrations_ops.operations.advice import advice
from migrations_ops.operations.manual.alembic_command import print_alembic
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.branches import split_heads
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.source import list_operations
from migrations_ops.system.reading import what_else

# Alembic's words where env.py gives it no models.
_WITHOUT_MODELS = "does not provide a MetaData object"


def create_revision(
    project: Project,
    message: str,
    reporter: Reporter,
    *,
    autogenerate: bool,
    rev_id: str | None,
) -> tuple[Finished, Revision | None, list[str]]:
    """Write a new revision file, compared with the first environment's database.

    :returns: the new revision and its operations.
    """
    environment = project.settings.path[0]
    written: list[Revision] = []

    def body(session: Session) -> None:
        if autogenerate:
            _require_comparable(read_state(project, environment), message)
        before = set(project.history(environment).revisions)
        _require_template(project, environment)
        arguments = revision_arguments(message, rev_id, autogenerate=autogenerate)
        try:
            print_alembic(session, environment, arguments)
        except OpsError as error:
            if _WITHOUT_MODELS in error.what:
                raise _without_models(project, environment, message) from error
            # A hook that runs after the file was written may have failed.
            for new in _written(project, environment, before):
                error.untouched = (
                    f"{new.file} was written before that, and the next release would run it: look"
                    f" at it, or delete it. {error.untouched}"
                )
            raise
        written.extend(_written(project, environment, before))

    finished = run_recorded(project, "revision", environment.name, reporter, body)
    new = written[0] if written else None
    return finished, new, list_operations(new.path) if new else []


def create_merge(
    project: Project,
    scripts_of: Environment,
    heads: Sequence[str],
    message: str,
    reporter: Reporter,
    *,
    rev_id: str | None = None,
) -> tuple[Finished, Revision | None]:
    """Write a revision that merges heads.

    :returns: the new revision.
    """
    environment = project.settings.path_of(scripts_of)[0]
    written: list[Revision] = []

    def body(session: Session) -> None:
        before = set(project.history(environment).revisions)
        _require_template(project, environment)
        more = ["--rev-id", rev_id] if rev_id else []
        print_alembic(session, environment, ["merge", "-m", message, *more, *heads])
        written.extend(_written(project, environment, before))

    finished = run_recorded(project, "revision", environment.name, reporter, body)
    return finished, written[0] if written else None


def find_heads_to_merge(project: Project, environment: Environment) -> tuple[tuple[str, ...], str]:
    """The heads of one branch, and the message of a merge.

    :raises Refused: there are none.
    """
    history = project.history(environment)
    heads = split_heads(history, "head")
    if not heads:
        raise Refused(
            f"There is nothing to merge: the heads are {', '.join(history.heads) or 'none'}.",
            untouched="No file was written.",
            next="To merge branches that have labels: invoke alembic --env"
            f' {environment.name} --args "merge heads"'
            if len(history.heads) > 1
            else "",
        )
    return heads, merge_message([history.revisions[name] for name in heads])


def merge_message(heads: Sequence[Revision]) -> str:
    """What a revision that merges these is for: the titles of what it merges."""
    titles = [each.title or each.revision for each in heads]
    # Some characters have a meaning in the docstring where the message goes.
    return "merge " + " and ".join("".join(c for c in each if c not in '"\\') for each in titles)


def _require_template(project: Project, environment: Environment) -> None:
    """:raises Refused: Alembic would wait for what has the name of its template."""
    with suppress(ConfigurationError):  # Alembic itself says what it lacks
        env = project.script_location(environment).env
        template = env.with_name("script.py.mako") if env else None
        if template and os.path.lexists(template) and not os.path.isfile(template):
            raise Refused(
                f"{template} is {what_else(template) or 'not a regular file'}.",
                untouched="No revision was written.",
                next="Bring the template back: alembic init writes one into a new folder.",
            )


def _without_models(project: Project, environment: Environment, message: str) -> Refused:
    env_py = project.script_location(environment).env or "env.py"
    return Refused(
        f"{env_py} sets no target_metadata, so there are no models to compare the database with.",
        untouched="No file was written.",
        next="Set it there to the MetaData of your models; or, to write the operations yourself:"
        f" invoke revision --message {quoted(message)} --empty",
    )


def _creation(database: Database) -> str:
    """The statement that creates a server's database."""
    name, quote = PurePosixPath(database.label).name, "`" if database.syntax == "mariadb" else '"'
    return f"CREATE DATABASE {quote}{name.replace(quote, 2 * quote)}{quote}"


def _written(project: Project, environment: Environment, before: set[str]) -> list[Revision]:
    """The revisions that are new since then."""
    after: History = Project(project.settings).history(environment)
    return [after.revisions[name] for name in after.revisions if name not in before]


def revision_arguments(message: str, rev_id: str | None, *, autogenerate: bool) -> list[str]:
    """The arguments of ``alembic revision``."""
    arguments = ["revision", "-m", message]
    arguments += ["--autogenerate"] if autogenerate else []
    return [*arguments, "--rev-id", rev_id] if rev_id else arguments


def _require_comparable(state: DatabaseState, message: str) -> None:
    """:raises Refused: the models cannot be compared with this database, which is not at head."""
    # The first revision of a project is compared with a database that does not exist yet.
    nothing_yet = state.kind in ("missing", "empty") and not state.history.revisions
    if nothing_yet and state.kind == "missing" and state.database.is_server:
        raise Refused(
            f"The models are compared with {state.database.label}, which does not exist yet.",
            untouched="No file was written.",
            next=f"Create it there: {_creation(state.database)}; or, to write the operations"
            f" yourself: invoke revision --message {quoted(message)} --empty",
        )
    if state.kind != "at head" and not nothing_yet:
        name, label = state.environment.name, state.database.label
        raise Refused(
            f"The models are compared with {name} ({label}), which is {state.kind}.",
            untouched="No file was written.",
            next=f"{advice(state)}; or add --empty to write the operations yourself.",
        )
