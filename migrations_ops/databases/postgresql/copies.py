"""Databases beside the real one: copies of it that are thrown away, and the exchange by name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import Connection, connect, cut, watched
from migrations_ops.databases.postgresql.dump import restore
from migrations_ops.databases.postgresql.errors import advice_on, in_words, was_answered
from migrations_ops.databases.postgresql.lock import MAINTENANCE
from migrations_ops.databases.postgresql.preflight.settings import (
    Setting,
    Subscription,
    apply,
    copy_settings,
    find_slots,
    find_subscriptions,
    kind_of,
    settings_of_session,
)
from migrations_ops.databases.postgresql.preflight.standby import find_stalled
from migrations_ops.databases.postgresql.sessions import Prepared, find_prepared
from migrations_ops.databases.server_copies import ServerCopies
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.system.files import local_stamp

# How often, in seconds, the sessions of a database that is about to be renamed are ended.
_AGAIN = 0.05


class Copies(ServerCopies):
    """The copies of a database of PostgreSQL."""

    def fill(self, address: Address, file: Path) -> None:
        with connect(address) as connection:
            server = connection.info.server_version // 10000
        restore(address, file, server=server)
        self._drop_public(address)

    def _drop_public(self, address: Address) -> None:
        """Each new database has the schema ``public``; no dump says that one has it no more."""
        with suppress(psycopg.Error):
            with connect(self.real, "copies") as real:
                if real.execute("SELECT to_regnamespace('public') IS NULL").fetchone() == (False,):
                    return
            with connect(address, "copies") as copy:
                copy.execute("DROP SCHEMA IF EXISTS public")  # not with what is in it

    def clone(self, file: Path | None) -> Address:
        if file is None:
            return self.make()
        return self.make(template=self.restored(file).database)

    def make(self, template: str = "template0") -> Address:
        name = self.fresh_name()
        try:
            with self.maintenance() as connection:
                like = kind_of(self.real, connection) if self.is_beside else sql.SQL("")
                if template != "template0":
                    like = sql.SQL("STRATEGY FILE_COPY")
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {} {}").format(
                        sql.Identifier(name), sql.Identifier(template), like
                    )
                )
                # It has the same content as the real one: no other role needs access to it.
                connection.execute(
                    sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
                )
                if _is_another(connection):
                    connection.execute(_of_login("GRANT CONNECT ON DATABASE {} TO {}", name))
                if self.is_beside:
                    copy_settings(connection, self.real.database, name)
                else:
                    apply(connection, self._settings_of_real(name))
                # Nobody waits for a standby to have what is thrown away.
                connection.execute(_local(name, "SET synchronous_commit = local"))
        except psycopg.Error as error:
            raise StepFailed(
                f"No copy of {self.real.label} could be made: {in_words(error, 'its server')}.",
                untouched=f"{self.real.label} is unchanged.",
                next=advice_on(error),
            ) from error
        return self.scratch_server.of_database(name)

    def _settings_of_real(self, copy: str) -> list[Setting]:
        """What a copy on another server needs to be read like the real one: its search_path."""
        with suppress(psycopg.Error), connect(self.real, "copies") as real:
            return settings_of_session(real, copy)
        return []

    @contextmanager
    def maintenance(self, *, replicated: bool = False) -> Iterator[Connection]:
        """A session in which databases can be made, dropped and renamed.

        :param replicated: whether its commits wait for standbys, as the server is configured: to
            make and to drop a copy, nobody has to.
        :raises psycopg.Error: there is none.
        """
        failure: psycopg.Error | None = None
        for name in (*MAINTENANCE, self.scratch_server.database):
            try:
                connection = connect(self.scratch_server.of_database(name), "copies")
            except psycopg.Error as error:
                failure = error
                if not was_answered(error):
                    break
                continue
            server = self.scratch_server.of_database(name)
            with connection, watched(server, partial(cut, connection)):
                if not replicated:
                    connection.execute("SET synchronous_commit = local")
                yield connection
            return
        assert failure is not None
        raise failure

    def drop(self, address: Address) -> None:
        assert address.database.startswith(self.prefix), "only copies are dropped"
        try:
            self._forget_subscriptions(address)
            with self.maintenance() as connection:
                drop(connection, address.database)
        except psycopg.Error as error:
            self.stuck[address.database] = in_words(error, address.database)

    def _forget_subscriptions(self, address: Address) -> None:
        """Of a dump by hand, or of an earlier version of this tool, which had them in its dumps.

        They were never enabled here: the slot of the other server belongs to the real database.
        """
        with self.maintenance() as connection:
            found = find_subscriptions(connection, address.database)
        if not found:
            return
        with connect(address, "copies") as connection:
            for each in found:
                if not each.enabled:
                    connection.execute(f"ALTER SUBSCRIPTION {each.name} SET (slot_name = NONE)")
                    connection.execute(f"DROP SUBSCRIPTION {each.name}")

    def require_unfed(self) -> None:
        """:raises Refused: a subscription feeds the real database, and would go on feeding the
        replaced one after a restore."""
        try:
            with self.maintenance() as connection:
                found = find_subscriptions(connection, self.real.database)
        except psycopg.Error:
            return  # whatever comes next says so
        enabled = [each for each in found if each.enabled]
        if enabled:
            names = ", ".join(each.name for each in enabled)
            raise Refused(
                f"No backup can take the place of {self.real.label} while rows of another server"
                f" come into it: subscription {names}.",
                untouched=f"{self.real.label} is unchanged.",
                next=f"Run there: {'; '.join(each.disable for each in enabled)}; and try again."
                " Afterwards it has to be created again: docs/servers.md",
            )

    def find_all(self) -> list[str]:
        with suppress(psycopg.Error), self.maintenance() as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (self.prefix,)
            ).fetchall()
            return [str(name) for (name,) in rows]
        return []

    def exchange(self, new: str) -> tuple[str, str]:
        """Give a restored database the name of the real one, which gets another and is kept.

        All in one transaction: whatever is killed meanwhile, one of both has the name.

        :returns: the name under which the old one is kept; and what did not come along, in words.
        :raises StepFailed: it could not be done; the real database is as it was.
        """
        old, previous, left = self.real.database, "", ""
        users: list[str] = []
        done = threading.Event()
        try:
            with (
                self.maintenance(replicated=True) as connection,
                self.maintenance() as usher,
                ThreadPoolExecutor(1) as pool,
            ):
                self._require_answering(connection)
                previous = _free_name(connection, old)
                connection.execute(_local(new, "RESET synchronous_commit"))
                if _is_another(connection):
                    connection.execute(_of_login("REVOKE CONNECT ON DATABASE {} FROM {}", new))
                refused = copy_settings(connection, old, new, strict=True)
                slots, fed = find_slots(connection, old), find_subscriptions(connection, old)
                left = _left(refused, slots, fed, old, new)
                # Renaming locks out new sessions, and waits 5 s for those that are there to end.
                ended = pool.submit(_end_sessions, usher, [old, new], done)
                try:
                    with connection.transaction():
                        _rename(connection, old, previous)
                        _rename(connection, new, old)
                finally:
                    done.set()
                    users = ended.result()
        except psycopg.errors.ObjectInUse as error:
            raise self._in_use(error, users) from error
        except psycopg.Error as error:
            if previous and self._has(previous):
                return previous, left  # everything was done; only the answer was lost
            raise StepFailed(
                f"No backup can take the place of {self.real.label}:"
                f" {in_words(error, 'its server')}.",
                untouched=f"{self.real.label} is unchanged.",
                next=advice_on(error),
            ) from error
        return previous, left

    def _require_answering(self, connection: Connection) -> None:
        """:raises Refused: what is committed would wait for a standby for ever."""
        if standby := find_stalled(connection):
            raise Refused(
                f"No backup can take the place of {self.real.label} while each commit there waits"
                f" for the synchronous standby {standby}, which does not answer.",
                untouched=f"{self.real.label} is unchanged.",
                next="Bring it up, or take it out of the server's synchronous_standby_names, and"
                " try again.",
            )

    def _in_use(self, error: psycopg.Error, users: list[str]) -> StepFailed:
        old = self.real.database
        if not users:
            if prepared := self._prepared():
                statements = "; ".join(each.statement for each in prepared)
                return StepFailed(
                    f"No backup can take the place of {old}: transactions that were prepared there"
                    f" are open, {', '.join(each.gid for each in prepared)}.",
                    untouched=f"{self.real.label} is unchanged.",
                    next=f"Run there: {statements}; and try again.",
                )
            # No session at all: a subscription.
            detail = (error.diag.message_detail or "another session uses it").rstrip(".")
            return StepFailed(
                f"No backup can take the place of {old}: {detail}.",
                untouched=f"{self.real.label} is unchanged.",
                next="End that, and try again.",
            )
        user = _quoted(self.real.user) if self.real.user else "this role"
        return StepFailed(
            f"The sessions of {', '.join(users)} in {old} could not be ended, so that no backup can"
            " take its place.",
            untouched=f"{self.real.label} is unchanged.",
            next=f"End them, or let the server execute: GRANT pg_signal_backend TO {user}",
        )

    def _prepared(self) -> list[Prepared]:
        with suppress(psycopg.Error), self.maintenance() as connection:
            return find_prepared(connection, self.real.database)
        return []

    def _has(self, name: str) -> bool:
        """Whether the server has a database of this name; False, too, where it does not answer."""
        with suppress(psycopg.Error), self.maintenance() as connection:
            return _exists(connection, name)
        return False


def _left(
    refused: list[str], slots: list[str], subscriptions: list[Subscription], old: str, new: str
) -> str:
    """What a restored database does not have of the one that it replaces."""
    sentences = []
    if refused:
        # They are shown as they would be for the new one, which has the old one's name by then.
        lines = "; ".join(each.replace(_quoted(new), _quoted(old)) for each in refused)
        sentences.append(f"these could not be set again, since this role may not: {lines}")
    if slots:
        drop = "; ".join(f"SELECT pg_drop_replication_slot('{name}')" for name in slots)
        sentences.append(
            f"the replication slots {', '.join(slots)} stayed with it, which keep the server's WAL"
            f" and get nothing new: drop each, and let its reader start again: {drop}"
        )
    if subscriptions:
        names = ", ".join(each.name for each in subscriptions)
        sentences.append(
            f"the subscriptions {names} stayed with it, so that no rows come from the other server"
            " any more: drop each there, and create it here again: CREATE SUBSCRIPTION"
        )
    return "; ".join(sentences)


def _exists(connection: Connection, name: str) -> bool:
    sql = "SELECT count(*) FROM pg_database WHERE datname = %s"
    return connection.execute(sql, (name,)).fetchone() == (1,)


def _free_name(connection: Connection, name: str) -> str:
    """Another name for a database; the server cuts what is longer than 63 bytes."""
    end, number = f"_replaced_{local_stamp()}", 1
    while True:
        made = name.encode()[: 63 - len(end)].decode(errors="ignore") + end
        if not _exists(connection, made):
            return made
        number += 1
        end = f"_replaced_{local_stamp()}_{number}"


def _local(database: str, what: LiteralString) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} {}").format(sql.Identifier(database), sql.SQL(what))


def _is_another(connection: Connection) -> bool:
    """Whether a role becomes another one at login, which owns all that it makes."""
    return connection.execute("SELECT session_user <> current_user").fetchone() == (True,)


def _of_login(statement: LiteralString, database: str) -> sql.Composed:
    """A right on a database of the role that logs in: it need not inherit those of the other."""
    return sql.SQL(statement).format(sql.Identifier(database), sql.SQL("SESSION_USER"))


def _rename(connection: Connection, old: str, new: str) -> None:
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    connection.execute(rename.format(sql.Identifier(old), sql.Identifier(new)))


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _end_sessions(connection: Connection, names: list[str], done: threading.Event) -> list[str]:
    """End all sessions of these databases, again and again until it is done.

    :returns: the users whose sessions were found last.
    """
    users: list[str] = []
    with suppress(psycopg.Error):
        while not done.wait(_AGAIN):
            rows = connection.execute(
                "SELECT pid, usename FROM pg_stat_activity WHERE datname = ANY(%s)", (names,)
            ).fetchall()
            users = sorted({str(user) for _, user in rows})
            for pid, _ in rows:
                with suppress(psycopg.errors.InsufficientPrivilege):
                    connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
    return users


def drop(connection: Connection, name: str) -> None:
    """Drop a database, and end the sessions in it."""
    connection.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    )


def create_like(connection: Connection, name: str) -> None:
    """Make an empty database of the server's own kind."""
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def is_unused(connection: Connection) -> bool:
    """Whether nothing was created in a database but by Alembic and us: an empty table of
    versions, and a ledger."""
    rows = connection.execute(
        """
        WITH found AS (
            SELECT 'pg_class'::regclass::oid AS class, c.oid, c.oid::regclass::text AS name,
                relkind IN ('r', 'p') AND
                (SELECT array_agg(attname::text) FROM pg_attribute
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) = '{version_num}'
                AS has_versions
            FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%%'
                AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
                AND (relname, relkind) <> (%s, 'v')
            UNION ALL SELECT 'pg_namespace'::regclass, oid, nspname, false FROM pg_namespace
            WHERE nspname NOT IN ('information_schema', 'public') AND nspname NOT LIKE 'pg\\_%%'
            UNION ALL SELECT 'pg_proc'::regclass, oid, proname, false FROM pg_proc
            WHERE oid >= 16384
            UNION ALL SELECT 'pg_type'::regclass, oid, typname, false FROM pg_type
            WHERE oid >= 16384 AND typrelid = 0 AND typcategory <> 'A'
            UNION ALL SELECT 'pg_largeobject'::regclass, oid, '', false
            FROM pg_largeobject_metadata
        )
        SELECT name, has_versions FROM found WHERE NOT EXISTS (SELECT FROM pg_depend
            WHERE classid = class AND objid = found.oid AND deptype = 'e')
        """,
        (LEDGER,),
    ).fetchall()
    return all(
        has_versions and connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)
        for name, has_versions in rows
    )
