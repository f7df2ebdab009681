"""Verifies a database: at head, no drift, sound, and built by the sources of this checkout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.recorder import Reporter, RunningStep
from migrations_ops.model.allowed import advice_on_finding, without_allowed
from migrations_ops.model.errors import ExitCode, Refused, StepFailed
from migrations_ops.model.findings import (
    BROKEN_INDEX,
    DRIFT,
    DRIFT_UNKNOWN,
    DRIFT_WITHOUT_MODELS,
    EVIDENCE_NOT_WRITTEN,
    MORE_DRIFT,
    NOT_AT_HEAD,
    NOT_UPGRADABLE,
    OTHER_ENVIRONMENT,
    OTHER_HEADS,
    Finding,
)
from migrations_ops.model.outcome import VerifyReport
from migrations_ops.model.plan import StepName
from migrations_ops.model.text import counted
from migrations_ops.operations.advice import advice, advice_on_destination
from migrations_ops.operations.drift import find_drift
from migrations_ops.operations.edited_advice import advice_on_edited
from migrations_ops.operations.edited_revisions import EDITED, find_edited, split_ancestors
from migrations_ops.operations.failure.reminder import Reminder, find_reminder
from migrations_ops.operations.failure.run_messages import advice_on_run
from migrations_ops.operations.other_versions import find_other_versions
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session, listener
from migrations_ops.operations.state import DatabaseState, identity_mismatch, read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.targets import Target
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for

CHECK = ("check",)
DRIFT_SHOWN = 10
_NO_METADATA = "MetaData"


def verify(
    session: Session,
    environment: Environment,
    target: Target | None = None,
    *,
    find_more: Callable[[DatabaseState], list[Finding]] | None = None,
    index_fails: bool = True,
) -> VerifyReport:
    """Check a database, and let what passes count for the gate.

    :param target: the revision where it must be, instead of the configured target.
    :param find_more: what an upgrade is checked for besides.
    :param index_fails: whether an index that does not agree with its content is an error; after
        an upgrade it is one only where that has broken it.
    :raises OpsError: the database cannot be queried.
    """
    with session.record.step(StepName.VERIFY, environment.name) as step:
        state = read_state(session.project, environment, target)
        own = not identity_mismatch(state)  # else the child would refuse
        asked = own and state.kind in ("at head", "behind")
        with compared_models(session, environment, step) if asked else nullcontext() as check:
            found = find_more(state) if find_more else []
            report = judge(session, state, check, found, index_fails=index_fails)
            report = _record_evidence(session, state, report)
        session.record.add_findings(list(report.findings))
        step.summary = summary(report)
        step.outcome = "passed" if report.passed else "failed"
        step.exit = 0 if report.passed else ExitCode.REFUSED
        return report


@contextmanager
def compared_models(
    session: Session, environment: Environment, step: RunningStep
) -> Iterator[CommandRun | None]:
    """Compare the models with the database by ``alembic check``, in a separate process.

    What an env.py or a revision has set, imported or registered during the upgrade is not there.
    The context does not wait until the child has ended.

    :returns: how the check ended, None if the models are not compared.
    """
    if not environment.compares_models:
        yield None
        return
    child = session.prestart.take(environment, StepName.VERIFY, (CHECK,))
    try:
        step.argv = child.argv
        instructions = instructions_for(session.project, environment)
        check = child.run(instructions, listener(session), last=False)
        step.exit = check.exit or 0
        yield check
    finally:
        child.close()


def judge(
    session: Session,
    state: DatabaseState,
    check: CommandRun | None,
    found: Iterable[Finding],
    *,
    index_fails: bool,
) -> VerifyReport:
    """Combine the findings into a report.

    :param check: how ``alembic check`` ended, None where it did not run.
    :param found: what was found before.
    :param index_fails: as for ``verify``.
    """
    environment = state.environment
    findings = [*found, *_state_findings(state)]
    if check is not None:
        if check.refused:
            raise Refused(
                f"Verify of {environment.name} was refused: {check.refused}.",
                untouched="Nothing was read or written there.",
                next=advice_on_destination(session.project, environment),
            )
        findings += drift_findings(environment, check)
    if state.inspection.exists and not state.inspection.trouble:
        known = {(each.code, each.where) for each in findings}
        whole = state.database.check_integrity()
        if index_fails:
            whole = [BROKEN_INDEX.stricter(each) for each in whole]
        findings += [each for each in whole if (each.code, each.where) not in known]
    findings += find_edited(state)
    findings += find_other_versions(session.project, state)
    findings = without_allowed(findings, session.allowed(environment))
    return VerifyReport(
        environment.name,
        state.inspection.revisions,
        environment.heads or state.history.effective_heads,
        tuple(findings),
        compared=check is not None and check.finished,
        advice=_advice_on(session, state, findings),
    )


def _record_evidence(session: Session, state: DatabaseState, report: VerifyReport) -> VerifyReport:
    """Note what passed for the gate.

    :returns: the report, with a finding if that cannot be recorded.
    """
    if not report.passed:
        return report
    evidence = Evidence(session.project.settings.releases)
    obstacle = evidence.record_passed(state.environment, _certifiable(session, state))
    if not obstacle:
        return report
    unwritten = EVIDENCE_NOT_WRITTEN.found(str(evidence.file), reason=obstacle)
    return replace(report, findings=(*report.findings, unwritten))


def _advice_on(session: Session, state: DatabaseState, findings: Iterable[Finding]) -> str:
    errors = [finding for finding in findings if finding.severity == "error"]
    edited = [each for each in errors if each.code in EDITED]
    # An upgrade would be refused for these.
    if edited and state.kind in ("at head", "behind") and not identity_mismatch(state):
        return advice_on_edited(session, state, edited)
    if advised := advice(state):
        return advised
    return advice_on_finding(errors[0], state.environment.name, by_flag=False) if errors else ""


def require_verified(report: VerifyReport, *, untouched: str = "", next: str = "") -> None:
    """:raises Refused: a finding is an error."""
    if not report.passed:
        raise Refused(
            f"Verify of {report.environment} failed: {first_error(report)}.",
            untouched=untouched or "Nothing was changed.",
            next=next or report.advice,
        )


def first_error(report: VerifyReport) -> str:
    """The message of the first error, and the number of further ones."""
    errors = [finding for finding in report.findings if finding.severity == "error"]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].message}{more}"


def summary(report: VerifyReport) -> str:
    """A short summary of a verify."""
    counts = {
        severity: sum(finding.severity == severity for finding in report.findings)
        for severity in ("error", "warning")
    }
    words = [counted(count, name) for name, count in counts.items() if count]
    at_head = set(report.current) == set(report.heads)
    revision_reached = "head" if at_head else ", ".join(report.current)
    good = [f"at {revision_reached}", "sound", *(["no drift"] if report.compared else [])]
    return ", ".join(words or good)


def _state_findings(state: DatabaseState) -> list[Finding]:
    """Findings about the state and the identity of a database."""
    name, label = state.environment.name, state.database.label
    heads = state.environment.heads
    findings = []
    mismatch = identity_mismatch(state)
    if mismatch:
        findings.append(OTHER_ENVIRONMENT.found(name, database=label, reason=mismatch))
    if state.kind != "at head":
        pending = counted(len(state.pending), "revision")
        detail = state.trouble or (f"{pending} pending" if state.pending else "")
        detail = f": {detail}" if detail else ""
        if state.kind in ("behind", "empty", "missing"):
            found = NOT_AT_HEAD.found(name, database=label, state=state.kind, detail=detail)
        else:
            found = NOT_UPGRADABLE.found(name, database=label, kind=state.kind, detail=detail)
        findings.append(found)
    if heads and set(heads) != set(state.history.effective_heads):
        has = ", ".join(state.history.effective_heads)
        findings.append(OTHER_HEADS.found(name, expected=", ".join(heads), heads=has))
    return findings


def drift_findings(environment: Environment, check: CommandRun) -> list[Finding]:
    """Findings of ``alembic check``, or why it could not compare.

    :raises StepFailed: it ended before it had opened the database.
    """
    strict = environment.drift == "strict"
    if check.failure:
        if _NO_METADATA in check.failure:
            return [DRIFT_WITHOUT_MODELS.found(environment.name)]
        if "not up to date" in check.failure:
            return []  # that it is not at head is a finding already
        if not check.opened:
            raise StepFailed(
                f"Verify of {environment.name} failed: {check.failure}.",
                untouched="Nothing was changed.",
                next=advice_on_run(check),
            )
        return [DRIFT_UNKNOWN.found(check.where, strict=strict, reason=check.failure)]
    lines, more = folded_drift(environment, check)
    found = [DRIFT.found(line, strict=strict, environment=environment.name) for line in lines]
    return found + more


def folded_drift(
    environment: Environment, check: CommandRun
) -> tuple[tuple[str, ...], list[Finding]]:
    """The first differences, and one finding that counts the others: they must hide no loss."""
    shown = check.differences[:DRIFT_SHOWN]
    more = len(check.differences) - len(shown)
    strict = environment.drift == "strict"
    rest = [MORE_DRIFT.found(environment.name, strict=strict, more=more)] if more else []
    return shown, rest


def _certifiable(session: Session, state: DatabaseState) -> list[Revision]:
    """The revisions that a later environment does not have yet, for which the gate asks."""
    path, history = session.project.settings.path_of(state.environment), state.history
    if history.unknown(state.inspection.revisions):
        return []
    reached = history.ancestors(state.inspection.revisions)
    wanted: set[str] = set()
    for later in path[path.index(state.environment) + 1 :]:
        if not session.project.knows_url(later):
            return [history.revisions[name] for name in sorted(reached)]
        inspection = session.project.database(later).inspect(later.version_table)
        known = (name for name in inspection.revisions if name in history.revisions)
        wanted |= reached - history.ancestors(known)
    ledger = state.ledger()
    never_ran = ledger.stamped.union(split_ancestors(state, ledger)[1])
    return [history.revisions[name] for name in sorted(wanted - never_ran)]


def verify_environment(
    project: Project, environment: Environment, reporter: Reporter
) -> tuple[Finished, VerifyReport | None]:
    """Check one environment; the report is returned even if it failed."""
    found: list[VerifyReport] = []

    def body(session: Session) -> None:
        reminders: list[Reminder] = []

        def remind(state: DatabaseState) -> list[Finding]:
            reminders.extend(filter(None, [find_reminder(project, state)]))
            label = state.database.label
            changed = find_drift(project, state) if state.kind in ("at head", "behind") else []
            return changed + [
                NOT_UPGRADABLE.found(
                    environment.name, database=label, kind="dirty", detail=f": {each.trouble}"
                )
                for each in reminders
            ]

        found.append(verify(session, environment, find_more=remind))
        require_verified(found[0], next=reminders[0].next if reminders else "")

    finished = run_recorded(project, "verify", environment.name, reporter, body)
    return finished, found[0] if found else None
