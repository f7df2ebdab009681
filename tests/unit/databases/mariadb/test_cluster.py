"""A node of a Galera cluster is refused where what is made through it would stay there."""

from __future__ import annotations

import pytest

from migrations_ops.databases.mariadb.cluster import claim_name, replication_of, why_local


@pytest.mark.parametrize(
    ("server", "session", "advice"),
    [
        ("", "", None),  # a server without such variables
        ("OFF RSU", "OFF RSU", None),  # no node of any cluster
        ("ON TOI", "ON TOI", None),
        ("ON RSU", "ON RSU", "SET GLOBAL wsrep_OSU_method = TOI; and try again."),
        ("ON NBO", "ON NBO", "SET GLOBAL wsrep_OSU_method = TOI; and try again."),
        ("ON TOI", "ON RSU", "Take wsrep_OSU_method out of init_connect, and try again."),
        ("ON RSU", "ON TOI", None),  # the method of the session is the one that counts
        ("ON TOI", "OFF TOI", "Take wsrep_on out of init_connect, and try again."),
    ],
)
def test_ddl_has_to_reach_all_nodes(server: str, session: str, advice: str | None) -> None:
    names = ("wsrep_on", "wsrep_osu_method")
    of_server, of_session = (
        dict(zip(names, each.split(), strict=False)) for each in (server, session)
    )
    found = why_local(replication_of(of_server, of_session))
    assert (found and found[1]) == advice


def test_each_database_has_a_claim_of_its_own_that_a_server_takes_as_a_name() -> None:
    names = {claim_name(each) for each in ("shop", "Shop", "x" * 64)}
    assert len(names) == 3
    assert all(name.startswith("migrations_ops_") and len(name) <= 64 for name in names)
