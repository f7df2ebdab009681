"""The tasks about revisions, and those for a person who repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrations_ops.cli.task import is_dry_run, task
from migrations_ops.cli.tasks.flags import JSON, NO_DEFAULT, YES

if TYPE_CHECKING:
    from migrations_ops.cli.console import Console


@task(
    "Revisions",
    message="what the revision does (default: with --merge what it merges, else none)",
    empty="write no operations (default: those that the models differ by)",
    autogenerate="compare the models with the first of the path (default: on, unless --empty)",
    merge="merge the heads, and write no operations (default: a revision after the head)",
    rev_id="the id of the revision (default: a random one)",
    json=JSON,
)
def revision(
    console: Console,
    message: str | None = None,
    empty: bool = False,
    autogenerate: bool = True,
    merge: bool = False,
    rev_id: str | None = None,
    json: bool = False,
) -> None:
    """Write a new revision file.

    Says which operations were detected.
    """
    from migrations_ops.cli.revisions import run_merge, run_revision

    if merge:
        run_merge(console, message, rev_id, dry=is_dry_run())
        return
    generated = autogenerate and not empty
    run_revision(console, message, rev_id, autogenerate=generated, dry=is_dry_run())


@task(
    "Revisions",
    env=NO_DEFAULT,
    to="-1, a revision, or base (default: -1)",
    yes=YES,
    json=JSON,
)
def downgrade(
    console: Console, env: str | None = None, to: str = "-1", yes: bool = False, json: bool = False
) -> None:
    """Back up, then take revisions back."""
    from migrations_ops.cli.revisions import run_downgrade

    run_downgrade(console, env, to, yes=yes, dry=is_dry_run())


@task(
    "Revisions",
    env=NO_DEFAULT,
    to="the revision that describes it (default: head)",
    yes=YES,
    json=JSON,
)
def stamp(
    console: Console,
    env: str | None = None,
    to: str = "head",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Put an existing database under migration.

    Its schema is compared with what the revision builds; a mismatch is refused.
    """
    from migrations_ops.cli.revisions import run_stamp

    run_stamp(console, env, to, yes=yes, dry=is_dry_run())


@task("Revisions", env=NO_DEFAULT, yes=YES, json=JSON)
def adopt(console: Console, env: str | None = None, yes: bool = False, json: bool = False) -> None:
    """Give a copied database its new identity.

    After production was copied over dev, its ledger still says prod, and every upgrade refuses.
    """
    from migrations_ops.cli.revisions import run_adopt

    run_adopt(console, env, yes=yes, dry=is_dry_run())


@task(
    "Revisions",
    env=NO_DEFAULT,
    applied="the whole revision is there now (default: off)",
    rolled_back="nothing of the revision is left (default: off)",
    json=JSON,
)
def resolve(
    console: Console,
    env: str | None = None,
    applied: bool = False,
    rolled_back: bool = False,
    json: bool = False,
) -> None:
    """Clear a dirty state after a repair by hand.

    Where a server cannot roll everything back, half of a revision may stay; so may a part of what
    commands of the project do. Until that is resolved, or a backup is restored, upgrades refuse.
    """
    from migrations_ops.cli.revisions import run_resolve

    run_resolve(console, env, applied=applied, rolled_back=rolled_back, dry=is_dry_run())


@task(
    "Revisions",
    env=NO_DEFAULT,
    args="Alembic's own arguments, in quotes (no default)",
    yes=YES,
)
def alembic(
    console: Console, env: str | None = None, args: str | None = None, yes: bool = False
) -> None:
    """Run any Alembic command with the guards.

    With the destination proved, SQLite transactional, and a backup before what writes.
    """
    from migrations_ops.cli.revisions import run_alembic_command

    run_alembic_command(console, env, args, yes=yes, dry=is_dry_run())


TASKS = (
    revision,
    downgrade,
    stamp,
    adopt,
    resolve,
    alembic,
)
