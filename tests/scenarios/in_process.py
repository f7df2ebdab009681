"""The tasks of a sandbox called in this process, where what they return is looked at."""

from __future__ import annotations

from migrations_ops.backups.store import BackupStore
from migrations_ops.cli.output.progress import Lines
from migrations_ops.operations.backup import back_up_environments
from migrations_ops.operations.manual.restore import restore_environment
from migrations_ops.operations.release import ReleaseOptions, release_all
from migrations_ops.operations.run import Finished
from migrations_ops.project.project import Project
from tests.support import Sandbox


def project_of(sandbox: Sandbox) -> Project:
    return Project.read(sandbox.folder)


def store_of(sandbox: Sandbox, name: str = "prod") -> BackupStore:
    settings = project_of(sandbox).settings
    return BackupStore.of(settings, settings.environment(name))


def back_up(sandbox: Sandbox, name: str = "prod") -> Finished:
    project = project_of(sandbox)
    return back_up_environments(project, [project.settings.environment(name)], "", Lines())


def backed_up(sandbox: Sandbox, name: str = "prod") -> str:
    """The name of a new backup."""
    finished = back_up(sandbox, name)
    assert finished.error is None
    [backup] = finished.result.backups
    return backup


def restore(sandbox: Sandbox, backup: str, name: str = "prod") -> Finished:
    project = project_of(sandbox)
    return restore_environment(project, project.settings.environment(name), backup, Lines())


def release(sandbox: Sandbox, *allow: str) -> Finished:
    return release_all(project_of(sandbox), ReleaseOptions(allow=allow), Lines())


def configure(sandbox: Sandbox, line: str) -> None:
    """Add a line to the configuration of the whole project."""
    text = (sandbox.folder / "pyproject.toml").read_text(encoding="utf-8")
    sandbox.configure(text.replace("wait = 1", f"wait = 1\n{line}"))
