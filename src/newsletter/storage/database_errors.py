"""What a database driver's error means, told in our words.

The error's code decides: SQLSTATE of PostgreSQL (its manual, appendix A), the result code of SQLite
(sqlite.org/rescode.html). Never its text, which may quote a value that somebody chose, nor is any
value told: an address or a key could be among them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError

from newsletter.errors import NewsletterError, StorageError, TryAgainLater


class BrokenRule(StorageError):  # noqa: N818 - what happened, as the others are named
    """What was to be written breaks a rule that the database keeps."""


class NotUnique(BrokenRule):
    """What was to be written is there already: somebody was quicker."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What is told of an error: its kind, the problem, and the way out."""

    kind: type[NewsletterError]
    problem: str
    fix: str | None = None


_BUSY = _Meaning(
    TryAgainLater,
    "the database is busy: another process holds it",
    "try again in a moment",
)
_CROSSED = _Meaning(
    TryAgainLater,
    "the database is busy: another process changed the same rows at the same time",
    "try again in a moment",
)
_GIVEN_UP = _Meaning(
    TryAgainLater,
    "the database gave up a statement that took too long",
    "try again in a moment",
)
_FULL = _Meaning(
    StorageError,
    "the disk is full: nothing more was sent, nothing is lost",
    "free some room, then run the same command again",
)
_NO_MEMORY = _Meaning(
    TryAgainLater,
    "the database has no memory left",
    "free some memory, then try again",
)
_NO_CONNECTION_LEFT = _Meaning(
    TryAgainLater,
    "the database server has no connection left for us",
    "end other programs that use it, or raise its max_connections",
)
_NO_RESOURCES = _Meaning(
    TryAgainLater,
    "the database server has reached a limit of its own",
    "look into the server's log, then try again",
)
_READ_ONLY_FILE = _Meaning(
    StorageError,
    "the database cannot be written",
    "check the rights of the file and its folder",
)
_READ_ONLY_SERVER = _Meaning(
    StorageError,
    "the database cannot be written: the server takes no changes",
    "name the primary server in 'database.url', not a standby",
)
_NO_RIGHTS = _Meaning(
    StorageError,
    "the database refused: its user may not do this",
    "let the database's owner grant the rights",
)
_NOT_OPENED = _Meaning(
    StorageError,
    "the database cannot be opened",
    "check 'database.url' and the rights of its folder",
)
_BROKEN_FILE = _Meaning(
    StorageError,
    "the file is not a sound newsletter database",
    "restore a backup in its place",
)
_BROKEN_SERVER = _Meaning(
    StorageError,
    "the database is damaged",
    "look into the server's log, then restore a backup",
)
_DISK_FAILS = _Meaning(
    StorageError,
    "the disk of the database cannot be read or written",
    "check the disk and the room on it, then run the same command again",
)
_AWAY = _Meaning(
    TryAgainLater,
    "the database server cannot be reached",
    "check 'database.url' and the server",
)
_NOT_LET_IN = _Meaning(
    StorageError,
    "the database server does not let us in",
    "check the user and the password in 'database.url'",
)
_NO_SUCH_DATABASE = _Meaning(
    StorageError,
    "the database server has no such database",
    "create it, or correct 'database.url'",
)
_OTHER_SCHEMA = _Meaning(
    StorageError,
    "the database refused: it lacks a table or column that this program needs",
    "newsletter db upgrade; else restore a backup",
)
_DOES_NOT_FIT = _Meaning(
    StorageError,
    "the database refused: a value does not fit its column",
)

_BY_SQLSTATE: Mapping[str, _Meaning] = {
    "08": _AWAY,
    "22": _DOES_NOT_FIT,
    "25006": _READ_ONLY_SERVER,
    "25P03": _GIVEN_UP,
    "25P04": _GIVEN_UP,
    "28": _NOT_LET_IN,
    "3D000": _NO_SUCH_DATABASE,
    "3F000": _OTHER_SCHEMA,
    "40": _CROSSED,
    "42501": _NO_RIGHTS,
    "42703": _OTHER_SCHEMA,
    "42704": _OTHER_SCHEMA,
    "42883": _OTHER_SCHEMA,
    "42P01": _OTHER_SCHEMA,
    "53": _NO_RESOURCES,
    "53100": _FULL,
    "53200": _NO_MEMORY,
    "53300": _NO_CONNECTION_LEFT,
    "55006": _BUSY,
    "55P03": _BUSY,
    "57014": _GIVEN_UP,
    # Shut down, crashed, starting, dropped, idle for too long.
    "57P": _AWAY,
    "58": _DISK_FAILS,
    "XX001": _BROKEN_SERVER,
    "XX002": _BROKEN_SERVER,
}
"""By the whole code or the beginning of it; the longest that fits counts."""

_BY_RESULT_CODE: Mapping[int, _Meaning] = {
    sqlite3.SQLITE_PERM: _READ_ONLY_FILE,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_NOMEM: _NO_MEMORY,
    sqlite3.SQLITE_READONLY: _READ_ONLY_FILE,
    sqlite3.SQLITE_INTERRUPT: _GIVEN_UP,
    sqlite3.SQLITE_IOERR: _DISK_FAILS,
    sqlite3.SQLITE_CORRUPT: _BROKEN_FILE,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: _NOT_OPENED,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    # Another process changed the schema at the same time.
    sqlite3.SQLITE_SCHEMA: _BUSY,
    sqlite3.SQLITE_TOOBIG: _DOES_NOT_FIT,
    sqlite3.SQLITE_MISMATCH: _DOES_NOT_FIT,
    sqlite3.SQLITE_AUTH: _NO_RIGHTS,
    sqlite3.SQLITE_NOTADB: _BROKEN_FILE,
}
"""By the primary result code: the lowest eight bits of the extended one."""

_RULES: Mapping[str | int, str] = {
    "23502": "a value is missing",
    "23503": "it refers to something that is not there, or is still referred to",
    "23505": "it is there already",
    "23514": "a value is not allowed",
    "23P01": "it is there already",
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: "a value is missing",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: (
        "it refers to something that is not there, or is still referred to"
    ),
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: "it is there already",
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: "it is there already",
    sqlite3.SQLITE_CONSTRAINT_ROWID: "it is there already",
    sqlite3.SQLITE_CONSTRAINT_CHECK: "a value is not allowed",
}
"""What a broken rule says of the entry."""

_UNIQUE = frozenset(
    {
        "23505",
        "23P01",
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_ROWID,
    }
)
_INTEGRITY = "23"
"""The class of broken rules in SQLSTATE."""
_PRIMARY = 0xFF
"""The bits of SQLite's primary result code in an extended one."""
_RULE_IN_SQLITE = re.compile(r"[A-Z ]+ constraint failed: (?P<columns>\w+\.\w+(, \w+\.\w+)*)")
_LACKING_IN_SQLITE = re.compile(r"no such (table|column): [\w.]+")
"""Where SQLite names columns and tables by their schema; whatever else it says is not told."""
_OF_THE_CONNECTION = frozenset({"OperationalError", "InterfaceError"})
"""The driver's classes for what is wrong between us and the server (PEP 249)."""


def explain_database_error(error: DBAPIError) -> NewsletterError:
    """Say in our words what the driver said: busy, full, read-only, away, or something else."""
    if error.orig is None:
        return StorageError(f"the database refused: {type(error).__name__}")
    return explain_driver_error(error.orig, broken_off=error.connection_invalidated)


def explain_driver_error(cause: BaseException, *, broken_off: bool = False) -> NewsletterError:
    """Do so for an error as the driver raises it; `broken_off`: the connection is known to be."""
    rule = _broken_rule(cause)
    if rule is not None:
        return rule
    meaning = _meaning(cause)
    if meaning is None and broken_off:
        meaning = _AWAY
    if meaning is not None:
        return meaning.kind(meaning.problem, fix=meaning.fix)
    return StorageError(f"the database refused: {_name_of(cause)}")


def is_busy(error: BaseException) -> bool:
    """Return whether SQLite refuses because somebody else has the database."""
    return isinstance(error, sqlite3.Error) and _meaning(error) is _BUSY


def _meaning(cause: BaseException) -> _Meaning | None:
    if isinstance(cause, sqlite3.Error):
        return _BY_RESULT_CODE.get(_result_code(cause) & _PRIMARY)
    state = _sqlstate(cause)
    if state is None:
        # The client's own words, for no server answered: no route to it, a connection that broke.
        kinds = {kind.__name__ for kind in type(cause).__mro__}
        return _AWAY if kinds & _OF_THE_CONNECTION else None
    # The longest part that is known.
    parts = (state[:length] for length in range(len(state), 1, -1))
    return next((_BY_SQLSTATE[part] for part in parts if part in _BY_SQLSTATE), None)


def _broken_rule(cause: BaseException) -> BrokenRule | None:
    code: str | int
    if isinstance(cause, sqlite3.Error):
        code = _result_code(cause)
        if code & _PRIMARY != sqlite3.SQLITE_CONSTRAINT:
            return None
        named = _RULE_IN_SQLITE.fullmatch(str(cause))
        where = named["columns"] if named else ""
    else:
        code = _sqlstate(cause) or ""
        if not code.startswith(_INTEGRITY):
            return None
        where = _rule_in_postgresql(cause)
    kind = NotUnique if code in _UNIQUE else BrokenRule
    of = f" ({where})" if where else ""
    return kind(f"the database refused an entry: {_RULES.get(code, 'it breaks a rule')}{of}")


def _rule_in_postgresql(cause: Any) -> str:
    """Name the rule, or else the column, as the server's own fields do; never the row's values."""
    told = getattr(cause, "diag", None)
    rule = getattr(told, "constraint_name", None) or getattr(told, "column_name", None)
    return ".".join(part for part in (getattr(told, "table_name", None), rule) if part)


def _result_code(error: sqlite3.Error) -> int:
    """Return SQLite's extended result code; 0 for what its Python module says by itself."""
    return getattr(error, "sqlite_errorcode", 0)


def _sqlstate(cause: BaseException) -> str | None:
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else None


def _name_of(cause: BaseException) -> str:
    """Name an error that there are no words for, with its code: for whoever looks it up."""
    if isinstance(cause, sqlite3.Error) and _LACKING_IN_SQLITE.fullmatch(str(cause)):
        return str(cause)
    code = getattr(cause, "sqlite_errorname", None) or _sqlstate(cause)
    return f"{type(cause).__name__} ({code})" if code else type(cause).__name__
