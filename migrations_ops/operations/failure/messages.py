"""Messages about a database after a failure: what happened, how it is now, what to type next."""

from __future__ import annotations

from migrations_ops.analysis.schema_diff import in_brief, invalid_in_words, others_in_words
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.errors import (
    Interrupted,
    NeedsAPerson,
    OpsError,
    Refused,
    StepFailed,
    Unresolved,
)
from migrations_ops.model.text import os_error_in_words
from migrations_ops.operations.failure.decision import KILLED, RESTORES, Ended, Sentence
from migrations_ops.operations.failure.observe import Failure, Observation, failed_revision
from migrations_ops.operations.failure.run_messages import AGAIN, MOST_HOLDERS
from migrations_ops.operations.state import LocatedDatabase

_AFTER_VERIFY = "Fix what verify reports, and release again."


def _in_use_by(seen: Observation) -> str:
    return f": {'; '.join(seen.holders[:MOST_HOLDERS])}" if seen.holders else ""


def verify_failed(name: str, error: str, untouched: str) -> StepFailed:
    """:param error: what verify has found."""
    return StepFailed(
        f"{name} was upgraded, but verify failed: {error}.", untouched=untouched, next=_AFTER_VERIFY
    )


def verify_interrupted(name: str, untouched: str) -> Interrupted:
    return Interrupted(f"Verify of {name} was interrupted.", untouched=untouched, next=AGAIN)


def verify_not_finished(
    name: str, error: OpsError, untouched: str, *, may_stay: bool
) -> Refused | StepFailed:
    """:param may_stay: whether the environment stays upgraded."""
    what = f"{name} was upgraded, but could not be verified: {error.what}"
    kind = Refused if may_stay else StepFailed
    return kind(what, untouched=untouched, next=error.next)


def as_step_failed(subject: str, error: OpsError | OSError) -> OpsError:
    """An error of the system as one of a step; what is an error of ours stays."""
    if isinstance(error, OpsError):
        return error
    return StepFailed(
        f"{subject[:1].upper()}{subject[1:]} failed: {os_error_in_words(error)}.",
        untouched="Nothing was changed.",
        next="Fix that and try again.",
    )


def reason_of(error: OpsError | OSError) -> str:
    """Why a step was stopped, as the end of a sentence."""
    text = error.what if isinstance(error, OpsError) else os_error_in_words(error)
    return text.removesuffix(".")


def killed_before_verify(name: str, task: str, error: str, untouched: str) -> StepFailed:
    """:param task: the one that was killed.
    :param error: what verify has found.
    """
    return StepFailed(
        f"{name} was upgraded by {task}, which was interrupted, and did not pass verify: {error}.",
        untouched=untouched,
        next=_AFTER_VERIFY,
    )


def killed_before_verify_without_backup(
    name: str, task: str, error: str, lost: str
) -> NeedsAPerson:
    """As ``killed_before_verify``, where there is nothing to restore.

    :param lost: what of its backup is no longer there; empty if none was taken.
    """
    return NeedsAPerson(
        f"{name} was upgraded by {task}, which was interrupted, and does not pass verify: {error}.",
        untouched="It was not touched now.",
        next=f"Its backup cannot be restored now: {lost}. Bring that back, and run the same command"
        " again."
        if lost
        else f"See its backups: invoke backups --env {name}",
    )


def restore_stopped(
    name: str, error: OpsError | OSError | KeyboardInterrupt, untouched: str
) -> OpsError:
    """The error for a restore that a person asked for."""
    match error:
        case OpsError():
            error.untouched = untouched
            return error
        case OSError():
            kind: type[StepFailed | Interrupted] = StepFailed
        case _:
            kind = Interrupted
    what = f"The restore of {name} {how_restore_stopped(error)}."
    return kind(what, untouched=untouched, next="Type the same again.")


def how_restore_stopped(error: OpsError | OSError | KeyboardInterrupt) -> str:
    match error:
        case OpsError():
            return f"failed: {error.what.removesuffix('.')}"
        case OSError():
            return f"failed: {os_error_in_words(error)}"
    return "was interrupted"


def how_it_is(
    sentence: Sentence, failure: Failure, seen: Observation, restored: object = ""
) -> str:
    """Describe a database that is unchanged, or was restored.

    :param restored: where its previous content is stored.
    """
    name = failure.located.environment.name
    match sentence:
        case Sentence.NOT_THERE:
            return f"{name} does not exist, as before."
        case Sentence.RESTORED if failure.backup is not None:
            back = failure.backup.name
            return f"{name} was restored from {back} and proved equal to it; {restored}."
        case Sentence.REPLACED if failure.backup is not None:
            where = f"; its previous content is in {failure.safety.name}" if failure.safety else ""
            return (
                f"The restore is complete: {name} has the content of {failure.backup.name}{where}."
            )
        case Sentence.OLD_OR_NEW:
            return (
                f"{name} has either all of its previous content or all of {_backup_name(failure)}."
            )
        case Sentence.AS_IT_WAS if not seen.inspection.exists:
            return f"{name} does not exist, as before."
        case Sentence.AS_IT_WAS if failure.safety is not None:
            return f"{name} is unchanged. Its content is also in {failure.safety.name}."
        case Sentence.AS_IT_WAS:
            dropped = ", ".join(seen.dropped)
            parts = (
                [f"dropped {dropped}, which was INVALID since its CREATE failed"] if dropped else []
            )
            parts += others_in_words(seen.before, seen.now, seen.others)
            return f"{'; '.join([f'{name} is unchanged', *parts])}."
        case Sentence.ROLLED_BACK if seen.changed:
            return (
                f"Nothing of this is left in {name}: everything was rolled back. Other sessions"
                f" have changed it since its backup: {in_brief(list(seen.changed))}."
            )
        case Sentence.ROLLED_BACK:
            return f"{name} is unchanged: everything was rolled back."
    return ""


def unreachable(failure: Failure, seen: Observation) -> StepFailed:
    """The error for a server that does not answer and on which nothing can have been committed."""
    name, label = failure.located.environment.name, failure.located.database.label
    return StepFailed(
        _silent(failure, seen),
        untouched=f"Nothing was committed, so {name} ({label}) will be unchanged when the server"
        " is back.",
        next="Start the server, and run the same command again: it checks the state before it"
        " starts.",
    )


def _silent(failure: Failure, seen: Observation) -> str:
    return f"{_begin(failure)}, and its server does not answer: {seen.inspection.trouble}."


_WHEN_SILENT = (
    "Start the server, and check the state: invoke status-all; then run the same command again."
)


def for_a_person(sentence: Sentence, failure: Failure, seen: Observation) -> NeedsAPerson:
    """The error that needs a person's decision: the state of the database, and the options."""
    name, label = failure.located.environment.name, failure.located.database.label
    begin = _begin(failure)
    match sentence:
        case Sentence.SILENT:
            what, untouched = _silent(failure, seen), _safe(failure)
            return NeedsAPerson(what, untouched=untouched, next=_WHEN_SILENT)
        case Sentence.NEW_LEFT:
            return new_left(failure)
        case Sentence.GONE:
            return not_restored(failure, "it no longer exists.")
        case Sentence.STAYS_UPGRADED:
            return NeedsAPerson(
                f"{begin}; {name} stays upgraded, since applications may have written to it.",
                untouched=_safe(failure),
                next=f"To go back: {_way_back(failure)} (what was written since then is kept);"
                f" to check it: invoke verify --env {name}",
            )
        case Sentence.INDEXES_LEFT:
            return NeedsAPerson(
                f"{begin}. In {name} ({label}),"
                f" {in_brief(invalid_in_words(list(seen.left)))}. It cannot be dropped now, since"
                f" another transaction uses it{_in_use_by(seen)}.",
                untouched="Everything else is unchanged; upgrades are refused until it is dropped.",
                next="When that transaction has ended, drop it and check the rest with:"
                f" invoke resolve --env {name} --rolled-back",
            )
        case Sentence.KILLED_NEW:
            return _killed_new(failure)
        case Sentence.KILLED_COMMANDS:
            return _killed_commands(failure, seen)
        case Sentence.BACKUP_LOST:
            return NeedsAPerson(
                f"{begin}, and that backup no longer exists.",
                untouched="The previous content of the database is in a file next to it.",
                next=f"See its backups: invoke backups --env {name}",
            )
        case Sentence.WHOLE_REVISIONS:
            version = ", ".join(seen.now.revisions) or "no revision"
            return NeedsAPerson(
                f"{begin}; {name} ({label}) is at {version}: the revisions before the failed one"
                " are applied completely, and stay.",
                untouched=_safe(failure),
                next=f"To continue from there, run the same command again; to go back:"
                f" {_way_back(failure)}",
            )
    return _half(failure, seen)


def _half(failure: Failure, seen: Observation) -> NeedsAPerson:
    name, label = failure.located.environment.name, failure.located.database.label
    refused = "; upgrades are refused for now"
    resolve = f", and then: invoke resolve --env {name} --rolled-back or --applied"
    found = [*invalid_in_words(list(seen.left)), *seen.changed]
    stays = in_brief(found) if found else "its schema is unchanged, but rows may have changed"
    if found and seen.now.revisions != seen.before.revisions:
        failed = (failure.run and failed_revision(failure.run)) or "the failed revision"
        stays = (
            f"compared with its backup, {stays}; the revisions before {failed} are applied"
            " completely"
        )
    what = "its commands may be half done" if failure.ended is Ended.COMMANDS else ""
    return NeedsAPerson(
        f"{_begin(failure)}, and {what or 'half of a revision is applied'} in {name} ({label}):"
        f" {stays}.",
        untouched=f"{_safe(failure).removesuffix('.')}{refused}.",
        next=f"Type: {_way_back(failure)}; or repair it by hand{resolve}",
    )


def new_left(failure: Failure, why: str = "") -> NeedsAPerson:
    """A failed upgrade created a database that is not empty.

    :param why: why it could not be removed.
    """
    label = failure.located.database.label
    return NeedsAPerson(
        f"{_begin(failure)}, and what it created so far is in {label}"
        f"{why and f', which could not be removed: {why}'}.",
        untouched="There was no database before, so there is no backup.",
        next="Check its state: invoke status-all; if nothing in it is needed, delete it and run"
        " the same command again; to keep it as it is:"
        f" invoke resolve --env {failure.located.environment.name} --applied",
    )


def not_restored(failure: Failure, why: BaseException | str) -> NeedsAPerson:
    """The restore failed too; its own error says that it changed nothing, and the failed step may
    have."""
    name, label = failure.located.environment.name, failure.located.database.label
    reason = why.what if isinstance(why, OpsError) else why
    untouched = _safe(failure)
    if failure.lack:
        reason, untouched = f"{failure.lack}.", f"{name} stays as the failed step left it."
    first = "" if failure.lack else _first_step(why)
    way = f"type: {_way_back(failure)}"
    if failure.ended in KILLED:
        way = f"run the same command again; or {way}"
    return NeedsAPerson(
        f"{_begin(failure)}, and {name} ({label}) could not be restored: {reason}",
        untouched=untouched,
        next=f"{first} Then {way}" if first else f"{way[:1].upper()}{way[1:]}",
    )


def _first_step(why: BaseException | str) -> str:
    """What a person does before the restore can work."""
    if not isinstance(why, OpsError) or "invoke" in why.next:
        return ""
    return why.next


def unresolved(located: LocatedDatabase, record: TaskRecord, left: Unresolved) -> Refused:
    """The error of a task that must not change what an earlier one has left to a person."""
    name = located.environment.name
    return Refused(
        f"{name} ({located.database.label}) needs a person first: {unresolved_since(record)}.",
        untouched=f"{name} was not touched.",
        next=how_to_resolve(located, left),
    )


def unresolved_since(record: TaskRecord) -> str:
    """Which task left a database to a person, and why, without a full stop."""
    why = f": {record.error.what.removesuffix('.')}" if record.error else ""
    return f"{record.title} {record.how_it_ended}{why}"


def how_to_resolve(located: LocatedDatabase, left: Unresolved) -> str:
    """What to type for a database that a task left to a person."""
    name = located.environment.name
    resolve = f"invoke resolve --env {name}"
    if not left.backup:
        return (
            f"If nothing in {located.database.label} is needed, delete it and run the same command"
            f" again; or, to keep it as it is: {resolve} --applied"
        )
    return (
        f"Type: {BackupStore.restore_command(name, left.backup)}; or, if it was repaired by hand:"
        f" {resolve} --rolled-back, where it is as in that backup again, else {resolve} --applied"
    )


def _killed_new(failure: Failure) -> NeedsAPerson:
    name = failure.located.environment.name
    return NeedsAPerson(
        f"{_begin(failure)} after committing part of the upgrade of {name}, and"
        f" {failure.lack or 'there is no backup from before'}.",
        untouched="It was not touched now.",
        next="Bring that back, and run the same command again."
        if failure.lack
        else start_over(failure.located)
        if failure.ended is Ended.KILLED_COMMANDS
        else _continue_as_it_is(failure),
    )


def _killed_commands(failure: Failure, seen: Observation) -> NeedsAPerson:
    """In a live database, what the commands changed cannot be distinguished from what
    applications changed."""
    name = failure.located.environment.name
    go_on = f"to continue as it is: invoke resolve --env {name} --applied"
    if failure.dirty:
        # Nothing is pending, so that no upgrade would run the commands again.
        go_on = f"or finish the commands by hand, and then: invoke resolve --env {name} --applied"
    how = f"{name} differs from its backup: {in_brief(list(seen.changed))}"
    unknown = "its schema is unchanged, but rows may have changed"
    return NeedsAPerson(
        f"{_begin(failure)} while the commands of {name} were running, and"
        f" {how if seen.changed else unknown}{seen.inspection.besides}.",
        untouched=_safe(failure),
        next=f"To go back: {_way_back(failure)}; {go_on}.",
    )


def start_over(located: LocatedDatabase) -> str:
    """What to do with a database that commands began to create."""
    return (
        f"If nothing in {located.database.label} is needed, delete it and run the same command"
        " again; or"
        " finish the commands by hand, and then:"
        f" invoke resolve --env {located.environment.name} --applied"
    )


def _continue_as_it_is(failure: Failure) -> str:
    """Any restore closes what a killed task left, including a restore of the current content."""
    environment = failure.located.environment
    name, yes = environment.name, " --yes" * environment.protected
    return (
        f"To continue with it as it is: invoke backup --env {name}; then restore that backup by"
        " its name:"
        f" invoke restore --env {name} --backup NAME{yes}; to check it first: invoke verify --env"
        f" {name}"
    )


def _begin(failure: Failure) -> str:
    return f"{failure.reason[:1].upper()}{failure.reason[1:]}"


def _backup_name(failure: Failure) -> str:
    return "" if failure.backup is None else failure.backup.name


def _safe(failure: Failure) -> str:
    if failure.lack:
        name = failure.located.environment.name
        return f"Nothing else was done to {name}, but {failure.lack}."
    if failure.backup and failure.ended in RESTORES:
        where = f", and the replaced content is in {failure.safety.name}" if failure.safety else ""
        return f"{failure.backup.name} is unchanged{where}."
    return f"Its previous content is safe in {failure.backup.name}." if failure.backup else ""


def _way_back(failure: Failure) -> str:
    name = _backup_name(failure)
    first = ", once that backup and its sidecar are back as they were" if failure.lack else ""
    return f"{BackupStore.restore_command(failure.located.environment.name, name)}{first}"
