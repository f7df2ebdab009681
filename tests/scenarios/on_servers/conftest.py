"""Each test of a promise that both kinds of server keep runs on both."""

from __future__ import annotations

import pytest

from tests.servers.shops import ServerShop


@pytest.fixture(params=["postgres", "mariadb"])
def filled(request: pytest.FixtureRequest) -> ServerShop:
    """`shop`, both databases at the second of its three revisions, with rows."""
    found: ServerShop = request.getfixturevalue(f"{request.param}_filled")
    return found


@pytest.fixture(params=["postgres", "mariadb"])
def at_head(request: pytest.FixtureRequest) -> ServerShop:
    """`shop`, both databases at the last of its revisions, with rows."""
    found: ServerShop = request.getfixturevalue(f"{request.param}_at_head")
    return found


@pytest.fixture(params=["postgres", "mariadb"])
def empty(request: pytest.FixtureRequest) -> ServerShop:
    """`shop` over two empty databases."""
    found: ServerShop = request.getfixturevalue(f"{request.param}_shop")
    return found
