"""Refuses, before anything is started, what a server does not allow."""

from __future__ import annotations

from collections.abc import Iterable

from migrations_ops.model.allowed import Consent, advice_on_finding, without_allowed
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import ENGINE_UNTESTED, INVALID_INDEX, NAMES_ANOTHER, Finding
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.environments import Environment


def require_no_obstacles(session: Session, state: DatabaseState) -> None:
    """:raises Refused: no backup could be taken, verified or restored."""
    if not state.pending:
        return
    environment, project = state.environment, session.project
    found = judge(
        state.database.find_obstacles(project.other_identities(environment)),
        environment,
        session.allowed(environment),
        is_rehearsed=project.settings.is_rehearsed(environment),
        is_pending=True,
    )
    session.record.add_findings([each for each in found if each.severity == "warning"])
    errors = [each for each in found if each.severity == "error"]
    if errors:
        raise Refused(
            f"{environment.name} cannot be released: {errors[0].message}.",
            untouched="No database was touched.",
            next=advice_on_finding(errors[0], environment.name, by_flag=True),
        )


def judge(
    found: Iterable[Finding],
    environment: Environment,
    allowed: Iterable[Consent],
    *,
    is_rehearsed: bool,
    is_pending: bool,
) -> list[Finding]:
    """The obstacles with their severity for this environment.

    :param allowed: what the configuration and the command line allow.
    :param is_rehearsed: whether a copy of its database is upgraded first.
    :param is_pending: whether revisions are pending.
    """
    allowed = [*allowed]
    if environment.engine_untested or not environment.protected:
        # In an unprotected environment, an untested engine may simply be tried.
        allowed.append(Consent(ENGINE_UNTESTED.code))
    if not is_rehearsed:
        allowed.append(Consent(NAMES_ANOTHER.code))
    if environment.protected and is_pending:
        # No rehearsal meets an INVALID index: what fails at its name fails in the real one alone.
        found = [INVALID_INDEX.stricter(each) for each in found]
    return without_allowed(found, allowed)
