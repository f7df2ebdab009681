"""Opens the database that a URL names, with the engine that is registered for its scheme.

An engine is a factory, registered by scheme as an entry point of the group
``migrations_ops.engines``; any installed distribution can bring one::

    [project.entry-points."migrations_ops.engines"]
    example = "my_package.engine:open_database"

Such a distribution brings what the parent does: backups, locks, comparisons. Steps are defined only
by ``child/families.py``: an external engine must belong to one of those families. Its
``identity()`` starts with the name of the family and equals the answer of the family's SQL; its
``syntax`` is that of the family. A step refuses every other database.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

from migrations_ops.databases.interface import Database
from migrations_ops.databases.url import dialect_in_words, scheme_of
from migrations_ops.model.errors import ConfigurationError

GROUP = "migrations_ops.engines"
# As pyproject.toml declares them. Here once more, since reading the metadata of everything that is
# installed takes longer than opening a database: 20 ms with 59 distributions.
BUILT_IN = {
    "sqlite": "migrations_ops.databases.sqlite:open_database",
    "postgresql": "migrations_ops.databases.postgresql:open_database",
    "mariadb": "migrations_ops.databases.mariadb:open_database",
    "mysql": "migrations_ops.databases.mariadb:open_database",
}
_NEXT = "Write sqlite:///FILE, or postgresql:// or mariadb://USER:PASSWORD@HOST/DATABASE."


class Engine(Protocol):
    """The factory that an engine registers."""

    def __call__(
        self, url: str, root: Path, schema: str | None, scratch_url: str | None
    ) -> Database:
        """The parameters, and what may be raised, are those of ``open_database``."""


def open_database(
    url: str, root: Path, schema: str | None = None, scratch_url: str | None = None
) -> Database:
    """The database that a URL names; nothing is connected yet.

    :param root: the folder that labels are shown relative to.
    :param schema: where the version table is, if not where unqualified names go.
    :param scratch_url: a database of the server on which copies are made.
    :raises ConfigurationError: no engine reads such a URL, or its driver is not installed.
    """
    if not dialect_in_words(url):
        raise ConfigurationError("The URL of a database does not begin like one.", next=_NEXT)
    return _find_engine(scheme_of(url))(url, root, schema, scratch_url)


def _find_engine(scheme: str) -> Engine:
    if scheme in BUILT_IN:
        return _load(scheme, BUILT_IN[scheme])
    from importlib.metadata import entry_points

    registered = entry_points(group=GROUP)
    found = sorted({each.value for each in registered.select(name=scheme)})
    if len(found) == 1:
        return _load(scheme, found[0])
    if found:
        raise ConfigurationError(
            f"Several engines are registered for {scheme!r} URLs: {', '.join(found)}.",
            next="Uninstall all of them but one.",
        )
    known = ", ".join(sorted({*BUILT_IN, *registered.names}))
    raise ConfigurationError(
        f"No engine of migrations_ops reads {scheme!r} URLs; these schemes are known: {known}.",
        next=_NEXT,
    )


def _load(scheme: str, factory: str) -> Engine:
    """:param factory: as entry points name it, MODULE:NAME."""
    module, _, name = factory.partition(":")
    try:
        engine: Engine = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"The engine for {scheme!r} URLs, {factory}, cannot be loaded: {error}.",
            next="Reinstall the distribution that provides it, or install another version of it.",
        ) from None
    return engine


def require_driver(module: str, extra: str) -> None:
    """:raises ConfigurationError: it is not installed together with this tool."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{extra} URLs need {module}, which cannot be imported here: {error}.",
            next=f'Install it: pip install "migrations-ops[{extra}]"',
        ) from None
