"""A rule sees a change in the surroundings that the sources show."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from textwrap import dedent, indent

import pytest

from migrations_ops.analysis.lint.actions import CreateTable
from migrations_ops.analysis.lint.linting import Script, lint
from migrations_ops.analysis.lint.registry import BUILT_IN
from migrations_ops.analysis.lint.rule import Blocks, Hit, Rule, Situation
from migrations_ops.analysis.lint.severity import Measurement, graded
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.model.findings import INDEX_BLOCKS_WRITES, Entry, Severity
from migrations_ops.model.thresholds import Thresholds
from migrations_ops.revisions.errors import UnreadableScript

TABLE = """
op.create_table("t", sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("a", sa.Integer, nullable=False), sa.Column("b", sa.String(10)))
"""


def script(revision: str, body: str) -> Script:
    return Script(revision, ast.parse(f"def upgrade():\n{indent(dedent(body), '    ')}"))


def codes(*bodies: str, before: str = TABLE, engine: Syntax = "postgresql") -> list[str]:
    linted = [script(f"r{number}", body) for number, body in enumerate(bodies)]
    return [each.hit.finding.code for each in lint([script("r", before)], linted, engine, BUILT_IN)]


INDEX = "op.create_index('i', 't', ['a'])"


def test_a_table_of_the_same_release_is_no_finding() -> None:
    assert codes(INDEX) == ["index-blocks-writes"]
    assert codes(TABLE, INDEX, before="pass") == []
    assert codes(TABLE, "op.rename_table('t', 'u')\nop.create_index('i', 'u', ['a'])",
                 before="pass") == []  # fmt: skip


def test_a_name_that_the_source_computes_is_no_finding() -> None:
    assert codes("op.create_index('i', computed(), ['a'])") == []
    assert codes("op.drop_index(computed(), postgresql_concurrently=True)") == []


def test_the_same_finding_is_made_once_in_a_revision() -> None:
    assert codes(f"{INDEX}\n{INDEX}") == ["index-blocks-writes"]
    assert codes(INDEX, INDEX) == ["index-blocks-writes"] * 2


@pytest.mark.parametrize("key", ["op.create_index('i', 't', ['b', 'a'])", "pass"])
def test_an_index_of_a_foreign_key_may_come_before_or_after_it(key: str) -> None:
    """One that begins with another column is none."""
    add = "op.create_foreign_key('f', 't', 'u', ['a'], ['id'], postgresql_not_valid=True)"
    code = "foreign-key-without-index"
    assert code in codes(add, before=f"{TABLE}\n{key}")
    assert code not in codes(add, before=f"{TABLE}\n{INDEX}")
    assert code not in codes(add, INDEX)


@pytest.mark.parametrize(
    ("old", "new", "rewrites"),
    [
        ("sa.String(10)", "sa.String(20)", False),
        ("sa.String(20)", "sa.String(10)", True),
        ("sa.String(10)", "sa.Text()", False),
        ("sa.Text()", "sa.String(10)", True),
        ("sa.Numeric(8, 2)", "sa.Numeric(10, 2)", False),
        ("sa.Numeric(8, 2)", "sa.Numeric(10, 3)", True),
        ("sa.Integer()", "sa.BigInteger()", True),
        ("sa.Integer()", "sa.Integer()", False),
        ("sa.DateTime()", "sa.DateTime(timezone=True)", True),
        ("sa.Integer()", "OwnType()", False),
    ],
)
def test_a_type_is_changed_with_or_without_a_rewrite(old: str, new: str, rewrites: bool) -> None:
    body = f"op.alter_column('t', 'b', existing_type={old}, type_={new})"
    assert ("type-change-rewrites" in codes(body)) is rewrites
    # The old type may be known from the sources alone.
    before = f"op.create_table('t', sa.Column('b', {old}))"
    body = f"op.alter_column('t', 'b', type_={new})"
    assert ("type-change-rewrites" in codes(body, before=before)) is rewrites


def test_a_column_that_already_is_so_needs_no_scan() -> None:
    alter = "op.alter_column('t', '{}', nullable=False)"
    assert codes(alter.format("a")) == []
    assert codes(alter.format("b")) == ["set-not-null-scans"]


def test_rows_that_are_gone_break_no_constraint() -> None:
    add = "op.add_column('t', sa.Column('c', sa.Integer, nullable=False))"
    assert codes(add) == ["not-null-without-default"]
    assert codes(f"op.execute('DELETE FROM t')\n{add}") == ["write-without-condition"]


def test_a_rebuild_by_hand_drops_and_renames_nothing() -> None:
    rebuild = """
    op.execute("CREATE TABLE new (id INTEGER)")
    op.execute("INSERT INTO new SELECT id FROM t")
    op.execute("DROP TABLE t")
    op.execute("ALTER TABLE new RENAME TO t")
    """
    assert codes(rebuild, engine="sqlite") == []
    assert codes("op.drop_table('t')", engine="sqlite") == ["dropped-table"]
    assert codes("op.drop_table('_alembic_tmp_t')", engine="sqlite") == []
    assert codes("op.drop_column('t', 'a')", engine="sqlite") == ["dropped-column"]


def test_a_column_that_the_revision_adds_may_be_renamed_and_dropped() -> None:
    add = "op.add_column('t', sa.Column('{}', sa.Integer))"
    rename = "op.alter_column('t', 'x', new_column_name='y')"
    assert codes(f"{add.format('x')}\n{rename}") == []
    assert codes(f"{add.format('z')}\n{rename}") == ["renamed-column"]
    assert codes(f"{add.format('x')}\nop.drop_column('t', 'x')") == []


def test_where_a_convention_names_constraints_they_need_no_name() -> None:
    batch = "with op.batch_alter_table('t') as b:\n    b.create_unique_constraint(None, ['a'])"
    assert codes(batch, engine="sqlite") == ["unnamed-constraint"]
    assert codes(batch, before=f"{TABLE}{batch}", engine="sqlite") == []


def test_what_an_except_catches_does_not_stop_the_upgrade() -> None:
    alter = "op.alter_column('t', 'b', nullable=False)"
    caught = f"try:\n    {alter}\nexcept Exception:\n    pass"
    assert codes(alter, engine="sqlite") == ["needs-batch"]
    assert codes(caught, engine="sqlite") == ["error-swallowed"]


def test_what_worked_before_is_not_refused_now() -> None:
    """The connection of env.py commits each statement."""
    index = INDEX.replace(")", ", postgresql_concurrently=True)")
    assert codes(index) == ["concurrently-in-transaction"]
    assert codes(index, before=f"{TABLE}{index}") == []
    block = f"with op.get_context().autocommit_block():\n    {index}"
    assert codes(index, before=f"{TABLE}{block}") == ["concurrently-in-transaction"]


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("op.execute('CREATE VIEW v AS SELECT a FROM t')", "the view v reads it"),
        ("op.execute('CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END')", "its trigger g"),
        (
            "op.create_table('u', sa.Column('t', sa.Integer, sa.ForeignKey('t.id')))",
            "keys of u lead",
        ),
    ],
)
def test_a_batch_breaks_what_depends_on_its_table(after: str, reason: str) -> None:
    before = [script("r", f"{TABLE}\n{after}")]
    body = "with op.batch_alter_table('t') as b:\n    {}"
    new = [script("n", body.format("b.drop_column('b')\n    b.drop_column('a')"))]
    [found] = [each for each in lint(before, new, "sqlite", BUILT_IN)
               if each.hit.finding.code == "batch-of-table-in-use"]  # fmt: skip
    assert reason in found.hit.finding.message
    # A column alone is added without a copy.
    adds = body.format("b.add_column(sa.Column('x', sa.Integer))")
    new = [script("n", adds)]
    assert not list(lint(before, new, "sqlite", BUILT_IN))


SIZES: list[tuple[Measurement, Blocks, Severity | None]] = [
    (Measurement(), "writes", "warning"),
    (Measurement(rows={"t": 0}), "writes", None),
    (Measurement(rows={"t": 0}), "", None),
    (Measurement(rows={"t": 9_999}), "writes", "note"),
    (Measurement(rows={"t": 10_000}), "writes", "warning"),
    (Measurement(rows={"t": 1_000_000}), "writes", "error"),
    (Measurement(rows={"t": 1_000_000}), "", "warning"),
    (Measurement(rows={"other": 1_000_000}), "writes", "warning"),
    (Measurement({"t": (0.0, 0.4)}), "writes", "note"),
    (Measurement({"t": (0.0, 0.5)}), "writes", "warning"),
    (Measurement({"t": (0.0, 5.0)}), "writes", "error"),
    (Measurement({"t": (0.1, 0.1)}), "reads", "warning"),
    (Measurement({"t": (1.0, 1.0)}), "reads", "error"),
    (Measurement({"other": (9.0, 9.0)}, {"t": 5_000_000}), "reads", "note"),
    (Measurement({"t": (9.0, 9.0)}, {"t": 0}), "reads", None),
    (Measurement({"": (0.0, 5.0)}), "writes", "error"),
]


@pytest.mark.parametrize(("measurement", "blocks", "severity"), SIZES)
def test_the_severity_is_that_of_the_effect(
    measurement: Measurement, blocks: Blocks, severity: Severity | None
) -> None:
    hit = Hit(INDEX_BLOCKS_WRITES.found("i", table="s.t"), "s.t", blocks)
    found = graded(hit, measurement, Thresholds())
    assert (found and found.severity) == severity


def test_the_thresholds_are_those_of_the_configuration() -> None:
    hit = Hit(INDEX_BLOCKS_WRITES.found("i", table="t"), "t", "writes")
    found = graded(hit, Measurement(rows={"t": 10}), Thresholds(rows_error=10))
    assert found is not None
    assert (found.severity, found.message[-9:]) == ("error", "(10 rows)")


def test_a_rule_of_others_is_a_rule() -> None:
    entry = Entry("own-name", "warning", "{where} is a bad name", "Take another.")

    def check(situation: Situation) -> Iterator[Hit]:
        match situation.action:
            case CreateTable(table):
                yield Hit(entry.found(table))

    found = lint([], [script("r", TABLE)], "sqlite", [Rule(check, (entry,), "sqlite")])
    assert [each.hit.finding.code for each in found] == ["own-name"]
    found = lint([], [script("r", TABLE)], "mariadb", [Rule(check, (entry,), "sqlite")])
    assert list(found) == []


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("VARCHAR(10)", "VARCHAR(20)", ""),
        ("VARCHAR(20)", "VARCHAR(10)", "type-change-rewrites"),
        # Beyond 255 bytes, its length takes two.
        ("VARCHAR(60)", "VARCHAR(70)", "type-change-rewrites"),
        ("INT", "BIGINT", "type-change-rewrites"),
        ("INT(11)", "INT", ""),
        ("ENUM('a', 'b')", "ENUM('a', 'b', 'c')", ""),
        ("ENUM('a', 'b')", "ENUM('b', 'a')", "enum-values-changed"),
        ("ENUM('a', 'b')", "ENUM('a')", "enum-values-changed"),
        ("SET('a', 'b')", "SET('a', 'c', 'b')", "enum-values-changed"),
    ],
)
def test_mariadb_copies_a_table_for_some_changes_of_a_type(old: str, new: str, code: str) -> None:
    before = f'op.execute("CREATE TABLE t (c {old})")'
    found = codes(f'op.execute("ALTER TABLE t MODIFY c {new}")', before=before, engine="mariadb")
    wanted = {code, "type-change-rewrites"} if "SET" in old or ("ENUM" in old and code) else {code}
    assert set(found) == wanted - {""}


@pytest.mark.parametrize(
    ("definition", "change", "missing"),
    [
        ("INT NOT NULL", "MODIFY c INT", "NOT NULL"),
        ("INT NOT NULL", "MODIFY c INT NOT NULL", ""),
        ("INT DEFAULT 1", "MODIFY c INT", "DEFAULT 1"),
        ("INT DEFAULT 1", "MODIFY c INT DEFAULT 2", ""),
        ("INT COMMENT 'x'", "CHANGE c c INT", "COMMENT"),
        ("INT NOT NULL AUTO_INCREMENT", "MODIFY c INT NOT NULL", "AUTOINCREMENT"),
        ("TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", "MODIFY c TIMESTAMP", "ON-UPDATE"),
        ("INT NOT NULL", "ALTER c SET DEFAULT 1", ""),
    ],
)
def test_what_is_defined_again_loses_what_it_does_not_name(
    definition: str, change: str, missing: str
) -> None:
    before = [script("r", f'op.execute("CREATE TABLE t (c {definition})")')]
    new = [script("n", f'op.execute("ALTER TABLE t {change}")')]
    found = [each.hit.finding.message for each in lint(before, new, "mariadb", BUILT_IN)
             if each.hit.finding.code == "modify-drops-attributes"]  # fmt: skip
    assert [each.rpartition(": ")[2] for each in found] == ([missing] if missing else [])


def test_what_is_nested_too_deeply_is_an_error_in_words() -> None:
    deep: ast.expr = ast.Constant("x")
    for _ in range(2_000):
        deep = ast.Call(deep, [], [])
    tree = ast.parse("def upgrade():\n    pass")
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = [ast.Expr(deep)]
    with pytest.raises(UnreadableScript, match="r cannot be linted: it is nested too deeply"):
        list(lint([], [Script("r", tree)], "sqlite", BUILT_IN))
