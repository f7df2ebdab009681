"""What the server prints names a database in some places, and a table of its name in others."""

from __future__ import annotations

import pytest

from migrations_ops.databases.mariadb.qualified import bare, renamed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("select `a`.`id` from `a`", "select `a`.`id` from `a`"),
        ("select `a`.`a`.`id` from (`a`.`a` join `a`.`b`)",
         "select `x`.`a`.`id` from (`x`.`a` join `x`.`b`)"),
        ("select `b`.`a`.`id`,`a`.`f`(`a`.`id`) from `b`.`a`",
         "select `b`.`a`.`id`,`x`.`f`(`a`.`id`) from `b`.`a`"),
        ("select trim('a' from `a`.`b`) from `a`.`b` where `a`.`b` like '`a`.`b`.`c`'",
         "select trim('a' from `a`.`b`) from `x`.`b` where `a`.`b` like '`a`.`b`.`c`'"),
        ("select trim((select `b` from `a`.`c`)) AS `a`",
         "select trim((select `b` from `x`.`c`)) AS `a`"),
        ("select straight_join `a`.`b` from (`c` straight_join `a`.`b`)",
         "select straight_join `a`.`b` from (`c` straight_join `x`.`b`)"),
        ("`i` int DEFAULT (nextval(`a`.`s`) + setval(`a`.`s`,`a`.`n`,1)) REFERENCES `a`.`t` (`i`)",
         "`i` int DEFAULT (nextval(`x`.`s`) + setval(`x`.`s`,`a`.`n`,1)) REFERENCES `x`.`t` (`i`)"),
        ("select `it's`.`b`,`a`.`b` from `a`.`it's`", "select `it's`.`b`,`a`.`b` from `x`.`it's`"),
        ("select \"`a`.`b`.`c`\",2*/* `a`.`b`.`c` */`a`.`b` from `a`.`b`",
         "select \"`a`.`b`.`c`\",2*/* `a`.`b`.`c` */`a`.`b` from `x`.`b`"),
    ],
)  # fmt: skip
def test_a_name_before_a_point_is_a_database_by_its_place(before: str, after: str) -> None:
    assert renamed(before, "a", "x") == after
    assert bare(before, "a") == after.replace("`x`.", "")
    assert renamed(before, "`", "x") == before
