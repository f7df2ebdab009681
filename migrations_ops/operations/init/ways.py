"""Which ways of handing env.py its URL are tried, and which one is chosen: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from migrations_ops.operations.init.facts import Facts, Tried, Way

# Each is a process that imports the application.
MOST_TRIALS = 10
_ADDRESSES = ("url", "uri", "dsn", "database", "db")


def ways_of(facts: Facts) -> tuple[Way, ...]:
    """The ways to try, the likeliest first, each once."""
    env = facts.env_py
    selector = env.selectors[0] if env.selectors else ""
    own = [Way(variable=name) for name in env.addresses]
    imported = [Way(variable=name) for name in env.imported]
    files = [Way(variable=known.key) for known in facts.known_urls]
    ini = [Way(ini_url=True)]
    by_x = [Way(x=key) for key in env.x if any(part in key.lower() for part in _ADDRESSES)]
    # Where nothing tells, Alembic's own templates read the ini.
    rest = [*ini, *imported] if env.reads_ini and not env.is_flask else [*imported, *files, *ini]
    found = list(dict.fromkeys([*own, *rest, *by_x]))
    if env.is_flask:
        found = [replace(way, flask=app) for app in facts.flask for way in found]
    found = [replace(way, selector=selector) for way in found][:MOST_TRIALS]
    if facts.other_python:
        found += [replace(way, python=facts.other_python) for way in found]
    return tuple(found)


def chosen(facts: Facts, tried: Sequence[Tried]) -> Tried:
    """The way that works; else the likeliest one, with what is wrong with it.

    An env.py that knows its databases by a selector alone takes no URL: it cannot work with a
    throw-away database, and doctor tries it with the real ones.
    """
    for each in tried:
        if each.works:
            return each
    if facts.env_py.selectors and all(each.elsewhere for each in tried):
        return Tried(Way(selector=facts.env_py.selectors[0]), works=False)
    if facts.env_py.parts and not (facts.env_py.addresses or facts.env_py.imported):
        return Tried(Way(), works=False)
    return tried[0] if tried else Tried(Way(), works=False)
