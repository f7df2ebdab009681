"""Decides what to do after a failure: a pure table from what is known to what follows.

``observe`` inspects the database, ``reconcile`` executes the decision, ``messages`` words it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from migrations_ops.model.errors import ExitCode, Memory


class Ended(Enum):
    """How a step that changed a database ended, as far as known."""

    ROLLED_BACK = auto()
    """It failed or was interrupted, and had committed nothing."""
    PARTLY_COMMITTED = auto()
    """It failed or was interrupted after something was committed, or was about to be."""
    FAILED_VERIFY = auto()
    """It finished, and what it led to did not pass verify."""
    COMMANDS = auto()
    """The project's own commands failed: our child was not inside, and they commit as they like."""
    RESTORE_FAILED = auto()
    """A restore that a person asked for failed, and its engine says that it replaced nothing."""
    RESTORE_INTERRUPTED = auto()
    """A restore that a person asked for was interrupted: it replaced everything, or nothing."""
    KILLED = auto()
    """The whole task was killed, and had committed nothing."""
    KILLED_PARTLY_COMMITTED = auto()
    """The whole task was killed after something was committed, or was about to be."""
    KILLED_COMMANDS = auto()
    """The whole task was killed while the project's own commands were running."""
    KILLED_RESTORE = auto()
    """The whole task was killed during a restore that a person asked for."""
    KILLED_UNDO = auto()
    """The whole task was killed during the restore that undid what it had done."""


RESTORES = frozenset(
    {Ended.RESTORE_FAILED, Ended.RESTORE_INTERRUPTED, Ended.KILLED_RESTORE, Ended.KILLED_UNDO}
)
KILLED = frozenset(
    {
        Ended.KILLED,
        Ended.KILLED_PARTLY_COMMITTED,
        Ended.KILLED_COMMANDS,
        Ended.KILLED_RESTORE,
        Ended.KILLED_UNDO,
    }
)


class Version(Enum):
    """The current version of a database."""

    START = auto()
    """The one before the step. For a restore: all is as before it."""
    TARGET = auto()
    """The one that an upgrade leads to. For a restore: all is as in the backup."""
    ELSEWHERE = auto()
    """Another one. For a restore: it is not known which of the two it is, or not asked."""
    GONE = auto()
    """There is no database. After a kill: it may be empty."""
    SILENT = auto()
    """Its server does not answer."""


class Indexes(Enum):
    """The INVALID indexes that a failed CREATE INDEX CONCURRENTLY leaves."""

    UNTRIED = auto()
    """They were not looked for yet."""
    NONE = auto()
    """They were dropped, or there were none."""
    STUCK = auto()
    """One cannot be dropped now."""


@dataclass(frozen=True, slots=True)
class Case:
    """What happened, in which kind of database, and what is observed now."""

    ended: Ended
    on_server: bool
    transactional: bool
    # Protected and on a server: applications may write to it while it is released, and an automatic
    # restore of the backup would hide what they wrote since.
    live: bool
    # There is no backup, since there was no database; or the one that was being restored is lost.
    no_backup: bool
    version: Version
    # It has neither a table nor a version.
    empty: bool = False
    # A revision has begun and not ended, and a part of it may be committed.
    half: bool = False
    # Known to equal the backup.
    same_schema: bool = False
    same_rows: bool = False
    indexes: Indexes = Indexes.UNTRIED
    # The ledger of the database itself names the revision that has begun.
    in_ledger: bool = False


class Action(Enum):
    """What is done with the database."""

    UNCHANGED = auto()
    """It is unchanged."""
    LEAVE_TO_NEXT_TASK = auto()
    """The next task deals with what is there, or refuses to."""
    DROP_LEFT_INDEXES = auto()
    """Drop what no query uses, and look again."""
    RESTORE = auto()
    REMOVE_NEW = auto()
    UNREACHABLE = auto()
    STAYS_UPGRADED = auto()
    LEAVE_TO_A_PERSON = auto()


class Sentence(Enum):
    """Which message goes with it; ``messages`` has the texts."""

    ROLLED_BACK = auto()
    AS_IT_WAS = auto()
    RESTORED = auto()
    NOT_THERE = auto()
    NEW_LEFT = auto()
    SILENT_UNCHANGED = auto()
    SILENT = auto()
    GONE = auto()
    STAYS_UPGRADED = auto()
    INDEXES_LEFT = auto()
    HALF = auto()
    WHOLE_REVISIONS = auto()
    KILLED_NEW = auto()
    KILLED_COMMANDS = auto()
    REPLACED = auto()
    OLD_OR_NEW = auto()
    BACKUP_LOST = auto()
    NO_WORDS = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, the exit code of the step, and the message.

    ``FAILED`` becomes 130 where the user interrupted the step, and ``DONE`` lets the next task go
    on after a kill. ``memory`` is where a database that needs a person is remembered; None for any
    other.
    """

    action: Action
    exit: ExitCode
    sentence: Sentence
    memory: Memory | None = None


def _person(
    sentence: Sentence,
    action: Action = Action.LEAVE_TO_A_PERSON,
    memory: Memory = Memory.RECORD,
) -> Decision:
    return Decision(action, ExitCode.NEEDS_A_PERSON, sentence, memory)


_ROLLED_BACK = Decision(Action.UNCHANGED, ExitCode.FAILED, Sentence.ROLLED_BACK)
_AS_IT_WAS = Decision(Action.UNCHANGED, ExitCode.FAILED, Sentence.AS_IT_WAS)
_RESTORE = Decision(Action.RESTORE, ExitCode.FAILED, Sentence.RESTORED)
_REMOVE_NEW = Decision(Action.REMOVE_NEW, ExitCode.FAILED, Sentence.NOT_THERE)
_UNREACHABLE = Decision(Action.UNREACHABLE, ExitCode.FAILED, Sentence.SILENT_UNCHANGED)
_SILENT = _person(Sentence.SILENT, Action.UNREACHABLE, Memory.NEXT_TASK)
_STAYS = _person(Sentence.STAYS_UPGRADED, Action.STAYS_UPGRADED, Memory.EVIDENCE)
# Each revision that was committed is whole, and the version table names the last one.
_WHOLE = _person(Sentence.WHOLE_REVISIONS, memory=Memory.DATABASE)
_DROP = Decision(Action.DROP_LEFT_INDEXES, ExitCode.DONE, Sentence.NO_WORDS)
_LEAVE = Decision(Action.LEAVE_TO_NEXT_TASK, ExitCode.DONE, Sentence.NO_WORDS)
_UNCHANGED = Decision(Action.UNCHANGED, ExitCode.DONE, Sentence.NO_WORDS)
_UNREPLACED = Decision(Action.LEAVE_TO_NEXT_TASK, ExitCode.FAILED, Sentence.AS_IT_WAS)
_REPLACED = Decision(Action.LEAVE_TO_NEXT_TASK, ExitCode.FAILED, Sentence.REPLACED)
_OLD_OR_NEW = Decision(Action.LEAVE_TO_NEXT_TASK, ExitCode.FAILED, Sentence.OLD_OR_NEW)
_RECOVER = Decision(Action.RESTORE, ExitCode.DONE, Sentence.RESTORED)


def decide(case: Case) -> Decision:
    """The decision: the first row that matches counts."""
    if case.ended in RESTORES:
        return _after_a_restore(case)
    return _after_a_kill(case) if case.ended in KILLED else _after_a_failure(case)


def _after_a_failure(case: Case) -> Decision:
    match case:
        case Case(Ended.ROLLED_BACK, transactional=True, version=Version.SILENT, half=False):
            return _UNREACHABLE
        case Case(version=Version.SILENT):
            return _SILENT
        case Case(no_backup=True, empty=True):
            return _REMOVE_NEW
        case Case(no_backup=True):
            return _person(Sentence.NEW_LEFT)
        case Case(version=Version.GONE, live=True):
            return _person(Sentence.GONE)
        case Case(version=Version.GONE):
            return _RESTORE
        case Case(Ended.FAILED_VERIFY):
            return _STAYS if case.live else _RESTORE
        # Half of a revision.
        case Case(half=True, indexes=Indexes.UNTRIED):
            return _DROP
        case Case(half=True, version=Version.START, same_schema=True, same_rows=True) if (
            case.live or case.indexes is Indexes.NONE
        ):
            return _half(case, Sentence.INDEXES_LEFT) if _is_stuck(case) else _AS_IT_WAS
        case Case(half=True):
            return _half(case) if case.live else _RESTORE
        # The version goes with the transaction: at the start, nothing of it is there. Other
        # sessions made any other change on a server.
        case Case(Ended.COMMANDS, version=Version.START, same_schema=True, same_rows=True):
            return _AS_IT_WAS
        case Case(Ended.ROLLED_BACK, version=Version.START, same_rows=True) if (
            case.on_server or case.same_schema
        ):
            return _ROLLED_BACK
        case Case(Ended.PARTLY_COMMITTED, version=Version.START, same_rows=True) if (
            case.live or not case.transactional
        ):
            return _ROLLED_BACK
        # Part of it remains, or may remain.
        case Case(live=False):
            return _RESTORE
        case Case(version=Version.TARGET):
            return _STAYS
        case Case(version=Version.START) | Case(Ended.COMMANDS):
            return _half(case)
    return _WHOLE


def _is_stuck(case: Case) -> bool:
    return case.indexes is Indexes.STUCK


def _half(case: Case, sentence: Sentence = Sentence.HALF) -> Decision:
    return _person(sentence, memory=Memory.DATABASE if case.in_ledger else Memory.RECORD)


def _after_a_kill(case: Case) -> Decision:
    match case:
        case Case(version=Version.SILENT):
            return _SILENT
        case Case(version=Version.GONE) | Case(Ended.KILLED, no_backup=True):
            return _LEAVE
        case Case(no_backup=True):
            return _person(Sentence.KILLED_NEW)
        case Case(Ended.KILLED, half=False):
            return _LEAVE  # what the engine rolled back by itself needs nothing
        # Half of a revision.
        case Case(
            Ended.KILLED, half=True, version=Version.START, same_schema=True, same_rows=True
        ) if case.indexes is not Indexes.STUCK:
            return _UNCHANGED
        case Case(half=True, indexes=Indexes.UNTRIED):
            return _DROP
        case Case(half=True, version=Version.START, same_schema=True, same_rows=True) if (
            case.indexes is Indexes.NONE
        ):
            return _UNCHANGED
        case Case(half=True, live=True) | Case(Ended.KILLED):
            return _LEAVE  # the next task is refused, and says why
        case Case(half=True):
            return _RECOVER
        # Whole revisions, or commands.
        case Case(Ended.KILLED_COMMANDS, version=Version.START, same_schema=True, same_rows=True):
            return _UNCHANGED
        case Case(Ended.KILLED_COMMANDS):
            return _person(Sentence.KILLED_COMMANDS) if case.live else _RECOVER
        case Case(on_server=True):
            return _LEAVE  # each revision that was committed is whole
        case Case(version=Version.START, same_schema=True, same_rows=True):
            return _UNCHANGED
    return _RECOVER


def _after_a_restore(case: Case) -> Decision:
    match case:
        case Case(Ended.RESTORE_FAILED, version=Version.SILENT):
            return _UNREACHABLE
        case Case(version=Version.SILENT):
            return _SILENT
        case Case(Ended.RESTORE_FAILED | Ended.RESTORE_INTERRUPTED, version=Version.GONE):
            return _person(Sentence.GONE)
        case Case(Ended.RESTORE_FAILED) | Case(Ended.RESTORE_INTERRUPTED, version=Version.START):
            return _UNREPLACED
        case Case(Ended.RESTORE_INTERRUPTED, version=Version.TARGET):
            return _REPLACED
        case Case(Ended.RESTORE_INTERRUPTED):
            return _OLD_OR_NEW
        # Killed.
        case Case(version=Version.GONE):
            return _person(Sentence.BACKUP_LOST) if case.no_backup else _RECOVER
        case Case(Ended.KILLED_UNDO, no_backup=False, live=False):
            is_undone = case.version is Version.TARGET and case.same_rows
            return _LEAVE if is_undone else _RECOVER
    return _LEAVE  # a person asked for it, and is asked for nothing else
