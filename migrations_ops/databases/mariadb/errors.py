"""What an error of MariaDB means to a person, and what can be done about it."""

from __future__ import annotations

import re

from migrations_ops.databases.mariadb.names import account_in_sql, quoted

# The account as which a user was let in from a host: rights are granted to that one.
ACCOUNTS: dict[tuple[str, ...], tuple[str, ...]] = {}
_DENIED = frozenset({1044, 1142, 1143, 1227, 1370})
_LOCKED = frozenset({1205, 1213})
_TOO_LONG = frozenset({1969, 3024})
# What makes a function or a trigger where a binary log is written, and is not trusted.
_UNTRUSTED = frozenset({1418, 1419})
# With this, a server with a binary log lets every role make functions and triggers.
TRUST = "SET GLOBAL log_bin_trust_function_creators = 1"
# What a server that starts, ends, or has no connection left for now answers, if at all.
_NOT_YET = frozenset({1040, 1053, 1203, 2006, 2013})
_NOBODY = ("refused", "No such file", "reset", "aborted", "timed out", "Broken pipe")
LOST = frozenset({0, 1053, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 2006, 2013, 2055})
_FULL = frozenset({3, 28, 1021, 1114})
# What the server answers where rows, or a definition, are none that it takes. The address, the
# user and the connection are right then.
_DATA: dict[int, str] = {
    **dict.fromkeys((1118,), "Make long columns of that table TEXT or BLOB"),
    **dict.fromkeys((1071, 1709), "Shorten that key, or give its table ROW_FORMAT=DYNAMIC"),
    **dict.fromkeys((3819, 4025), "Change the rows that this constraint refuses, or drop it"),
    **dict.fromkeys(
        (1022, 1062, 1169, 1586), "Change one of the rows that have the same value in this key"
    ),
    **dict.fromkeys(
        (1216, 1217, 1451, 1452), "Give the rows of that foreign key their parents, or remove them"
    ),
    **dict.fromkeys((1005, 1215), "Change that definition to one that the server accepts"),
    **dict.fromkeys(
        (1048, 1138, 1263, 1264, 1265, 1292, 1364, 1365, 1366, 1367, 1406, 1411, 1425, 1426, 1441,
         1525, 1690, 1906, 3140, 4038),
        "Change that value, or the column that does not take it",
    ),
    1173: "Give that table a primary key, which this server demands",
    1273: "Use a server that knows that collation, or convert the table to another one",
    1286: "Use a server that has that storage engine, or convert the table to InnoDB",
}  # fmt: skip


def code_of(error: BaseException) -> int:
    """The number of an error; 0 for a session that is closed, -1 where there is none."""
    number = error.args[0] if error.args else -1
    return number if isinstance(number, int) else -1


def is_missing(error: BaseException) -> bool:
    """Whether there is no such database."""
    return code_of(error) == 1049


def is_of_a_lock(error: BaseException) -> bool:
    """Whether somebody else has a lock that was waited for in vain."""
    return code_of(error) in _LOCKED


def is_denied(error: BaseException) -> bool:
    """Whether the role lacks a right."""
    return code_of(error) in _DENIED


def may_come_up(error: BaseException) -> bool:
    """Whether a server, to which no connection could be made, may answer a little later."""
    code, message = code_of(error), str(error)
    return code in _NOT_YET or (code in (2002, 2003) and any(part in message for part in _NOBODY))


def in_words(error: BaseException, label: str) -> str:
    """What an error of MariaDB means to a person."""
    code, message = code_of(error), _message_of(error)
    match code:
        case 1049:
            return f"{label} does not exist"
        case 1045 | 1698:
            return f"{label} does not let this user in: {message}"
        case 1040 | 1203 | 1226:
            return f"{label} has too many connections"
        case 1205:
            return f"{label} is locked by another process"
        case 1047:
            return f"{label} is on a node of a cluster that is not ready: {message}"
        case 1213:
            return f"{label} is locked by another process, which waits for us in turn"
        case 1290 | 1836 if _is_of_reading(code, message):
            return f"{label} may only be read"
        case 1792:
            return f"{label} lets this session only read (tx_read_only)"
        case 1129 | 1130:
            return f"{label} does not let this machine in: {message}"
    if code in _DENIED or code in _UNTRUSTED:
        return f"{label} does not allow that: {message}"
    if code in _TOO_LONG:
        return f"{label} ends each statement after max_statement_time"
    if code in _FULL or "No space left" in message:
        return f"the disk that holds {label} is full"
    if code in _DATA:
        return f"{label} does not take what is written: {message}"
    if code in LOST:
        return f"the connection to {label} was lost"
    if 2000 <= code < 3000:
        return f"{label} cannot be reached: {message}"
    return f"{label} cannot be read: {message}"


def advice_on(error: BaseException) -> str:
    """What a person can do about such an error."""
    code, message = code_of(error), _message_of(error)
    match code:
        case 1049:
            return "Check the url of this environment in the configuration."
        case 1045 | 1698:
            return "Check user and password in the url of this environment."
        case 1040 | 1203 | 1226:
            return "Let others finish, or raise max_connections, and try again."
        case 1205 | 1213:
            return "Let the other process finish, or stop it, and try again."
        case 1047:
            return "SHOW STATUS LIKE 'wsrep_%'; tells why; when it is ready, try again."
        case 1969:
            return "SET GLOBAL max_statement_time = 0; and try again."
        case 3024:
            return "SET GLOBAL max_execution_time = 0; and try again."
        case 1290 | 1836 if _is_of_reading(code, message):
            return "Give the environment the address of the primary server."
        case 1792:
            return "Let sessions write: SET GLOBAL tx_read_only = 0; and try again."
        case 1104:
            return "SET GLOBAL max_join_size = DEFAULT; and try again."
        case 1153:
            return (
                "Raise max_allowed_packet on the server to more than twice its longest value, and"
                " try again."
            )
        case 1129 | 1130:
            return "Let this machine in on the server: CREATE USER, or FLUSH HOSTS; and try again."
    if code in _DENIED:
        return _grant(str(error.args[1]) if len(error.args) > 1 else "")
    if code in _UNTRUSTED:
        return f"{TRUST}; and try again."
    if code in _FULL or "No space left" in message:
        return "Make room there and try again."
    if code in _DATA:
        return f"{_DATA[code]}, and try again."
    if code > 0 and code not in LOST and not 2000 <= code < 3000:
        # The server itself says so: neither its address nor the connection is what is wrong.
        return "Fix what the server names, and try again."
    return "Check that the server is running and the url is right, and try again."


def _is_of_reading(code: int, message: str) -> bool:
    """1290 names whichever option of the server is in the way."""
    return code != 1290 or "read-only" in message or "read_only" in message


def _grant(message: str) -> str:
    """The GRANT that is missing, as far as the server says so; its administrator has to type it."""
    whom = "the role of this environment"
    if user := re.search(r"(?:user|to user:?) '([^']*)'@'([^']*)'", message):
        # The server names the host from which it was asked, and not the account.
        name, host = ACCOUNTS.get((user[1], user[2]), (user[1], user[2]))
        whom = account_in_sql(name, host)
    if on := re.search(r"^(.+?) command denied to user .* for (table|routine) (.+)", message):
        if on[2] == "routine":
            return f"GRANT EXECUTE, ALTER ROUTINE ON {_where(on[3])}.* TO {whom};"
        return f"GRANT {on[1]} ON {_where(on[3])}.* TO {whom};"
    if on := re.search(r" to database '(.+)'", message):
        return f"GRANT ALL ON {quoted(on[1])}.* TO {whom};"
    if on := re.search(r"need \(at least one of\) the (.+) privilege", message):
        return f"GRANT {on[1].split(',')[-1].strip()} ON *.* TO {whom};"
    return "Grant the role of this environment what it needs: docs/servers.md"


def _where(name: str) -> str:
    """The database of a qualified name as the server writes it."""
    first = name.replace("`", "'").strip("'").split("'")[0].split(".")[0]
    return quoted(first)


def _message_of(error: BaseException) -> str:
    """The server's own words in one line: they name host and user, and never a password."""
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
