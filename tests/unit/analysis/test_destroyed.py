"""What is destroyed is counted under every name, declared or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from migrations_ops.analysis.destroyed import find_destroyed
from migrations_ops.analysis.reader import read_declared
from migrations_ops.child.protocol.events import OperationAsked, Traced
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.measured_plan import Destroyed

BEFORE = Fingerprint(
    ("a",),
    {"table t": "", "column t.a": "text", "column t.b": "text", "table u": "", "column u.a": "int"},
    {"t": 12, "u": 1},
)


@pytest.mark.parametrize(
    ("ran", "gone", "added", "rows", "destroyed"),
    [
        ([], [], {}, {"t": 12, "u": 1}, []),
        ([], ["column t.b"], {}, {"t": 12, "u": 1}, [Destroyed("column", "t.b", 12)]),
        ([], ["table u", "column u.a"], {}, {"t": 12}, [Destroyed("table", "u", 1)]),
        ([], [], {}, {"t": 9, "u": 1}, [Destroyed("rows", "t", 3)]),
        ([], [], {}, {"t": 15, "u": 1}, []),
        ([OperationAsked("rename_table", "u", to="v")], ["table u", "column u.a"],
         {"table v": "", "column v.a": "int"}, {"t": 12, "v": 0}, [Destroyed("rows", "u", 1)]),
        ([OperationAsked("rename_column", "t", "b", to="c")], ["column t.b"],
         {"column t.c": "text"}, {"t": 12, "u": 1}, []),
    ],
)  # fmt: skip
def test_tables_columns_and_rows_that_are_gone_are_counted(
    ran: Sequence[Traced],
    gone: Sequence[str],
    added: Mapping[str, str],
    rows: Mapping[str, int],
    destroyed: list[Destroyed],
) -> None:
    schema = {key: was for key, was in BEFORE.schema.items() if key not in gone} | dict(added)
    declared = read_declared(ran, BEFORE.schema, schema)
    assert list(find_destroyed(BEFORE, Fingerprint(("b",), schema, rows), declared)) == destroyed
