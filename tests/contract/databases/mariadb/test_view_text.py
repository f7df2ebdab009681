"""A view that joins its tables by commas is the same after a dump, and can be backed up."""

from __future__ import annotations

from pathlib import Path

from tests.contract.databases.mariadb.support import back_up, engine, run
from tests.servers.databases import ServerDatabase

VIEWS = (
    "a, b",
    "a, b, c",
    "a, b x, c, b y WHERE x.a = a.a GROUP BY a.a ORDER BY 1 LIMIT 3",
    "b LEFT JOIN a ON b.a = a.a, c",
    "(a, b) LEFT JOIN c ON c.a = a.a, b z",
    "a, (SELECT b.a FROM b, c WHERE EXTRACT(YEAR FROM b.a) = 1) x",
    "a, b WHERE a.a IN (SELECT c.a FROM c, b) UNION SELECT b.a FROM b, c",
    "a JOIN b ON a.a = b.a",
    "a STRAIGHT_JOIN b, c",
)


def test_views_that_join_by_commas_are_backed_up(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    tables = [f"CREATE TABLE {name} (a INT)" for name in "abc"]
    views = [
        f"CREATE VIEW v{number} AS SELECT {text.strip(chr(40))[0]}.a FROM {text}"
        for number, text in enumerate(VIEWS)
    ]
    run(mariadb_database, *tables, *views)
    before = back_up(mariadb_database, tmp_path / "b")
    assert engine(mariadb_database).fingerprint("alembic_version") == before
    assert len([key for key in before.schema if key.startswith("view ")]) == len(VIEWS)
