"""What a revision does: each change draws its way, changes the model, and gives the code."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from tests.histories.draws import Chance, add_thing, draw_table, generated
from tests.histories.model import Column, Model, Table, Thing, Value, q


@dataclass
class Change:
    """Lines of upgrade() and of downgrade(); None where there is no way back.

    ``may_stop`` is why a release may refuse it or break off: a loss or an error that is known.
    """

    up: list[str]
    down: list[str] | None = field(default_factory=list)
    may_stop: str = ""


def run(sql: str) -> str:
    return f"run({sql!r})"


def draw_change(chance: Chance, model: Model) -> Change | None:
    """One change, or None where the one that was drawn does not apply."""
    return chance.one(_KINDS)(chance, model)


def draw_risk(chance: Chance, model: Model) -> Change | None:
    """One of the changes that are known to lose something in silence."""
    return chance.one(_RISKS)(chance, model)


def _some_table(chance: Chance, model: Model) -> Table | None:
    return chance.one(list(model.tables.values())) if model.tables else None


def _free_column(chance: Chance, table: Table) -> Column | None:
    free = [column for column in table.columns if not column.bound]
    return chance.one(free) if free else None


def _drop(thing: Thing) -> str:
    return run(f"DROP {thing.kind.upper()} {q(thing.name)}")


def _rebuilt(model: Model, table: Table, *, but: str = "") -> str:
    """Why a rebuild by Alembic's batch mode may lose something, or fail."""
    on = model.on(table.name)
    things = [
        thing for thing in on if thing.kind in ("trigger", "view") or thing.order or thing.function
    ]
    unknown = [column for column in table.columns if column.type == "ANY"]
    inside = [thing for thing in model.using(table.name, but) if thing.more] if but else []
    checks = [f"the check {name}" for name, checked in table.checks if but and checked == but]
    reasons = [
        *table.fragile(),
        *checks,
        *(f"{thing.kind} {thing.name}" for thing in things + inside),
    ]
    reasons += [f"the type of {column.name}" for column in unknown]
    return ", ".join(reason for reason in reasons if reason)


def _batch(table: str, *lines: str) -> list[str]:
    head = f"with op.batch_alter_table({table!r}, recreate='always') as batch_op:"
    return [head, *(f"    batch_op.{line}" for line in lines)]


# -- tables -----------------------------------------------------------------------------------


def create_table(chance: Chance, model: Model) -> Change:
    table = draw_table(chance, model)
    table.origin, table.rows = "", []
    for column in table.columns:
        column.origin = None
    model.tables[table.name] = table
    return Change([run(table.sql())], [f"op.drop_table({table.name!r})"])


def drop_table(chance: Chance, model: Model) -> Change | None:
    table = _some_table(chance, model)
    if table is None or model.children(table.name):
        return None
    things = model.on(table.name)
    views = [thing for thing in things if thing.kind == "view"]
    way = chance.one([f"op.drop_table({table.name!r})", run(f"DROP TABLE {q(table.name)}")])
    for thing in things:
        del model.things[thing.name]
    del model.tables[table.name]
    down = [run(table.sql()), *(run(thing.sql()) for thing in things)]
    return Change([*map(_drop, views), way], down)


def rename_table(chance: Chance, model: Model) -> Change | None:
    table = _some_table(chance, model)
    if table is None:
        return None
    old, new = table.name, chance.name()
    for thing in model.on(old):
        thing.table = new
    for child in model.children(old):
        child.parent = new
    table.name = new
    model.tables = {each.name: each for each in model.tables.values()}
    return Change(
        [chance.one([f"op.rename_table({old!r}, {new!r})", _rename(old, new)])],
        [f"op.rename_table({new!r}, {old!r})"],
    )


def swap_tables(chance: Chance, model: Model) -> Change | None:
    """Each gets the name of the other, as nothing but renames can do it."""
    if len(model.tables) < 2:
        return None
    names = list(model.tables)
    first = chance.one(names)
    second = chance.one([name for name in names if name != first])
    aside = chance.name()
    one, other = model.tables[first], model.tables[second]
    moved = {first: second, second: first}
    for thing in model.things.values():
        thing.table = moved.get(thing.table, thing.table)
    for table in model.tables.values():
        table.parent = moved.get(table.parent, table.parent)
    one.name, other.name = second, first
    model.tables = {each.name: each for each in model.tables.values()}
    renames = [(first, aside), (second, first), (aside, second)]
    lines = [
        chance.one([f"op.rename_table({old!r}, {new!r})", _rename(old, new)])
        for old, new in renames
    ]
    return Change(lines, lines)


def _rename(old: str, new: str) -> str:
    return run(f"ALTER TABLE {q(old)} RENAME TO {q(new)}")


def rebuild_by_hand(chance: Chance, model: Model) -> Change | None:
    """As SQLite's documentation advises; what went with the old table has to be made again."""
    table = _some_table(chance, model)
    if table is None:
        return None
    old, new = table.name, chance.name()
    things = model.on(old)
    again = [thing for thing in things if thing.kind != "view"]
    forgotten = [again.pop()] if again and chance.rarely(4) else []
    for thing in forgotten:
        del model.things[thing.name]
        if not thing.is_new:
            table.forgotten.append((thing.name, table.column(thing.columns[0])))
    names = ", ".join(q(column.name) for column in table.stored())
    table.name = new
    up = [
        *(_drop(thing) for thing in things if thing.kind == "view"),
        run(table.sql()),
        run(f"INSERT INTO {q(new)} ({names}) SELECT {names} FROM {q(old)}"),
        run(f"DROP TABLE {q(old)}"),
        _rename(new, old),
        *(run(thing.sql()) for thing in [*again, *(t for t in things if t.kind == "view")]),
    ]
    table.name = old
    may_stop = f"{forgotten[0].name} is forgotten" if forgotten else ""
    # The copy counts from the highest id that is left.
    if "AUTOINCREMENT" in table.key and table.recounted:
        may_stop = may_stop or "AUTOINCREMENT"
    for column in table.columns:
        column.lossy = ""  # who writes a table anew may write other values
    return Change(up, None if forgotten else [], may_stop)


def rebuild(chance: Chance, model: Model) -> Change | None:
    """By Alembic's batch mode."""
    table = _some_table(chance, model)
    if table is None:
        return None
    name = chance.name()
    may_stop = _rebuilt(model, table)
    table.constraints.append(f"CONSTRAINT {q(name)} CHECK (1)")
    return Change(
        _batch(table.name, f"create_check_constraint({name!r}, sa.text('1'))"),
        None,
        may_stop,
    )


# -- columns ----------------------------------------------------------------------------------


def add_column(chance: Chance, model: Model) -> Change | None:
    table = _some_table(chance, model)
    if table is None:
        return None
    if chance.rarely(4):
        computed = generated(chance, table, "VIRTUAL")
        table.columns.append(computed)
        raw = run(f"ALTER TABLE {q(table.name)} ADD COLUMN {computed.sql()}")
        return Change([raw], None)
    column = Column(chance.name(), chance.one(["TEXT", "INTEGER"]))
    if chance.rarely(3):
        column.default = "'7'" if column.type == "TEXT" else "7"
        column.not_null = chance.rarely(2)
    table.columns.append(column)
    kind = "sa.Text()" if column.type == "TEXT" else "sa.Integer()"
    default = f", server_default=sa.text({column.default!r})" if column.default else ""
    made = f"sa.Column({column.name!r}, {kind}, nullable={not column.not_null}{default})"
    raw = run(f"ALTER TABLE {q(table.name)} ADD COLUMN {column.sql()}")
    up = chance.one([f"op.add_column({table.name!r}, {made})", raw])
    return Change([up], [f"op.drop_column({table.name!r}, {column.name!r})"])


def drop_column(chance: Chance, model: Model) -> Change | None:
    table = _some_table(chance, model)
    column = _free_column(chance, table) if table else None
    if table is None or column is None or any(name == column.name for _, name in table.checks):
        return None
    things = model.using(table.name, column.name)
    for thing in things:
        del model.things[thing.name]
    way = chance.one(["batch", "op", "raw"])
    may_stop = _rebuilt(model, table) if way == "batch" else ""
    lines = {
        "batch": _batch(table.name, f"drop_column({column.name!r})"),
        "op": [f"op.drop_column({table.name!r}, {column.name!r})"],
        "raw": [run(f"ALTER TABLE {q(table.name)} DROP COLUMN {q(column.name)}")],
    }[way]
    table.columns.remove(column)
    return Change([*map(_drop, things), *lines], None, may_stop)


def rename_column(chance: Chance, model: Model) -> Change | None:
    table = _some_table(chance, model)
    column = _free_column(chance, table) if table else None
    if table is not None and chance.rarely(4):
        column = chance.one(table.columns)
    if model.things and chance.rarely(2):
        thing = chance.one(list(model.things.values()))
        table = model.tables[thing.table]
        column = table.column(thing.columns[0])
    if table is None or column is None:
        return None
    old, new = column.name, chance.name()
    way = chance.one(["batch", "op", "raw"])
    may_stop = _rebuilt(model, table, but=old) if way == "batch" else ""
    for child in model.children(table.name):
        if child.link[1] == old:
            child.link = (child.link[0], new, child.link[2])
            # A rebuild does not tell those that refer to the table.
            may_stop = may_stop or ("a child" if way == "batch" else "")
    if table.link[0] == old:
        table.link = (new, *table.link[1:])
    table.constraints = [each.replace(q(old), q(new)) for each in table.constraints]
    for each in table.columns:
        each.expression = each.expression.replace(q(old), q(new))
    for thing in model.using(table.name, old):
        thing.columns = [new]
        thing.more = f" WHERE {q(new)} IS NOT NULL" if thing.more else ""
    column.name = new
    table.checks = [(name, new if of == old else of) for name, of in table.checks]
    lines = {
        "batch": _batch(table.name, f"alter_column({old!r}, new_column_name={new!r})"),
        "op": [f"op.alter_column({table.name!r}, {old!r}, new_column_name={new!r})"],
        "raw": [run(f"ALTER TABLE {q(table.name)} RENAME COLUMN {q(old)} TO {q(new)}")],
    }[way]
    back = run(f"ALTER TABLE {q(table.name)} RENAME COLUMN {q(new)} TO {q(old)}")
    return Change(lines, [back], may_stop)


def change_type(chance: Chance, model: Model) -> Change | None:
    """By a batch, which puts each value through CAST: none may be lost by that."""
    places = [
        (table, column)
        for table in model.tables.values()
        if "STRICT" not in table.endings and not _rebuilt(model, table)
        for column in table.columns
        if not (column.bound or column.generated or column.collate or column.default)
    ]
    if not places:
        return None
    table, column = chance.one(places)
    new = chance.one([kind for kind in ("INTEGER", "TEXT") if kind != column.type])
    may_stop = ""
    if column.origin and not column.changed:
        values = [row[column.place] for row in table.rows]
        if not _survive(values, column.type, new):
            column.lossy = f"the values of {column.name} do not survive as {new}"
            may_stop = column.lossy
            # A row that is deleted takes its lossy value along.
            column.lossy = "" if table.recounted else column.lossy
    elif column.origin:
        may_stop = f"{column.name} was changed before"
    column.type, column.changed = new, True
    made = {"INTEGER": "sa.Integer()", "TEXT": "sa.Text()"}[new]
    return Change(
        _batch(table.name, f"alter_column({column.name!r}, type_={made})"), None, may_stop
    )


def _survive(values: list[Value], old: str, new: str) -> bool:
    """Whether each value can be had back from what the new type makes of it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE a (v {old})")
        connection.execute(f"CREATE TABLE b (v {new})")
        connection.executemany("INSERT INTO a VALUES (?)", [(value,) for value in values])
        connection.execute(f"INSERT INTO b SELECT CAST(v AS {new}) FROM a")
        kinds = ("integer", "real", "text", "blob")
        back = " OR ".join(
            f"typeof(a.v) = '{kind}' AND CAST(b.v AS {kind}) IS a.v" for kind in kinds
        )
        lost = f"SELECT 1 FROM a JOIN b ON a.rowid = b.rowid WHERE a.v IS NOT NULL AND NOT ({back})"
        return connection.execute(lost).fetchone() is None


# -- indexes, triggers, views -----------------------------------------------------------------


def create_thing(chance: Chance, model: Model) -> Change | None:
    thing = add_thing(chance, model)
    return None if thing is None else Change([run(thing.sql())], [_drop(thing)])


def drop_thing(chance: Chance, model: Model) -> Change | None:
    if not model.things:
        return None
    thing = chance.one(list(model.things.values()))
    del model.things[thing.name]
    ways = [_drop(thing)]
    if thing.kind == "index":
        ways.append(f"op.drop_index({thing.name!r}, table_name={thing.table!r})")
    return Change([chance.one(ways)], [run(thing.sql())])


# -- rows -------------------------------------------------------------------------------------


def update_rows(chance: Chance, model: Model) -> Change | None:
    table = _some_table(chance, model)
    column = _free_column(chance, table) if table else None
    if table is None or column is None:
        return None
    if column.generated:
        return None
    column.changed, column.lossy = True, ""
    value = {"INTEGER": "5", "REAL": "5.5", "BLOB": "x'05'"}.get(column.type, "'five: 5%'")
    rest = f" WHERE {q(table.columns[0].name)} > 2" if chance.rarely(2) else ""
    return Change([run(f"UPDATE {q(table.name)} SET {q(column.name)} = {value}{rest}")])


def delete_rows(chance: Chance, model: Model) -> Change | None:
    table = _some_table(chance, model)
    if table is None or model.children(table.name):
        return None
    table.recounted = True
    for column in table.columns:
        column.lossy = ""
    rest = f" WHERE {q(table.columns[0].name)} > 2" if chance.rarely(2) else ""
    return Change([run(f"DELETE FROM {q(table.name)}{rest}")])


_KINDS: tuple[Callable[[Chance, Model], Change | None], ...] = (
    create_table, drop_table, rename_table, swap_tables, rebuild_by_hand, rebuild, add_column,
    drop_column, rename_column, rename_column, change_type, change_type, create_thing, drop_thing,
    update_rows, delete_rows,
)  # fmt: skip
_RISKS = (change_type, change_type, rename_column, rebuild_by_hand, rebuild)
