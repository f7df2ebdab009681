"""The hooks of a project: commands of its own before and after a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from migrations_ops.project.toml_table import ARGV, NAMES, SECONDS, Check, Table

Moment = Literal["before", "after", "failed"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)
# A hook tells somebody, or switches a maintenance page; a release must not wait for it for ever.
_TIMEOUT = 60.0

KEYS: Mapping[str, Check] = {
    **dict.fromkeys(MOMENTS, ARGV),
    "pass": NAMES,
    "timeout": SECONDS,
}


@dataclass(frozen=True, slots=True)
class Hooks:
    """The argv of each hook, empty for none; ``passed_variables`` are those of the shell that they
    get, and ``timeout`` is how many seconds one may take."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    passed_variables: tuple[str, ...] = ()
    timeout: float = _TIMEOUT

    def argv(self, moment: Moment) -> tuple[str, ...]:
        return {"before": self.before, "after": self.after, "failed": self.failed}[moment]

    def configured(self) -> Iterator[tuple[Moment, tuple[str, ...]]]:
        """Those that there are."""
        return ((each, self.argv(each)) for each in MOMENTS if self.argv(each))


def read_hooks(file: Path, table: dict[str, Any]) -> Hooks:
    """:raises ConfigurationError: a key or a value is invalid."""
    reader = Table(file, "hooks", table, KEYS)
    return Hooks(
        before=reader.texts("before"),
        after=reader.texts("after"),
        failed=reader.texts("failed"),
        passed_variables=reader.texts("pass"),
        timeout=float(reader.value("timeout", _TIMEOUT)),
    )
