"""Revision scripts for tests, and the same folder as Alembic and as we read it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from alembic.script import ScriptDirectory

from migrations_ops.revisions.history import History
from migrations_ops.revisions.loader import ScriptLocation, read_history

TEMPLATE = '''"""{message}

Revision ID: {revision}
Revises: {down}
Create Date: 2024-02-03 04:05:06.789012

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = {revision!r}
down_revision: Union[str, Sequence[str], None] = {down!r}
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""


def downgrade() -> None:
    """Downgrade schema."""
'''


def put(folder: Path, name: str, source: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    return file


def made_by_alembic(revision: str, down: object = None, message: str = "a change") -> str:
    return TEMPLATE.format(revision=revision, down=down, message=message)


def only(folder: Path, *, recursive: bool = False, sourceless: bool = False) -> History:
    return read_history(ScriptLocation((folder,), recursive, sourceless))


def by_alembic(
    folder: Path, *, recursive: bool = False, sourceless: bool = False
) -> set[tuple[object, ...]]:
    """What Alembic has after running the scripts of the folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripts = ScriptDirectory(
            str(folder),
            version_locations=[str(folder)],
            recursive_version_locations=recursive,
            sourceless=sourceless,
        )
        return {
            (
                script.revision,
                as_tuple(script.down_revision),
                as_tuple(script.dependencies),
                frozenset(script._orig_branch_labels),
                script.path,
                script.doc.split("\n")[0],
            )
            for script in scripts.walk_revisions()
        }


def by_us(history: History) -> set[tuple[object, ...]]:
    return {
        (
            each.revision,
            each.down,
            each.depends_on,
            frozenset(each.labels),
            each.file,
            each.message,
        )
        for each in history.revisions.values()
    }


def as_tuple(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())
