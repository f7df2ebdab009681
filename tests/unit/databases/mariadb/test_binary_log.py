"""Which triggers and functions a role could not make again where a binary log is written."""

from __future__ import annotations

import pytest

from migrations_ops.databases.mariadb.preflight.binary_log import Programs, find_refused

PROGRAMS = Programs(("trigger",), ("declared", "undeclared"), ("undeclared",))


@pytest.mark.parametrize(
    ("trusts", "is_super", "refused"),
    [
        (True, False, []),
        (True, True, []),
        (False, True, ["undeclared"]),
        (False, False, ["trigger", "declared", "undeclared"]),
    ],
)
def test_what_is_not_trusted_is_refused(trusts: bool, is_super: bool, refused: list[str]) -> None:
    assert [*find_refused(PROGRAMS, trusts=trusts, is_super=is_super)] == refused
    assert not find_refused(Programs(), trusts=trusts, is_super=is_super)
