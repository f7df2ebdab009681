"""The tasks that only look, and the one that configures a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrations_ops.cli.task import is_dry_run, task
from migrations_ops.cli.tasks.flags import DRIFT, ENV, EVERY, JSON, SCRIPTS

if TYPE_CHECKING:
    from migrations_ops.cli.console import Console


@task(
    "Look",
    env=ENV,
    check="exit with 1 unless it is at head (default: exit with 0)",
    drift=DRIFT,
    json=JSON,
)
def status(
    console: Console,
    env: str | None = None,
    check: bool = False,
    drift: bool = False,
    json: bool = False,
) -> None:
    """Show the state of one environment."""
    from migrations_ops.cli.status import show_status

    show_status(console, env, check=check, drift=drift)


@task(
    "Look",
    env=ENV,
    timeout="how many seconds to wait (default: 60)",
    behind="ok: pending revisions are no reason to wait (default: only head is enough)",
    json=JSON,
)
def wait(
    console: Console,
    env: str | None = None,
    timeout: str = "60",
    behind: str | None = None,
    json: bool = False,
) -> None:
    """Wait until an environment is at head.

    For containers and workers that start while another process releases.
    """
    from migrations_ops.cli.status import run_wait

    run_wait(console, env, timeout, behind)


@task(
    "Look",
    check="exit with 1 unless all are at head (default: exit with 0)",
    drift=DRIFT,
    json=JSON,
)
def status_all(
    console: Console, check: bool = False, drift: bool = False, json: bool = False
) -> None:
    """Show the state of every environment.

    The last line tells what the selector of this shell would do to a bare alembic.
    """
    from migrations_ops.cli.status import show_status_all

    show_status_all(console, check=check, drift=drift)


@task(
    "Look",
    env=ENV,
    accept="accept all of it, in a file to be committed (default: exit with 1 for it)",
    json=JSON,
)
def drift(
    console: Console, env: str | None = None, accept: bool = False, json: bool = False
) -> None:
    """Show what was changed by hand since the last release.

    Object by object, with the definition before and now.
    """
    from migrations_ops.cli.drift import run_drift

    run_drift(console, env, accept=accept)


@task("Look", env=EVERY, json=JSON)
def current(console: Console, env: str | None = None, json: bool = False) -> None:
    """Show the revision of each environment."""
    from migrations_ops.cli.status import show_current

    show_current(console, env)


@task(
    "Look",
    env=SCRIPTS,
    graph="draw branches and merges in lanes (default: a list)",
    format="text, or mermaid for a drawing in Markdown (default: text)",
    json=JSON,
)
def history(
    console: Console,
    env: str | None = None,
    graph: bool = False,
    format: str = "text",
    json: bool = False,
) -> None:
    """Show the revisions, newest first.

    A mark shows the revision of each environment.
    """
    from migrations_ops.cli.status import draw_history, show_history

    if graph or format != "text":
        draw_history(console, env, format)
    else:
        show_history(console, env)


@task(
    "Look",
    env=SCRIPTS,
    check="exit with 1 unless there is one head, without a database (default: show the heads)",
    base="the branch of git that comes first, such as origin/main (default: --fix finds it)",
    fix="make one head of several, after showing what that changes (default: show the heads)",
    yes="do not ask (default: --fix asks)",
    json=JSON,
)
def heads(
    console: Console,
    env: str | None = None,
    check: bool = False,
    base: str | None = None,
    fix: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Show the heads of the scripts, check that there is one, or make it one.

    A mark shows the revision of each environment.
    """
    if fix or check or base:
        from migrations_ops.cli.heads import run_check, run_fix

        if fix:
            run_fix(console, env, base, yes=yes, dry=is_dry_run())
        else:
            run_check(console, env, base)
    else:
        from migrations_ops.cli.status import show_history

        show_history(console, env, only_heads=True)


@task("Look", env=EVERY, json=JSON)
def db_version(console: Console, env: str | None = None, json: bool = False) -> None:
    """Read the version table itself, without Alembic."""
    from migrations_ops.cli.status import show_db_version

    show_db_version(console, env)


@task(
    "Look",
    last="how many (default: 10)",
    show="one release, by its ID (default: a list)",
    html="print the report of that release, a page (default: text)",
    markdown="print the report of that release for an issue (default: text)",
    json=JSON,
)
def releases(
    console: Console,
    last: str = "10",
    show: str | None = None,
    html: bool = False,
    markdown: bool = False,
    json: bool = False,
) -> None:
    """Show what past releases and other tasks did."""
    from migrations_ops.cli.status import show_releases

    show_releases(console, last, show, html=html, markdown=markdown)


@task(
    "Release",
    envs="the environments, in the order of promotion (default: dev,prod)",
    url="NAME=URL, or NAME=VARIABLE that holds it; may be repeated (default: asked, or found)",
    tasks="write a tasks.py for Invoke as well (default: where the project uses Invoke)",
    yes="write without asking (default: ask on a terminal, else only show)",
    json=JSON,
)
def init(
    console: Console,
    envs: str = "dev,prod",
    url: list[str] | None = None,
    tasks: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Configure an existing Alembic project.

    Tries its env.py with a throw-away database, shows what would be written, and asks.
    """
    from migrations_ops.cli.init import run_init

    run_init(console, envs, list(url or ()), tasks=tasks, yes=yes, dry=is_dry_run())


@task("Look", json=JSON)
def doctor(console: Console, json: bool = False) -> None:
    """Find problems of the configuration and the databases.

    The shell's variables, the configuration, the scripts, each database, leftovers.
    """
    from migrations_ops.cli.doctor import show_doctor

    show_doctor(console)


TASKS = (
    status,
    status_all,
    drift,
    wait,
    current,
    history,
    heads,
    db_version,
    releases,
    init,
    doctor,
)
