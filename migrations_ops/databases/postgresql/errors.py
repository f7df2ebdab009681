"""What an error of PostgreSQL means to a person, and what can be done about it."""

from __future__ import annotations

import psycopg
from psycopg import errors

# What is wrong with text; and with data of any kind. The connection is all right.
_OF_TEXT = errors.UntranslatableCharacter | errors.CharacterNotInRepertoire
# The classes of errors after which the connection is lost, or about to be.
_OF_CONNECTION = frozenset({"08", "57"})
_OF_DATA = psycopg.DataError | psycopg.IntegrityError


def in_words(error: BaseException, label: str) -> str:
    """What an error of PostgreSQL means to a person."""
    if isinstance(error, errors.InsufficientPrivilege):
        return f"{label} does not allow that: {_first_line(error)}"
    if isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
        return f"{label} is locked by another process"
    if isinstance(error, errors.DiskFull):
        return f"the disk that holds {label} is full"
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return f"{label} may only be read"
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return f"{label} cannot be reached: {_first_line(error)}"
    if isinstance(error, _OF_DATA):
        return f"{label} has what does not go together: {_first_line(error)}"
    return f"{label} cannot be read: {_first_line(error)}"


def advice_on(error: BaseException) -> str:
    """What a person can do about such an error."""
    text = str(error)
    if isinstance(error, errors.InsufficientPrivilege):
        return "Grant the role of this environment what it needs: docs/servers.md"
    if isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
        return "Let the other process finish, or stop it, and try again."
    if isinstance(error, errors.DiskFull):
        return "Make room there and try again."
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return "Give the environment the address of the primary server."
    if isinstance(error, _OF_TEXT):
        return "Write what its encoding has, or move it into a database whose encoding is UTF8."
    if isinstance(error, _OF_DATA):
        return "Fix the rows that the message is about, and try again."
    if isinstance(error, psycopg.Error) and (error.sqlstate or "08")[:2] not in _OF_CONNECTION:
        return "Fix what the server names, and try again."
    if "too many clients" in text or "connection slots" in text:
        return "Let others finish, or raise max_connections, and try again."
    if "certificate" in text:
        return (
            "See that the host in the url of this environment is the one that its server's"
            " certificate names, and that sslrootcert there is of who vouches for it."
        )
    if "no encryption" in text:
        return "Its server wants TLS: leave sslmode out of the url, or say sslmode=verify-full."
    if "password" in text or "no pg_hba.conf entry" in text or "authentication" in text:
        return "Check user and password in the url of this environment."
    if "does not exist" in text:
        return "Check the url of this environment in the configuration."
    return "Check that the server is running and the url is right, and try again."


def may_come_up(error: BaseException) -> bool:
    """Whether a server may answer when it is asked again a little later."""
    text = str(error)
    return isinstance(error, psycopg.OperationalError) and any(
        part in text
        for part in (
            "refused", "No such file", "timeout", "closed the connection", "reset by peer",
            "the database system is", "too many clients", "connection slots",
        )
    )  # fmt: skip


def was_answered(error: BaseException) -> bool:
    """Whether a connection failed by the word of a server, and not for want of one."""
    return isinstance(error, psycopg.OperationalError) and not (
        may_come_up(error) or "resolve host" in str(error)
    )


def _first_line(error: BaseException) -> str:
    """The driver's own words in one line: they name host and user, and never a password."""
    message = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    lines = [line.strip() for line in message.splitlines() if line.strip()] or [""]
    text = next((line for line in lines if "FATAL" in line or "ERROR" in line), lines[0])
    return text.rpartition("FATAL:")[2].strip().rstrip(".") or type(error).__name__
