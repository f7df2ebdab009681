"""Configures an Alembic project, as far as its files and a trial of its env.py tell."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from migrations_ops.child.protocol.redaction import keep_secrets_of_urls
from migrations_ops.model.errors import Refused
from migrations_ops.model.outcome import InitFile, InitReport
from migrations_ops.model.text import os_error_in_words
from migrations_ops.operations.init.edits import GITIGNORE, TASKS, Edit, edits_of
from migrations_ops.operations.init.facts import Facts, Tried, Wanted
from migrations_ops.operations.init.proposal import (
    Proposal,
    names_of,
    propose,
    require_adoptable,
)
from migrations_ops.operations.init.reading import find_alembic, read_facts
from migrations_ops.operations.init.trial import try_way
from migrations_ops.operations.init.ways import chosen, ways_of
from migrations_ops.project.config_file import OWN_FILE, PYPROJECT
from migrations_ops.system.file_set import Change, write_all
from migrations_ops.system.reading import read_bytes

# Asked for the URL of an environment; an empty answer leaves it to the project's files.
AskUrl = Callable[[str], str]


@dataclass(frozen=True)
class Initialisation:
    """What would be written into a folder; nothing for a project that is configured."""

    folder: Path
    facts: Facts
    proposal: Proposal | None = None
    edits: tuple[Edit, ...] = ()

    def report(self, *, written: bool = False) -> InitReport:
        """What is shown of it."""
        proposal = self.proposal
        return InitReport(
            folder=str(self.folder),
            alembic=self.facts.alembic,
            configuration=proposal.file if proposal else self.facts.configured,
            environments=tuple(proposal.environments) if proposal else (),
            files=tuple(
                InitFile(each.file, new=each.before is None, difference=each.difference)
                for each in self.edits
            ),
            notes=proposal.notes if proposal else (),
            written=written,
        )


def prepare(start: Path, wanted: Wanted, ask: AskUrl | None) -> Initialisation:
    """Read a project, try its env.py, and propose its configuration; writes nothing.

    :param ask: asks for what the flags do not say, None where nobody can be asked.
    :raises OpsError: there is no project, or it cannot be configured.
    """
    folder, alembic = find_alembic(start)
    facts = read_facts(folder, alembic)
    if facts.configured:
        return Initialisation(folder, facts)
    require_adoptable(facts)
    names = names_of(facts, wanted)
    if ask is not None:
        answers = {name: ask(name) for name in names if name not in wanted.urls}
        given = {name: answer for name, answer in answers.items() if answer}
        wanted = replace(wanted, urls={**wanted.urls, **given})
    # An env.py that fails may print them.
    keep_secrets_of_urls([each.url for each in facts.sections])
    keep_secrets_of_urls([*wanted.urls.values(), *(each.url for each in facts.known_urls)])
    proposal = propose(facts, wanted, _try(folder, facts, next(iter(names))))
    texts = {name: _text(folder / name) for name in (PYPROJECT, OWN_FILE, GITIGNORE, TASKS)}
    return Initialisation(folder, facts, proposal, edits_of(proposal, texts))


def _try(folder: Path, facts: Facts, name: str) -> Tried:
    """Try one way after the other, until env.py opens what it is handed."""
    tried = []
    for way in ways_of(facts):
        tried.append(try_way(folder, facts, way, name))
        if tried[-1].works:
            break
    return chosen(facts, tried)


def _text(file: Path) -> str | None:
    """The text of a file, whatever its bytes; None where there is none."""
    try:
        return read_bytes(file).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def write(made: Initialisation) -> None:
    """Write what was shown: every file, or none.

    :raises Refused: one cannot be written.
    """
    try:
        write_all([_change(made.folder, each) for each in made.edits])
    except OSError as error:
        raise Refused(
            f"The files cannot be written: {os_error_in_words(error)}.",
            untouched="None of them was changed.",
            next="Check the permissions of the folder, and type: invoke init",
        ) from None
    if made.proposal is not None:
        # So that doctor, which follows, can try what goes into no file.
        for variable, url in made.proposal.to_set.items():
            os.environ.setdefault(variable, url)


def _change(folder: Path, edit: Edit) -> Change:
    before, after = (
        None if text is None else text.encode("utf-8", "surrogateescape")
        for text in (edit.before, edit.after)
    )
    assert after is not None
    return Change(folder / edit.file, before, after)


def names(text: str) -> tuple[str, ...]:
    """``--envs dev,prod`` as names."""
    return tuple(name.strip() for name in text.split(","))


def wanted_of(envs: str, urls: Iterable[str], *, tasks: bool) -> Wanted:
    """What the flags ask for.

    :raises ConfigurationError: one of them is not understood.
    """
    from migrations_ops.operations.init.proposal import parse_urls

    return Wanted(names(envs), parse_urls(urls), tasks)
