"""What a PostgreSQL database holds besides tables, as facts: functions, types, extensions..."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from migrations_ops.child.protocol.sql import shown
from migrations_ops.databases.postgresql.schema.catalog import (
    OWN_SCHEMAS,
    Catalog,
    Facts,
    not_of_extension,
)

_VOLATILITIES = {"i": "IMMUTABLE", "s": "STABLE", "v": "VOLATILE"}
_PARALLELS = {"s": "PARALLEL SAFE", "r": "PARALLEL RESTRICTED", "u": ""}
_ENABLED = {"O": "", "D": "DISABLED", "R": "ENABLED REPLICA", "A": "ENABLED ALWAYS"}
_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}


def _functions(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT n.nspname, p.proname, oidvectortypes(p.proargtypes), p.prokind::text,"
        " pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname,"
        " p.provolatile::text, p.proparallel::text, p.proisstrict, p.prosecdef, p.proleakproof,"
        " p.procost, p.prorows, p.proconfig, p.prosrc, p.probin,"
        " CASE WHEN p.prokind <> 'a' THEN pg_get_function_sqlbody(p.oid) END"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " JOIN pg_language l ON l.oid = p.prolang"
        # Those with an internal dependence are made with a range type.
        f" WHERE {OWN_SCHEMAS} AND {not_of_extension('pg_proc', 'p.oid', 'ei')}"
        " AND p.prokind <> 'a'"
    )
    for (schema, name, taken, kind, arguments, result, language, volatility, parallel, strict,
         secure, leakproof, cost, count, config, source, binary, body) in rows:  # fmt: skip
        parts = (
            f"({catalog.text(arguments)})",
            f"RETURNS {catalog.text(result)}" if result else "",
            f"LANGUAGE {language}",
            "WINDOW" if kind == "w" else "",
            _VOLATILITIES[volatility] if kind != "p" else "",
            _PARALLELS[parallel],
            "STRICT" if strict else "",
            "SECURITY DEFINER" if secure else "",
            "LEAKPROOF" if leakproof else "",
            f"COST {cost:g} ROWS {count:g}",
            f"SET {', '.join(sorted(config))}" if config else "",
            f"BODY {_body(catalog, result, source, binary, body)}",
        )
        key = f"{shown(catalog.name(schema, name))}({catalog.text(taken)})"
        yield (
            f"{'procedure' if kind == 'p' else 'function'} {key}",
            " ".join(filter(None, parts)),
        )


def _body(catalog: Catalog, result: str, source: str, binary: str | None, body: str | None) -> str:
    """What a function does: what a trigger writes has to be known, of others that it changed."""
    if result == "trigger" and not binary:
        return "'" + source.replace("'", "''") + "'"
    return _hash(catalog.text(body) if body else f"{source}|{binary}")


def _aggregates(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT n.nspname, p.proname, oidvectortypes(p.proargtypes),"
        " pg_get_function_arguments(p.oid), format_type(a.aggtranstype, NULL), a.aggtransfn::text,"
        " a.aggfinalfn::text, a.aggcombinefn::text, a.aggmtransfn::text, a.aggkind::text,"
        " a.agginitval, a.aggsortop::regoperator::text, p.proparallel::text"
        " FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid"
        " JOIN pg_namespace n ON n.oid = p.pronamespace"
        f" WHERE {OWN_SCHEMAS} AND {not_of_extension('pg_proc', 'p.oid')}"
    )
    for schema, name, taken, arguments, state, *traits in rows:
        text = ", ".join(catalog.text(str(each)) for each in traits)
        key = f"{shown(catalog.name(schema, name))}({catalog.text(taken)})"
        yield (
            f"function {key}",
            f"AGGREGATE ({catalog.text(arguments)}) STATE {catalog.text(state)} BY {text}",
        )


def _triggers(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT t.tgrelid::bigint, t.tgname, t.tgenabled::text, pg_get_triggerdef(t.oid)"
        " FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgparentid = 0"
    )
    for table, name, enabled, definition in rows:
        if table in catalog.relations:
            text = f"{catalog.text(definition)} {_ENABLED[enabled]}".strip()
            yield f"trigger {shown(name)} on {shown(catalog.relations[table].name)}", text


def _rules(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT r.ev_class::bigint, r.rulename, r.ev_enabled::text, pg_get_ruledef(r.oid)"
        " FROM pg_rewrite r WHERE r.rulename <> '_RETURN'"
    )
    for table, name, enabled, definition in rows:
        if table in catalog.relations:
            text = catalog.text(definition.rstrip().removesuffix(";"))
            key = f"rule {shown(name)} on {shown(catalog.relations[table].name)}"
            yield key, f"{text} {_ENABLED[enabled]}".strip()


def _policies(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT p.polrelid::bigint, p.polname, p.polcmd::text, p.polpermissive,"
        " ARRAY(SELECT CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r)::text END"
        "  FROM unnest(p.polroles) r ORDER BY 1),"
        " pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)"
        " FROM pg_policy p"
    )
    for table, name, command, permissive, roles, using, check in rows:
        if table not in catalog.relations:
            continue
        parts = (
            "" if permissive else "RESTRICTIVE",
            f"FOR {_COMMANDS[command]} TO {', '.join(map(shown, roles))}",
            f"USING ({catalog.text(using)})" if using else "",
            f"WITH CHECK ({catalog.text(check)})" if check else "",
        )
        key = f"policy {shown(name)} on {shown(catalog.relations[table].name)}"
        yield key, " ".join(filter(None, parts))


def _enums(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT n.nspname, t.typname, ARRAY(SELECT quote_literal(enumlabel) FROM pg_enum"
        "  WHERE enumtypid = t.oid ORDER BY enumsortorder)"
        " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'e'"
        f" AND {OWN_SCHEMAS} AND {not_of_extension('pg_type', 't.oid')}"
    )
    for schema, name, labels in rows:
        yield f"type {shown(catalog.name(schema, name))}", f"ENUM ({', '.join(labels)})"


def _composites(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT n.nspname, t.typname, ARRAY(SELECT quote_ident(a.attname) || ' '"
        "  || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> y.typcollation"
        "  THEN ' COLLATE ' || quote_ident(o.collname) ELSE '' END"
        "  FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid"
        "  LEFT JOIN pg_collation o ON o.oid = a.attcollation"
        "  WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)"
        " FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'"
        " JOIN pg_namespace n ON n.oid = t.typnamespace"
        f" WHERE {OWN_SCHEMAS} AND {not_of_extension('pg_type', 't.oid')}"
    )
    for schema, name, parts in rows:
        text = ", ".join(catalog.text(part) for part in parts)
        yield f"type {shown(catalog.name(schema, name))}", f"COMPOSITE ({text})"


def _other_types(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT n.nspname, t.typname, t.typtype::text,"
        " CASE WHEN r.rngsubtype IS NOT NULL THEN format_type(r.rngsubtype, NULL) END,"
        " t.typlen, t.typalign::text, t.typstorage::text, t.typinput::text, t.typoutput::text"
        " FROM pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid"
        " JOIN pg_namespace n ON n.oid = t.typnamespace"
        # Arrays and multiranges come with their types.
        " WHERE t.typtype IN ('b', 'r') AND t.typcategory <> 'A'"
        f" AND {OWN_SCHEMAS} AND {not_of_extension('pg_type', 't.oid', 'ei')}"
    )
    for schema, name, kind, of, *traits in rows:
        text = f"RANGE OF {catalog.text(of)}" if kind == "r" else f"BASE {traits}"
        yield f"type {shown(catalog.name(schema, name))}", text


def _domains(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod), t.typnotnull,"
        " t.typdefault,"
        " CASE WHEN t.typcollation <> b.typcollation THEN quote_ident(o.collname) END,"
        " ARRAY(SELECT quote_ident(c.conname) || ' ' || pg_get_constraintdef(c.oid)"
        "  FROM pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c' ORDER BY c.conname)"
        " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        " JOIN pg_type b ON b.oid = t.typbasetype"
        " LEFT JOIN pg_collation o ON o.oid = t.typcollation"
        f" WHERE t.typtype = 'd' AND {OWN_SCHEMAS} AND {not_of_extension('pg_type', 't.oid')}"
    )
    for schema, name, base, not_null, default, collation, checks in rows:
        parts = (
            catalog.text(base),
            "NOT NULL" if not_null else "",
            f"DEFAULT {catalog.text(default)}" if default is not None else "",
            f"COLLATE {catalog.text(collation)}" if collation else "",
            *(f"CONSTRAINT {catalog.text(check)}" for check in checks),
        )
        yield f"domain {shown(catalog.name(schema, name))}", " ".join(filter(None, parts))


def _extensions(catalog: Catalog) -> Facts:
    """Without their versions: a dump says none, and the copy gets what is installed."""
    rows = catalog.ask(
        "SELECT e.extname, n.nspname FROM pg_extension e"
        " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql'"
    )
    for name, schema in rows:
        yield f"extension {shown(name)}", f"SCHEMA {shown(schema)}"


def _schemas(catalog: Catalog) -> Facts:
    """Without public, which each new database has and no dump drops."""
    rows = catalog.ask(
        f"SELECT n.nspname FROM pg_namespace n WHERE {OWN_SCHEMAS} AND n.nspname <> 'public'"
        f" AND {not_of_extension('pg_namespace', 'n.oid')}"
    )
    for (name,) in rows:
        if name != catalog.schema:
            yield f"schema {shown(name)}", ""


def _statistics(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT n.nspname, s.stxname, s.stxrelid::bigint, s.stxkind::text[],"
        " pg_get_statisticsobjdef_columns(s.oid) FROM pg_statistic_ext s"
        f" JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {OWN_SCHEMAS}"
    )
    for schema, name, table, kinds, columns in rows:
        if table in catalog.relations:
            on = shown(catalog.relations[table].name)
            text = f"({', '.join(sorted(kinds))}) {catalog.text(columns)} from {on}"
            yield f"statistics {shown(catalog.name(schema, name))}", text


def _others(catalog: Catalog) -> Facts:
    """Rare kinds of objects: only their existence is a fact."""
    placed = {
        "pg_collation": "collnamespace",
        "pg_conversion": "connamespace",
        "pg_operator": "oprnamespace",
        "pg_opclass": "opcnamespace",
        "pg_opfamily": "opfnamespace",
        "pg_ts_config": "cfgnamespace",
        "pg_ts_dict": "dictnamespace",
        "pg_ts_parser": "prsnamespace",
        "pg_ts_template": "tmplnamespace",
    }
    # Below this number are the objects of PostgreSQL itself.
    free = ("pg_cast", "pg_language", "pg_foreign_data_wrapper", "pg_foreign_server",
            "pg_event_trigger", "pg_am", "pg_transform")  # fmt: skip
    parts = [
        f"SELECT '{table}'::regclass::oid AS class, o.oid FROM {table} o"
        f" JOIN pg_namespace n ON n.oid = o.{column} WHERE {OWN_SCHEMAS}"
        f" AND {not_of_extension(table, 'o.oid')}"
        for table, column in placed.items()
    ]
    parts += [
        f"SELECT '{table}'::regclass::oid, o.oid FROM {table} o"
        f" WHERE o.oid >= 16384 AND {not_of_extension(table, 'o.oid', 'ei')}"
        for table in free
    ]
    rows = catalog.ask(
        "SELECT i.type, i.identity FROM"
        f" ({' UNION ALL '.join(parts)}) o, pg_identify_object(o.class, o.oid, 0) i"
    )
    for kind, identity in rows:
        yield f"object {kind} {catalog.text(identity)}", ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


OBJECTS: tuple[Callable[[Catalog], Facts], ...] = (
    _functions,
    _aggregates,
    _triggers,
    _rules,
    _policies,
    _enums,
    _composites,
    _other_types,
    _domains,
    _extensions,
    _schemas,
    _statistics,
    _others,
)
