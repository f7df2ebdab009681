"""What a server with a binary log does not let a role make again: triggers and functions.

https://mariadb.com/kb/en/binary-logging-of-stored-routines/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.errors import TRUST
from migrations_ops.databases.mariadb.names import exactly

_SHOWN = 3
_SUPER = re.compile(r"GRANT .*\b(?:ALL PRIVILEGES|SUPER)\b.* ON \*\.\* TO")
_TRUSTS = "SELECT @@log_bin = 0 OR @@log_bin_trust_function_creators"
_TRIGGERS = f"""SELECT trigger_name FROM information_schema.triggers
    WHERE trigger_schema = %(name)s AND {exactly("trigger_schema", "%(name)s")} ORDER BY 1"""
_FUNCTIONS = """SELECT routine_name, is_deterministic = 'NO'
    AND sql_data_access IN ('CONTAINS SQL', 'MODIFIES SQL DATA')
    FROM information_schema.routines
    WHERE routine_schema = %(name)s AND routine_type = 'FUNCTION' ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class Programs:
    """The triggers and functions of a database; of the functions, ``undeclared`` are those that
    say neither DETERMINISTIC nor NO SQL nor READS SQL DATA."""

    triggers: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()


def read_programs(connection: Connection, database: str) -> Programs:
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS, {"name": database})
        triggers = tuple(str(name) for (name,) in cursor.fetchall())
        cursor.execute(_FUNCTIONS, {"name": database})
        functions = [(str(name), bool(undeclared)) for name, undeclared in cursor.fetchall()]
    return Programs(
        triggers,
        tuple(name for name, _ in functions),
        tuple(name for name, undeclared in functions if undeclared),
    )


def why_not_trusted(connection: Connection, programs: Programs) -> str:
    """Why this role could not make these on the server of a connection; empty where it could."""
    trusts = bool(ask(connection, _TRUSTS)[0][0])
    is_super = any(_SUPER.match(str(grant)) for (grant,) in ask(connection, "SHOW GRANTS"))
    refused = find_refused(programs, trusts=trusts, is_super=is_super)
    if not refused:
        return ""
    more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    return (
        f"its server writes a binary log, and would not let this role make"
        f" {', '.join(refused[:_SHOWN])}{more} again. {TRUST}"
    )


def find_refused(programs: Programs, *, trusts: bool, is_super: bool) -> Sequence[str]:
    """Those of them that could not be made."""
    if trusts:
        return ()
    if is_super:
        return programs.undeclared
    return (*programs.triggers, *programs.functions)
