"""Rewrites the statements of a dump so that they can be loaded into another database.

The rows stay as they are. Of the rest, the name of the database that was copied becomes that of the
new one (views and defaults hold it: ``nextval(`shop`.`numbers`)`` would count up the original), a
role that may not name others as definers makes everything its own, and events do not run in a copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO

from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.qualified import renamed

TRAILER = b"-- Dump completed"
_NAME = rb"`(?:[^`]|``)*`"
_LITERAL = rb"'(?:[^'\\]|\\.|'')*'"
# Where the name of the database is, within that many bytes.
_HEAD = 4096
_DATABASE = re.compile(rb"^-- Host: .*?    Database: (.+)$", re.MULTILINE)
_DEFINER = re.compile(rb"DEFINER=(" + _NAME + rb"(?:@" + _NAME + rb")?) ?")
# Where a definer is, and not a text that looks like one.
_VIEW = re.compile(rb"/\*!50013 DEFINER=")
_PROGRAM = re.compile(rb"/\*!50003 CREATE\*/ |/\*!50106 CREATE\*/ |CREATE DEFINER=")
_EVENT = re.compile(
    rb"(/\*!50106 EVENT " + _NAME + rb" ON SCHEDULE (?:" + _LITERAL + rb"|[^`'])*?"
    rb"ON COMPLETION (?:NOT )?PRESERVE )ENABLE\b"
)
# Around programs that were made when the database had another default than it has now.
_ALTER = re.compile(rb"ALTER DATABASE (" + _NAME + rb") (?=CHARACTER SET )")
# A client command of newer dumps, which older clients do not know, and batch mode does not need.
_SANDBOX = re.compile(rb"\A/\*M?!999999\\- [^\n]*\n")
_DATA = (b"INSERT INTO ", b"(")


@dataclass
class Rewriting:
    """One dump that passes through.

    ``target`` is the name of the database that is filled; ``definers`` whether those of others may
    be named. Afterwards ``source`` is the name of the database that
    was copied, ``replaced`` are the definers that could not stay, and ``complete`` tells whether
    the end was seen.
    """

    target: str
    definers: bool = True
    source: str = ""
    replaced: set[str] = field(default_factory=set)
    complete: bool = False
    _in_programs: bool = False
    _begins: bool = True

    def pass_through(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks of a dump as they have to be, cut at the ends of lines."""
        first, tail = True, b""
        for block in _whole_lines(blocks):
            if first:
                self._read_head(block)
                block = _SANDBOX.sub(b"", block, count=1)
                first = False
            tail = (tail + block)[-200:]
            yield self._changed(block)
        self.complete = TRAILER in tail

    def _read_head(self, block: bytes) -> None:
        found = _DATABASE.search(block[:_HEAD])
        self.source = found[1].decode(errors="replace").strip() if found else ""

    @property
    def _is_renamed(self) -> bool:
        return self.source not in ("", self.target)

    def _changed(self, block: bytes) -> bytes:
        plain = not self._in_programs and b"DELIMITER ;;" not in block and b"DEFINER=" not in block
        if plain and not (self._is_renamed and _quoted(self.source) in block):
            return block
        return b"".join(map(self._line, BytesIO(block)))

    def _line(self, line: bytes) -> bytes:
        if line.startswith(b"DELIMITER "):
            self._in_programs, self._begins = line.startswith(b"DELIMITER ;;"), True
            return line
        if self._in_programs:
            begins, self._begins = self._begins, line.rstrip().endswith(b";;")
            if begins and _PROGRAM.match(line):
                return self._program(line)
            return self._of_target(line) if begins else line
        if line.startswith(_DATA):
            return line
        if _VIEW.match(line):
            return self._without_definer(line)
        if self._is_renamed and not line.startswith(b"--"):
            # The bytes of a dump need not be text.
            text = self._of_target(line).decode(errors="surrogateescape")
            renamed_text = renamed(text, self.source, self.target)
            return renamed_text.encode(errors="surrogateescape")
        return line

    def _of_target(self, line: bytes) -> bytes:
        """The database that was copied must not be altered by what fills another one."""
        found = _ALTER.match(line)
        if found is None or found[1] != _quoted(self.source):
            return line
        return b"ALTER DATABASE " + _quoted(self.target) + line[found.end(1) :]

    def _program(self, line: bytes) -> bytes:
        return self._without_definer(_EVENT.sub(rb"\1DISABLE ON SLAVE", line, count=1))

    def _without_definer(self, line: bytes) -> bytes:
        found = None if self.definers else _DEFINER.search(line)
        if found is None:
            return line
        self.replaced.add(found[1].decode(errors="replace"))
        return line[: found.start()] + line[found.end() :]


def _quoted(name: str) -> bytes:
    return quoted(name).encode()


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same in blocks that end with a line, none smaller than the head of a dump."""
    waiting: list[bytes] = []
    size = 0
    for block in blocks:
        end = block.rfind(b"\n") + 1
        size += len(block)
        if not end or size < _HEAD:
            waiting.append(block)
            continue
        yield b"".join((*waiting, block[:end]))
        waiting, size = [block[end:]], len(block) - end
    rest = b"".join(waiting)
    if rest:
        yield rest
