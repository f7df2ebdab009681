"""A release by a plan that was made before: only what was planned, on the schema of then."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from migrations_ops.child.protocol.redaction import redacted_document
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.model.fingerprint import in_short
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.model.serialisation import Unreadable, read_versioned
from migrations_ops.model.text import excerpt, quoted
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.settings import Settings
from migrations_ops.revisions.loader import is_unedited
from migrations_ops.system.reading import read_json

# No longer name is advised.
_LONG = 100


def read_plan(file: Path, settings: Settings) -> MeasuredPlan:
    """The plan in a file that ``plan --output`` wrote.

    :raises ConfigurationError: there is none, it cannot be read, or it is not of the environment
        that a release ends with.
    """
    plan = read_any_plan(file, settings.last.name)
    if not plan.rehearsed:
        raise ConfigurationError(
            f"The plan {file} was made with --quick: nothing of it was rehearsed.",
            next=f"Make one without it: invoke plan --output {quoted(str(file))}",
        )
    last = settings.last.name
    if plan.environment != last:
        raise ConfigurationError(
            f"The plan {file} is of {plan.environment}, and a release goes on to {last}.",
            next=f"Make one of {last}: invoke plan --env {last} --output {quoted(str(file))}",
        )
    return plan


def read_any_plan(file: Path, environment: str) -> MeasuredPlan:
    """The plan in a file that ``plan --output`` wrote, of any environment.

    :param environment: the one of which to advise a plan.
    :raises ConfigurationError: there is none, or it cannot be read.
    """
    plan = read_versioned(MeasuredPlan, file, read_json(file))
    if isinstance(plan, Unreadable):
        why = plan.why if plan.newer else "is not a plan in JSON"
        raise ConfigurationError(
            f"The plan {excerpt(str(file))} {why if os.path.lexists(file) else 'does not exist'}.",
            next=f"Make one: invoke plan --env {environment}"
            f" --output {quoted(str(_free_name(file)))}",
        )
    return plan


def _free_name(file: Path) -> Path:
    """A file for a plan, by whose ending it is JSON; none that is there already is replaced."""
    if not os.path.isdir(file.parent) or len(file.name) > _LONG:
        file = Path("plan.json")
    endings = chain([".json"], (f"-{number}.json" for number in count(2)))
    names = (file.with_name(f"{file.stem}{ending}") for ending in endings)
    return next(each for each in names if not os.path.lexists(each))


def require_as_planned(states: Sequence[DatabaseState], plan: MeasuredPlan, file: Path) -> None:
    """Refuse what was not planned. An environment that has got there already needs no plan, unless
    more is pending by now.

    :raises Refused: other revisions are pending than those of the plan, or its environment has
        another schema; or the plan shows that the release would be stopped.
    """
    [state] = [each for each in states if each.environment.name == plan.environment]
    if set(state.inspection.revisions) == set(plan.to) and not state.pending:
        return
    again = f"invoke plan --env {plan.environment} --output {quoted(str(file))}"
    if plan.error is not None:
        raise Refused(
            f"The plan {file} shows that the release would stop: {plan.error.what}",
            untouched="No database was touched.",
            next=f"Fix that, and plan again: {again}",
        )
    different = list(_different(state, plan))
    if different and len(plan.to) == 1 and set(plan.to) != set(state.target.revisions):
        as_planned = f"invoke release-migration --plan-file {quoted(str(file))} --to {plan.to[0]}"
        again = f"{again}; or, to release what was planned: {as_planned}"
    if different:
        raise Refused(
            f"{plan.environment} is not as the plan {file} has it: {'; '.join(different)}.",
            untouched="No database was touched.",
            next=f"Plan again, and review it: {again}",
        )


def _different(state: DatabaseState, plan: MeasuredPlan) -> Iterator[str]:
    if plan.database != state.database.label:
        yield f"it is {state.database.label}, not {plan.database}"
    planned = {each.revision: each for each in plan.revisions}
    pending = {each.revision: each for each in state.pending}
    if new := [name for name in pending if name not in planned]:
        yield f"{in_short(new)} {'was' if len(new) == 1 else 'were'} not planned"
    if set(state.inspection.revisions) == set(plan.to):
        return  # The plan was released: nothing of it is pending, and the schema is a later one.
    if set(plan.from_) != set(state.inspection.revisions):
        here, there = ", ".join(state.inspection.revisions), ", ".join(plan.from_)
        yield f"it is at {here or 'no revision'}, not at {there or 'no revision'}"
    if gone := [name for name in planned if name not in pending]:
        yield f"{in_short(gone)} {'is' if len(gone) == 1 else 'are'} not pending"
    both = [name for name in planned if name in pending]
    if edited := [name for name in both if not is_unedited(pending[name], planned[name].source)]:
        yield f"{in_short(edited)} {'was' if len(edited) == 1 else 'were'} edited since"
    schema: dict[str, str] = {}
    if state.exists:
        now = state.database.fingerprint(state.environment.version_table)
        # As it was written into the plan: a view may well contain "password = ...".
        schema = redacted_document(now.schema)
    then = redacted_document(plan.schema)
    if changed := sorted({name for name, _ in schema.items() ^ then.items()}):
        yield f"its schema has changed: {in_short(changed)}"
