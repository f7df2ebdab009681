"""The tasks backup, backups, restore and prune."""

from __future__ import annotations

from collections.abc import Iterable

from migrations_ops.backups.store import BackupStore
from migrations_ops.cli.console import Console, require_env, require_text
from migrations_ops.cli.output import documents, text
from migrations_ops.cli.output.style import Style
from migrations_ops.cli.output.text import UNCHANGED
from migrations_ops.model.backup import Backup
from migrations_ops.model.plan import StepName
from migrations_ops.operations.backup import back_up_environments, find_environments_in_use
from migrations_ops.operations.manual.restore import plan_restore, restore_environment
from migrations_ops.operations.plan.steps import list_steps
from migrations_ops.operations.prune import prune_backups
from migrations_ops.project.environments import Environment
from migrations_ops.project.settings import Settings


def run_backup(console: Console, env: str | None, note: str, *, all_: bool, dry: bool) -> None:
    """Take backups and print their files."""
    project = console.project_as_it_is()
    settings = project.settings
    one = settings.environment(env) if env else settings.default
    environments = find_environments_in_use(project) if all_ else [one]
    if dry:
        steps = [(StepName.BACK_UP, ())]
        console.show_plan(project, [list_steps(project, each, steps) for each in environments])
        return
    finished = back_up_environments(project, environments, note, console.reporter)
    files = [str(settings.backups / name) for name in finished.result.backups]
    console.finish(finished, *files, document=documents.release(finished.result))


def show_backups(console: Console, env: str | None) -> None:
    """List the backups."""
    settings = console.project_as_it_is().settings
    environments = settings.environments(env)
    found = [backup for each in environments for backup in BackupStore.of(settings, each).backups()]
    console.show(
        lambda: _list(settings, environments, found, console.style), documents.backups(found)
    )


def _list(
    settings: Settings, environments: Iterable[Environment], found: list[Backup], style: Style
) -> list[str]:
    """The backups, and the files that only look like backups."""
    strays = [
        f"{file} does not count as a backup of {each.name}: {why}."
        for each in environments
        for store in (BackupStore.of(settings, each),)
        for file, why in [*store.strays(), *store.stray_sidecars()]
    ]
    return [*text.backups(found, style), *strays]


def run_restore(
    console: Console, env: str | None, backup: str | None, *, yes: bool, dry: bool
) -> None:
    """Restore a backup into the live database."""
    example = " --backup latest"
    name = require_env(console, env, "restore", example)
    wanted = require_text(backup, "--backup", "restore", f"--env {name}{example}")
    project = console.project()
    environment = project.settings.environment(name)
    found = BackupStore.of(project.settings, environment).find(wanted)
    if dry:
        console.show_plan(project, [plan_restore(project, environment, found)])
        return
    if environment.protected:
        console.confirm(name, f"restore {found.name}", yes=yes)
    finished = restore_environment(project, environment, found.name, console.reporter)
    line = f"{name} is equal to {found.name} again."
    console.finish(finished, line, document=documents.release(finished.result))


def run_prune(console: Console, env: str | None, *, dry: bool) -> None:
    """Remove the oldest backups beyond what is kept."""
    project = console.project_as_it_is()
    settings = project.settings
    environments = settings.environments(env)
    pruned = prune_backups(project, environments, dry=dry)
    lines = [f"{'would remove' if dry else 'removed'} {name}" for name in pruned.removed]
    kept = f"{settings.keep} {'is' if settings.keep == 1 else 'are'} kept of each environment"
    if pruned.obstacle:
        lines = [f"Nothing was removed: {pruned.obstacle}."]
    lines = lines or [f"Nothing to remove: {kept}."]
    console.show(
        lambda: [*lines, UNCHANGED] if dry else lines, documents.pruned(pruned, changed=not dry)
    )
