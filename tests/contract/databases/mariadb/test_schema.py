"""Every kind of object is read, every change of one is seen, and nothing is seen without one."""

from __future__ import annotations

import pymysql
import pytest

from migrations_ops.analysis.schema_facts import Fact
from migrations_ops.databases.mariadb.connect import connect
from migrations_ops.databases.mariadb.schema.reading import find_own_names, read_schema, read_tables
from tests.contract.databases.mariadb.support import EVERYTHING, make_role, run, session
from tests.servers.databases import ServerDatabase

TOLD = {
    "table parents": "engine = innodb default charset = utf8mb4 collate = utf8mb4_general_ci"
    " comment = 'table''s'",
    "column parents.id": "int(11) not null auto_increment",
    "column parents.name": "varchar(40) not null default 'it''s a \"x\" \\ #' comment 'co''mment'",
    "primary key parents(id)": "",
    "column children.e": "enum('a','B''c') not null default 'a'",
    "column children.joint": "varchar(10) generated always as(concat(e,'x''y')) virtual",
    "column children.stamp": "timestamp not null default current_timestamp() on update"
    " current_timestamp()",
    "column children.notes": "text character set latin1 collate latin1_swedish_ci default null",
    "column children.hidden": "int(11) invisible default 3",
    "check children: small < 5": "small < 5",
    "check children: positive": "other > 0",
    "check children: json_valid(j)": "json_valid(j)",
    "foreign key children(parent_id) to parents": "(id) ON UPDATE SET NULL ON DELETE CASCADE"
    " CONSTRAINT fk_parent",
    "foreign key children(parent2) to parents": "(id) ON UPDATE RESTRICT ON DELETE RESTRICT"
    " CONSTRAINT children_ibfk_1",
    "index uq on children": "create unique index uq on children (other,parent_id)",
    "index part on children": "create index part on children (notes(10),id desc)",
    "index ft on children": "create fulltext index ft on children (notes)",
    "index sp on children": "create spatial index sp on children (place)",
    "index idle on children": "create index idle on children (other) comment 'ind' ignored",
    'index "ix 1" on "odd `name` ""q"""': 'create index "ix 1" on "odd `name` ""q""" ("col umn")',
    "column numbered.id": "int(11) not null default nextval(numbers)",
    "sequence numbers": "start with 100 minvalue 10 maxvalue 1000 increment by 10 cache 1000 cycle"
    " engine = innodb",
    "trigger second_one": "before insert order 2 on children for each row set new.other = new.other"
    " + 0",
    "view named": "sql security definer as select p.id as id,joined(p.id,'x') as f,ucase(p.name) as"
    " n from parents p where p.name <> 'a''b'",
    "view checked": "sql security definer as select parents.id as id,parents.name as name from"
    " parents where parents.id > 5 with local check option",
    "function joined": "create function joined(a int,b varchar(10)) returns varchar(20) charset"
    " utf8mb4 collate utf8mb4_general_ci deterministic comment 'fn' return concat(a,b,'it''s')",
    "event asleep": "create event asleep on schedule at '2037-01-01 00:00:00' on completion not"
    " preserve disable do delete from parents where id < 0",
}


def schema_of(database: ServerDatabase, version_table: str = "alembic_version") -> dict[str, str]:
    with session(database) as connection:
        return read_schema(connection, version_table)


def test_each_kind_of_object_is_read(mariadb_database: ServerDatabase) -> None:
    run(mariadb_database, *EVERYTHING)
    schema = schema_of(mariadb_database)
    assert {key: schema.get(key) for key in TOLD} == TOLD
    assert "with system versioning" in schema["table versioned"]
    assert "partition p1 values less than maxvalue" in schema["table split"]
    assert "period for app(a,b)" in schema["table periods"]
    assert mariadb_database.name not in "".join(schema.values())
    assert list(schema) == sorted(schema)
    for key, text in schema.items():
        Fact.of(key, text)


def test_what_is_no_part_of_the_project_is_left_out(mariadb_database: ServerDatabase) -> None:
    run(
        mariadb_database,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        'CREATE VIEW migrations_ops_ledger AS SELECT \'{"format": 1, "runs": []}\' AS ledger',
    )
    assert set(schema_of(mariadb_database)) == {'schema "character set"'}
    assert "table alembic_version" in schema_of(mariadb_database, "another")
    with session(mariadb_database) as connection:
        assert read_tables(connection) == ["alembic_version"]


def test_a_table_of_the_project_that_has_the_name_of_alembics_is_read(
    mariadb_database: ServerDatabase,
) -> None:
    run(mariadb_database, "CREATE TABLE alembic_version (id INT)")
    assert "column alembic_version.id" in schema_of(mariadb_database)


BASE = (
    "CREATE TABLE p (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(20) NOT NULL DEFAULT 'x')",
    """CREATE TABLE t (id INT PRIMARY KEY, a INT NOT NULL DEFAULT 1 COMMENT 'c',
        b VARCHAR(20) COLLATE utf8mb4_bin, d DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
        e ENUM('a', 'b'), p INT, g INT AS (a + 1) STORED, KEY ix (a, b(5)), UNIQUE KEY uq (e),
        CONSTRAINT fk FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE,
        CONSTRAINT ck CHECK (a > 0))""",
    "CREATE TABLE q (id INT PRIMARY KEY AUTO_INCREMENT)",
    "CREATE VIEW v AS SELECT a FROM t",
    "CREATE SEQUENCE s",
    "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 2",
    "CREATE FUNCTION f(a INT) RETURNS INT RETURN a",
    "CREATE PROCEDURE pr() SELECT 1",
    "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DO DELETE FROM t WHERE id < 0",
)


CHANGES = [
        ("ALTER TABLE t MODIFY a INT NOT NULL COMMENT 'c'", "column t.a"),
        ("ALTER TABLE t MODIFY a INT DEFAULT 1 COMMENT 'c'", "column t.a"),
        ("ALTER TABLE t MODIFY a INT NOT NULL DEFAULT 1", "column t.a"),
        ("ALTER TABLE t MODIFY a BIGINT NOT NULL DEFAULT 1 COMMENT 'c'", "column t.a"),
        ("ALTER TABLE t MODIFY b VARCHAR(20)", "column t.b"),
        ("ALTER TABLE t MODIFY b VARCHAR(19) COLLATE utf8mb4_bin", "column t.b"),
        ("ALTER TABLE t MODIFY d DATETIME", "column t.d"),
        ("ALTER TABLE t MODIFY e ENUM('a', 'B')", "column t.e"),
        ("ALTER TABLE t MODIFY g INT AS (a + 2) STORED", "column t.g"),
        ("ALTER TABLE q MODIFY id INT NOT NULL", "column q.id"),
        ("ALTER TABLE t ADD x INT", "column t.x"),
        ("ALTER TABLE t DROP d", "column t.d"),
        ("ALTER TABLE t DROP INDEX ix", "index ix on t"),
        ("ALTER TABLE t DROP INDEX ix, ADD INDEX ix (a, b(6))", "index ix on t"),
        ("ALTER TABLE t DROP INDEX ix, ADD INDEX ix (a, b(5) DESC)", "index ix on t"),
        ("ALTER TABLE t ALTER INDEX ix IGNORED", "index ix on t"),
        ("ALTER TABLE t DROP INDEX uq, ADD INDEX uq (e)", "index uq on t"),
        ("ALTER TABLE t DROP FOREIGN KEY fk;"
         "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p (id)",
         "foreign key t(p) to p"),
        ("ALTER TABLE t DROP FOREIGN KEY fk", "foreign key t(p) to p;index fk on t"),
        ("ALTER TABLE t DROP CONSTRAINT ck", "check t: ck"),
        ("ALTER TABLE t DROP CONSTRAINT ck, ADD CONSTRAINT ck CHECK (a > 1)", "check t: ck"),
        ("ALTER TABLE t DROP PRIMARY KEY", "primary key t(id)"),
        ("ALTER TABLE t COMMENT 'x'", "table t"),
        ("ALTER TABLE t ROW_FORMAT=COMPRESSED", "table t"),
        ("ALTER TABLE t DEFAULT COLLATE utf8mb4_bin;ALTER TABLE t MODIFY b VARCHAR(20)",
         "table t;column t.b;column t.e"),
        ("ALTER TABLE q ADD SYSTEM VERSIONING", "table q"),
        ("ALTER TABLE q PARTITION BY HASH (id) PARTITIONS 2", "table q"),
        ("CREATE OR REPLACE VIEW v AS SELECT a + 1 AS a FROM t", "view v"),
        ("CREATE OR REPLACE SQL SECURITY INVOKER VIEW v AS SELECT a FROM t", "view v"),
        ("DROP VIEW v", "view v"),
        ("ALTER SEQUENCE s INCREMENT BY 2", "sequence s"),
        ("DROP SEQUENCE s", "sequence s"),
        ("DROP TRIGGER tr", "trigger tr"),
        ("CREATE OR REPLACE TRIGGER tr AFTER INSERT ON t FOR EACH ROW SET @a = 2", "trigger tr"),
        ("CREATE TRIGGER t0 BEFORE INSERT ON t FOR EACH ROW PRECEDES tr SET NEW.a = 2",
         "trigger t0;trigger tr"),
        ("CREATE OR REPLACE FUNCTION f(a INT) RETURNS INT RETURN a + 1", "function f"),
        ("CREATE OR REPLACE FUNCTION f(a BIGINT) RETURNS INT RETURN a", "function f"),
        ("DROP PROCEDURE pr", "procedure pr"),
        ("ALTER PROCEDURE pr SQL SECURITY INVOKER", "procedure pr"),
        ("ALTER EVENT ev DISABLE", "event ev"),
        ("ALTER EVENT ev ON SCHEDULE EVERY 2 DAY STARTS '2030-01-01'", "event ev"),
        ("DROP TABLE q", "table q;column q.id;primary key q(id)"),
        # None of these is a change.
        ("ALTER TABLE t MODIFY id INT NOT NULL AFTER a", ""),
        ("INSERT INTO p (a) VALUES (1)", ""),
        ("ALTER TABLE p AUTO_INCREMENT = 1000", ""),
        ("ALTER TABLE t FORCE", ""),
        ("DO NEXTVAL(s)", ""),
        ("CREATE OR REPLACE FUNCTION f(a INT) /* why */ RETURNS INT  RETURN a -- so\n", ""),
        ("CREATE OR REPLACE DEFINER=plain@'%' VIEW v AS SELECT a FROM t", ""),
        ("ALTER EVENT ev DISABLE ON SLAVE", ""),
    ]  # fmt: skip


def test_each_change_is_seen_and_nothing_else(mariadb_database: ServerDatabase) -> None:
    server, wrong = mariadb_database.server, []
    for statements, keys in CHANGES:
        database = ServerDatabase(server, server.create_database())
        run(database, *BASE)
        before = schema_of(database)
        run(database, *filter(None, statements.split(";")))
        after = schema_of(database)
        changed = {key for key in before | after if before.get(key) != after.get(key)}
        if changed != set(filter(None, keys.split(";"))):
            wrong.append((statements, changed))
        server.drop_database(database.name)
    assert wrong == []


def test_the_index_that_innodb_keeps_for_a_foreign_key_is_no_loss_when_another_one_serves(
    mariadb_database: ServerDatabase,
) -> None:
    run(mariadb_database, *BASE)
    before = schema_of(mariadb_database)
    run(mariadb_database, "ALTER TABLE t ADD INDEX mine (p, a)")
    assert "KEY `fk`" not in str(mariadb_database.execute("SHOW CREATE TABLE t"))
    after = schema_of(mariadb_database)
    assert set(after) - set(before) == {"index mine on t"}
    assert set(before) <= set(after)


def test_the_name_of_the_database_does_not_count_even_if_a_table_has_it(
    mariadb_database: ServerDatabase,
) -> None:
    server, found = mariadb_database.server, []
    for name in ("same", "other_name"):
        server.create_database(name)
        run(
            mariadb_database,
            "CREATE TABLE same (id INT, same INT)",
            "CREATE VIEW v AS SELECT same.id, same.same FROM same WHERE same.id > 0",
            "CREATE SEQUENCE q",
            "CREATE TABLE t (id INT DEFAULT NEXTVAL(q))",
            name=name,
        )
        with session(mariadb_database, name) as connection:
            found.append(read_schema(connection, ""))
    assert found[0] == found[1]


def test_programs_that_name_their_own_database_are_found(mariadb_database: ServerDatabase) -> None:
    own = mariadb_database.name
    run(
        mariadb_database,
        *BASE,
        f"CREATE TRIGGER tells AFTER INSERT ON p FOR EACH ROW DELETE FROM {own}.t WHERE id < 0",
        f"CREATE PROCEDURE calls() SELECT * FROM `{own}` . t",
        f"CREATE FUNCTION quotes() RETURNS VARCHAR(50) RETURN '{own}.t'",
        f"CREATE PROCEDURE remarks() SELECT 1 /* {own}.t */",
    )
    with session(mariadb_database) as connection:
        assert find_own_names(connection) == ["procedure calls", "trigger tells"]


def test_table_of_the_databases_name_is_no_database(mariadb_database: ServerDatabase) -> None:
    own = mariadb_database.name
    run(
        mariadb_database,
        f"CREATE TABLE {own} (n INT)",
        f"CREATE PROCEDURE counts() BEGIN UPDATE {own} SET {own}.n = 1; SET @{own}.n = 1; END",
        f"CREATE PROCEDURE leads() UPDATE {own}.{own} SET {own}.n = 1",
    )
    with session(mariadb_database) as connection:
        assert find_own_names(connection) == ["procedure leads"]


def test_what_tables_get_that_name_no_character_set_is_read(
    mariadb_database: ServerDatabase,
) -> None:
    run(mariadb_database, "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    text = schema_of(mariadb_database)['schema "character set"']
    assert text == "default utf8mb4 collate utf8mb4_unicode_ci"


def test_a_body_that_this_role_may_not_see_is_reported_as_hidden(
    mariadb_database: ServerDatabase,
) -> None:
    run(mariadb_database, *BASE)
    connection = connect(make_role(mariadb_database, "SELECT, EXECUTE, SHOW VIEW"))
    schema = read_schema(connection, "")
    connection.close()
    assert schema["function f"] == "hidden from this role"


def test_many_tables_take_few_questions(
    mariadb_database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(mariadb_database, *(f"CREATE TABLE t{number} (id INT, a INT)" for number in range(150)))
    asked: list[object] = []
    execute = pymysql.connections.Connection._execute_command  # type: ignore[attr-defined]

    def counted(self: object, command: object, sql: object) -> None:
        asked.append(sql)
        execute(self, command, sql)

    with session(mariadb_database) as connection:
        monkeypatch.setattr(pymysql.connections.Connection, "_execute_command", counted)
        assert len(read_schema(connection, "")) == 1 + 3 * 150
    assert len(asked) < 15
