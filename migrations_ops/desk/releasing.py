"""release-migration, and the upgrade of one environment."""

from __future__ import annotations

import sys
from typing import Any

from migrations_ops.alembic_steps import CHILD, global_options
from migrations_ops.console import Console
from migrations_ops.operations import release_all, upgrade_environment, write_sql
from migrations_ops.project import Project
from migrations_ops.records import result_document
from migrations_ops.rehearsal import Rehearsed, rehearsal_commands
from migrations_ops.release import Wish
from migrations_ops.render import text
from migrations_ops.settings import running_python
from migrations_ops.status import Standing, read_status, require_upgradable, stand
from migrations_ops.upgrade import upgrade_commands


def show_release(here: Console, to: str | None, allow: tuple[str, ...], *, yes: bool) -> None:
    """Release, and show the status of all at the end."""
    project = here.project()
    finished = release_all(project, Wish(to, None if yes else _ask), here.report, allow)
    report = None
    if finished.error is None:
        report = read_status(Project(project.settings), list(project.settings.path))
    lines = [text.released(finished.result, here.style)]
    if report is not None and finished.result.outcome == "released":
        lines += ["", text.status(report, here.style)]
    document = result_document(finished.result)
    here.finish(finished, "\n".join(lines), document)


def show_upgrade(
    here: Console,
    name: str,
    to: str | None,
    allow: tuple[str, ...],
    *,
    yes: bool,
    dry: bool,
) -> None:
    """Upgrade one environment."""
    project = here.project()
    environment = project.settings.environment(name)
    wish = Wish(to, None if yes else _ask)
    if dry:
        here.show("\n".join([*_steps_of(project, name, to), _UNCHANGED]))
        return
    finished = upgrade_environment(project, environment, wish, here.report, allow)
    reached = ", ".join(finished.result.to)
    line = (
        f"Nothing to do: {name} is at {reached}."
        if finished.result.outcome == "nothing to do"
        else f"{name} is at {reached} (record {finished.result.id})."
    )
    here.finish(finished, line, result_document(finished.result))


def show_sql(here: Console, name: str, to: str | None) -> None:
    """Print the SQL of what is pending."""
    project = here.project()
    environment = project.settings.environment(name)
    finished, sql = write_sql(project, environment, to, here.report)
    nothing = f"-- Nothing is pending for {name}.\n"
    here.finish(finished, sql or nothing, {"environment": name, "sql": sql})


_UNCHANGED = "Nothing was changed."


def show_plan(here: Console, to: str | None) -> None:
    """Show the steps that a release would run."""
    project = here.project()
    lines: list[str] = []
    for environment in project.settings.path:
        lines += _steps_of(project, environment.name, to)
    steps = [line.strip() for line in lines]
    here.show("\n".join([*lines, _UNCHANGED]), {"steps": steps, "changed": False})


def _steps_of(project: Project, name: str, to: str | None) -> list[str]:
    environment = project.settings.environment(name)
    standing = stand(project, environment, to)
    require_upgradable(standing)
    if not standing.pending:
        return [f"{name}: nothing pending."]
    target = to or environment.target
    lines = [f"{name}: {len(standing.pending)} pending, to {', '.join(standing.target)}"]
    lines += [f"    {each.revision}  {each.message}" for each in standing.pending]
    if standing.exists:
        lines.append(f"  back up   {standing.database.label}")
    if environment is not project.settings.path[0]:
        lines.append(
            f"  rehearse  {_argv(project, standing, rehearsal_commands(standing, target))}"
        )
    lines.append(f"  upgrade   {_argv(project, standing, upgrade_commands(environment, target))}")
    return lines


def _argv(project: Project, standing: Standing, commands: list[list[str]]) -> str:
    environment = standing.environment
    python = environment.python or running_python()
    options = global_options(project.settings.alembic, environment)
    parts: list[Any] = [python, CHILD]
    for number, command in enumerate(commands):
        parts += [*(["--then"] if number else []), *options, *command]
    return f"{project.settings.selector}={environment.name} {' '.join(map(str, parts))}"


def _ask(standing: Standing, rehearsed: Rehearsed) -> bool:
    """Ask before an environment that is configured to ask; without a terminal the answer is no."""
    if not sys.stdin.isatty():
        return False
    count, name = len(standing.pending), standing.environment.name
    sys.stderr.write(f"The rehearsal passed. Upgrade {name} by {count} revisions? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "はい")
