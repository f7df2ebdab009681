"""Which columns were replaced by new ones under their names, and what came into these.

``ADD zip2``, ``UPDATE t SET zip2 = CAST(zip AS integer)``, ``DROP zip``, ``RENAME zip2 TO zip``
rebuilds a column as others rebuild a table: the drop is declared, and yet the values are meant to
stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrations_ops.analysis.renames import Naming

_COMPUTED = ""


class ColumnsAnew:
    """Tracks new columns until they take the names of dropped ones.

    As (table, column), under their first names: ``replaced`` are those whose name another column
    took, and ``copied`` those whose values, and nothing else, that other column got.
    """

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._sources: dict[tuple[str, str], set[str]] = {}
        self.replaced: set[tuple[str, str]] = set()
        self.copied: set[tuple[str, str]] = set()

    def update(
        self, table: str, columns: Iterable[str], sources: Mapping[str, tuple[str, bool]]
    ) -> None:
        """Record that columns were written.

        :param table: by its first name; ``sources``: the columns that the values come from.
        """
        names = self._naming.columns(table)
        for column in columns:
            source, _ = sources.get(column, (_COMPUTED, False))
            if (table, column) in self.replaced and source != column:
                self.copied.discard((table, column))
            first = names.first(source) if source else _COMPUTED
            self._sources.setdefault((table, column), set()).add(first)

    def rename(self, table: str, column: str, to: str) -> None:
        """Record another name of a column: a new one may take that of a dropped one."""
        names = self._naming.columns(table)
        sources = self._sources.pop((table, column), set())
        self._sources[table, to] = sources
        if names.knows(column) or not names.knows(to) or names.now(to):
            return
        self.replaced.add((table, to))
        if sources == {to}:
            self.copied.add((table, to))
