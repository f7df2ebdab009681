"""Which database a statement names: every one that leads there, and nothing that only looks so."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.named_databases import find_database

LEADING = [
    "DELETE FROM shop.a",
    "DELETE FROM `shop` . `a`",
    'DELETE FROM "shop"."a"',
    "ALTER TABLE shop.a ADD x int",
    "USE shop",
    "use `shop`",
    "CREATE TABLE IF NOT EXISTS shop.b (id int)",
    "DROP TABLE IF EXISTS b, shop.a",
    "RENAME TABLE a TO shop.a",
    "CALL shop.p(1)",
    "SELECT shop.f(1)",
    "INSERT shop.a VALUES (1)",
    "INSERT IGNORE INTO shop.a SELECT 1",
    "UPDATE a, shop.b SET a.x=1",
    "UPDATE b shop, shop.a SET shop.a.x=1",
    "TRUNCATE shop.a",
    "CREATE INDEX i ON shop.a (x)",
    "CREATE TRIGGER t BEFORE INSERT ON shop.a FOR EACH ROW SET @x=1",
    "ALTER TABLE b ADD FOREIGN KEY (x) REFERENCES shop.a (id)",
    "CREATE TABLE b LIKE shop.a",
    "DROP DATABASE IF EXISTS shop",
    "ALTER SCHEMA shop CHARACTER SET utf8",
    "/*!40101 DELETE FROM shop.a */",
    "SELECT 1; DELETE FROM shop.a",
    "EXECUTE IMMEDIATE 'DELETE FROM shop.a'",
    "DELETE a FROM a JOIN shop.b ON a.id=b.id",
    "DELETE shop.a FROM shop.a",
    "GRANT SELECT ON shop.* TO x",
    "CREATE VIEW v AS SELECT * FROM (shop.a)",
    "INSERT INTO b SELECT * FROM shop.a shop",
    "WITH shop AS (SELECT 1) DELETE FROM shop.a",
    "SELECT x FROM a, shop.b",
    "SELECT NEXT VALUE FOR shop.s",
    "SELECT nextval(shop.s)",
    "DELETE FROM b WHERE x IN (SELECT x FROM shop.a)",
    "INSERT INTO a VALUES ('it\\'s'); DELETE FROM shop.a",
    "REPLACE shop.a SET x=1",
    "ALTER TABLE a RENAME TO shop.a",
    "ALTER TABLE a RENAME shop.a",
    "EXPLAIN DELETE FROM shop.a",
    "SET STATEMENT max_statement_time=1 FOR DELETE FROM shop.a",
    "SET STATEMENT max_statement_time=1 FOR UPDATE shop.a SET n=1",
    "ALTER TABLE a EXCHANGE PARTITION p WITH TABLE shop.a",
    "SELECT 1 AS x FROM a AS b, shop.c AS d",
    "SELECT * FROM a b, shop.c shop",
    "LOCK TABLES a READ, shop.b WRITE",
    "CREATE DEFINER=`x`@`%` PROCEDURE p() BEGIN DELETE FROM shop.a; END",
    "PREPARE s FROM 'DELETE FROM shop.a'",
    "DELETE QUICK FROM shop.a",
    "SELECT * INTO OUTFILE 'x' FROM shop.a",
    "UPDATE LOW_PRIORITY shop.a SET n=1",
    "INSERT INTO a (x) SELECT y FROM b WHERE id=1 UNION SELECT z FROM shop.a",
    "SELECT `shop`.`f`(1)",
    'PREPARE s FROM "DELETE FROM shop.a"',
    'EXECUTE IMMEDIATE "UPDATE shop.a SET n=1"',
    "EXECUTE IMMEDIATE CONCAT('DELETE FROM ', 'shop', '.a')",
    "EXECUTE IMMEDIATE 'DELETE FROM\\nshop.a'",
    "EXECUTE IMMEDIATE 'UPDATE a SET x=\\'y\\'; DELETE FROM shop.a'",
    "BEGIN NOT ATOMIC PREPARE s FROM 'DELETE FROM shop.a'; EXECUTE s; END",
    "SET STATEMENT max_statement_time=1 FOR EXECUTE IMMEDIATE 'DROP DATABASE shop'",
    "BEGIN NOT ATOMIC ALTER DATABASE shop COLLATE utf8mb4_bin; END",
    "BEGIN NOT ATOMIC DROP DATABASE IF EXISTS shop; END",
    "BEGIN NOT ATOMIC SELECT 1; CREATE OR REPLACE DATABASE shop; END",
    "SET STATEMENT max_statement_time=1 FOR ALTER DATABASE shop COLLATE utf8mb4_bin",
    "SET STATEMENT max_statement_time=1, sort_buffer_size=2 FOR DROP SCHEMA `shop`",
    "SET STATEMENT max_statement_time=1 FOR USE shop",
    "IF 1=1 THEN SELECT 1; DROP SCHEMA IF EXISTS shop; END IF",
    "IF 1=1 THEN ALTER SCHEMA shop COLLATE utf8mb4_bin; END IF",
    "CREATE PROCEDURE p() ALTER DATABASE shop COLLATE utf8mb4_bin",
    "CREATE OR REPLACE SCHEMA shop",
    "ALTER TABLE shop RENAME shop.moved",
    "ALTER TABLE shop RENAME AS shop.moved",
    "ALTER TABLE shop RENAME TO shop.moved",
    "ALTER TABLE shop ADD x int, RENAME shop.moved",
    "DROP INDEX i ON shop.shop",
]
STAYING = [
    "UPDATE shop SET n = REPLACE(shop.n, 1, 2)",
    "SELECT INSERT(shop.n,1,2,3), TRUNCATE(shop.m, 2) FROM shop",
    "UPDATE shop SET shop.n = 1",
    "SELECT shop.n FROM shop",
    "SELECT 'DELETE FROM shop.a'",
    "-- DELETE FROM shop.a\nSELECT 1",
    "/* shop.a */ SELECT 1",
    "UPDATE a SET y='shop.a' WHERE n=1",
    "SELECT EXTRACT(YEAR FROM shop.d) FROM shop",
    "INSERT INTO shop VALUES (1) ON DUPLICATE KEY UPDATE shop.n=1, shop.m=2",
    "SELECT shop.x FROM a shop WHERE shop.y IN (SELECT shop.z FROM b)",
    "SELECT a.x, shop.y FROM a, shop ORDER BY a.x, shop.y",
    "SET @shop.x = 1",
    "GRANT SELECT ON a TO 'x'@shop",
    "DELETE FROM shop WHERE shop.id=1",
    "UPDATE shop, b SET shop.n=b.m, shop.k=1",
    "SELECT x.shop.n FROM x.shop",
    "INSERT INTO a VALUES ('\\'; DELETE FROM shop.a')",
    "DELETE shop.* FROM shop",
    "INSERT INTO a (shop) VALUES ('x'), ('y')",
    "CREATE TABLE shop (id int)",
    "CREATE TRIGGER t AFTER INSERT ON shop FOR EACH ROW UPDATE a SET n=1",
    "SELECT shop.n FROM a JOIN shop ON shop.a=a.b AND shop.c=1",
    "CREATE TABLE x (shop int, CHECK (shop > 0))",
    "DELETE shop FROM shop JOIN b ON b.id=shop.id",
    "SELECT * FROM shop WHERE shop.id > 1 FOR UPDATE",
    "CREATE INDEX i ON shop (n)",
    "CREATE VIEW v AS SELECT shop.n AS m, shop.k FROM a JOIN shop ON shop.id = a.id",
    "ALTER TABLE shop ADD CONSTRAINT c CHECK (shop.n > 0)",
    "SELECT DATABASE()",
    "INSERT INTO shop SELECT shop.id FROM shop",
    "SELECT TRIM(LEADING 'x' FROM shop.n) FROM shop",
    "SELECT 1 FROM a WHERE x LIKE 'a' AND shop IN (1,2)",
    "CREATE PROCEDURE p() UPDATE shop SET shop.n=1",
    "SELECT SUBSTRING(x FROM 1 FOR shop.id) FROM shop",
    "UPDATE a JOIN shop ON shop.id = a.id SET a.x = SUBSTR(a.y FROM shop.n FOR shop.m)",
    "ALTER TABLE shop RENAME moved, ADD CHECK (shop.n > 0)",
    "ALTER TABLE shop RENAME COLUMN a TO b, RENAME INDEX i TO j",
    "ALTER TABLE a RENAME shop",
    "DROP INDEX i ON shop",
    "INSERT INTO a VALUES ('ALTER DATABASE shop')",
    'EXECUTE IMMEDIATE "UPDATE shop SET shop.n = 1"',
    "BEGIN NOT ATOMIC UPDATE shop SET shop.n = 1; END",
    "SET STATEMENT max_statement_time=1 FOR UPDATE shop SET shop.n = 1",
    "SELECT shop.database, shop.create FROM shop",
]


def is_shop(name: str) -> bool:
    return name == "shop"


@pytest.mark.parametrize("sql", LEADING)
def test_statement_that_leads_to_another_database_is_found(sql: str) -> None:
    assert find_database(sql, is_shop) == "shop"


@pytest.mark.parametrize("sql", STAYING)
def test_table_or_column_of_the_same_name_is_no_database(sql: str) -> None:
    assert find_database(sql, is_shop) is None


def test_backslash_ends_no_literal_where_it_is_a_character_like_others() -> None:
    sql = "INSERT INTO a VALUES ('\\'); DELETE FROM shop.a; SELECT '\\'"
    assert find_database(sql, is_shop, backslashes=False) == "shop"
    assert find_database(sql, is_shop) is None
