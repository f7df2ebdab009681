"""The schemas with which upgrades ended, a file for each environment; only the last one counts."""

from __future__ import annotations

from pathlib import Path

from migrations_ops.model.drift import RecordedSchema
from migrations_ops.model.serialisation import Unreadable, read_versioned, to_versioned
from migrations_ops.system.files import make_folder, write_whole
from migrations_ops.system.reading import read_json


def schema_file(releases: Path, environment: str) -> Path:
    return releases / f"schema.{environment}.json"


def read_recorded_schema(releases: Path, environment: str) -> RecordedSchema | None:
    """None where nothing is recorded, or the file cannot be read."""
    file = schema_file(releases, environment)
    found = read_versioned(RecordedSchema, file, read_json(file))
    return None if isinstance(found, Unreadable) else found


def write_recorded_schema(releases: Path, environment: str, schema: RecordedSchema) -> str:
    """:returns: why it could not be written; empty if it was. A full disk must not fail a completed
    upgrade."""
    file = schema_file(releases, environment)
    try:
        make_folder(releases)
        write_whole(file, to_versioned(schema))
    except OSError as error:
        return f"{file} cannot be written ({error.strerror})"
    return ""
