"""The tasks that release: the whole path, or a step of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrations_ops.cli.task import Definition, is_dry_run, task
from migrations_ops.cli.tasks.flags import ALLOW, ASK_NOT, ENV, JSON, TO

if TYPE_CHECKING:
    from migrations_ops.cli.console import Console


@task(
    "Release",
    to=TO,
    plan="show the steps, and run none (default: run them)",
    plan_file="a plan that was made before: release that and nothing else (default: none)",
    yes=ASK_NOT,
    allow=ALLOW,
    resume="do nothing unless a task was interrupted (default: release in any case)",
    redo="take back first what ran where nothing is protected and was edited (default: refuse it)",
    json=JSON,
)
def release_migration(
    console: Console,
    to: str | None = None,
    plan: bool = False,
    plan_file: str | None = None,
    yes: bool = False,
    allow: list[str] | None = None,
    resume: bool = False,
    redo: bool = False,
    json: bool = False,
) -> None:
    """Take every environment of the path to head.

    For each, in order: back up, rehearse on a copy (not for the first), upgrade, verify.
    """
    from migrations_ops.cli.release import run_release, show_plan

    if plan or is_dry_run():
        show_plan(console, to, redo=redo)
    else:
        accepted = tuple(allow or ())
        run_release(console, to, accepted, yes=yes, resume=resume, redo=redo, plan_file=plan_file)


@task(
    "Release",
    env=ENV,
    to=TO,
    all="every environment of the path (default: one environment)",
    quick="read the sources alone, without a backup or a rehearsal (default: rehearse)",
    show_values="show the values of parameters, secrets excepted (default: leave them out)",
    sql="what ran, as a script for somebody else to run (default: the plan)",
    format="text, markdown, html, json or sql (default: by the ending of the file, else text)",
    output="a file for the plan; other files are not replaced (default: standard output)",
    allow=ALLOW,
    json=JSON,
)
def plan(
    console: Console,
    env: str | None = None,
    to: str | None = None,
    all: bool = False,
    quick: bool = False,
    show_values: bool = False,
    sql: bool = False,
    format: str | None = None,
    output: str | None = None,
    allow: list[str] | None = None,
    json: bool = False,
) -> None:
    """Rehearse what is pending on a copy, and show what it does.

    Each statement with its time and rows, what is blocked, what is destroyed. Changes no database.
    """
    from migrations_ops.cli.plan import PlanChoice, PlanOutput, run_plan
    from migrations_ops.operations.plan.measured import PlanOptions

    shown = PlanOutput.of(format, output, json=json, sql=sql)
    options = PlanOptions(to, tuple(allow or ()), show_values, script=shown.form == "sql")
    run_plan(console, PlanChoice(env, all, quick), options, shown, dry=is_dry_run())


@task(
    "Release",
    env=ENV,
    base="lint what this checkout adds to a branch (default: what is pending)",
    plan_file="lint what a plan has, by what it measured (default: by sources)",
    engine="sqlite, postgresql or mariadb (default: that of the configured URL)",
    format="text, json, github, gitlab, markdown or sarif (default: text)",
    allow=ALLOW,
    json=JSON,
)
def lint(
    console: Console,
    env: str | None = None,
    base: str | None = None,
    plan_file: str | None = None,
    engine: str | None = None,
    format: str | None = None,
    allow: list[str] | None = None,
    json: bool = False,
) -> None:
    """Find what blocks, breaks or destroys in revisions, without running them.

    Exits with 1 if something is an error.
    """
    from migrations_ops.cli.lint import run_lint
    from migrations_ops.operations.lint import LintOptions

    options = LintOptions(base, None, engine, tuple(allow or ()))
    run_lint(console, env, format, plan_file, options)


@task(
    "Release",
    env=ENV,
    all="back up every environment that has a database (default: one environment)",
    note="a remark for the list of backups (default: none)",
    json=JSON,
)
def backup(
    console: Console,
    env: str | None = None,
    all: bool = False,
    note: str = "",
    json: bool = False,
) -> None:
    """Take a verified backup and print its file."""
    from migrations_ops.cli.backups import run_backup

    run_backup(console, env, note, all_=all, dry=is_dry_run())


@task("Release", env="the environment (default: the first of the path)", json=JSON)
def verify(console: Console, env: str | None = None, json: bool = False) -> None:
    """Check head, drift, integrity and sources.

    What passes counts for the gate of the environments that come later on the path.
    """
    from migrations_ops.cli.status import run_verify

    run_verify(console, env)


def upgrade(name: str, *, first: bool) -> Definition:
    """The upgrade task of one environment, made from the configuration."""

    def body(
        console: Console,
        to: str | None = None,
        sql: bool = False,
        yes: bool = False,
        allow: list[str] | None = None,
        or_wait: bool = False,
        timeout: str | None = None,
        json: bool = False,
    ) -> None:
        from migrations_ops.cli.release import Waiting, run_upgrade, show_sql

        waiting = Waiting.of(name, timeout, or_wait=or_wait)
        if sql:
            show_sql(console, name, to)
        else:
            accepted = tuple(allow or ())
            run_upgrade(console, name, to, accepted, waiting, yes=yes, dry=is_dry_run())

    body.__doc__ = (
        f"Back up {name}, upgrade it, verify."
        if first
        else f"Back up {name}, rehearse, upgrade it, verify.\n\n"
        "Takes only what has passed the environments before it on the path."
    )
    define = task(
        "Release",
        name=f"upgrade-{name}",
        to=TO,
        sql="print the SQL of the pending revisions, and run none (default: run them)",
        yes=ASK_NOT,
        allow=ALLOW,
        or_wait="wait for another that does the same, which is enough (default: end with 5)",
        timeout="how many seconds --or-wait waits (default: 600)",
        json=JSON,
    )
    return define(body)


TASKS = (
    release_migration,
    plan,
    lint,
    backup,
    verify,
)
