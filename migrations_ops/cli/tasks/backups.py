"""The tasks about backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrations_ops.cli.task import is_dry_run, task
from migrations_ops.cli.tasks.flags import EVERY, JSON, NO_DEFAULT, YES

if TYPE_CHECKING:
    from migrations_ops.cli.console import Console


@task("Backups", env=EVERY, json=JSON)
def backups(console: Console, env: str | None = None, json: bool = False) -> None:
    """List the verified backups, oldest first."""
    from migrations_ops.cli.backups import show_backups

    show_backups(console, env)


@task(
    "Backups",
    env=NO_DEFAULT,
    backup="the backup's name, or latest (no default)",
    yes=YES,
    json=JSON,
)
def restore(
    console: Console,
    env: str | None = None,
    backup: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Put a backup back and prove the result equal.

    A safety backup of the current content is made first.
    """
    from migrations_ops.cli.backups import run_restore

    run_restore(console, env, backup, yes=yes, dry=is_dry_run())


@task("Backups", env=EVERY, json=JSON)
def prune(console: Console, env: str | None = None, json: bool = False) -> None:
    """Remove the oldest backups beyond keep.

    The newest, and those that an unfinished release may need, always stay.
    """
    from migrations_ops.cli.backups import run_prune

    run_prune(console, env, dry=is_dry_run())


TASKS = (
    backups,
    restore,
    prune,
)
