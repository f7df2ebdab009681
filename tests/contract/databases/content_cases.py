"""Changes of rows and what is found of each: columns as (changed, of these lost), rows gone."""

from __future__ import annotations

from typing import Any

Case = tuple[str, str, dict[str, Any]]

# -- alike on every engine ---------------------------------------------------------------------

KEYED = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(20), b DOUBLE PRECISION, c BLOB);"
    "INSERT INTO t VALUES (1, 'one', 1, X'00'), (5, 'two', 1.5, X'01'), (9, NULL, 2, NULL)"
)
NAMED = (
    "CREATE TABLE t (k VARCHAR(20) PRIMARY KEY, a VARCHAR(20));"
    "INSERT INTO t VALUES ('one', 'a'), ('two', 'b'), ('three', 'c')"
)
HEAP = (
    "CREATE TABLE t (a VARCHAR(9), b INTEGER);"
    "INSERT INTO t VALUES ('x', 1), ('y', 2), ('z', 3), ('z', 3)"
)
ALIKE: list[Case] = [
    (KEYED, "", {}),
    (KEYED, "UPDATE t SET a = a, b = b", {}),
    (KEYED, "UPDATE t SET a = 'eno' WHERE id = 1", {"a": (1, 1)}),
    (KEYED, "UPDATE t SET a = '' WHERE a IS NULL", {"a": (1, 1)}),
    (KEYED, "UPDATE t SET a = NULL, b = b + 0.01", {"a": (2, 2), "b": (3, 3)}),
    (KEYED, "UPDATE t SET c = X'0000' WHERE id = 1", {"c": (1, 1)}),
    (KEYED, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (2, 'one', 1, NULL)", {"gone": 1}),
    (KEYED, "UPDATE t SET id = -id", {"gone": 3}),
    (KEYED, "UPDATE t SET a = 'x', b = 9 WHERE id = 5; DELETE FROM t WHERE id = 9",
     {"a": (1, 1), "b": (1, 1), "gone": 1}),
    (KEYED, "INSERT INTO t (id) VALUES (2); ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 5", {}),
    (KEYED, "ALTER TABLE t DROP COLUMN c", {}),
    # Values that change places: a sum of hashes that are sums themselves would not notice.
    (KEYED, "UPDATE t SET a = CASE id WHEN 1 THEN 'two' ELSE 'one' END WHERE id < 9",
     {"a": (2, 2)}),
    (NAMED, "UPDATE t SET a = 'new' WHERE k = 'one'", {"a": (1, 1)}),
    (NAMED, "DELETE FROM t WHERE k = 'two'; INSERT INTO t VALUES ('four', 'b')", {"gone": 1}),
    (NAMED, "DELETE FROM t WHERE k = 'two'", {"gone": 1}),
    (NAMED, "DELETE FROM t", {"gone": 3}),
    (HEAP, "", {}),
    (HEAP, "DELETE FROM t WHERE a = 'x'", {"gone": 1}),
    (HEAP, "INSERT INTO t VALUES ('z', 3)", {}),
    ('CREATE TABLE t ("K s" INTEGER PRIMARY KEY, "a b" TEXT); INSERT INTO t VALUES (1, \'y\')',
     'UPDATE t SET "a b" = \'z\'', {"a b": (1, 1)}),
    ("CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b INT GENERATED ALWAYS AS (a * 2) STORED);"
     "INSERT INTO t (id, a) VALUES (1, 1)", "UPDATE t SET a = 2", {"a": (1, 1)}),
]  # fmt: skip

# -- what each engine has of its own -----------------------------------------------------------

_PG_KEYED = (
    "CREATE TABLE t (id serial PRIMARY KEY, a text, b numeric(10,2), c bytea);"
    r"INSERT INTO t VALUES (1, 'one', 1, '\x00'), (5, 'two', 1.5, '\x01'), (9, NULL, 2, NULL)"
)
_PG_NAMED = (
    "CREATE TABLE t (k text NOT NULL UNIQUE, a varchar(9));"
    "INSERT INTO t VALUES ('one', 'a'), ('two', 'b'), ('three', 'c')"
)
_PG_WIDE = (
    "CREATE TABLE t (id int PRIMARY KEY, a int, b text);"
    "INSERT INTO t SELECT n, n, 'text ' || n FROM generate_series(1, 20000) n"
)
POSTGRESQL: list[Case] = [
    (_PG_KEYED, "UPDATE t SET a = 'ONE' WHERE id = 1", {"a": (1, 0)}),
    (_PG_KEYED, "ALTER TABLE t DROP COLUMN c, ADD COLUMN c text", {"c": (2, 2)}),
    (_PG_KEYED, "UPDATE t SET a = a, b = b; CLUSTER t USING t_pkey", {}),
    # A key that is none any more, or another one.
    (_PG_KEYED, "ALTER TABLE t DROP CONSTRAINT t_pkey", {}),
    (_PG_KEYED, "ALTER TABLE t DROP CONSTRAINT t_pkey; INSERT INTO t VALUES (1, 'one', 2)", {}),
    (_PG_KEYED, "ALTER TABLE t DROP CONSTRAINT t_pkey; UPDATE t SET id = 1", {"id": (2, 2)}),
    (_PG_KEYED, "ALTER TABLE t DROP COLUMN id; ALTER TABLE t ADD id uuid DEFAULT gen_random_uuid()",
     {"id": (3, 3)}),
    (_PG_NAMED, "UPDATE t SET a = 'A' WHERE k = 'one'", {"a": (1, 0)}),
    (_PG_NAMED, "DELETE FROM t WHERE k = 'two'; INSERT INTO t VALUES ('four', 'b')", {"gone": 1}),
    (_PG_NAMED, "TRUNCATE t", {"gone": 3}),
    (HEAP, "UPDATE t SET b = 9 WHERE a = 'y'", {"b": (1, 1)}),
    (HEAP, "UPDATE t SET b = 9 WHERE ctid = (SELECT max(ctid) FROM t)", {"b": (1, 1)}),
    (HEAP, "UPDATE t SET a = NULL WHERE a = 'z'", {"a": (2, 2)}),
    (HEAP, "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)", {"gone": 1}),
    (HEAP, "DELETE FROM t WHERE a = 'x'; INSERT INTO t VALUES ('new', 4), ('newer', 5)",
     {"gone": 1}),
    (HEAP, "UPDATE t SET b = 3 - b WHERE b < 3", {"gone": 2}),
    (_PG_WIDE, "UPDATE t SET a = -1 WHERE id % 1000 = 0; DELETE FROM t WHERE id BETWEEN 7 AND 9",
     {"a": (20, 20), "gone": 3}),
    (_PG_WIDE, "UPDATE t SET b = b || '!'", {"b": (20000, 20000)}),
    (_PG_WIDE, "ALTER TABLE t ALTER id TYPE bigint, ALTER a TYPE numeric, ALTER b TYPE varchar(90)",
     {}),
    ("CREATE TABLE t (a float8, b numeric, c int, id int PRIMARY KEY);"
     "INSERT INTO t VALUES (0, 0, 0, 0)",
     "UPDATE t SET a = NULL, b = NULL, c = NULL", {"a": (1, 1), "b": (1, 1), "c": (1, 1)}),
    # What is equal by the rules of its type is not the same.
    ("CREATE TABLE t (a interval); INSERT INTO t VALUES ('1 day')", "UPDATE t SET a = '24 hours'",
     {"a": (1, 1)}),
    ("CREATE COLLATION ci (provider = icu, locale = 'und', deterministic = false);"
     "CREATE TABLE t (id int PRIMARY KEY, a text COLLATE ci); INSERT INTO t VALUES (1, 'a')",
     "UPDATE t SET a = 'A'", {"a": (1, 0)}),
    ("CREATE TABLE t (a jsonb, b json); INSERT INTO t VALUES ('{\"a\": 1}', '{\"a\":1}')",
     "UPDATE t SET b = '{\"a\": 1}'", {"b": (1, 1)}),
    ("CREATE TABLE t (id int PRIMARY KEY, p point, b box, x tsvector, d bit(3), r int4range);"
     "INSERT INTO t VALUES (1, '(1,2)', '(1,2),(3,4)', 'a b', b'101', '[1,2)')",
     "UPDATE t SET p = '(1,3)', x = 'a'", {"p": (1, 1), "x": (1, 1)}),
    ("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, m mood);"
     "CREATE TABLE t (id mood PRIMARY KEY, a mood[], b pair);"
     "INSERT INTO t VALUES ('sad', '{happy}', '(1,sad)'), ('happy', NULL, NULL)",
     "ALTER TYPE mood ADD VALUE 'new' BEFORE 'happy'", {}),
    ("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE t (id mood PRIMARY KEY, a mood);"
     "INSERT INTO t VALUES ('sad', 'sad'), ('happy', 'sad')",
     "UPDATE t SET a = 'happy' WHERE id = 'sad'", {"a": (1, 1)}),
    ("CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1)",
     "UPDATE t SET a = 2", {"a": (1, 1)}),
    ('CREATE TABLE t ("K %s" int PRIMARY KEY, "a ""b""" text); INSERT INTO t VALUES (1, \'y\')',
     'UPDATE t SET "a ""b""" = \'z\'', {'a "b"': (1, 1)}),
    ("CREATE TABLE t (); INSERT INTO t DEFAULT VALUES", "DELETE FROM t", {"gone": 1}),
    ("CREATE TABLE t (a int); CREATE TABLE child () INHERITS (t); INSERT INTO child VALUES (1)",
     "DELETE FROM child", {}),
    ("CREATE TABLE t (a int PRIMARY KEY) PARTITION BY LIST (a);"
     "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t DEFAULT;"
     "INSERT INTO t VALUES (1), (2)", "DROP TABLE t1", {"gone": 1}),
    ("CREATE TABLE t (a int PRIMARY KEY, b int) PARTITION BY LIST (a);"
     "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t DEFAULT;"
     "INSERT INTO t VALUES (1, 1), (2, 2)", "UPDATE t2 SET b = 3", {"b": (1, 1)}),
]  # fmt: skip

_MARIA_UNIQUE = (
    "CREATE TABLE t (a INT, x INT NOT NULL, y INT NOT NULL, UNIQUE (x, y));"
    "INSERT INTO t VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1)"
)
_MARIA_HEAP = f"{HEAP}, (NULL, NULL)"
_MARIA_VERSIONED = (
    "CREATE TABLE t (id INT PRIMARY KEY, a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START,"
    " e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e))"
    " WITH SYSTEM VERSIONING; INSERT INTO t (id, a) VALUES (1, 1), (2, 2);"
    "UPDATE t SET a = 3 WHERE id = 1"
)
_MARIA_KEYED = KEYED.replace("X'", "x'")
_DOUBLED = (
    "CREATE TABLE t (a INT PRIMARY KEY, b INT AS (a * 2) STORED); INSERT INTO t (a) VALUES (1)"
)
MARIADB: list[Case] = [
    (_MARIA_KEYED, "UPDATE t SET a = 'ONE' WHERE id = 1", {"a": (1, 1)}),
    (_MARIA_KEYED, "UPDATE t SET a = 'one ' WHERE id = 1", {"a": (1, 1)}),
    (_MARIA_KEYED, "UPDATE t SET a = 'oné' WHERE id = 1", {"a": (1, 1)}),
    (_MARIA_KEYED, "UPDATE t SET b = 1.0000000000000002 WHERE id = 1", {"b": (1, 1)}),
    (_MARIA_KEYED, "UPDATE t SET id = -id, a = 'x'; UPDATE t SET id = 1 WHERE id = -1",
     {"gone": 2, "a": (1, 1)}),
    (_MARIA_KEYED, "ALTER TABLE t DROP PRIMARY KEY", {}),
    (_MARIA_KEYED, "ALTER TABLE t DROP PRIMARY KEY; UPDATE t SET a = 'x' WHERE id = 5",
     {"gone": 1}),
    (_MARIA_KEYED, "ALTER TABLE t DROP PRIMARY KEY, ADD KEY (id);"
     "UPDATE t SET a = 'x' WHERE id > 2", {"a": (2, 2)}),
    (_MARIA_KEYED, "ALTER TABLE t DROP PRIMARY KEY, ADD KEY (id);"
     "INSERT INTO t SELECT id, 'x', b, c FROM t; DELETE FROM t WHERE id = 5", {"gone": 1}),
    (_MARIA_KEYED, "ALTER TABLE t DROP PRIMARY KEY, ADD n INT PRIMARY KEY AUTO_INCREMENT, DROP id",
     {}),
    (_MARIA_KEYED, "ALTER TABLE t MODIFY id BIGINT", {}),
    (_MARIA_KEYED, "ALTER TABLE t MODIFY id VARCHAR(9)", {}),
    (_MARIA_KEYED, "ALTER TABLE t MODIFY id VARCHAR(9);"
     "UPDATE t SET id = '05', a = 'x' WHERE id = 5", {"gone": 1}),
    (_MARIA_KEYED, "ALTER TABLE t MODIFY a VARCHAR(20) CHARACTER SET latin1", {}),
    (NAMED, "UPDATE t SET a = 'A' WHERE k = 'one'", {"a": (1, 1)}),
    (NAMED, "UPDATE t SET k = 'ONE' WHERE k = 'one'", {"k": (1, 1)}),
    (NAMED, "ALTER TABLE t MODIFY k VARCHAR(20) COLLATE utf8mb4_bin", {}),
    (NAMED, "ALTER TABLE t MODIFY k VARCHAR(20) CHARACTER SET latin1;"
     "UPDATE t SET a = 'x' WHERE k = 'two'", {"a": (1, 1)}),
    ("CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY);"
     "INSERT INTO t VALUES ('a'), ('A')",
     "DELETE FROM t WHERE k = 'A'; ALTER TABLE t MODIFY k VARCHAR(9) COLLATE utf8mb4_general_ci",
     {"gone": 1}),
    ("CREATE TABLE t (k VARCHAR(9) PRIMARY KEY); INSERT INTO t VALUES ('1'), ('01')",
     "DELETE FROM t WHERE k = '01'; ALTER TABLE t MODIFY k INT", {"gone": 1}),
    ("CREATE TABLE t (k BINARY(16) PRIMARY KEY, a INT); INSERT INTO t VALUES ('a', 1)",
     "UPDATE t SET a = 2", {"a": (1, 1)}),
    (_MARIA_UNIQUE, "UPDATE t SET a = 9 WHERE y = 1", {"a": (2, 2)}),
    (_MARIA_UNIQUE, "UPDATE t SET y = 9 WHERE a = 2", {"gone": 1}),
    (_MARIA_HEAP, "UPDATE t SET b = 9 WHERE a = 'y'", {"gone": 1}),
    (_MARIA_HEAP, "DELETE FROM t WHERE a = 'z' LIMIT 1; INSERT INTO t VALUES ('new', 1)",
     {"gone": 1}),
    (_MARIA_HEAP, "UPDATE t SET a = '' WHERE a IS NULL", {"gone": 1}),
    (_MARIA_HEAP, "ALTER TABLE t MODIFY b BIGINT, MODIFY a VARCHAR(30)", {}),
    (_MARIA_HEAP, "ALTER TABLE t MODIFY b VARCHAR(9)", {}),
    (_MARIA_HEAP, "ALTER TABLE t MODIFY a TEXT CHARACTER SET latin1", {}),
    (_MARIA_HEAP, "ALTER TABLE t MODIFY a VARCHAR(9); UPDATE t SET a = 'z' WHERE a = 'x'",
     {"gone": 1}),
    (_MARIA_HEAP, "UPDATE t SET a = 'long' WHERE a = 'x'; ALTER TABLE t MODIFY a VARCHAR(30)",
     {"a": (1, 1)}),
    (_MARIA_VERSIONED, "", {}),
    (_MARIA_VERSIONED, "UPDATE t SET a = 5 WHERE id = 1", {"a": (1, 1)}),
    (_MARIA_VERSIONED, "UPDATE t SET a = 5; UPDATE t SET a = 4 - id;"
     "UPDATE t SET a = 2 WHERE id = 2", {}),
    (_MARIA_VERSIONED, "DELETE FROM t WHERE id = 1", {"gone": 1}),
    (_DOUBLED, "ALTER TABLE t MODIFY b INT AS (a * 3) STORED", {}),
    (_DOUBLED, "ALTER TABLE t MODIFY b INT; UPDATE t SET b = 7", {"b": (1, 1)}),
    ("CREATE TABLE t (`a``b` INT PRIMARY KEY, `c \"d` TEXT); INSERT INTO t VALUES (1, 'x')",
     "UPDATE t SET `c \"d` = 'y'", {'c "d': (1, 1)}),
    ("CREATE TABLE t (a INT PRIMARY KEY, p POINT, j JSON, u UUID);"
     "INSERT INTO t VALUES (1, POINT(1, 1), '{}', '123e4567-e89b-12d3-a456-426655440000')",
     "UPDATE t SET p = POINT(1, 2), j = '[]', u = NULL",
     {"p": (1, 1), "j": (1, 1), "u": (1, 1)}),
]  # fmt: skip

_LITE_KEYED = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b, c BLOB);"
    "INSERT INTO t VALUES (1, 'one', 1, x'00'), (5, 'two', 1.5, x'01'), (9, NULL, 'x', NULL)"
)
_LITE_GAP = f"{HEAP}; DELETE FROM t WHERE a = 'x'"
_LITE_NAMED_GAP = f"{NAMED}; DELETE FROM t WHERE k = 'one'"


def rebuilt(columns: str, copied: str) -> str:
    """A rebuild as Alembic's batch mode does it."""
    return (
        f"CREATE TABLE _alembic_tmp_t ({columns});"
        f"INSERT INTO _alembic_tmp_t SELECT {copied} FROM t;"
        "DROP TABLE t; ALTER TABLE _alembic_tmp_t RENAME TO t"
    )


SQLITE: list[Case] = [
    (_LITE_KEYED, "UPDATE t SET a = 'ONE' WHERE id = 1", {"a": (1, 1)}),
    (_LITE_KEYED, "UPDATE t SET b = 1.0 WHERE id = 1", {"b": (1, 0)}),
    (_LITE_KEYED, "UPDATE t SET b = '1' WHERE id = 1", {"b": (1, 0)}),
    (_LITE_KEYED, "UPDATE t SET b = b || ' '", {"b": (3, 3)}),
    (NAMED, "UPDATE t SET a = 'A' WHERE k = 'one'", {"a": (1, 1)}),
    (_LITE_NAMED_GAP, rebuilt("k TEXT PRIMARY KEY, a TEXT", "k, a"), {"renumbered": True}),
    (_LITE_NAMED_GAP, rebuilt("k TEXT PRIMARY KEY, a INTEGER", "k, CAST(a AS INTEGER)"),
     {"renumbered": True, "a": (2, 2)}),
    (NAMED, rebuilt("k TEXT PRIMARY KEY, a TEXT) WITHOUT ROWID --", "*"), {}),
    (NAMED, rebuilt("k TEXT PRIMARY KEY, a TEXT) WITHOUT ROWID --", "k, 'c'"), {"a": (2, 2)}),
    (NAMED, rebuilt("k TEXT, a TEXT", "k, a"), {}),
    (NAMED, rebuilt("id INTEGER PRIMARY KEY, k TEXT, a TEXT", "9 - rowid, k, a"),
     {"renumbered": True}),
    (HEAP, "UPDATE t SET b = 9 WHERE a = 'y'", {"b": (1, 1)}),
    (HEAP, "DELETE FROM t WHERE rowid = 4; INSERT INTO t VALUES ('new', 4)",
     {"a": (1, 1), "b": (1, 1)}),
    (HEAP, f"DELETE FROM t WHERE a = 'x'; {rebuilt('a TEXT, b INT', '*')}",
     {"gone": 1, "renumbered": True}),
    (_LITE_GAP, rebuilt("a TEXT, b INT", "a, b"), {"renumbered": True}),
    (_LITE_GAP, rebuilt("a TEXT, b TEXT", "*"), {"renumbered": True, "b": (3, 0)}),
    (_LITE_GAP, f"{rebuilt('a TEXT, b INT', '*')}; INSERT INTO t VALUES ('new', 4)",
     {"renumbered": True}),
    (_LITE_GAP, rebuilt("a TEXT, b INT", "* FROM (SELECT * FROM t ORDER BY rowid DESC) --"),
     {"renumbered": True}),
    (_LITE_GAP, rebuilt("a TEXT, b INT", "DISTINCT *"), {"gone": 1, "renumbered": True}),
    ("CREATE TABLE t (k TEXT PRIMARY KEY, a); INSERT INTO t VALUES (NULL, 1), (NULL, 2)",
     "UPDATE t SET a = 3 WHERE a = 2", {"a": (1, 1)}),
    ("CREATE TABLE t (a INT, b INT AS (a * 2)); INSERT INTO t VALUES (1)",
     "UPDATE t SET a = 2", {"a": (1, 1)}),
    ('CREATE TABLE t (rowid TEXT, "a ""b""" TEXT); INSERT INTO t VALUES (\'x\', \'y\')',
     'UPDATE t SET "a ""b""" = \'z\'', {'a "b"': (1, 1)}),
    ("CREATE TABLE t (rowid, _rowid_, oid); INSERT INTO t VALUES (1, 2, 3), (1, 2, 3)",
     "DELETE FROM t WHERE oid = 3; INSERT INTO t VALUES (1, 2, 3)", {"gone": 1}),
]  # fmt: skip
CASES = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "mariadb": MARIADB}

# -- another type: what it was, a value, what it is, how it is made, what becomes of the value --

SAME: dict[str, tuple[int, int]] = {}
KEPT, LOST = {"a": (1, 0)}, {"a": (1, 1)}
Cast = tuple[str, str, str, str, dict[str, tuple[int, int]]]
POSTGRESQL_TYPES: list[Cast] = [
    ("text", "'12'", "integer", "a::int", SAME), ("text", "'007'", "integer", "a::int", LOST),
    ("text", "'1.50'", "numeric(5,1)", "a::numeric", KEPT),
    ("text", "'x'", "integer", "length(a)", LOST),
    ("text", "'yes'", "boolean", "a::boolean", KEPT),
    ("text", "'yes'", "boolean", "NOT a::boolean", LOST),
    ("text", "'ABC'", "varchar(2)", "a::varchar(2)", LOST),
    ("text", "'x  '", "char(3)", "a", KEPT), ("text", "'{\"b\":1}'", "jsonb", "a::jsonb", LOST),
    ("json", "'{\"b\":1}'", "jsonb", "a::jsonb", SAME), ("varchar(10)", "'abc'", "text", "a", SAME),
    ("integer", "7", "text", "a::text", SAME), ("integer", "7", "numeric(10,3)", "a", SAME),
    ("integer", "7", "float8", "a", SAME), ("integer", "1", "boolean", "a::boolean", KEPT),
    ("boolean", "true", "integer", "a::int", KEPT),
    ("numeric(10,1)", "1.5", "numeric(10,3)", "a", SAME),
    ("numeric(10,2)", "1.50", "integer", "a::int", LOST),
    ("numeric", "123456789012345678.9", "float8", "a", LOST),
    ("float4", "0.1", "float8", "a", SAME),
    ("float8", "0.1", "float4", "a", LOST), ("float8", "0.5", "numeric", "a::numeric", SAME),
    ("float8", "'NaN'", "numeric", "a::numeric", SAME),
    ("date", "'2025-03-04'", "timestamp", "a", SAME),
    ("timestamp", "'2025-03-04 10:11:12'", "date", "a::date", LOST),
    ("timestamp", "'2025-03-04 00:00'", "date", "a::date", SAME),
    ("timestamp", "'2025-03-04 10:11:12'", "timestamptz", "a", SAME),
    ("timestamptz", "'2025-03-04 10:11:12+05'", "timestamp", "a", SAME),
    ("timestamp", "'2025-03-04 10:11:12'", "timestamptz", "a AT TIME ZONE 'Asia/Tokyo'", LOST),
    ("int[]", "'{1,2}'", "bigint[]", "a", SAME),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "text", "upper(a::text)", KEPT),
]  # fmt: skip
_MARIADB_TYPES = (
    ("INT", "12", "BIGINT", 0), ("INT", "12", "VARCHAR(9)", 0), ("INT", "12", "DOUBLE", 0),
    ("INT", "12", "DECIMAL(9,2)", 0), ("INT", "-1", "INT UNSIGNED", 1),
    ("INT", "300", "TINYINT", 1), ("BIGINT", "9007199254740993", "DOUBLE", 1),
    ("DECIMAL(9,2)", "1.50", "DECIMAL(9,3)", 0), ("DECIMAL(9,2)", "1.55", "DECIMAL(9,1)", 1),
    ("DECIMAL(9,2)", "1.50", "INT", 1), ("DECIMAL(9,2)", "1.50", "FLOAT", 0),
    ("DOUBLE", "0.1", "FLOAT", 0), ("DOUBLE", "1.23456789", "FLOAT", 1),
    ("FLOAT", "0.1", "DOUBLE", 0), ("DOUBLE", "1e300", "VARCHAR(30)", 0),
    ("BIT(4)", "b'101'", "INT", 0), ("VARCHAR(9)", "'12'", "INT", 0),
    ("VARCHAR(9)", "'abc'", "INT", 1), ("VARCHAR(9)", "'12abc'", "INT", 1),
    ("VARCHAR(9)", "'007'", "INT", 1), ("VARCHAR(9)", "''", "INT", 1),
    ("VARCHAR(9)", "'1.50'", "DECIMAL(9,1)", 0), ("VARCHAR(9)", "'abcdef'", "VARCHAR(3)", 1),
    ("VARCHAR(9)", "'a '", "CHAR(9)", 1), ("VARCHAR(9)", "'ab'", "TEXT", 0),
    ("VARCHAR(9)", "'é'", "VARCHAR(9) CHARACTER SET latin1", 0),
    ("VARCHAR(9)", "'€ž'", "VARCHAR(9) CHARACTER SET latin2", 1),
    ("VARCHAR(9)", "'ab'", "VARBINARY(9)", 0),
    ("VARCHAR(9) CHARACTER SET latin1", "'é'", "BLOB", 0),
    ("VARCHAR(9)", "'a'", "ENUM('a','b')", 0), ("VARCHAR(9)", "'c'", "ENUM('a','b')", 1),
    ("ENUM('a','b')", "'b'", "ENUM('b','a')", 0), ("ENUM('a','b')", "'b'", "VARCHAR(9)", 0),
    ("ENUM('a','b')", "'b'", "ENUM('a')", 1), ("VARBINARY(9)", "'ab'", "BLOB", 0),
    ("DATE", "'2025-03-04'", "DATETIME", 0), ("DATETIME", "'2025-03-04 10:11:12'", "DATE", 1),
    ("DATETIME(3)", "'2025-03-04 10:11:12.5'", "DATETIME", 1),
    ("DATETIME", "'2025-03-04 10:11:12'", "DATETIME(6)", 0),
    ("DATETIME", "'2025-03-04 10:11:12'", "TIMESTAMP NULL", 0),
    ("VARCHAR(30)", "'2025-03-04 10:11:12'", "DATETIME(6)", 0),
    ("VARCHAR(30)", "'2025-03-04 10:11:12'", "DATE", 1), ("VARCHAR(30)", "'soon'", "DATE", 1),
    ("DATETIME", "'2025-03-04 10:11:12'", "VARCHAR(30)", 0), ("TIME", "'10:11:12'", "TIME(3)", 0),
    ("TIME(3)", "'10:11:12.5'", "TIME", 1), ("DATETIME", "'2025-03-04 10:11:12'", "TIME", 1),
    ("CHAR(36)", "'123E4567-e89b-12d3-a456-426655440000'", "UUID", 0),
    ("UUID", "'123e4567-e89b-12d3-a456-426655440000'", "BINARY(16)", 0),
    ("INET6", "'::1'", "VARCHAR(40)", 0), ("YEAR", "2020", "INT", 0),
    ("TINYINT(1)", "1", "INT", 0), ("TEXT", "'{\"a\": 1}'", "JSON", 0),
    ("INT", "NULL", "VARCHAR(9)", 0), ("INT", "NULL", "INT NOT NULL", 1),
    ("TEXT", "REPEAT('x', 9000)", "VARCHAR(9000)", 0),
)  # fmt: skip
_SQLITE_TYPES = (
    ("'abc'", "INTEGER", 1), ("'12abc'", "INTEGER", 1), ("'007'", "INTEGER", 1),
    ("1.9", "INTEGER", 1), ("'2025-03-04 10:11:12'", "NUMERIC", 1), ("'true'", "INTEGER", 1),
    ("'12'", "INTEGER", 0), ("12", "TEXT", 0), ("'1.50'", "REAL", 0), ("2.0", "INTEGER", 0),
    ("7", "REAL", 0), ("'2.00'", "NUMERIC", 0), ("x'6162'", "TEXT", 0),
)  # fmt: skip
TYPES: dict[str, list[Cast]] = {
    "postgresql": POSTGRESQL_TYPES,
    "mariadb": [
        (was, value, now, "", LOST if lost else SAME) for was, value, now, lost in _MARIADB_TYPES
    ],
    "sqlite": [("", value, now, "", LOST if lost else KEPT) for value, now, lost in _SQLITE_TYPES],
}

# -- keys that the revisions rewrite: what is found, and whether it may not be all ---------------

_UUIDS = (
    "CREATE TABLE t (id VARCHAR(20) PRIMARY KEY, v VARCHAR(9), w VARCHAR(9) NOT NULL);"
    "INSERT INTO t VALUES ('c-1', '007', 'x'), ('a-2', 'abc', 'y'), ('b-3', '12', 'z')"
)
_WITHOUT_ROWID = _UUIDS.replace(");", ") WITHOUT ROWID;", 1)
_NUMBERS = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT);"
    "INSERT INTO t VALUES (1, '1', 'x'), (2, '2', 'y'), (4, '3', 'z')"
)
_NEW_IDS = "UPDATE t SET id = REPLACE(id, '-', '')"
_OTHER_ORDER = "UPDATE t SET id = substr(id, 3) || id"
_PG_INTEGER = (
    "ALTER TABLE t ALTER v TYPE integer USING CASE WHEN v ~ '^[0-9]+$' THEN v::integer ELSE 0 END"
)
_LITE_INTEGER = rebuilt("id TEXT PRIMARY KEY, v INTEGER, w TEXT", "id, CAST(v AS INTEGER), w")
_THREE = {"id": (3, 3)}
REWRITTEN: dict[str, list[tuple[str, str, dict[str, Any], bool]]] = {
    "postgresql": [
        (_UUIDS, "", {}, False),
        (_UUIDS, _OTHER_ORDER, _THREE, True),
        (_UUIDS, f"{_OTHER_ORDER}; UPDATE t SET w = 'x'", {**_THREE, "w": (2, 2)}, True),
        (_UUIDS, f"{_OTHER_ORDER}; {_PG_INTEGER}", {**_THREE, "v": (2, 2)}, True),
        (_UUIDS, f"{_OTHER_ORDER}; DELETE FROM t WHERE w = 'y'", {"gone": 1}, True),
        (_UUIDS, f"{_OTHER_ORDER}; DELETE FROM t WHERE w = 'y'; {_PG_INTEGER}", {"gone": 2}, True),
    ],
    "mariadb": [
        (_UUIDS, _NEW_IDS, {}, True),
        (_UUIDS, f"{_NEW_IDS}; UPDATE t SET w = 'x'", {"w": (2, 2)}, True),
        (_UUIDS, f"{_NEW_IDS}; SET sql_mode = ''; ALTER TABLE t MODIFY v INT;"
         "SET sql_mode = DEFAULT", {"v": (2, 2)}, True),
        (_UUIDS, f"{_NEW_IDS}; DELETE FROM t WHERE w = 'y'", {"gone": 1}, True),
        # Another key, which no revision writes, identifies rows.
        (_UUIDS.replace("w VARCHAR(9) NOT NULL", "w VARCHAR(9) NOT NULL UNIQUE"), _NEW_IDS, _THREE,
         False),
    ],
    "sqlite": [
        (_UUIDS, _NEW_IDS, _THREE, False),
        (_UUIDS, f"{_NEW_IDS}; {_LITE_INTEGER}", {**_THREE, "v": (3, 2)}, False),
        (_UUIDS, f"{_OTHER_ORDER}; {_LITE_INTEGER}", {**_THREE, "v": (3, 2)}, False),
        (_UUIDS, f"{_NEW_IDS}; UPDATE t SET w = 'x'", {**_THREE, "w": (2, 2)}, False),
        (_UUIDS, f"{_NEW_IDS}; DELETE FROM t WHERE w = 'y'", {"id": (2, 2), "gone": 1}, False),
        (_WITHOUT_ROWID, _NEW_IDS, {}, True),
        (_WITHOUT_ROWID, f"{_OTHER_ORDER}; UPDATE t SET w = 'x'", {"w": (2, 2)}, True),
        (_WITHOUT_ROWID, f"{_OTHER_ORDER}; {_LITE_INTEGER}", {"v": (3, 2)}, True),
        (_WITHOUT_ROWID, f"{_NEW_IDS}; DELETE FROM t WHERE w = 'y'", {"gone": 1}, True),
        (_NUMBERS, "UPDATE t SET id = id + 100", _THREE, False),
        (_NUMBERS, "UPDATE t SET id = 10 - id", {}, True),
        (_NUMBERS, "UPDATE t SET id = id + 100; UPDATE t SET v = 0 WHERE id = 102",
         {**_THREE, "v": (1, 1)}, False),
    ],
}  # fmt: skip
