"""Which tables that an upgrade changes are published: their subscribers do not follow by
themselves."""

from __future__ import annotations

from collections.abc import Mapping

from migrations_ops.analysis.schema_facts import Fact
from migrations_ops.child.protocol.sql import shown
from migrations_ops.model.findings import PUBLISHED_TABLE, Finding

# What of a table its subscribers have to have, too.
_REPLICATED = ("table ", "column ", "primary key ")


def find_published(
    before: Mapping[str, str], after: Mapping[str, str], published: Mapping[str, str]
) -> list[Finding]:
    """:param published: the publications of each table, in words."""
    changed = {
        Fact.of(key, "").table
        for key, _ in before.items() ^ after.items()
        if key.startswith(_REPLICATED)
    }
    return [
        PUBLISHED_TABLE.found(shown(table), publications=publications)
        for table, publications in sorted(published.items())
        if table.lower() in changed
    ]
