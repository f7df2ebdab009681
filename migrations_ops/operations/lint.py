"""``lint``: what reviewers of migrations would object to, read from the sources of revisions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from migrations_ops.analysis.lint.known import bare_name
from migrations_ops.analysis.lint.linting import Located, Script, lint
from migrations_ops.analysis.lint.measured import find_blocked
from migrations_ops.analysis.lint.registry import entries_of, find_rules
from migrations_ops.analysis.lint.severity import UNKNOWN_SIZE, Measurement, graded
from migrations_ops.backups.store import BackupStore
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.databases.url import scheme_of
from migrations_ops.model.allowed import Consent, find_consent, require_known_codes
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.findings import CODES, LINT_CODES, Entry, Finding
from migrations_ops.model.lint import Known, LintFinding, LintReport
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.operations.heads.check import read_base
from migrations_ops.operations.preflight.state import require_changeable
from migrations_ops.operations.state import read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.branches import Branch
from migrations_ops.revisions.consents import comment_for, find_unused, read_consents
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.loader import is_unedited
from migrations_ops.revisions.source import tree_of

ENGINES = ("sqlite", "postgresql", "mariadb")
_SCHEMES = {"postgres": "postgresql", "mysql": "mariadb"}


@dataclass(frozen=True)
class LintOptions:
    """What to lint.

    :param base: lint what this checkout adds to another branch, instead of what is pending.
    :param plan: lint what was planned, by what was measured.
    :param engine: the engine of the database, where its URL does not tell.
    :param allow: the findings that this run accepts.
    """

    base: str | None = None
    plan: MeasuredPlan | None = None
    engine: str | None = None
    allow: tuple[str, ...] = ()


def lint_environment(
    project: Project, environment: Environment, options: LintOptions
) -> LintReport:
    """Lint the revisions of an environment that are pending, planned, or added by a branch.

    :raises OpsError: they cannot be determined or read.
    """
    rules = find_rules()
    entries = entries_of(rules)
    engine = _engine(project, environment, options)
    history = project.history(environment)
    chosen = _without_old(project, history, _chosen(project, environment, options, history))
    linted = [history.revisions[name] for name in history.sorted if name in chosen]
    ancestors = history.ancestors(chosen)
    before = [history.revisions[name] for name in history.sorted if name in ancestors - chosen]
    found = lint(_scripts(before), _scripts(linted), engine, rules)
    measurement, known = _measurement(project, environment, options, history)
    judge = _Judge(project, environment, options, entries, linted, measurement)
    return LintReport(
        environment.name, engine, [each.revision for each in linted], known, judge.report(found)
    )


def require_known(allow: Collection[str]) -> None:
    """:raises ConfigurationError: a code is unknown, also to the rules that are registered."""
    if any(Consent.of(word).code not in CODES for word in allow):
        require_known_codes(allow, entries_of(find_rules()))


def _engine(project: Project, environment: Environment, options: LintOptions) -> Syntax:
    """:raises ConfigurationError: there is no such engine, or its URL is not known here."""
    if options.engine is not None:
        if options.engine not in ENGINES:
            raise ConfigurationError(
                f"There is no engine {options.engine!r}; there are {', '.join(ENGINES)}.",
                next="Type, for example: invoke lint --engine postgresql",
            )
        return cast(Syntax, options.engine)
    # That of another environment may well be another one: SQLite for the tests of a developer.
    if not project.knows_url(environment):
        raise ConfigurationError(
            f"The URL of {environment.name}, and so its engine, is not known on this machine.",
            next="Name the engine, for example: invoke lint --engine postgresql",
        )
    scheme = scheme_of(project.url(environment))
    scheme = _SCHEMES.get(scheme, scheme)
    return cast(Syntax, scheme) if scheme in ENGINES else project.database(environment).syntax


def _chosen(
    project: Project, environment: Environment, options: LintOptions, history: History
) -> frozenset[str]:
    if options.plan is not None:
        return frozenset(each.revision for each in options.plan.revisions) & {*history.revisions}
    if options.base is not None:
        return Branch(history.revisions, read_base(project, environment, options.base)).own
    state = read_state(project, environment)
    require_changeable(state, "linted")
    return frozenset(each.revision for each in state.pending)


def _without_old(project: Project, history: History, chosen: frozenset[str]) -> frozenset[str]:
    """Without those up to ``lint_after`` of the configuration.

    :raises OpsError: the scripts have no such revision.
    """
    after = project.settings.lint_after
    return chosen - history.ancestors(history.resolve(after)) if after else chosen


def _scripts(revisions: Sequence[Revision]) -> list[Script]:
    return [Script(each.revision, tree_of(each.path)) for each in revisions if each.file]


def _measurement(
    project: Project, environment: Environment, options: LintOptions, history: History
) -> tuple[Measurement, Known]:
    """What is known of the size of the tables, and from where: a plan, or the newest backup."""
    rows = _rows(project, environment)
    plan = options.plan
    if plan is None or not _is_measured(plan, history) or plan.blocked is None:
        return (Measurement(rows=rows), "rows") if rows else (UNKNOWN_SIZE, "nothing")
    seconds = {_key(each.table): (each.reads or 0.0, each.writes) for each in plan.blocked}
    return Measurement(seconds, rows or None), "measured"


def _is_measured(plan: MeasuredPlan, history: History) -> bool:
    """Whether the revisions of a plan were measured, and are as they were then."""
    known = history.revisions
    return plan.rehearsed and all(
        each.revision in known and is_unedited(known[each.revision], each.source)
        for each in plan.revisions
    )


def _rows(project: Project, environment: Environment) -> Mapping[str, int]:
    """The rows of each table in the newest backup that is on this machine."""
    store = BackupStore.of(project.settings, environment)
    newest = store.latest_sidecar()
    rows = newest.fingerprint.rows if newest is not None else {}
    return {_key(table): count for table, count in rows.items()}


def _key(table: str) -> str:
    return bare_name(table).strip('"').lower()


@dataclass(frozen=True)
class _Judge:
    """Makes findings of what the rules found: with severity, place, advice, and consent."""

    project: Project
    environment: Environment
    options: LintOptions
    entries: Mapping[str, Entry]
    linted: Sequence[Revision]
    measurement: Measurement

    def report(self, found: Iterator[Located]) -> tuple[LintFinding, ...]:
        known = CODES.keys() | self.entries.keys()
        root = self.project.settings.root
        comments = read_consents(self.linted, root, known)
        written = map(Consent.of, (*self.environment.allow, *self.options.allow))
        consents = (*written, *comments.consents)
        files = {each.revision: each.shown(root) for each in self.linted}
        used: list[Consent] = []
        reported = []
        for finding, line in self._weighed(found):
            if consent := find_consent(finding, consents):
                used.append(consent)
                finding = _allowed(finding, consent)
            file, advice = files[finding.revision], self._advice(finding)
            reported.append(LintFinding(finding, file, line, advice))
        own = [each for each in comments.consents if each.code in LINT_CODES]
        wrong = (*comments.problems, *comments.unknown)
        return (*reported, *self._of_comments((*wrong, *find_unused(own, used))))

    def _weighed(self, found: Iterator[Located]) -> Iterator[tuple[Finding, int]]:
        """Each finding with its severity and its line: those of the rules, and what a plan has
        measured besides."""
        limits = self.project.settings.lint_thresholds
        tables: set[str] = set()
        for each in found:
            finding = graded(each.hit, self.measurement, limits)
            if each.hit.blocks:
                tables.add(_key(each.hit.table))
            if finding is not None:
                yield replace(finding, revision=each.revision), each.line
        linted = {each.revision for each in self.linted}
        if self.measurement.seconds is not None and self.options.plan is not None:
            for finding, revision in find_blocked(self.options.plan, limits, tables):
                if revision in linted:
                    yield replace(finding, revision=revision), 1

    def _advice(self, finding: Finding) -> str:
        """That of its entry, where the comment is what allows it."""
        entry = self.entries.get(finding.code) or CODES[finding.code]
        return filled_in(
            entry.advice,
            where=finding.where,
            environment=self.environment.name,
            allow=comment_for(finding),
        )

    def _of_comments(self, findings: Sequence[Finding]) -> Iterator[LintFinding]:
        """Findings in comments, whose object is FILE:LINE."""
        root = self.project.settings.root
        revisions = {each.shown(root): each.revision for each in self.linted}
        for each in findings:
            file, _, line = each.where.rpartition(":")
            advice = CODES[each.code].advice.partition(". Or")[0]
            found = replace(each, revision=revisions[file])
            yield LintFinding(found, file, int(line), advice)


def filled_in(advice: str, **values: str) -> str:
    """An advice with its values: other braces of it are those of a rule's author, and stay."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found.group(1), found.group()), advice)


def _allowed(finding: Finding, consent: Consent) -> Finding:
    message = f"{finding.message} (allowed{consent.place})"
    return replace(finding, severity="note", message=message)
