"""The Invoke tasks. A project adds them with two lines in its tasks.py:

from migrations_ops.tasks import namespace
ns = namespace(__file__)
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection

# Invoke switches bytecode files off before it reads tasks.py. For our own modules that would
# mean compiling them again at each call, which takes 46 ms.
sys.dont_write_bytecode = False

from migrations_ops.cli.output.commands import INVOKE  # noqa: E402
from migrations_ops.cli.task import Definition, OpsTask, is_dry_run, task  # noqa: E402

if TYPE_CHECKING:
    from migrations_ops.cli.console import Console

_JSON = "print one JSON document (default: text)"
_YES = "do not ask (default: a protected environment asks for its name to be typed)"
_ASK_NOT = "do not ask (default: ask where the configuration has ask = true)"
_TO = "the revision to reach (default: target of the configuration, which is head unless set)"
_ALLOW = "a finding to allow, CODE or CODE:NAME; may be repeated (default: none)"
_ENV = "the environment (default: prod; the last of the path where none has that name)"
_SCRIPTS = "whose scripts (default: prod; the last of the path where none has that name)"
_DRIFT = "also show what was changed by hand since the last release (default: do not)"
_EVERY = "the environment (default: every one)"
_NO_DEFAULT = "the environment (no default)"


# -- Release ----------------------------------------------------------------------------------


@task(
    "Release",
    to=_TO,
    plan="show the steps, and run none (default: run them)",
    plan_file="a plan that was made before: release that and nothing else (default: none)",
    yes=_ASK_NOT,
    allow=_ALLOW,
    resume="do nothing unless a task was interrupted (default: release in any case)",
    redo="take back first what ran where nothing is protected and was edited (default: refuse it)",
    json=_JSON,
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
    env=_ENV,
    to=_TO,
    all="every environment of the path (default: one environment)",
    quick="read the sources alone, without a backup or a rehearsal (default: rehearse)",
    show_values="show the values of parameters, secrets excepted (default: leave them out)",
    sql="what ran, as a script for somebody else to run (default: the plan)",
    format="text, markdown, html, json or sql (default: by the ending of the file, else text)",
    output="a file for the plan; other files are not replaced (default: standard output)",
    allow=_ALLOW,
    json=_JSON,
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

    form = "sql" if sql and format is None else format
    shown = PlanOutput.of(form, output, json=json)
    options = PlanOptions(to, tuple(allow or ()), show_values, script=shown.form == "sql")
    run_plan(console, PlanChoice(env, all, quick), options, shown, dry=is_dry_run())


@task(
    "Release",
    env=_ENV,
    base="lint what this checkout adds to a branch (default: what is pending)",
    plan_file="lint what a plan has, by what it measured (default: by sources)",
    engine="sqlite, postgresql or mariadb (default: that of the configured URL)",
    format="text, json, github, gitlab, markdown or sarif (default: text)",
    allow=_ALLOW,
    json=_JSON,
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
    env=_ENV,
    all="back up every environment that has a database (default: one environment)",
    note="a remark for the list of backups (default: none)",
    json=_JSON,
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


@task("Release", env="the environment (default: the first of the path)", json=_JSON)
def verify(console: Console, env: str | None = None, json: bool = False) -> None:
    """Check head, drift, integrity and sources.

    What passes counts for the gate of the environments that come later on the path.
    """
    from migrations_ops.cli.status import run_verify

    run_verify(console, env)


def _upgrade(name: str, *, first: bool) -> Definition:
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
        to=_TO,
        sql="print the SQL of the pending revisions, and run none (default: run them)",
        yes=_ASK_NOT,
        allow=_ALLOW,
        or_wait="wait for another that does the same, which is enough (default: end with 5)",
        timeout="how many seconds --or-wait waits (default: 600)",
        json=_JSON,
    )
    return define(body)


# -- Look -------------------------------------------------------------------------------------


@task(
    "Look",
    env=_ENV,
    check="exit with 1 unless it is at head (default: exit with 0)",
    drift=_DRIFT,
    json=_JSON,
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
    env=_ENV,
    timeout="how many seconds to wait (default: 60)",
    behind="ok: pending revisions are no reason to wait (default: only head is enough)",
    json=_JSON,
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
    drift=_DRIFT,
    json=_JSON,
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
    env=_ENV,
    accept="accept all of it, in a file to be committed (default: exit with 1 for it)",
    json=_JSON,
)
def drift(
    console: Console, env: str | None = None, accept: bool = False, json: bool = False
) -> None:
    """Show what was changed by hand since the last release.

    Object by object, with the definition before and now.
    """
    from migrations_ops.cli.drift import run_drift

    run_drift(console, env, accept=accept)


@task("Look", env=_EVERY, json=_JSON)
def current(console: Console, env: str | None = None, json: bool = False) -> None:
    """Show the revision of each environment."""
    from migrations_ops.cli.status import show_current

    show_current(console, env)


@task(
    "Look",
    env=_SCRIPTS,
    graph="draw branches and merges in lanes (default: a list)",
    format="text, or mermaid for a drawing in Markdown (default: text)",
    json=_JSON,
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
    env=_SCRIPTS,
    check="exit with 1 unless there is one head, without a database (default: show the heads)",
    base="the branch of git that comes first, such as origin/main (default: --fix finds it)",
    fix="make one head of several, after showing what that changes (default: show the heads)",
    yes="do not ask (default: --fix asks)",
    json=_JSON,
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


@task("Look", env=_EVERY, json=_JSON)
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
    json=_JSON,
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
    json=_JSON,
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


@task("Look", json=_JSON)
def doctor(console: Console, json: bool = False) -> None:
    """Find problems of the configuration and the databases.

    The shell's variables, the configuration, the scripts, each database, leftovers.
    """
    from migrations_ops.cli.doctor import show_doctor

    show_doctor(console)


# -- Backups ----------------------------------------------------------------------------------


@task("Backups", env=_EVERY, json=_JSON)
def backups(console: Console, env: str | None = None, json: bool = False) -> None:
    """List the verified backups, oldest first."""
    from migrations_ops.cli.backups import show_backups

    show_backups(console, env)


@task(
    "Backups",
    env=_NO_DEFAULT,
    backup="the backup's name, or latest (no default)",
    yes=_YES,
    json=_JSON,
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


@task("Backups", env=_EVERY, json=_JSON)
def prune(console: Console, env: str | None = None, json: bool = False) -> None:
    """Remove the oldest backups beyond keep.

    The newest, and those that an unfinished release may need, always stay.
    """
    from migrations_ops.cli.backups import run_prune

    run_prune(console, env, dry=is_dry_run())


# -- Revisions --------------------------------------------------------------------------------


@task(
    "Revisions",
    message="what the revision does (default: with --merge what it merges, else none)",
    empty="write no operations (default: those that the models differ by)",
    autogenerate="compare the models with the first of the path (default: on, unless --empty)",
    merge="merge the heads, and write no operations (default: a revision after the head)",
    rev_id="the id of the revision (default: a random one)",
    json=_JSON,
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
    env=_NO_DEFAULT,
    to="-1, a revision, or base (default: -1)",
    yes=_YES,
    json=_JSON,
)
def downgrade(
    console: Console, env: str | None = None, to: str = "-1", yes: bool = False, json: bool = False
) -> None:
    """Back up, then take revisions back."""
    from migrations_ops.cli.revisions import run_downgrade

    run_downgrade(console, env, to, yes=yes, dry=is_dry_run())


@task(
    "Revisions",
    env=_NO_DEFAULT,
    to="the revision that describes it (default: head)",
    yes=_YES,
    json=_JSON,
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


@task("Revisions", env=_NO_DEFAULT, yes=_YES, json=_JSON)
def adopt(console: Console, env: str | None = None, yes: bool = False, json: bool = False) -> None:
    """Give a copied database its new identity.

    After production was copied over dev, its ledger still says prod, and every upgrade refuses.
    """
    from migrations_ops.cli.revisions import run_adopt

    run_adopt(console, env, yes=yes, dry=is_dry_run())


@task(
    "Revisions",
    env=_NO_DEFAULT,
    applied="the whole revision is there now (default: off)",
    rolled_back="nothing of the revision is left (default: off)",
    json=_JSON,
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
    env=_NO_DEFAULT,
    args="Alembic's own arguments, in quotes (no default)",
    yes=_YES,
)
def alembic(
    console: Console, env: str | None = None, args: str | None = None, yes: bool = False
) -> None:
    """Run any Alembic command with the guards.

    With the destination proved, SQLite transactional, and a backup before what writes.
    """
    from migrations_ops.cli.revisions import run_alembic_command

    run_alembic_command(console, env, args, yes=yes, dry=is_dry_run())


_DEFINITIONS = (
    release_migration,
    plan,
    lint,
    backup,
    verify,
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
    backups,
    restore,
    prune,
    revision,
    downgrade,
    stamp,
    adopt,
    resolve,
    alembic,
)


def namespace(file: str) -> Collection:
    """The tasks for the project that a tasks.py belongs to.

    One tasks.py may collect the namespaces of several.

    :param file: the ``__file__`` of that tasks.py: its folder holds the configuration, wherever
        Invoke is called from. A relative path counts from the file that calls this function.
    """
    caller = sys._getframe(1).f_globals.get("__file__") or ""
    return tasks_of((Path(caller).parent / file).resolve().parent, INVOKE)


def tasks_of(folder: Path, program: str) -> Collection:
    """The tasks of the project in a folder, and of it alone.

    :param program: what is typed before their names.
    """
    from migrations_ops.project.config_file import environment_names
    from migrations_ops.system.streams import open_closed

    open_closed()
    names = environment_names(folder) or ["dev", "prod"]
    upgrades = [_upgrade(name, first=name == names[0]) for name in names]
    tasks = [OpsTask(each, folder, program) for each in (*_DEFINITIONS, *upgrades)]
    for each in tasks:
        each.tasks = frozenset(str(other.name) for other in tasks)
    collection = Collection(*tasks)
    # All imported objects stay: exclude them from garbage collection, also at exit.
    gc.freeze()
    return collection
