"""The tasks backup, backups, restore and prune."""

from __future__ import annotations

from migrations_ops.backups.retention import prune, surplus
from migrations_ops.backups.store import BackupStore
from migrations_ops.cli.console import Console, require_text
from migrations_ops.cli.output import json as documents
from migrations_ops.cli.output import text
from migrations_ops.cli.output.style import Style
from migrations_ops.cli.output.text import UNCHANGED
from migrations_ops.journal.past import Past
from migrations_ops.model.backup import Backup
from migrations_ops.model.plan import EnvironmentPlan, PlannedStep, StepName
from migrations_ops.operations.backup import back_up_environments
from migrations_ops.operations.manual.restore import restore_environment
from migrations_ops.project.environments import Environment
from migrations_ops.project.settings import Settings


def show_backup(here: Console, env: str | None, note: str, *, all_: bool, dry: bool) -> None:
    """Take backups and print their files."""
    project = here.project_as_it_is()
    settings = project.settings
    environments = list(settings.path) if all_ else [_one(settings, env)]
    if all_:
        environments = [
            each
            for each in environments
            if project.database(each).size() or BackupStore.of(settings, each).way_back()
        ]
    if dry:
        names = ", ".join(project.database(each).label for each in environments)
        here.show(f"back up {names} into {settings.backups}\n{UNCHANGED}")
        return
    finished = back_up_environments(project, environments, note, here.report)
    files = [str(settings.backups / name) for name in finished.result.backups]
    here.finish(finished, "\n".join(files))


def _one(settings: Settings, env: str | None) -> Environment:
    return settings.environment(env) if env else settings.default


def show_backups(here: Console, env: str | None) -> None:
    """List the backups."""
    settings = here.project_as_it_is().settings
    environments = [settings.environment(env)] if env else list(settings.path)
    found = [backup for each in environments for backup in BackupStore.of(settings, each).backups()]
    here.show(lambda: _list(settings, environments, found, here.style), documents.backups(found))


def _list(
    settings: Settings, environments: list[Environment], found: list[Backup], style: Style
) -> str:
    """The backups, and the files that only look like backups."""
    strays = [
        f"{file} does not count as a backup of {each.name}: {why}."
        for each in environments
        for store in (BackupStore.of(settings, each),)
        for file, why in [*store.strays(), *store.stray_sidecars()]
    ]
    return "\n".join([text.backups(found, style), *strays])


def show_restore(
    here: Console, env: str | None, backup: str | None, *, yes: bool, dry: bool
) -> None:
    """Restore a backup into the live database."""
    example = "--env dev --backup latest"
    name = require_text(env, "--env", "restore", example)
    wanted = require_text(backup, "--backup", "restore", example)
    project = here.project()
    environment = project.settings.environment(name)
    found = BackupStore.of(project.settings, environment).find(wanted)
    if dry:
        plan = EnvironmentPlan(
            name,
            project.database(environment).label,
            to=found.revisions,
            steps=(PlannedStep(StepName.BACK_UP), PlannedStep(StepName.RESTORE)),
            backup=found.name,
        )
        here.show_plan(project, [plan])
        return
    if environment.protected:
        here.confirm(name, f"restore {found.name}", yes=yes)
    finished = restore_environment(project, environment, found.name, here.report)
    line = f"{name} is equal to {found.name} again."
    here.finish(finished, line, documents.release(finished.result))


def show_prune(here: Console, env: str | None, *, dry: bool) -> None:
    """Remove the oldest backups beyond what is kept."""
    project = here.project_as_it_is()
    settings = project.settings
    environments = [settings.environment(env)] if env else list(settings.path)
    past = Past.read(settings.releases)
    lines = []
    for each in environments:
        store = BackupStore.of(settings, each)
        removed = surplus(store, past) if dry else prune(store, past)
        lines += [f"{'would remove' if dry else 'removed'} {backup.name}" for backup in removed]
    kept = f"{settings.keep} {'is' if settings.keep == 1 else 'are'} kept of each environment"
    if past.unclear:
        kept = "the record of a task that was broken off cannot be read; see invoke releases"
    lines = lines or [f"Nothing to remove: {kept}."]
    here.show("\n".join([*lines, UNCHANGED] if dry else lines))
