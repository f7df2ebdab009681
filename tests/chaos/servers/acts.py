"""What is under fire on a server: as on a file, but for what such a server cannot roll back."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos import acts

# What can be said of a file alone.
_OF_FILES = ("stamp",)
ACTS = {name: act for name, act in acts.ACTS.items() if name not in _OF_FILES}


def act_of(name: str, engine: str, *, committing: bool) -> acts.Act:
    """The act, with the codes that it may end with where nobody disturbs it."""
    act = ACTS[name]
    if act.fails == "prod" and (engine == "mariadb" or committing):
        # Half of the revision stays there; or what another process had committed goes.
        return replace(act, codes=act.codes | {4})
    return act
