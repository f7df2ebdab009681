"""A Galera cluster of the tests' own: two nodes on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.servers.fixtures import started
from tests.servers.mariadb import MariaServer
from tests.servers.process import MissingServerError, free_port

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")


@contextmanager
def two_nodes() -> Iterator[tuple[MariaServer, MariaServer]]:
    """Both, in step with each other."""
    port = free_port()
    with ExitStack() as stack:
        first = stack.enter_context(closing(started(lambda: _node(port, port))))
        # It gets its accounts from the first one.
        second = stack.enter_context(
            closing(started(lambda: _node(port, free_port(), init_file="")))
        )
        yield first, second


def _node(first_port: int, port: int, **more: str) -> MariaServer:
    """A node of a cluster on loopback, whose first one listens on that port for the others."""
    if not (PROVIDER.exists() and shutil.which("rsync")):
        raise MissingServerError("Galera is missing here: apt-get install galera-4 rsync")
    options = {
        "gmcast.listen_addr": f"tcp://127.0.0.1:{port}",
        "ist.recv_addr": f"127.0.0.1:{free_port()}",
        "gcache.size": "16M",
    }
    return MariaServer(
        binlog_format="ROW",
        innodb_autoinc_lock_mode="2",
        wsrep_on="ON",
        wsrep_provider=str(PROVIDER),
        wsrep_cluster_name="tests",
        wsrep_cluster_address="gcomm://"
        if first_port == port
        else f"gcomm://127.0.0.1:{first_port}",
        wsrep_node_address="127.0.0.1",
        wsrep_sst_method="rsync",
        wsrep_sst_receive_address=f"127.0.0.1:{free_port()}",
        wsrep_provider_options=";".join(f"{name}={value}" for name, value in options.items()),
        **more,
    )
