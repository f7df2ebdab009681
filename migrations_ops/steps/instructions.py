"""Builds the instructions of a step from the configuration of its environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrations_ops.child.protocol.instructions import Instructions

if TYPE_CHECKING:
    from migrations_ops.databases.interface import Database
    from migrations_ops.model.allowed import Consent
    from migrations_ops.project.environments import Environment
    from migrations_ops.project.project import Project


def instructions_for(
    project: Project,
    environment: Environment,
    *,
    scratch: Database | None = None,
    stdout: Path | None = None,
    ledger_entry: Mapping[str, Any] | None = None,
    report_sole_writer: bool = False,
    measure: bool = False,
    values: bool = False,
    script: bool = False,
    allow: Iterable[Consent] = (),
) -> Instructions:
    """The instructions of a step: its destination, and what it must not reach.

    :param scratch: the copy to use instead of the database, for a rehearsal.
    :param stdout: the file for the output of the command, if the caller reads it.
    :param ledger_entry: what each entry of this run in the ledger repeats; without it, no ledger
        is begun, and no other step is kept away.
    :param allow: the consents to findings.
    :param report_sole_writer: whether the child reports between which moments no other process can
        have written.
    :param measure: whether it reports the time, rows and locks of each statement; ``values`` and
        ``script`` add to that, see :class:`Instructions`.
    """
    database = project.database(environment)
    return Instructions(
        environment=environment.name,
        label=database.label,
        real=database.identity(),
        scratch=None if scratch is None else scratch.identity(),
        redirect=None if scratch is None else scratch.redirect(),
        others=project.other_identities(environment),
        ini_url=project.url(environment) if environment.ini_url else None,
        flask=environment.flask,
        lock_timeout=environment.lock_timeout,
        statement_timeout=environment.statement_timeout,
        stdout=None if stdout is None else str(stdout),
        ledger_entry=ledger_entry,
        # Only what changes a server's database waits for others: also an orphan of a dead release.
        step_lock=ledger_entry is not None and scratch is None and database.is_server,
        step_wait=project.settings.wait,
        report_sole_writer=report_sole_writer,
        measure=measure,
        values=values,
        script=script,
        allow=tuple(each.word for each in allow),
        version_table=environment.version_table,
        version_table_schema=environment.version_table_schema,
    )
