"""Checks the scripts of a checkout, without a database: one head, and after those of a base."""

from __future__ import annotations

import os
import re

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.status import HistoryReport, RevisionRow
from migrations_ops.model.text import quoted
from migrations_ops.operations.preflight.long_ids import require_short
from migrations_ops.project.environments import Environment, UrlFromVariable
from migrations_ops.project.project import Project
from migrations_ops.revisions.at_commit import read_at, read_readable_at
from migrations_ops.revisions.branches import Base, Branch, require_after_base, require_one_head
from migrations_ops.revisions.history import History
from migrations_ops.system.git import GitError, Repository


def check_heads(project: Project, environment: Environment, base: str | None) -> HistoryReport:
    """Check the scripts of one environment, against those of a branch if one is named.

    :raises OpsError: something is wrong with them, in one sentence.
    """
    history = project.read_sources(environment)
    require_one_head(history, environment.target, environment.name)
    added = [history.revisions[name] for name in history.sorted]
    if base is not None:
        branch = Branch(history.revisions, read_base(project, environment, base))
        require_after_base(branch, environment.target, environment.name)
        added = [each for each in added if each.revision in branch.own]
    if not _is_sqlite(environment):
        require_short(project, environment, added)
    return report_of(history)


def scripts_of(project: Project, name: str | None) -> list[Environment]:
    """One environment for each set of scripts; only that one where a name is given.

    Of several, the one whose target means the fewest heads.
    """
    if name is not None:
        return [project.settings.environment(name)]
    found: dict[tuple[object, ...], Environment] = {}
    for each in project.settings.path:
        scripts = (each.section, each.directory, each.python)
        if scripts not in found or found[scripts].target == "heads":
            found[scripts] = each
    return list(found.values())


def read_base(project: Project, environment: Environment, name: str) -> Base:
    """The revisions of another branch, and of the commit where this one began.

    :raises ConfigurationError: there is no git, no repository, or no such branch.
    :raises HistoryError: its scripts cannot be read.
    """
    location = project.script_location(environment)
    try:
        repository = Repository.around(project.settings.root)
        commit = repository.commit(name)
        if commit is None:
            branch = name.removeprefix("origin/")
            raise ConfigurationError(
                f"git knows no commit {name!r}.",
                # Anything else, HEAD~5 for instance, is no name that can be fetched.
                next=f"Fetch it, or name another: git fetch origin {quoted(branch)}"
                if re.fullmatch(r"(?!-)[\w./-]+", branch)
                else "Name a branch or a commit that this clone has: git log --oneline --all",
            )
        common = repository.merge_base(commit)
        before, after = (
            repository.files(each, location.folders, recursive=location.recursive) if each else {}
            for each in (common, commit)
        )
    except GitError as error:
        raise ConfigurationError(
            f"The revisions of {name} cannot be read from git: {error}.",
            next="Run it where git and the repository are, or leave out --base.",
        ) from None
    return Base(name, read_at(name, after), read_readable_at(name, before) if common else None)


def _is_sqlite(environment: Environment) -> bool:
    """Whether its database is known to be SQLite, which enforces no length of an id."""
    source = environment.url
    url = os.environ.get(source.variable, "") if isinstance(source, UrlFromVariable) else source
    return isinstance(url, str) and url.startswith("sqlite")


def report_of(history: History) -> HistoryReport:
    """The heads, as they are shown where no database was asked."""
    heads = [history.revisions[name] for name in history.heads]
    rows = (RevisionRow(each.revision, each.down, each.title, True, ()) for each in heads)
    return HistoryReport(history.heads, (), tuple(rows))


def join_reports(reports: list[HistoryReport]) -> HistoryReport:
    """The heads of several sets of scripts as one report."""
    return HistoryReport(
        tuple(head for each in reports for head in each.heads),
        (),
        tuple(row for each in reports for row in each.revisions),
    )
