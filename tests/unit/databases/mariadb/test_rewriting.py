"""A dump that passes through is changed where it must be, and nowhere else, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.databases.mariadb.rewriting import Rewriting

DUMP = rb"""/*M!999999\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: 127.0.0.1    Database: shop
-- ------------------------------------------------------
CREATE TABLE `t` (
  `id` int(11) NOT NULL DEFAULT nextval(`shop`.`numbers`) COMMENT '`shop`.`t` it''s \'`shop`.`t`',
  `it's` int(11) DEFAULT nextval(`shop`.`n'`),
  `e` int(11) DEFAULT (nextval(`other`.`shop`.`x`))
);
INSERT INTO `t` VALUES
(1,'DEFINER=`root`@`%` `shop`.`t`'),
(2,'DELIMITER ;;');
INSERT INTO `t` VALUES (3,'/*!50013 DEFINER=`root`@`%` `shop`.`t`');
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER tr BEFORE INSERT ON t FOR EACH ROW
CREATE DEFINER=`inside`@`body` VIEW `shop`.`v`;
*/;;
DELIMITER ;
DELIMITER ;;
/*!50003 SET @x = 1 */ ;;
/*!50106 CREATE*/ /*!50117 DEFINER=`ro``ot`@`%`*/ /*!50106 EVENT `e ENABLE` ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2030-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE COMMENT 'PRESERVE ENABLE' DO BEGIN
/*!50106 CREATE*/ /*!50117 DEFINER=`in`@`body`*/
*/ ;;
/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`%`*/ /*!50106 EVENT `f` ON SCHEDULE AT '2030-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO SELECT 1
*/ ;;
DELIMITER ;
DELIMITER ;;
CREATE DEFINER=`someone` FUNCTION `f`() RETURNS int(11)
RETURN 1
;;
DELIMITER ;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`%` SQL SECURITY DEFINER */
/*!50001 VIEW `v` AS select '`shop`.`t`' AS `x` from `shop`.`t` */;

-- Dump completed
"""  # noqa: E501


def rewritten(dump: bytes, rewriting: Rewriting, *, at: int = 1 << 20) -> bytes:
    blocks = [dump[start : start + at] for start in range(0, len(dump), at)]
    return b"".join(rewriting.pass_through(blocks))


def changed(before: bytes, after: bytes) -> list[tuple[bytes, bytes]]:
    return [
        pair
        for pair in zip(before.splitlines(), after.splitlines(), strict=True)
        if pair[0] != pair[1]
    ]


BODY = DUMP[DUMP.index(b"\n") + 1 :]
# Its events do not run in a copy.
ASLEEP = BODY.replace(b"PRESERVE ENABLE COMMENT 'P", b"PRESERVE DISABLE ON SLAVE COMMENT 'P")


def test_a_dump_that_goes_back_where_it_came_from_stays_as_it_is() -> None:
    rewriting = Rewriting("shop", definers=True)
    assert rewritten(DUMP, rewriting) == ASLEEP
    assert (rewriting.complete, rewriting.source, rewriting.replaced) == (True, "shop", set())


def test_only_statements_name_the_new_database_not_texts_rows_and_bodies() -> None:
    now = rewritten(DUMP, Rewriting("copy", definers=True))
    assert changed(ASLEEP, now) == [
        (
            rb"  `id` int(11) NOT NULL DEFAULT nextval(`shop`.`numbers`) COMMENT"
            rb" '`shop`.`t` it''s \'`shop`.`t`',",
            rb"  `id` int(11) NOT NULL DEFAULT nextval(`copy`.`numbers`) COMMENT"
            rb" '`shop`.`t` it''s \'`shop`.`t`',",
        ),
        (
            rb"  `it's` int(11) DEFAULT nextval(`shop`.`n'`),",
            rb"  `it's` int(11) DEFAULT nextval(`copy`.`n'`),",
        ),
        (
            rb"/*!50001 VIEW `v` AS select '`shop`.`t`' AS `x` from `shop`.`t` */;",
            rb"/*!50001 VIEW `v` AS select '`shop`.`t`' AS `x` from `copy`.`t` */;",
        ),
    ]


def test_definers_that_a_role_may_not_name_are_taken_out_and_reported() -> None:
    rewriting = Rewriting("shop", definers=False)
    now = rewritten(DUMP, rewriting)
    assert rewriting.replaced == {"`root`@`%`", "`ro``ot`@`%`", "`someone`"}
    lines = [after for _, after in changed(ASLEEP, now)]
    assert len(lines) == 5
    assert all(b"DEFINER=" not in line for line in lines)
    assert b"CREATE FUNCTION `f`() RETURNS int(11)" in lines
    assert b"/*!50013 SQL SECURITY DEFINER */" in lines


def test_events_sleep_in_a_copy_and_those_that_slept_stay_as_they_are() -> None:
    now = rewritten(DUMP, Rewriting("shop", definers=True))
    [(before, after)] = changed(BODY, now)
    assert b"EVENT `e ENABLE`" in before
    assert after == before.replace(
        b"PRESERVE ENABLE COMMENT 'P", b"PRESERVE DISABLE ON SLAVE COMMENT 'P"
    )


@given(st.integers(1, len(DUMP)))
def test_where_the_blocks_end_makes_no_difference(at: int) -> None:
    whole, cut = (Rewriting("copy", definers=False) for _ in range(2))
    assert rewritten(DUMP, cut, at=at) == rewritten(DUMP, whole)
    assert cut == whole


ALTERED = b"""-- MariaDB dump
-- Host: 127.0.0.1    Database: sh`op
ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
DELIMITER ;;
ALTER DATABASE `sh``op` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;;
/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`%`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO BEGIN
ALTER DATABASE `sh``op` CHARACTER SET latin1;
END */ ;;
DELIMITER ;
ALTER DATABASE `sh``op` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;
"""


def test_what_fills_another_database_does_not_alter_the_one_that_was_copied() -> None:
    now = rewritten(ALTERED, Rewriting("copy"))
    altered = [line for line in now.splitlines() if line.startswith(b"ALTER")]
    assert altered == [
        b"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;",
        b"ALTER DATABASE `copy` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;;",
        b"ALTER DATABASE `sh``op` CHARACTER SET latin1;",  # in a body
        b"ALTER DATABASE `copy` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;",
    ]


@given(st.integers(1, len(DUMP) - 20))
def test_a_dump_without_its_end_is_not_complete(length: int) -> None:
    rewriting = Rewriting("copy")
    rewritten(DUMP[:-length], rewriting)
    assert not rewriting.complete or length < 2


@pytest.mark.parametrize("name", ["with ` tick", "käse", "a-b"])
def test_any_name_of_a_database_is_found(name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    dump = f"-- Host: h    Database: {name}\nCREATE VIEW v AS SELECT 1 FROM {quoted}.`t`;\n"
    now = rewritten(dump.encode(), Rewriting("x`y"))
    assert now.decode().endswith("FROM `x``y`.`t`;\n")
