"""The context that the steps of one task share: the project, the record, and the children started
ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from migrations_ops.child.protocol.events import Event, PartlyCommitted, Ready, RevisionStarted
from migrations_ops.journal.recorder import Recorder
from migrations_ops.journal.scratch import RESERVE, is_scratch, remove_scratch
from migrations_ops.model.allowed import Consent
from migrations_ops.model.errors import StepFailed
from migrations_ops.model.findings import LEDGER_BEHIND
from migrations_ops.model.ledger import LedgerEntry
from migrations_ops.operations.locks import lock_databases
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.consents import ConsentComments, read_consents
from migrations_ops.revisions.history import Revision
from migrations_ops.steps.prestart import Prestart
from migrations_ops.steps.step import Listener
from migrations_ops.system.files import make_folder
from migrations_ops.system.provenance import provenance


@dataclass
class Session:
    """One running task. ``allow`` names the findings that this one run accepts."""

    project: Project
    record: Recorder
    allow: tuple[str, ...] = ()

    def allowed(
        self, environment: Environment, revisions: Iterable[Revision] = ()
    ) -> tuple[Consent, ...]:
        """The consents that hold in an environment.

        :param revisions: those that run there, whose comments count for what they do.
        """
        written = tuple(map(Consent.of, (*environment.allow, *self.allow)))
        return written + self.comments(revisions).consents

    def comments(self, revisions: Iterable[Revision]) -> ConsentComments:
        """The consents in the comments of these revisions."""
        revisions = list(revisions)
        found = read_consents(revisions, self.project.settings.root)
        if not found.problems:
            return found
        # Rarely: a code that is unknown may be one of lint's rules of another distribution.
        from migrations_ops.analysis.lint.registry import known_codes

        return read_consents(revisions, self.project.settings.root, known_codes())

    def locked(self, environments: Sequence[Environment]) -> AbstractContextManager[None]:
        """Lock the databases of these environments against every other task."""
        databases = [self.project.database(environment) for environment in environments]
        wait, say = self.project.settings.wait, self.record.reporter.say
        return lock_databases(databases, self.record.task, wait, say)

    @cached_property
    def prestart(self) -> Prestart:
        return Prestart(self.project, self.record.log)

    @cached_property
    def ledger_facts(self) -> dict[str, Any]:
        """The facts about this task in each ledger entry that it adds."""
        by = provenance(self.project.settings.root)
        return {**asdict(by), "release_id": self.record.result.id}

    def warn_of_ledger(self, environment: Environment, failure: str) -> None:
        """Report why a ledger could not be written, if so; the work stays done."""
        if failure:
            reason = f"the ledger of {environment.name} could not be written: {failure}"
            self.record.add_findings([LEDGER_BEHIND.found(environment.name, reason=reason)])

    def add_to_ledger(
        self, environment: Environment, event: str, revisions: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write into the ledger what was done; a failure to write must not undo it."""
        run = {"event": event, **self.ledger_facts, "revisions": revisions}
        try:
            database = self.project.database(environment)
            database.add_to_ledger(LedgerEntry(environment.name, environment.version_table, run))
        except StepFailed as error:
            found = LEDGER_BEHIND.found(environment.name, reason=error.what.removesuffix("."))
            self.record.add_findings([found])

    def scratch(self, name: str) -> Path:
        """A file that is thrown away; after a kill the next task knows it by its name."""
        file = self.record.folder / name
        assert is_scratch(file), f"{name} is missing from SCRATCH_FILES"
        make_folder(file.parent)
        return file


@contextmanager
def open_session(
    project: Project, record: Recorder, allow: tuple[str, ...] = ()
) -> Iterator[Session]:
    """A session that leaves no child process and no scratch copy behind, however it ends.

    A signal may come right after a copy was made, before whoever made it can remove it.
    """
    session = Session(project, record, allow)
    try:
        yield session
    finally:
        session.prestart.close()
        remove_scratch(record.folder, keep=RESERVE)


def listener(session: Session, environment: Environment | None = None) -> Listener:
    """Shows each revision while it runs, and starts the next child when this one is ready.

    :param environment: the one whose real database is changed; None for a scratch copy.
    """

    def on_event(event: Event) -> None:
        match event:
            case PartlyCommitted() if environment is not None:
                session.record.record_partial_commit(environment.name)
            case Ready():
                session.prestart.start_next()
            case RevisionStarted(revision):
                session.record.reporter.progress(f"revision {revision}")

    return on_event
