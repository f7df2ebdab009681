"""What a revision does, one action each, whether by an operation or by a statement of SQL.

All names are in lower case, with their schemas if the source has them. ``UNKNOWN`` is in them where
the source computes a part.
"""

from __future__ import annotations

from dataclasses import dataclass

# A letter to the lexer: SQL with a computed name in it is still read.
UNKNOWN = "\u2026"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type, by its name in SQL, and its arguments: the length, or the values of an enum.

    The name is empty where the source does not show it.
    """

    name: str = ""
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})" if self.arguments else self.name


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is added or altered.

    None means that the source does not say: ``nullable`` keeps what it was, or is yes;
    ``default`` is the text of the default in the server, empty for none.

    :param generated: ``stored``, ``virtual``, ``identity`` or ``serial``; empty for neither.
    :param references: the table and the columns of a foreign key, as (table, column).
    :param attributes: what else is named: ``comment``, ``autoincrement``, ``collation``,
        ``on-update``.
    """

    name: str
    type: ColumnType = ColumnType()
    nullable: bool | None = None
    default: str | None = None
    generated: str = ""
    references: tuple[str, str] | None = None
    is_key: bool = False
    is_unique: bool = False
    attributes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint.

    :param kind: ``primary key``, ``unique``, ``foreign key``, ``check`` or ``exclude``.
    :param target: the table that a foreign key refers to, and its columns.
    :param is_valid: False for NOT VALID.
    :param from_index: whether it takes an index that is there: USING INDEX.
    :param condition: the text of a check.
    """

    kind: str
    name: str = ""
    columns: tuple[str, ...] = ()
    target: str = ""
    target_columns: tuple[str, ...] = ()
    is_valid: bool = True
    from_index: bool = False
    condition: str = ""


@dataclass(frozen=True, slots=True)
class CreateTable:
    table: str
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    partition_of: str = ""
    # CREATE TABLE ... AS SELECT: its columns are not known.
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """A table, or another object, that is dropped; the table of an index may be unknown."""

    kind: str
    name: str
    table: str = ""
    cascades: bool = False
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class AddColumn:
    table: str
    column: Column


@dataclass(frozen=True, slots=True)
class DropColumn:
    table: str
    column: str
    cascades: bool = False


@dataclass(frozen=True, slots=True)
class AlterColumn:
    """A column is changed.

    :param column: what is given of it; the rest stays.
    :param existing: what the source says that it was, by ``existing_type`` for instance.
    :param by: ``ALTER``; or ``MODIFY`` or ``CHANGE`` for those of MariaDB, which define the whole
        column again; or ``alter_column`` for the operation.
    :param new_name: empty where it keeps its name.
    """

    table: str
    column: Column
    existing: Column
    by: str = "ALTER"
    new_name: str = ""


@dataclass(frozen=True, slots=True)
class Rename:
    """A table, a column or another object gets another name."""

    kind: str
    name: str
    to: str
    table: str = ""


@dataclass(frozen=True, slots=True)
class CreateIndex:
    name: str
    table: str
    columns: tuple[str, ...] = ()
    is_unique: bool = False
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class AddConstraint:
    table: str
    constraint: Constraint


@dataclass(frozen=True, slots=True)
class DropConstraint:
    table: str
    name: str
    kind: str = ""
    cascades: bool = False


@dataclass(frozen=True, slots=True)
class ValidateConstraint:
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class WriteRows:
    """``verb`` is UPDATE, DELETE, INSERT or TRUNCATE."""

    verb: str
    table: str
    has_condition: bool = False


@dataclass(frozen=True, slots=True)
class AddEnumValue:
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Maintain:
    """REFRESH, REINDEX, VACUUM FULL, CLUSTER, DETACH PARTITION, CONVERT TO CHARACTER SET."""

    verb: str
    name: str
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class CreateView:
    """``reads`` are the words of its query, among which the names of its tables are."""

    name: str
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateTrigger:
    name: str
    table: str


@dataclass(frozen=True, slots=True)
class Other:
    """A statement that is none of these: its first word, and its literals."""

    verb: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PythonFact:
    """Something that the code of a revision does besides: ``imports model``, ``swallows error``,
    ``opens connection``."""

    kind: str
    name: str


Action = (
    CreateTable
    | Drop
    | AddColumn
    | DropColumn
    | AlterColumn
    | Rename
    | CreateIndex
    | AddConstraint
    | DropConstraint
    | ValidateConstraint
    | WriteRows
    | AddEnumValue
    | Maintain
    | CreateView
    | CreateTrigger
    | Other
    | PythonFact
)


@dataclass(frozen=True, slots=True)
class Change:
    """One action of a revision, and where it is.

    :param batch: the table of the batch that it is in; empty for none.
    :param autocommit: whether it is in an autocommit block.
    :param is_operation: whether Alembic writes its SQL.
    :param is_caught: whether the upgrade goes on after an error of it.
    :param literals: the texts in its SQL.
    :param revision: its id.
    """

    action: Action
    line: int
    batch: str = ""
    autocommit: bool = False
    is_operation: bool = False
    is_caught: bool = False
    literals: frozenset[str] = frozenset()
    revision: str = ""
