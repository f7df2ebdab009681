"""The public API: what ``import migrations_ops`` offers, without Invoke and without a terminal.

Results are the dataclasses behind the JSON of the tasks. Nothing is asked: who calls it consents.
"""

from __future__ import annotations

from collections.abc import Iterable

from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.allowed import require_known_codes
from migrations_ops.model.backup import Backup
from migrations_ops.model.findings import Finding
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.model.outcome import ReleaseResult, StepResult, VerifyReport
from migrations_ops.model.status import StatusReport
from migrations_ops.operations import release as releasing
from migrations_ops.operations.backup import back_up_environments
from migrations_ops.operations.manual.restore import restore_environment
from migrations_ops.operations.plan.measured import PlanOptions, plan_environment
from migrations_ops.operations.run import Finished
from migrations_ops.operations.status import read_status
from migrations_ops.operations.verification import verify_environment
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


class Silent:
    """A reporter that shows nothing."""

    def begin(self, step: str, environment: str) -> None:
        """A step begins."""

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """What the step is doing now."""

    def expect(self, seconds: float) -> None:
        """How long the step will probably take."""

    def say(self, line: str) -> None:
        """Something to know at once."""

    def end(self, result: StepResult, summary: str) -> None:
        """The step has ended."""

    def finding(self, finding: Finding) -> None:
        """A check found something."""


def status(project: Project, environment: str | None = None) -> StatusReport:
    """The state of one environment, or of each; changes nothing.

    :raises OpsError: a database or the scripts cannot be read.
    """
    return read_status(project, list(project.settings.environments(environment)))


def plan(
    project: Project,
    environment: str | None = None,
    *,
    to: str | None = None,
    allow: Iterable[str] = (),
    reporter: Reporter | None = None,
) -> MeasuredPlan:
    """Rehearse what is pending on a copy, and measure it; changes no database.

    :param environment: prod by default, or the last of the path.
    :raises OpsError: a release would be stopped.
    """
    options = PlanOptions(to, _codes(allow))
    one = _environment(project, environment)
    result = plan_environment(project, one, options, reporter or Silent())
    _result(result.finished)
    assert result.plan is not None
    return result.plan


def release(
    project: Project,
    environment: str | None = None,
    *,
    to: str | None = None,
    allow: Iterable[str] = (),
    redo: bool = False,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> ReleaseResult:
    """Take every environment of the path to head, or one of them.

    The configuration's ``ask`` is not heeded: the caller consents.

    :param allow: the codes of findings that are accepted.
    :param redo: take back first what ran where nothing is protected and was edited.
    :param resume: do nothing unless a task was interrupted.
    :raises OpsError: it was refused, failed or interrupted; ``exit_code`` says what that left.
    """
    options = releasing.ReleaseOptions(to, None, resume, _codes(allow), redo)
    reporter = reporter or Silent()
    if environment is None:
        return _result(releasing.release_all(project, options, reporter))
    one = project.settings.environment(environment)
    return _result(releasing.upgrade_environment(project, one, options, reporter))


def backup(
    project: Project,
    environment: str | None = None,
    *,
    note: str = "",
    reporter: Reporter | None = None,
) -> Backup:
    """Take a verified backup; one to which the database is still equal is used again.

    :param environment: prod by default, or the last of the path.
    :raises OpsError: it was refused, or could not be verified.
    """
    one = _environment(project, environment)
    taken = _result(back_up_environments(project, [one], note, reporter or Silent()))
    return BackupStore.of(project.settings, one).find(taken.backups[-1])


def restore(
    project: Project, environment: str, backup: str, *, reporter: Reporter | None = None
) -> ReleaseResult:
    """Put a backup back, after a safety backup, and prove the result equal.

    :param backup: its name, or latest.
    :raises OpsError: it was refused or failed.
    """
    one = project.settings.environment(environment)
    return _result(restore_environment(project, one, backup, reporter or Silent()))


def verify(
    project: Project, environment: str | None = None, *, reporter: Reporter | None = None
) -> VerifyReport:
    """Check head, drift, integrity and sources; ``passed`` says whether all is well.

    :param environment: the first of the path by default.
    :raises OpsError: it could not be checked.
    """
    path = project.settings.path
    one = project.settings.environment(environment) if environment else path[0]
    finished, report = verify_environment(project, one, reporter or Silent())
    if report is None or (report.passed and finished.error is not None):
        _result(finished)
    assert report is not None
    return report


def _environment(project: Project, name: str | None) -> Environment:
    settings = project.settings
    return settings.environment(name) if name else settings.default


def _codes(allow: Iterable[str]) -> tuple[str, ...]:
    """:raises ConfigurationError: one of them is no code of a finding."""
    codes = tuple(allow)
    require_known_codes(codes)
    return codes


def _result(finished: Finished) -> ReleaseResult:
    """:raises OpsError: the task was stopped."""
    if finished.error is not None:
        raise finished.error
    return finished.result
