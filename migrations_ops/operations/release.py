"""A release: the list of steps that takes every environment of the path to the target."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from migrations_ops.analysis.losses import without_allowed
from migrations_ops.backups import retention
from migrations_ops.backups.store import OPEN_IT, Shelf
from migrations_ops.databases import Database
from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.model.results import Finding, Rehearsed
from migrations_ops.operations.edited import find_edited, mend_edited
from migrations_ops.operations.failure.recovery import recover
from migrations_ops.operations.gate import require_passed
from migrations_ops.operations.locks import hold_locks
from migrations_ops.operations.obstacles import require_no_obstacles
from migrations_ops.operations.presence import require_present
from migrations_ops.operations.rehearsal import rehearsal_commands, rehearse
from migrations_ops.operations.room import require_room
from migrations_ops.operations.session import Work
from migrations_ops.operations.state import Standing, require_upgradable, stand
from migrations_ops.operations.upgrade import Attempt, back_up, upgrade, upgrade_commands
from migrations_ops.operations.verification import require_passed_verify, verify
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.commands import require_rehearsable

# Asked before a later environment is upgraded, where it is configured to ask.
Ask = Callable[[Standing, Rehearsed], bool]


@dataclass(frozen=True)
class Wish:
    """What a task was asked for. ``to`` replaces the configured target; ``resume`` means: only
    if something was broken off."""

    to: str | None = None
    ask: Ask | None = None
    resume: bool = False

    def target(self, environment: Environment) -> str:
        return self.to or environment.target


def release(work: Work, wish: Wish) -> None:
    """Take every environment to the target, one after the other, in the order of the path.

    :raises OpsError: something stopped it; the record says what was done until then.
    """
    project = work.project
    with hold_locks(_databases(project), work.record.task, project.settings.wait):
        if not recover(work, list(project.settings.path)) and wish.resume:
            return
        survey = preflight(work, wish)
        require_no_doubts(work, wish, survey)
        behind = [standing for standing in survey if standing.pending]
        if not behind:
            return
        start_children_ahead(work, wish, behind)
        for standing in survey:
            if standing.pending:
                promote(work, wish, standing)
            elif any(later.pending for later in survey[survey.index(standing) :]):
                certify(work, wish, standing, behind)
        work.record.update(outcome="released", to=behind[-1].target)
        prune(work, project.settings.path)


def preflight(work: Work, wish: Wish) -> list[Standing]:
    """Look at everything before anything is changed.

    :raises OpsError: the scripts, or a database, are in no state to be released; or a variable
        that a step needs is missing.
    """
    with work.record.step("preflight", "all") as step:
        project = work.project
        survey = [stand(project, environment, wish.to) for environment in project.settings.path]
        for standing in survey:
            require_runnable(project, standing)
            require_upgradable(standing)
            require_present(work, standing)
            require_readable_scripts(standing)
            require_unedited(work, standing)
            if standing.pending:
                require_no_obstacles(work, standing)
        require_room(project.settings, survey)
        serving = survey[-1]
        work.record.update(from_=serving.look.revisions, to=serving.target)
        step.note = "; ".join(
            f"{standing.environment.name}: {_pending_in_words(standing)}" for standing in survey
        )
        return survey


def require_no_doubts(work: Work, wish: Wish, survey: list[Standing]) -> None:
    """Verify again what an earlier release has left upgraded, though verify did not pass there.

    :raises Refused: it still does not.
    """
    evidence = Evidence(work.project.settings.releases)
    for standing in survey:
        doubted = evidence.doubted(standing.environment)
        if doubted and doubted == set(standing.look.revisions):
            require_passed_verify(verify(work, standing.environment, to=wish.to))


def start_children_ahead(work: Work, wish: Wish, behind: list[Standing]) -> None:
    """Let the first children import Alembic while backups are taken, the others later."""
    first = work.project.settings.path[0]
    for standing in behind:
        environment, target = standing.environment, wish.target(standing.environment)
        if environment is first:
            commands = upgrade_commands(environment, target)
            work.start_ahead(f"{environment.name}.upgrade", environment, commands)
        else:
            commands = rehearsal_commands(standing, target)
            work.start_ahead(f"{environment.name}.rehearse", environment, commands)
            commands = upgrade_commands(environment, target)
            work.start_ahead(f"{environment.name}.upgrade", environment, commands)


def promote(work: Work, wish: Wish, standing: Standing) -> None:
    """Upgrade one environment: the first of the path directly, a later one through the gate.

    :raises OpsError: the gate, the rehearsal, the upgrade or verify stopped it.
    """
    environment, target = standing.environment, wish.target(standing.environment)
    first = environment is work.project.settings.path[0]
    if not first:
        require_passed(work.project, environment, standing.pending)
    backup = back_up(work, standing)
    if first:
        upgrade(Attempt(work, standing, target, backup))
        return
    rehearsed = rehearse(work, standing, target, backup)
    if environment.ask and wish.ask is not None and not wish.ask(standing, rehearsed):
        raise Refused(
            f"The upgrade of {environment.name} was declined.",
            untouched=f"{environment.name} was not touched.",
        )
    upgrade(Attempt(work, standing, target, backup, rehearsed))


def certify(work: Work, wish: Wish, standing: Standing, behind: list[Standing]) -> None:
    """Verify an environment that is at head already, if a later one needs that evidence."""
    environment = standing.environment
    passed = Evidence(work.project.settings.releases).passed(environment)
    needed = {revision.revision for later in behind for revision in later.pending}
    if needed - set(passed) or _edited_since(standing, passed, needed):
        require_passed_verify(verify(work, environment, to=wish.to))


def _edited_since(standing: Standing, passed: dict[str, str], needed: set[str]) -> bool:
    from migrations_ops.revisions.loader import digest

    revisions = standing.history.revisions
    return any(passed[name] != digest(revisions[name]) for name in needed if name in revisions)


def require_readable_scripts(standing: Standing) -> None:
    """:raises Refused: a pending revision is no valid Python."""
    for revision in standing.pending:
        if not revision.file:
            continue
        try:
            compile(revision.path.read_bytes(), revision.file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            raise Refused(
                f"Revision {revision.revision} is not valid Python: {error.args[0]}.",
                untouched="No database was touched.",
                next=f"Mend {revision.file}:{line}",
            ) from None


def require_runnable(project: Project, standing: Standing) -> None:
    """:raises ConfigurationError: the steps of an environment lack a variable, or its database is
        that of another environment too.
    :raises Refused: there is no place for the backup.
    """
    environment = standing.environment
    project.require_steps(environment)
    if not standing.pending:
        return
    if environment is not project.settings.path[0]:
        require_rehearsable(project, environment)
    shelf = Shelf.of(project.settings, environment)
    obstacle = shelf.find_closed() if standing.exists else ""
    if obstacle:
        raise Refused(obstacle, untouched="No database was touched.", next=OPEN_IT)


def require_unedited(work: Work, standing: Standing) -> None:
    """:raises Refused: a revision that this environment has run was edited since, or is gone."""
    allowed = work.allowed(standing.environment)
    found = without_allowed(find_edited(standing), allowed)
    errors = [each for each in found if each.severity == "error"]
    if errors:
        said = "; ".join(each.message for each in errors)
        raise Refused(
            f"{said[0].upper()}{said[1:]}.",
            untouched="No database was touched.",
            next=mend_edited(standing, errors),
        )


def prune(work: Work, environments: Iterable[Environment]) -> None:
    """Retention, when everything new is safe. Where it fails, that undoes nothing."""
    settings = work.project.settings
    past = retention.Past.read(settings.releases)
    # A clock that was set back must not make what was just taken look like an old one, even if
    # no record could be written that names it.
    taken = frozenset(work.record.result.backups)
    past = replace(past, needed=past.needed | taken, verified=taken)
    for environment in environments:
        try:
            retention.prune(Shelf.of(settings, environment), past)
        except StepFailed as error:
            with work.record.step("prune", environment.name) as step:
                step.note = "old backups stay"
                kept = Finding("backups-kept", "warning", error.what, environment.name)
                work.record.add_findings([kept])


def _databases(project: Project) -> list[Database]:
    return [project.database(environment) for environment in project.settings.path]


def _pending_in_words(standing: Standing) -> str:
    count = len(standing.pending)
    if not count:
        return "nothing pending"
    return f"{count} revision{'s' * (count > 1)} pending"
