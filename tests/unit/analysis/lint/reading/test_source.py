"""What a revision does is read from its source, as far as that shows it."""

from __future__ import annotations

import ast
from textwrap import dedent, indent

import pytest

from migrations_ops.analysis.lint.actions import (
    UNKNOWN,
    AddColumn,
    AlterColumn,
    Change,
    CreateIndex,
    CreateTable,
    Drop,
    PythonFact,
    WriteRows,
)
from migrations_ops.analysis.lint.reading.source import read_changes
from migrations_ops.child.protocol.sql import Syntax


def changes(body: str, engine: Syntax = "postgresql", module: str = "") -> list[Change]:
    """What an upgrade with this body does."""
    text = f"{dedent(module)}\ndef upgrade():\n{indent(dedent(body), '    ')}\n"
    return read_changes(ast.parse(text), engine)


def dropped(body: str, engine: Syntax = "postgresql", module: str = "") -> list[str]:
    found = (each.action for each in changes(body, engine, module))
    return [each.name for each in found if isinstance(each, Drop)]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("op.drop_table('a')", ["a"]),
        ("op.drop_table(table_name='a', schema='s')", ["s.a"]),
        ("op.execute('DROP TABLE a; DROP TABLE b')", ["a", "b"]),
        ("op.execute(sa.text('DROP TABLE a'))", ["a"]),
        ("op.execute('DROP ' 'TABLE ' + 'a')", ["a"]),
        ("name = 'a'\nop.execute(f'DROP TABLE {name}')", ["a"]),
        ("op.execute('DROP TABLE %s' % 'a')", ["a"]),
        ("op.execute('DROP TABLE {}'.format('a'))", ["a"]),
        ("op.execute('DROP TABLE {t}'.format(t='a'))", ["a"]),
        ("op.execute(f'DROP TABLE {computed()}')", [UNKNOWN]),
        ("op.drop_table(computed())", [UNKNOWN]),
        ("conn = op.get_bind()\nconn.exec_driver_sql('DROP TABLE a')", ["a"]),
        ("sql = 'DROP TABLE '\nsql += 'a'\nop.execute(sql)", ["a"]),
        ("for t in ['a', 'b']:\n    op.drop_table(t)", ["a", "b"]),
        ("for t, _ in (('a', 1), ('b', 2)):\n    op.drop_table(t)", ["a", "b"]),
        ("for t in {'a': 1}.keys():\n    op.drop_table(t)", ["a"]),
        ("for t in computed():\n    op.drop_table(t)", [UNKNOWN]),
        ("if computed():\n    op.drop_table('a')\nelse:\n    op.drop_table('b')", ["a", "b"]),
        ("op.drop_table('a')\nreturn\nop.drop_table('b')", ["a"]),
        ("with context():\n    op.drop_table('a')", ["a"]),
        ("op.execute('-- DROP TABLE a')", []),
        ("op.execute('''DO $$ BEGIN DROP TABLE a; END $$''')", ["a"]),
        ("print('DROP TABLE a')", []),
    ],
)
def test_names_are_followed_as_far_as_they_are_written(body: str, names: list[str]) -> None:
    assert dropped(body) == names


def test_names_of_the_module_and_its_functions_are_followed() -> None:
    module = """
    TABLE = "a"
    def drop(table, other="c"):
        op.drop_table(table)
        op.drop_table(other)
    """
    assert dropped("drop(TABLE)\ndrop('b', other='d')", module=module) == ["a", "c", "b", "d"]


def test_a_function_that_calls_itself_ends() -> None:
    assert dropped("again()", module="def again():\n    op.drop_table('a')\n    again()")


@pytest.mark.parametrize(
    "condition",
    [
        "op.get_bind().dialect.name == 'postgresql'",
        "'postgresql' == op.get_bind().dialect.name",
        "op.get_context().dialect.name in ('postgresql', 'mysql')",
        "op.get_bind().dialect.name != 'sqlite' and op.get_bind().dialect.name != 'mysql'",
        "not op.get_bind().dialect.name.lower() == 'sqlite'",
        "is_postgresql()",
        "dialect == 'postgresql'",
        "dialect.startswith('postgres')",
        "isinstance(op.get_bind().dialect, PGDialect)",
        "isinstance(op.get_bind().dialect, postgresql.dialect)",
        "'postgresql' in sa.inspect(op.get_bind()).dialect.dialect_description",
        "helpers.is_postgres(op.get_bind())",
        "not is_sqlite",
    ],
)
def test_the_branch_of_the_engine_counts(condition: str) -> None:
    module = """
    def is_postgresql():
        bind = op.get_bind()
        return bind.dialect.name == "postgresql"
    """
    body = f"""
    dialect = op.get_bind().dialect.name
    if {condition}:
        op.drop_table("yes")
    else:
        op.drop_table("no")
    """
    assert dropped(body, "postgresql", module) == ["yes"]
    assert dropped(body, "sqlite", module) == ["no"]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("computed()", ["yes", "no"]),
        ("computed() and dialect == 'postgresql'", ["yes", "no"]),
        ("computed() and dialect == 'sqlite'", ["no"]),
        ("computed() or dialect == 'postgresql'", ["yes"]),
        ("dialect == computed()", ["yes", "no"]),
        ("other.name == 'x'", ["yes", "no"]),
    ],
)
def test_of_another_condition_both_branches_count(condition: str, names: list[str]) -> None:
    body = f"""
    dialect = op.get_bind().dialect.name
    if {condition}:
        op.drop_table("yes")
    else:
        op.drop_table("no")
    """
    assert dropped(body) == names


def test_a_decorator_leaves_an_upgrade_out() -> None:
    source = ast.parse("@utils.skip_if_sqlite\ndef upgrade():\n    op.drop_table('a')")
    assert len(read_changes(source, "postgresql")) == 1
    assert read_changes(source, "sqlite") == []


def test_an_early_return_ends_the_upgrade_of_other_engines() -> None:
    body = "if op.get_bind().dialect.name != 'postgresql':\n    return\nop.drop_table('a')"
    assert dropped(body, "postgresql") == ["a"]
    assert dropped(body, "mariadb") == []


def test_a_change_knows_its_line_its_batch_and_its_block() -> None:
    batch, block = changes(
        """
        with op.batch_alter_table("t") as b:
            b.drop_column("c")
        with op.get_context().autocommit_block():
            op.create_index("i", "t", ["c"], postgresql_concurrently=True)
        """
    )
    assert (batch.batch, batch.autocommit, batch.line) == ("t", False, 5)
    assert (block.batch, block.autocommit, block.line) == ("", True, 7)
    assert block.action == CreateIndex("i", "t", ("c",), False, True)


@pytest.mark.parametrize(
    ("operation", "statement"),
    [
        ("op.create_index('i', 't', ['a', 'b'], unique=True)", "CREATE UNIQUE INDEX i ON t (a, b)"),
        ("op.drop_table('t')", "DROP TABLE IF EXISTS t"),
        ("op.drop_column('t', 'c')", "ALTER TABLE t DROP COLUMN c"),
        ("op.rename_table('t', 'u')", "ALTER TABLE t RENAME TO u"),
        ("op.alter_column('t', 'c', new_column_name='d')", "ALTER TABLE t RENAME COLUMN c TO d"),
        ("op.create_unique_constraint('u', 't', ['c'])",
         "ALTER TABLE t ADD CONSTRAINT u UNIQUE (c)"),
        ("op.create_primary_key('p', 't', ['c'])",
         "ALTER TABLE t ADD CONSTRAINT p PRIMARY KEY (c)"),
        ("op.create_foreign_key('f', 't', 'u', ['c'], ['id'])",
         "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (c) REFERENCES u (id)"),
        ("op.create_foreign_key('f', 't', 'u', ['c'], ['id'], postgresql_not_valid=True)",
         "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (c) REFERENCES u (id) NOT VALID"),
        ("op.drop_constraint('f', 't')", "ALTER TABLE t DROP CONSTRAINT f"),
        ("op.drop_index('i')", "DROP INDEX i"),
    ],
)  # fmt: skip
def test_an_operation_and_its_statement_are_the_same(operation: str, statement: str) -> None:
    assert [each.action for each in changes(operation)] == [
        each.action for each in changes(f"op.execute({statement!r})")
    ]


@pytest.mark.parametrize(
    ("operation", "definition"),
    [
        ("sa.Column('c', sa.String(50), nullable=False)", "c VARCHAR(50) NOT NULL"),
        ("sa.Column('c', sa.String(length=50), nullable=True)", "c character varying (50) NULL"),
        ("sa.Column('c', sa.DateTime(timezone=True), nullable=True)",
         "c TIMESTAMP WITH TIME ZONE NULL"),
        ("sa.Column('c', sa.Numeric(10, 2), nullable=True)", "c DECIMAL(10, 2) NULL"),
        ("sa.Column('c', sa.Enum('a', 'b', name='e'), nullable=True)", "c ENUM('a', 'b') NULL"),
        ("sa.Column('c', sa.Integer, sa.ForeignKey('t.id'), nullable=True)",
         "c INTEGER NULL REFERENCES t (id)"),
    ],
)  # fmt: skip
def test_a_column_is_the_same_in_both_forms(operation: str, definition: str) -> None:
    [one] = changes(f"op.add_column('x', {operation})")
    [other] = changes(f"op.execute({f'ALTER TABLE x ADD COLUMN {definition}'!r})")
    assert isinstance(one.action, AddColumn)
    assert isinstance(other.action, AddColumn)
    first, second = one.action.column, other.action.column
    assert (first.type, first.nullable, first.references) == (
        second.type, second.nullable, second.references,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("definition", "default", "generated"),
    [
        ("sa.Column('c', sa.Uuid, server_default=sa.text('gen_random_uuid()'))",
         "gen_random_uuid()", ""),
        ("sa.Column('c', sa.DateTime, server_default=sa.func.now())", "now()", ""),
        ("sa.Column('c', sa.String, server_default='x')", "'x'", ""),
        ("sa.Column('c', sa.Integer, sa.Computed('a + b', persisted=True))", "", "stored"),
        ("sa.Column('c', sa.Integer, sa.Computed('a + b', persisted=False))", "", "virtual"),
        ("sa.Column('c', sa.Integer, sa.Identity())", "", "identity"),
    ],
)  # fmt: skip
def test_how_a_column_is_filled(definition: str, default: str, generated: str) -> None:
    [found] = changes(f"op.add_column('x', {definition})")
    assert isinstance(found.action, AddColumn)
    assert (found.action.column.default, found.action.column.generated) == (default, generated)


def test_a_table_has_its_columns_constraints_and_indexes() -> None:
    [found] = changes(
        """
        op.execute(
            "CREATE TABLE t (id SERIAL PRIMARY KEY, a INT DEFAULT 1 NOT NULL, b TEXT,"
            " KEY by_a (a), CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id), CHECK (a > 0))"
        )
        """
    )
    assert isinstance(found.action, CreateTable)
    one, two, three = found.action.columns
    assert (one.generated, one.is_key) == ("serial", True)
    assert (two.nullable, two.default) == (False, "1")
    assert (three.nullable, three.default) == (None, None)
    assert [each.kind for each in found.action.constraints] == ["foreign key", "check"]
    assert found.action.indexes == (("by_a", ("a",)),)


@pytest.mark.parametrize(
    ("statement", "write"),
    [
        ("'UPDATE t SET a = 1'", WriteRows("UPDATE", "t", False)),
        ("'UPDATE t SET a = 1 WHERE b = 2'", WriteRows("UPDATE", "t", True)),
        ("'DELETE FROM t USING u'", WriteRows("DELETE", "t", True)),
        ("'TRUNCATE t'", WriteRows("TRUNCATE", "t", False)),
        ("sa.table('t', sa.column('a')).update().values(a=1)", WriteRows("UPDATE", "t", False)),
        ("sa.update(sa.table('t')).where(x).values(a=1)", WriteRows("UPDATE", "t", True)),
        ("sa.delete(sa.table('t'))", WriteRows("DELETE", "t", False)),
    ],
)
def test_a_condition_on_the_rows_is_seen(statement: str, write: WriteRows) -> None:
    [found] = changes(f"op.execute({statement})")
    assert found.action == write


def test_what_is_defined_again_differs_from_what_is_altered() -> None:
    whole, named, part = changes(
        """
        op.execute("ALTER TABLE t MODIFY c INT NOT NULL")
        op.execute("ALTER TABLE t CHANGE c d INT")
        op.alter_column("t", "c", nullable=False, existing_type=sa.Integer)
        """,
        "mariadb",
    )
    found = [each.action for each in (whole, named, part) if isinstance(each.action, AlterColumn)]
    assert [(each.by, each.new_name, each.column.nullable) for each in found] == [
        ("MODIFY", "", False),
        ("CHANGE", "d", None),
        ("alter_column", "", False),
    ]


@pytest.mark.parametrize(
    ("handler", "swallows"),
    [
        ("except Exception:\n    pass", True),
        ("except:\n    print(1)", True),
        ("except (ValueError, sa.exc.OperationalError):\n    pass", True),
        ("except Exception:\n    raise", False),
        ("except KeyError:\n    pass", False),
    ],
)
def test_an_except_that_goes_on_is_seen(handler: str, swallows: bool) -> None:
    found = changes(f"try:\n    op.drop_table('a')\n{handler}")
    assert any(isinstance(each.action, PythonFact) for each in found) is swallows


def test_what_an_except_catches_within_a_savepoint_is_rolled_back() -> None:
    found = changes(
        """
        try:
            with op.get_bind().begin_nested():
                op.drop_table("a")
        except Exception:
            pass
        """
    )
    assert not any(isinstance(each.action, PythonFact) for each in found)


@pytest.mark.parametrize(
    "body",
    [
        # A text of 2 ** 50 characters, and 50 ** 5 rounds.
        "sql = 'DROP TABLE a '\nfor _ in range_:\n    sql += sql\nop.execute(sql)",
        "for a in range_:\n for b in range_:\n  for c in range_:\n   for d in range_:\n"
        "    for e in range_:\n     op.drop_table('a')",
    ],
)
def test_what_grows_without_end_ends(body: str) -> None:
    assert len(changes(body, module=f"range_ = {list(range(50))}")) < 100_000
