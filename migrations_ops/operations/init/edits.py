"""What a proposal makes of each file: text in, text out; comments and the rest stay."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from migrations_ops.model.errors import Refused
from migrations_ops.operations.init.proposal import Proposal
from migrations_ops.project.config_file import PYPROJECT

TASKS = "tasks.py"
GITIGNORE = ".gitignore"
_TASKS = "from migrations_ops.tasks import namespace\n\nns = namespace(__file__)\n"
_WHY_IGNORED = "# Backups and records of migrations_ops: they hold rows of the databases."


@dataclass(frozen=True)
class Edit:
    """A file, and its text before and after; before is None for a new one."""

    file: str
    before: str | None
    after: str

    @property
    def difference(self) -> str:
        """The unified difference."""
        old, new = (self.before or "").splitlines(), self.after.splitlines()
        name = self.file if self.before is not None else "/dev/null"
        return "\n".join(unified_diff(old, new, name, self.file, lineterm=""))


def edits_of(proposal: Proposal, texts: Mapping[str, str | None]) -> tuple[Edit, ...]:
    """What changes, file by file.

    :param texts: the files as they are, None for those that are missing.
    :raises Refused: the configuration cannot be put in without changing something else.
    """
    before = texts[proposal.file]
    base = before or ""
    after = _configured(
        _with_dependency(base, proposal.dependency) if proposal.dependency else base, proposal
    )
    _require_nothing_else(before or "", after, proposal)
    made = [Edit(proposal.file, before, after)]
    if proposal.ignored:
        old = texts[GITIGNORE]
        lines = "\n".join([_WHY_IGNORED, *proposal.ignored]) + "\n"
        made.append(Edit(GITIGNORE, old, _appended(old or "", lines)))
    if proposal.tasks and texts[TASKS] is None:
        made.append(Edit(TASKS, None, _TASKS))
    return tuple(made)


def _configured(text: str, proposal: Proposal) -> str:
    """The text with the tables of the tool after everything else."""
    prefix = "tool.migrations_ops" if proposal.file == PYPROJECT else ""
    tables = {prefix: proposal.table} | {
        f"{prefix}.environments.{name}".removeprefix("."): values
        for name, values in proposal.environments.items()
    }
    for name, values in tables.items():
        header = f"[{name}]\n" if name else ""
        text = _appended(text, header + "".join(f"{k} = {_value(v)}\n" for k, v in values.items()))
    return text


def _value(value: Any) -> str:
    """A value of TOML on one line."""
    import tomlkit

    if isinstance(value, Mapping):
        pairs = (f"{tomlkit.key(k).as_string()} = {_value(v)}" for k, v in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return str(tomlkit.item(value).as_string())


def _appended(text: str, lines: str) -> str:
    """A text with further lines, after an empty one, and with its own line ends."""
    end = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text.strip() else end if text.endswith("\n") else end * 2
    return text + gap + lines.replace("\n", end)


def _with_dependency(text: str, dependency: str) -> str:
    import tomlkit

    document: Any = tomlkit.parse(text)
    if "project" in document and "dependencies" in document["project"]:
        document["project"]["dependencies"].append(dependency)
    else:
        name, _, extra = dependency.removesuffix("]").partition("[")
        value: Any = "*"
        if extra:
            value = tomlkit.inline_table()
            value.update({"version": "*", "extras": [extra]})
        document["tool"]["poetry"]["dependencies"].append(name, value)
    return tomlkit.dumps(document)


def _require_nothing_else(before: str, after: str, proposal: Proposal) -> None:
    """:raises Refused: a reader of TOML sees more changes than those that are meant."""
    try:
        old, new = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        old, new = {"unreadable": True}, {}
    ours = new.get("tool", {}).pop("migrations_ops", None) if proposal.file == PYPROJECT else new
    if proposal.file == PYPROJECT:
        _without(new, proposal.dependency)
        if not new.get("tool") and "tool" not in old:
            new.pop("tool", None)
        rest_stays = old == new
    else:
        rest_stays = not before.strip()
    meant = {**proposal.table, "environments": dict(proposal.environments)}
    if ours != meant or not rest_stays:
        raise Refused(
            f"[tool.migrations_ops] cannot be added to {proposal.file} without changing the rest.",
            untouched="Nothing was written.",
            next="Add it yourself: docs/configuration.md has every key",
        )


def _without(document: dict[str, Any], dependency: str) -> None:
    if not dependency:
        return
    listed = document.get("project", {}).get("dependencies")
    if isinstance(listed, list):
        listed.remove(dependency)
    else:
        del document["tool"]["poetry"]["dependencies"][dependency.partition("[")[0]]
