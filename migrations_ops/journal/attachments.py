"""What is beside the record of a release for its report: the plan that it followed, and what its
upgrades changed in each schema. Nothing else reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from migrations_ops.child.protocol.redaction import redacted_document
from migrations_ops.model.drift import ChangedObject
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.model.serialisation import Unreadable, read_versioned, to_versioned
from migrations_ops.system.files import make_folder, write_whole
from migrations_ops.system.reading import read_json

CHANGES, PLAN = "changes.json", "plan.json"


@dataclass(frozen=True, slots=True)
class SchemaChanges:
    """The objects that a release made, changed and removed, by environment."""

    environments: Mapping[str, tuple[ChangedObject, ...]] = field(default_factory=dict)


def read_changes(folder: Path) -> SchemaChanges:
    """None of them where nothing was written, or it cannot be read."""
    found = read_versioned(SchemaChanges, folder / CHANGES, read_json(folder / CHANGES))
    return SchemaChanges() if isinstance(found, Unreadable) else found


def add_changes(folder: Path, environment: str, changed: tuple[ChangedObject, ...]) -> None:
    """:raises OSError: they cannot be written."""
    found = read_changes(folder)
    whole = replace(found, environments={**found.environments, environment: changed})
    make_folder(folder)
    write_whole(folder / CHANGES, redacted_document(to_versioned(whole)))


def read_followed_plan(folder: Path) -> MeasuredPlan | None:
    """The plan that a release followed; None where it followed none, or it cannot be read."""
    found = read_versioned(MeasuredPlan, folder / PLAN, read_json(folder / PLAN))
    return None if isinstance(found, Unreadable) else found


def write_followed_plan(folder: Path, plan: MeasuredPlan) -> None:
    """:raises OSError: it cannot be written."""
    make_folder(folder)
    write_whole(folder / PLAN, redacted_document(to_versioned(plan)))
