"""A release through a node of a Galera cluster keeps the node in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.on_servers.support import NEXT
from tests.servers.galera import two_nodes
from tests.servers.shops import fresh_shop
from tests.support import R3

pytestmark = pytest.mark.slow  # two servers of its own

ALONE = """\
    op.execute("SET SESSION wsrep_OSU_method = RSU")
    op.add_column("parents", sa.Column("n", sa.Integer()))"""


def test_a_revision_that_would_change_one_node_alone_is_stopped(tmp_path: Path) -> None:
    with two_nodes() as (first, second):
        shop = fresh_shop(tmp_path / "shop", first)
        shop.fill()
        assert shop.invoke("upgrade-dev").code == 0
        shop.add_revision(NEXT, R3, ALONE)
        ran = shop.invoke("upgrade-dev")
        assert ran.code == 3
        assert "leave out SET SESSION wsrep_OSU_method = RSU" in ran.err
        assert "dev is unchanged" in ran.err
        assert second.execute("SHOW STATUS LIKE 'wsrep_cluster_size'")[0][1] == "2"
        assert second.execute("SHOW DATABASES LIKE 'migrations%'") == []
