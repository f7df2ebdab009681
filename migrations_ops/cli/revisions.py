"""The tasks revision, downgrade, stamp, adopt, resolve and alembic."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from migrations_ops.cli.console import Console, lines_of, require_env, require_text, split_arguments
from migrations_ops.cli.output import documents
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.plan import AlembicCommands, StepName
from migrations_ops.operations.manual.adopt import adopt_environment
from migrations_ops.operations.manual.alembic_command import (
    changes_database,
    run_alembic,
)
from migrations_ops.operations.manual.downgrade import downgrade_environment
from migrations_ops.operations.manual.new_revision import (
    create_merge,
    create_revision,
    find_heads_to_merge,
    revision_arguments,
)
from migrations_ops.operations.manual.resolve import resolve_environment
from migrations_ops.operations.manual.stamp import stamp_environment
from migrations_ops.operations.plan.steps import list_steps
from migrations_ops.operations.run import Finished
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project

_BACK_UP: tuple[StepName, AlembicCommands] = (StepName.BACK_UP, ())


def run_revision(
    console: Console, message: str | None, rev_id: str | None, *, autogenerate: bool, dry: bool
) -> None:
    """Write a revision file."""
    text = require_text(message, "--message", "revision", '--message "add a due date"')
    project = console.project_as_it_is()
    first = project.settings.path[0]
    if dry:
        arguments = revision_arguments(text, rev_id, autogenerate=autogenerate)
        _show_steps(console, project, first, (StepName.REVISION, (tuple(arguments),)))
        return
    finished, new, operations = create_revision(
        project, text, console.reporter, autogenerate=autogenerate, rev_id=rev_id
    )
    lines = []
    if new is not None:
        lines.append(_shown(new.path))
        lines += [f"  {operation}" for operation in operations]
        if autogenerate and not operations:
            lines.append("  nothing was detected: the models and the database agree")
    document = documents.revision(first.name, new, operations)
    console.finish(finished, *lines, document=None if finished.error else document)


def run_merge(console: Console, message: str | None, rev_id: str | None, *, dry: bool) -> None:
    """Write a revision that merges the heads."""
    project = console.project_as_it_is()
    first = project.settings.path[0]
    heads, text = find_heads_to_merge(project, first)
    message = message or text
    if dry:
        arguments = ("merge", "-m", message, *heads)
        _show_steps(console, project, first, (StepName.REVISION, (arguments,)))
        return
    finished, new = create_merge(project, first, heads, message, console.reporter, rev_id=rev_id)
    lines = [_shown(new.path)] if new is not None else []
    document = documents.revision(first.name, new, [])
    console.finish(finished, *lines, document=None if finished.error else document)


def _shown(file: Path) -> str:
    """A file's name, short where that is possible: not on another drive of Windows."""
    with suppress(ValueError):
        return os.path.relpath(file)
    return str(file)


def run_downgrade(console: Console, env: str | None, to: str, *, yes: bool, dry: bool) -> None:
    """Take revisions back."""
    name = require_env(console, env, "downgrade", " --to -1")
    project = console.project()
    environment = project.settings.environment(name)
    if dry:
        _show_steps(
            console, project, environment, _BACK_UP, (StepName.DOWNGRADE, (("downgrade", to),))
        )
        return
    if environment.protected:
        console.confirm(name, f"downgrade it to {to}", yes=yes)
    _end(console, name, downgrade_environment(project, environment, to, console.reporter))


def run_stamp(console: Console, env: str | None, to: str, *, yes: bool, dry: bool) -> None:
    """Write a revision into the version table."""
    name = require_env(console, env, "stamp", " --to head")
    project = console.project()
    environment = project.settings.environment(name)
    if dry:
        compare = (StepName.COMPARE, (("upgrade", to),))
        stamp = (StepName.STAMP, (("stamp", to),))
        _show_steps(console, project, environment, compare, _BACK_UP, stamp)
        return
    if environment.protected:
        console.confirm(name, f"stamp it with {to}", yes=yes)
    _end(console, name, stamp_environment(project, environment, to, console.reporter))


def run_adopt(console: Console, env: str | None, *, yes: bool, dry: bool) -> None:
    """Give a copied database its new identity."""
    name = require_env(console, env, "adopt")
    project = console.project()
    environment = project.settings.environment(name)
    if dry:
        _show_steps(console, project, environment, _BACK_UP, (StepName.ADOPT, ()))
        return
    if environment.protected:
        console.confirm(name, "give it a new identity", yes=yes)
    finished = adopt_environment(project, environment, console.reporter)
    line = f"{name} now has the identity {name} (record {finished.result.id})."
    if finished.result.outcome == "nothing to do":
        line = f"Nothing to do: {name} already has the identity {name}."
    console.finish(finished, line, document=documents.release(finished.result))


def run_resolve(
    console: Console, env: str | None, *, applied: bool, rolled_back: bool, dry: bool
) -> None:
    """Clear a dirty state after a repair by hand."""
    name = require_env(console, env, "resolve", " --rolled-back")
    if applied == rolled_back:
        raise ConfigurationError(
            "resolve needs to know how it was repaired: --applied or --rolled-back.",
            untouched="Nothing was changed.",
            next=f"If the whole revision is there now: invoke resolve --env {name} --applied; if"
            f" nothing of it is: invoke resolve --env {name} --rolled-back",
        )
    project = console.project()
    environment = project.settings.environment(name)
    if dry:
        _show_steps(console, project, environment, _BACK_UP, (StepName.RESOLVE, ()))
        return
    finished = resolve_environment(project, environment, console.reporter, applied=applied)
    line = (
        f"{name} is no longer dirty (record {finished.result.id}); see: invoke verify --env {name}"
    )
    if finished.result.outcome == "nothing to do":
        line = f"Nothing to do: no revision is half applied in {name}."
    console.finish(finished, line, document=documents.release(finished.result))


def _end(console: Console, name: str, finished: Finished) -> None:
    reached = ", ".join(finished.result.to) or "base"
    if finished.result.outcome == "nothing to do":
        line = f"Nothing to do: {name} is already there."
    else:
        line = f"{name} is at {reached} (record {finished.result.id})."
    console.finish(finished, line, document=documents.release(finished.result))


def run_alembic_command(
    console: Console, env: str | None, args: str | None, *, yes: bool, dry: bool
) -> None:
    """Run an Alembic command and print what it prints."""
    example = ' --args "history -v"'
    name = require_env(console, env, "alembic", example)
    arguments = list(
        split_arguments(require_text(args, "--args", "alembic", f"--env {name}{example}"))
    )
    project = console.project()
    environment = project.settings.environment(name)
    changes = changes_database(arguments)
    if dry:
        backup = [_BACK_UP] if changes else []
        _show_steps(console, project, environment, *backup, (StepName.ALEMBIC, (tuple(arguments),)))
        return
    if environment.protected and changes:
        console.confirm(name, f"run alembic {' '.join(arguments)}", yes=yes)
    finished, printed = run_alembic(project, environment, arguments, console.reporter)
    if "--sql" in arguments:
        console.finish_script(finished, printed)
    else:
        console.finish(finished, *lines_of(printed))


def _show_steps(
    console: Console,
    project: Project,
    environment: Environment,
    *steps: tuple[StepName, AlembicCommands],
) -> None:
    """Show what would run: each step with the Alembic commands of its process."""
    console.show_plan(project, [list_steps(project, environment, steps)])
