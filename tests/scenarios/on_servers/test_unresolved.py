"""An upgrade on a server that could not be undone is remembered, and nothing builds on it."""

from __future__ import annotations

import re

import pytest

from tests.scenarios.on_servers.support import NEXT, content, require_no_secret
from tests.servers.shops import ServerShop
from tests.support import R3

pytestmark = pytest.mark.slow

# It commits a part, takes the way back along, and breaks off.
_HALF = """    from pathlib import Path

    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE half (id INTEGER)")
    for backup in Path("data/repom/backups").glob("db.dev_*"):
        if backup.suffix != ".json":
            backup.rename("kept-" + backup.name)
            backup.write_bytes(b"damaged")
    raise RuntimeError("broken off")"""


def test_half_of_a_revision_that_stays_in_dev_stops_all_until_it_is_restored(
    filled: ServerShop,
) -> None:
    shop, before = filled, content(filled.dev_database)
    file = shop.add_revision(NEXT, R3, _HALF)
    failed = shop.invoke("upgrade-dev")
    assert failed.code == 4, failed.err
    assert "is unchanged" not in failed.err
    [command] = re.findall(r"invoke (restore --env dev --backup \S+ --yes)", failed.err)
    for kept in shop.folder.glob("kept-*"):
        kept.replace(shop.folder / "data/repom/backups" / kept.name.removeprefix("kept-"))
    file.unlink()
    refused = shop.invoke("release-migration")
    assert refused.code == 1, refused.err
    assert f"invoke {command}" in refused.err
    taken = shop.invoke("backup", "--env", "dev")
    assert taken.code == 0, taken.err
    assert "backup-in-doubt" in taken.err
    back = shop.invoke(*command.split())
    assert back.code == 0, back.err
    assert content(shop.dev_database) == before
    released = shop.invoke("release-migration")
    assert released.code == 0, released.err
    require_no_secret(shop, failed, refused, taken, back)
