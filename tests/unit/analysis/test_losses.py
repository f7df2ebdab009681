"""What an upgrade makes disappear is found, unless a revision declares it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.child.protocol.events import OperationAsked, StatementRan
from migrations_ops.databases.sqlite.inspection import read_fingerprint
from migrations_ops.model.fingerprint import Fingerprint
from tests.unit.analysis.losses_support import NOTHING, START, found

REBUILD = (
    "CREATE TABLE new_parents (id INTEGER PRIMARY KEY, name TEXT, code TEXT)",
    "INSERT INTO new_parents SELECT id, name, code FROM parents",
    "DROP VIEW names",
    "DROP TABLE parents",
    "ALTER TABLE new_parents RENAME TO parents",
)
BATCH = (
    "CREATE TABLE _alembic_tmp_parents (id INTEGER PRIMARY KEY, name TEXT, note TEXT, code TEXT)",
    "INSERT INTO _alembic_tmp_parents SELECT id, name, note, code FROM parents",
    "DROP VIEW names",
    "DROP TABLE parents",
    "ALTER TABLE _alembic_tmp_parents RENAME TO parents",
    "CREATE VIEW names AS SELECT name FROM parents",
)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # Columns and keys vanish with their table.
        (["DROP TABLE children"], {"lost-table:children"}),
        (['DROP TABLE "odd one"'], {'lost-table:"odd one"'}),
        (["DROP INDEX ix_note"], {"lost-index:ix_note"}),
        (["DROP TRIGGER tr"], {"lost-trigger:tr"}),
        (["DROP VIEW names"], {"lost-view:names"}),
        (["DROP INDEX ix_note", "ALTER TABLE parents DROP COLUMN note"],
         {"lost-index:ix_note", "lost-column:parents.note"}),
        (["DELETE FROM children WHERE id = 1"], {"lost-rows:children"}),
        (['DELETE FROM "odd one"'], {'lost-rows:"odd one"'}),
        (BATCH, {"lost-index:ix_note", "lost-index:ix_lower", "lost-trigger:tr",
                 "lost-check:parents: id > 0", "lost-check:parents: named",
                 "lost-unique:parents(code)", "weakened-column:parents.name"}),
        (["DROP TABLE children",
          "CREATE TABLE children (id INTEGER PRIMARY KEY,"
          " parent_id INTEGER REFERENCES parents (id))"],
         {"weakened-table:children", "weakened-foreign-key:children(parent_id) to parents",
          "lost-rows:children"}),
        (["DROP INDEX ix_note", "CREATE INDEX ix_note ON parents (note DESC)"], set()),
    ],
    ids=["table", "odd table", "index", "trigger", "view", "column", "rows", "odd rows", "rebuild",
         "weaker", "stronger"],
)  # fmt: skip
def test_what_vanishes_undeclared_is_an_error(statements: list[str], expected: set[str]) -> None:
    """The statements are not reported: something else ran them."""
    findings = found(*statements, reported=False)
    assert {key for key, severity in findings.items() if severity == "error"} == expected


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["DROP TABLE children"], {"dropped-table:children": "warning"}),
        (['drop table if exists main . "children"'], {"dropped-table:children": "warning"}),
        (["-- no longer needed\nDROP TABLE [odd one]"], {'dropped-table:"odd one"': "warning"}),
        (["DROP INDEX IF EXISTS `ix_note`"], {}),
        (["DROP TRIGGER tr"], {}),
        (["DROP VIEW Names"], {}),
        (["DROP INDEX ix_note", "ALTER TABLE parents DROP note"],
         {"dropped-column:parents.note": "note"}),
        # Nothing is dropped by a rename.
        (["ALTER TABLE parents RENAME COLUMN note TO remark"], {}),
        (["ALTER TABLE parents RENAME TO people"], {}),
        (["DELETE FROM children"], {"deleted-rows:children": "warning"}),
    ],
    ids=["table", "schema and quotes", "comment and brackets", "index", "trigger", "view",
         "column", "rename column", "rename table", "rows"],
)  # fmt: skip
def test_what_a_statement_declares_is_no_error(
    statements: list[str], expected: dict[str, str]
) -> None:
    assert found(*statements) == expected


@pytest.mark.parametrize(
    ("operation", "statement"),
    [
        (OperationAsked(kind="drop_table", table="children"), "DROP TABLE children"),
        (OperationAsked(kind="drop_index", name="ix_note"), "DROP INDEX ix_note"),
        (
            OperationAsked(kind="rename_table", table="children", to="kids"),
            "ALTER TABLE children RENAME TO kids",
        ),
        (
            OperationAsked(kind="rename_column", table="parents", name="code", to="mark"),
            "ALTER TABLE parents RENAME code TO mark",
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, OperationAsked) else "",
)
def test_what_an_operation_declares_is_no_error(operation: OperationAsked, statement: str) -> None:
    assert "error" not in found(statement, reported=False, operations=(operation,)).values()


def test_a_batch_rebuild_does_not_declare_that_it_drops_its_table() -> None:
    errors = {key for key, severity in found(*BATCH).items() if severity == "error"}
    assert errors == {
        "lost-index:ix_note", "lost-index:ix_lower", "lost-trigger:tr",
        "lost-check:parents: id > 0", "lost-check:parents: named",
        "lost-unique:parents(code)", "weakened-column:parents.name",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "covered"),
    [
        ("uq_code", "unique", {"lost-unique:parents(code)"}),
        ("named", "check", {"lost-check:parents: named"}),
        ("named", None, {"lost-check:parents: named"}),
        # What has no name is dropped under the one that a naming convention makes for it.
        ("ck_parents_id", "check", {"lost-check:parents: id > 0"}),
        # The name belongs to another kind of constraint: the checks are not declared.
        ("uq_code", "check", set()),
    ],
)
def test_a_dropped_constraint_covers_just_that_one(
    name: str, kind: str | None, covered: set[str]
) -> None:
    operation = OperationAsked(kind="drop_constraint", table="parents", name=name, type=kind)
    without, declared = found(*BATCH), found(*BATCH, operations=(operation,))
    assert set(without) - set(declared) == covered


def test_a_rebuild_by_hand_declares_columns_and_nothing_else() -> None:
    """Who writes a whole CREATE TABLE leaves out a column on purpose, and forgets the trigger."""
    findings = found(*REBUILD)
    assert {key for key, severity in findings.items() if severity == "error"} == {
        "lost-index:ix_lower",
        "lost-trigger:tr",
        "lost-check:parents: id > 0",
        "lost-check:parents: named",
        "lost-unique:parents(code)",
        "weakened-column:parents.name",
    }


def test_a_rebuild_by_hand_keeps_its_rows() -> None:
    fewer = [REBUILD[0], f"{REBUILD[1]} WHERE id = 1", *REBUILD[2:]]
    assert found(*fewer)["lost-rows:parents"] == "error"


def test_a_dropped_column_covers_what_needs_it_and_nothing_else() -> None:
    columns = (OperationAsked(kind="drop_column", table="parents", name="note"),)
    findings = found(
        "DROP INDEX ix_note", "DROP INDEX ix_lower", reported=False, operations=columns
    )
    assert findings == {"lost-index:ix_lower": "error"}


def test_a_dropped_column_of_another_table_covers_nothing() -> None:
    columns = (OperationAsked(kind="drop_column", table="children", name="note"),)
    findings = found("DROP INDEX ix_note", reported=False, operations=columns)
    assert findings == {"lost-index:ix_note": "error"}


def test_a_trigger_that_mentions_a_dropped_table_is_missed_all_the_same() -> None:
    findings = found("DROP TABLE children", "DROP TRIGGER tr")
    assert "lost-trigger:tr" not in findings
    operation = OperationAsked(kind="drop_table", table="children")
    assert found("DROP TRIGGER tr", reported=False, operations=(operation,)) == {
        "lost-trigger:tr": "error"
    }


@pytest.mark.parametrize(
    ("was", "now", "lost"),
    [
        ("ON UPDATE NO ACTION ON DELETE RESTRICT", "ON UPDATE NO ACTION ON DELETE NO ACTION",
         "RESTRICT"),
        ("STRICT WITHOUT ROWID", "WITHOUT ROWID", "STRICT"),
        ("STRICT", "STRICT AUTOINCREMENT", ""),
        ("ON CONFLICT REPLACE", "", "ON CONFLICT"),
        ("text DEFAULT 'DESC'", "text", ""),
    ],
)  # fmt: skip
def test_a_lost_trait_is_named_by_its_own_word(was: str, now: str, lost: str) -> None:
    before, after = (Fingerprint((), {"table t": text}, {"t": 1}) for text in (was, now))
    messages = [each.message for each in find_losses(before, after, NOTHING, "prod")]
    assert messages == ([f"the table t would lose {lost} in prod"] if lost else [])


KEYS = (
    "CREATE TABLE keys (a INT, b INTEGER, c TEXT, CONSTRAINT pk_old PRIMARY KEY (a),"
    " UNIQUE (b), CONSTRAINT uq UNIQUE (c), UNIQUE (a, c))"
)
OTHER_KEYS = (
    "CREATE TABLE keys (a INT, b INTEGER, c TEXT, CONSTRAINT pk_new PRIMARY KEY (a, b),"
    " CONSTRAINT uq_b UNIQUE (b, c), CONSTRAINT uq UNIQUE (c, b, a))"
)


@pytest.mark.parametrize(
    ("name", "kind", "columns", "covered"),
    [
        ("pk_new", "primary", ("a", "b"), {"lost-primary-key:keys(a)"}),
        ("uq", "unique", ("c", "b", "a"), {"lost-unique:keys(c)", "lost-unique:keys(b)",
                                           "lost-unique:keys(a, c)"}),
        ("uq_b", "unique", ("b",), {"lost-unique:keys(b)"}),
        ("uq_d", "unique", ("d",), set()),
        ("uq", "check", (), set()),
    ],
)  # fmt: skip
def test_a_constraint_that_is_created_declares_the_loss_of_that_which_it_replaces(
    name: str, kind: str, columns: tuple[str, ...], covered: set[str]
) -> None:
    created = OperationAsked("create_constraint", "keys", name, type=kind, columns=columns)
    schemas = []
    for statement in (KEYS, OTHER_KEYS):
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(statement)
            schemas.append(read_fingerprint(connection, "alembic_version"))
    before, after = schemas
    lost = {
        asked: {
            f"{each.code}:{each.where}"
            for each in find_losses(
                before, after, read_declared(asked, before.schema, after.schema), "prod"
            )
        }
        for asked in ((), (created,))
    }
    assert lost[()] >= {"lost-unique:keys(b)", "lost-unique:keys(c)", "lost-unique:keys(a, c)"}
    assert lost[()] - lost[(created,)] == covered


# -- what is renamed ----------------------------------------------------------------------------


def renamed_by_batch(old: str, new: str, columns: str) -> tuple[OperationAsked, list[str]]:
    """The operation of a column of parents that a batch renames, and what the batch does."""
    operation = OperationAsked(kind="rename_column", table="parents", name=old, to=new, batch=1)
    kept = ["id", "name", "note", "code"]
    now = [new if name == old else name for name in kept]
    return operation, [
        f"CREATE TABLE _alembic_tmp_parents ({columns})",
        f"INSERT INTO _alembic_tmp_parents ({', '.join(now)}) SELECT {', '.join(kept)}"
        " FROM parents",
        "DROP VIEW names",
        "DROP TABLE parents",
        "ALTER TABLE _alembic_tmp_parents RENAME TO parents",
    ]


# The rest of the table and of what hangs on it, as it was.
REST = (
    "CREATE INDEX ix_lower ON parents (lower(name))",
    "CREATE TRIGGER tr AFTER UPDATE ON parents BEGIN SELECT 1; END",
    "CREATE VIEW names AS SELECT name FROM parents",
)
COLUMNS = "id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, note TEXT"
BROKEN = {"weakened-foreign-key:children(parent_id) to parents": "error"}
CHECKS = "CHECK (id > 0), CONSTRAINT named CHECK (name <> '')"


@pytest.mark.parametrize(
    ("old", "columns", "index", "expected"),
    [
        ("note", f"{COLUMNS}, code TEXT, CONSTRAINT uq_code UNIQUE (code), {CHECKS}",
         "CREATE INDEX ix_note ON parents (new)", {}),
        ("note", f"{COLUMNS}, code TEXT, CONSTRAINT uq_code UNIQUE (code), {CHECKS}",
         "", {"lost-index:ix_note": "error"}),
        ("code", f"{COLUMNS}, code TEXT, CONSTRAINT uq_code UNIQUE (code), {CHECKS}",
         "CREATE INDEX ix_note ON parents (note)", {}),
        ("code", f"{COLUMNS}, code TEXT, {CHECKS}",
         "CREATE INDEX ix_note ON parents (note)", {"lost-unique:parents(code)": "error"}),
        # The children refer to a column that there is no more: a batch does not see them.
        ("id", f"{COLUMNS}, code TEXT, CONSTRAINT uq_code UNIQUE (code), {CHECKS}",
         "CREATE INDEX ix_note ON parents (note)", BROKEN),
        ("id", f"{COLUMNS}, code TEXT, CONSTRAINT uq_code UNIQUE (code),"
         " CONSTRAINT named CHECK (name <> '')",
         "CREATE INDEX ix_note ON parents (note)",
         {"lost-check:parents: id > 0": "error"} | BROKEN),
        ("name", f"{COLUMNS.replace('COLLATE NOCASE', '')}, code TEXT,"
         f" CONSTRAINT uq_code UNIQUE (code), {CHECKS}",
         "CREATE INDEX ix_note ON parents (note)", {"weakened-column:parents.name": "error"}),
    ],
    ids=["index", "lost index", "unique", "lost unique", "check", "lost check", "collation"],
)  # fmt: skip
def test_what_depends_on_a_renamed_column_is_found_under_its_new_name(
    old: str, columns: str, index: str, expected: dict[str, str]
) -> None:
    """A batch builds the table from what SQLAlchemy could read: a rename declares no loss."""
    new = columns.replace(f"({old}", "(new").replace(f"{old} TEXT", "new TEXT")
    new = new.replace("id INTEGER", "new INTEGER") if old == "id" else new
    operation, statements = renamed_by_batch(old, "new", new)
    rest = [each.replace("(name)", "(new)").replace("SELECT name", "SELECT new")
            for each in REST] if old == "name" else list(REST)  # fmt: skip
    assert found(*statements, *filter(None, [index]), *rest, operations=(operation,)) == expected


@pytest.mark.parametrize(
    ("table", "index", "expected"),
    [
        ("note TEXT, CONSTRAINT long CHECK (length(\"note\") > 1)", "", "check notes: long"),
        ("note TEXT, size TEXT", "CREATE INDEX ix ON notes (size) WHERE \"note\" > 1", "index ix"),
        ("note TEXT, up TEXT CONSTRAINT note REFERENCES notes (note)", "",
         "foreign key notes(up) to notes"),
    ],
    ids=["check", "index", "foreign key"],
)  # fmt: skip
def test_a_condition_that_still_has_the_old_name_is_found(
    table: str, index: str, expected: str
) -> None:
    """SQLite takes a name in quotes that no column has for a text, without an error."""
    operation = OperationAsked(kind="rename_column", table="notes", name="note", to="new", batch=1)
    schemas = []
    for name in ("note", "new"):
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(f"CREATE TABLE notes ({table.replace('note TEXT', f'{name} TEXT')})")
            if index:
                connection.execute(index)
            schemas.append(read_fingerprint(connection, "alembic_version"))
    declared = read_declared([operation], schemas[0].schema, schemas[1].schema)
    [found] = find_losses(schemas[0], schemas[1], declared, "prod")
    assert found.message == f"the {expected} would still name note, which is new now, in prod"
    assert (found.code.startswith("weakened-"), found.severity) == (True, "error")


LINKED = (
    "CREATE TABLE links (a INTEGER, b INTEGER, to_them INTEGER, [to] INTEGER,"
    " PRIMARY KEY (a, b), FOREIGN KEY (to_them, [to]) REFERENCES parents (id, name)"
    " ON DELETE CASCADE)",
    "CREATE INDEX ix_key ON links (b DESC) WHERE [to] > 1",
)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["ALTER TABLE links RENAME COLUMN [to] TO [on]", "ALTER TABLE links RENAME b TO a2",
          "ALTER TABLE links RENAME TO bonds", "ALTER TABLE parents RENAME TO people",
          "ALTER TABLE people RENAME COLUMN id TO number"], {}),
        (["ALTER TABLE links RENAME b TO c", "DROP INDEX ix_key",
          "CREATE INDEX ix_key ON links (c) WHERE [to] > 1"],
         {}),  # the index is dropped by name
        (["ALTER TABLE links RENAME TO x", "ALTER TABLE x RENAME TO y", "DROP TABLE y"],
         {"dropped-table:links": "note"}),
        # A chain in which each takes the name of another one.
        (["ALTER TABLE links RENAME TO x", "ALTER TABLE children RENAME TO links",
          "ALTER TABLE x RENAME TO children"], {}),
        (["ALTER TABLE links RENAME TO x", "ALTER TABLE children RENAME TO links",
          "DROP TABLE x"], {"dropped-table:links": "note"}),
        (["DROP TABLE links", "ALTER TABLE children RENAME TO links"],
         {"dropped-table:links": "note"}),
        (["ALTER TABLE links RENAME a TO x", "ALTER TABLE links RENAME b TO a",
          "ALTER TABLE links RENAME x TO b"], {}),
        (["ALTER TABLE links RENAME b TO keys",
          "CREATE TABLE links2 (keys INTEGER, a INTEGER, to_them INTEGER, [to] INTEGER,"
          " PRIMARY KEY (a, keys), FOREIGN KEY (to_them, [to]) REFERENCES parents (id, name))",
          "DROP TABLE links", "ALTER TABLE links2 RENAME TO links"],
         {"lost-index:ix_key": "error",
          "weakened-foreign-key:links(to_them, to) to parents": "error"}),
        # Out of its way first, then dropped.
        (["ALTER TABLE links RENAME TO old_links",
          "CREATE TABLE links (a INTEGER, b INTEGER, PRIMARY KEY (a, b))",
          "DROP TABLE old_links"],
         {"dropped-column:links.to_them": "note", "dropped-column:links.to": "note"}),
    ],
    ids=["all", "index anew", "then dropped", "swapped", "replaced by another", "dropped first",
         "columns swapped", "rebuilt by hand", "moved away"],
)  # fmt: skip
def test_renames_are_followed_through_chains_and_swaps(
    statements: list[str], expected: dict[str, str]
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in (*START, *LINKED):
            connection.execute(statement)
        before = read_fingerprint(connection, "alembic_version")
        for statement in statements:
            connection.execute(statement)
        after = read_fingerprint(connection, "alembic_version")
    events = [StatementRan(each) for each in statements]
    declared = read_declared(events, before.schema, after.schema)
    findings = find_losses(before, after, declared, "prod")
    assert {f"{each.code}:{each.where}": each.severity for each in findings} == expected


def test_only_the_checks_that_sqlalchemy_once_gave_booleans_may_go_undeclared() -> None:
    """A rebuild leaves all unnamed checks out; those of booleans nobody wrote."""
    columns = "id INTEGER PRIMARY KEY, on_sale BOOLEAN, sold BOOLEAN, size INTEGER"
    checks = "CHECK (on_sale IN (0, 1)), CHECK (sold IN (0, 1)), CHECK (size IN (0, 1))"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE goods ({columns}, {checks})")
        before = read_fingerprint(connection, "alembic_version")
        connection.execute("DROP TABLE goods")
        connection.execute(f"CREATE TABLE goods ({columns})")
        after = read_fingerprint(connection, "alembic_version")
    findings = find_losses(before, after, NOTHING, "prod")
    assert [(each.code, each.severity, each.where) for each in findings] == [
        ("lost-check", "error", "goods: size in(0,1)"),
        ("lost-check", "warning", "goods"),
    ]
    assert "2 unnamed checks" in findings[1].message
