"""What is under fire in a round: the command, where it begins, and how it ends undisturbed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.history import FIRST

# A step of the record, by name and environment, that a shot may wait for; or IN_REVISION with the
# database at work, which "copy" of production is one of.
LocatedDatabase = tuple[str, str]

IN_REVISION = "a revision"
RELEASE = ("release-migration",)
_OF_DEV: tuple[LocatedDatabase, ...] = (
    ("back up", "dev"), ("upgrade", "dev"), (IN_REVISION, "dev"), ("verify", "dev"),
)  # fmt: skip
_OF_PROD: tuple[LocatedDatabase, ...] = (
    ("back up", "prod"), ("rehearse", "prod"), (IN_REVISION, "copy"), ("upgrade", "prod"),
    (IN_REVISION, "prod"), ("verify", "prod"),
)  # fmt: skip


@dataclass(frozen=True)
class Act:
    """One command. ``codes`` are those that it may end with where nobody disturbs it.

    ``places`` are its steps; ``fails`` is the place of the last revision that breaks off;
    ``second`` is another command that runs at the same time; ``fixes`` is what has to be typed
    before the release that ends every round.
    """

    argv: tuple[str, ...]
    template: str
    places: tuple[LocatedDatabase, ...]
    codes: frozenset[int] = frozenset({0})
    fails: str = ""
    second: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()


def _failing(place: str, code: int) -> Act:
    places = (*_OF_DEV, *_OF_PROD, ("restore", "dev"), ("restore", "prod"))
    return Act(RELEASE, "behind", places, frozenset({code}), fails=place)


def _two_at_once(*second: str) -> Act:
    return Act(RELEASE, "behind", (), frozenset({0, 5}), second=second)


_RESTORE = ("restore", "--env", "prod", "--backup", "latest", "--yes")
_DOWNGRADE = ("downgrade", "--env", "prod", "--to", FIRST, "--yes")
_STAMP = ("stamp", "--env", "prod", "--to", "head", "--yes")

ACTS = {
    "release": Act(RELEASE, "behind", (*_OF_DEV, *_OF_PROD)),
    "fails in dev": _failing("dev", 3),
    "fails in the rehearsal": _failing("copy", 1),
    "fails in prod": _failing("prod", 3),
    "upgrade-dev": Act(("upgrade-dev",), "behind", _OF_DEV),
    "upgrade-prod": Act(("upgrade-prod",), "halfway", _OF_PROD),
    "restore": Act(_RESTORE, "released", (("restore", "prod"),)),
    "downgrade": Act(_DOWNGRADE, "released", (("back up", "prod"), ("downgrade", "prod"))),
    "stamp": Act(
        _STAMP,
        "unstamped",
        (("compare", "prod"), ("back up", "prod"), ("stamp", "prod")),
        fixes=_STAMP,
    ),
    "backup": Act(("backup", "--env", "prod"), "behind", (("back up", "prod"),)),
    "two releases": _two_at_once(*RELEASE),
    "restore and downgrade": Act(_RESTORE, "released", (), frozenset({0, 5}), second=_DOWNGRADE),
    "release and downgrade": _two_at_once(*_DOWNGRADE),
}
