"""A step knows its kinds of database from one table, and refuses every other one."""

from __future__ import annotations

from typing import get_args

import pytest

from migrations_ops.child.families import (
    FAMILIES,
    SQLITE,
    Family,
    family_of,
    family_of_identity,
    family_of_scheme,
    is_of_a_lock,
    load,
)
from migrations_ops.child.protocol import ProtocolError
from migrations_ops.child.protocol.identity import is_server
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.databases.open import BUILT_IN

each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@each_family
def test_what_a_family_names_is_there(family: Family) -> None:
    assert family.name in get_args(Syntax)
    assert isinstance(load(family.transactions), type)
    ledger = {"find", "is_taken", "write", "must_be_written", "role"}
    assert ledger <= set(dir(load(family.ledger)))
    if not family.is_transactional:
        assert callable(load(family.ledger).remove)
    if family.server is not None:
        assert load(family.transactions).family == family.name
        assert callable(load(family.server.timeouts))
        assert callable(load(family.server.step_lock))
        assert f"'{family.name}'" in family.server.identity


def test_every_url_that_an_engine_reads_is_of_a_family() -> None:
    assert set(BUILT_IN) == {scheme for family in FAMILIES.values() for scheme in family.schemes}
    assert family_of_scheme("oracle") is None


def test_dialects_of_sqlalchemy_are_of_the_family_of_their_scheme() -> None:
    from sqlalchemy.engine import make_url

    for family in FAMILIES.values():
        for scheme in family.schemes:
            assert family_of(make_url(f"{scheme}://").get_dialect()()) == family.name
    assert family_of(make_url("mssql://").get_dialect()()) == "mssql"


@pytest.mark.parametrize("path", [None, "/data/db.sqlite3", "C:/db.sqlite3", "c:\\db", "//host/db"])
def test_path_is_that_of_a_file(path: str | None) -> None:
    assert not is_server(path)
    assert family_of_identity(path).name == SQLITE


def test_identity_begins_with_the_name_of_its_family() -> None:
    assert family_of_identity("postgresql:7:1:2").name == "postgresql"
    assert family_of_identity("mariadb:host:3306:shop").name == "mariadb"


@pytest.mark.parametrize("name", ["oracle", "sqlite", "cockroach2_"])
def test_server_that_nobody_knows_gets_the_guard_of_no_other_one(name: str) -> None:
    with pytest.raises(ProtocolError, match=f"does not know {name} databases.*postgresql"):
        family_of_identity(f"{name}:host:1521:shop")


@pytest.mark.parametrize("code", ["55P03", "40P01", "40001", "1205", "1213"])
def test_lock_of_somebody_else_is_known_by_its_code(code: str) -> None:
    assert is_of_a_lock(code)


@pytest.mark.parametrize("code", [None, "", "23505", "25P02", "1146"])
def test_other_error_is_none_of_a_lock(code: str | None) -> None:
    assert not is_of_a_lock(code)
