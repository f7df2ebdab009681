"""A history of which only the heads are known, since the configuration states them.

Some projects keep their scripts where only their own command finds them. Such a history can tell
whether a database is at head; how many revisions are pending, and what is in them, it cannot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from migrations_ops.revisions.history import History, Revision


class StatedHistory(History):
    """The stated heads; any other revision may be one that comes before them."""

    complete = False

    @classmethod
    def stating(cls, heads: Iterable[str]) -> StatedHistory:
        return cls({head: Revision(head, (), (), (), "", "") for head in heads})

    def resolve(self, target: str, current: Sequence[str] = ()) -> tuple[str, ...]:
        return (target,) if target in self.revisions else tuple(sorted(self.revisions))

    def pending(self, current: Sequence[str] = (), target: str = "head") -> tuple[Revision, ...]:
        wanted = self.resolve(target)
        return tuple(self.revisions[name] for name in wanted if name not in current)

    def unknown(self, current: Iterable[str]) -> tuple[str, ...]:
        return ()

    def ancestors(self, ids: Iterable[str], *, dependencies: bool = True) -> frozenset[str]:
        return frozenset(name for name in ids if name in self.revisions)

    def lead_to(self, current: Collection[str], wanted: Collection[str], word: str = "") -> bool:
        return True

    def after_upgrade(self, current: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
        return tuple(wanted)
