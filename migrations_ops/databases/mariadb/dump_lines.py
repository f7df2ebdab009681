"""Which object of a dump a client was at when it failed: it prints the number of a line alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

# -- Table structure for table `shop`: as mariadb-dump writes them, and our own of the rows.
_HEADING = re.compile(rb"^-- ([A-Z][^\n:]*[`'])$", re.MULTILINE)
_LINE = re.compile(r"\bat line (\d+)")


def object_at(message: str, blocks: Iterable[bytes]) -> str:
    """The last heading of a dump above the line that a message names; empty where there is none.

    :param blocks: the dump as the client has read it, cut at the ends of lines.
    """
    named = _LINE.search(message)
    if named is None:
        return ""
    line, passed, heading = int(named[1]), 0, b""
    for block in blocks:
        last = passed + block.count(b"\n")
        if last >= line:
            block = b"\n".join(block.split(b"\n", line - passed)[: line - passed])
        found = _HEADING.findall(block)
        heading = found[-1] if found else heading
        if last >= line:
            break
        passed = last
    return heading.decode(errors="replace")
