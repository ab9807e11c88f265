"""Database errors are told by their code, whatever words and values the driver puts into them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from newsletter.clock import SettableClock
from newsletter.errors import NewsletterError, StorageError, TryAgainLater
from newsletter.storage import schema
from newsletter.storage.database import Database, open_database
from newsletter.storage.database_errors import (
    BrokenRule,
    NotUnique,
    explain_database_error,
    explain_driver_error,
)
from newsletter.storage.tables import lists, memberships

MISLEADING = (
    "full-moon",
    "a-locked-room",
    "connection-42",
    "read-only-friday",
    "readonly",
    "busy bees",
    "unable to open",
    "not a database",
    "malformed",
    "deadlock detected",
    "disk I/O error",
    "reader@example.org",
)


@pytest.fixture
def database(tmp_path: Path, clock: SettableClock) -> Iterator[Database]:
    opened = open_database("sqlite:///ledger.db", root=tmp_path)
    schema.ensure_schema(opened, clock)
    yield opened
    opened.close()


def told(error: BaseException) -> NewsletterError:
    return explain_database_error(DBAPIError("INSERT …", {}, error))


def failing(database: Database, *statements: str) -> NewsletterError:
    """Return what is told of a statement that fails, the last of those given."""

    def run() -> None:
        with database.write() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    with pytest.raises(NewsletterError) as raised:
        run()
    return raised.value


@pytest.mark.parametrize("value", MISLEADING)
def test_what_is_there_already_is_told_as_such_whatever_its_value(
    database: Database, clock: SettableClock, value: str
) -> None:
    row = insert(lists).values(name=value, title="A", list_id=value, created_at=clock.now())
    with database.write() as connection:
        connection.execute(row)

    told = r"^the database refused an entry: it is there already \(lists\.(name|list_id)\)$"
    with pytest.raises(NotUnique, match=told) as raised, database.write() as connection:
        connection.execute(row)

    assert raised.value.exit_code == 1


@pytest.mark.parametrize("value", MISLEADING)
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (psycopg.errors.UniqueViolation, "it is there already"),
        (psycopg.errors.ExclusionViolation, "it is there already"),
        (psycopg.errors.ForeignKeyViolation, "it refers to something that is not there"),
        (psycopg.errors.NotNullViolation, "a value is missing"),
        (psycopg.errors.CheckViolation, "a value is not allowed"),
        (psycopg.errors.IntegrityConstraintViolation, "it breaks a rule"),
        (psycopg.errors.InvalidTextRepresentation, "a value does not fit its column"),
        (psycopg.errors.StringDataRightTruncation, "a value does not fit its column"),
        (psycopg.errors.RaiseException, "RaiseException (P0001)"),
    ],
)
def test_a_server_error_is_told_without_the_value_that_it_quotes(
    kind: type[psycopg.Error], words: str, value: str
) -> None:
    error = told(kind(f"refused\nDETAIL:  Key (key)=({value}) is the matter."))

    assert type(error) in (StorageError, BrokenRule, NotUnique)
    assert words in str(error)
    assert value not in f"{error} {error.fix}"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("40001", TryAgainLater, "the database is busy"),
        ("40P01", TryAgainLater, "the database is busy"),
        ("55P03", TryAgainLater, "the database is busy"),
        ("55006", TryAgainLater, "the database is busy"),
        ("57014", TryAgainLater, "took too long"),
        ("08000", TryAgainLater, "cannot be reached"),
        ("08003", TryAgainLater, "cannot be reached"),
        ("08006", TryAgainLater, "cannot be reached"),
        ("57P01", TryAgainLater, "cannot be reached"),
        ("57P02", TryAgainLater, "cannot be reached"),
        ("57P03", TryAgainLater, "cannot be reached"),
        ("57P04", TryAgainLater, "cannot be reached"),
        ("53000", TryAgainLater, "a limit of its own"),
        ("53200", TryAgainLater, "no memory left"),
        ("53300", TryAgainLater, "no connection left"),
        ("53100", StorageError, "the disk is full"),
        ("25006", StorageError, "cannot be written"),
        ("42501", StorageError, "its user may not do this"),
        ("28P01", StorageError, "does not let us in"),
        ("3D000", StorageError, "no such database"),
        ("42P01", StorageError, "lacks a table or column"),
        ("42703", StorageError, "lacks a table or column"),
        ("58030", StorageError, "cannot be read or written"),
        ("XX001", StorageError, "is damaged"),
        ("XX002", StorageError, "is damaged"),
    ],
)
def test_the_sqlstate_of_a_server_tells_what_is_wrong(
    code: str, kind: type[NewsletterError], words: str
) -> None:
    error = told(psycopg.errors.lookup(code)("some words of the server: full-moon"))

    assert type(error) is kind
    assert words in str(error)
    assert "full-moon" not in str(error)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection failed: Connection refused"),
        psycopg.OperationalError("the disk is full"),
        psycopg.InterfaceError("the connection is closed"),
        psycopg.errors.ConnectionTimeout("connection timeout expired"),
    ],
)
def test_a_server_that_gives_no_code_is_one_that_cannot_be_reached(error: psycopg.Error) -> None:
    assert type(told(error)) is TryAgainLater
    assert "cannot be reached" in str(told(error))


def test_a_connection_that_is_known_to_be_broken_is_a_server_that_cannot_be_reached() -> None:
    broken = DBAPIError("SELECT 1", {}, psycopg.DatabaseError("?"), connection_invalidated=True)

    assert type(explain_database_error(broken)) is TryAgainLater


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (
            ["INSERT INTO lists (name, title) VALUES ('full-moon', 'x')"],
            "a value is missing (lists.list_id)",
        ),
        (
            [
                "CREATE TEMPORARY TABLE looks (name TEXT CHECK (name <> 'a-locked-room'))",
                "INSERT INTO looks VALUES ('a-locked-room')",
            ],
            "a value is not allowed",
        ),
        (["SELECT * FROM full_moon"], "no such table: full_moon"),
        (["SELECT full_moon FROM lists"], "no such column: full_moon"),
        (["SELECT json('full-moon')"], "OperationalError (SQLITE_ERROR)"),
        (["PRAGMA max_page_count = 1", "CREATE TABLE more (x)"], "the disk is full"),
        (["PRAGMA query_only = 1", "DELETE FROM lists"], "cannot be written"),
    ],
)
def test_the_result_code_of_sqlite_tells_what_is_wrong(
    database: Database, statements: list[str], words: str
) -> None:
    error = failing(database, *statements)

    assert words in str(error)
    assert isinstance(error, StorageError)


def test_a_reference_to_nobody_is_a_broken_rule(database: Database, clock: SettableClock) -> None:
    row = {"list_id": 1, "subscriber_id": 7, "status": "active", "changed_at": clock.now()}

    told = "refers to something that is not there"
    with pytest.raises(BrokenRule, match=told) as raised, database.write() as connection:
        connection.execute(insert(memberships).values(row))

    assert not isinstance(raised.value, NotUnique)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("SQLITE_BUSY", TryAgainLater, "the database is busy"),
        ("SQLITE_BUSY_SNAPSHOT", TryAgainLater, "the database is busy"),
        ("SQLITE_LOCKED_SHAREDCACHE", TryAgainLater, "the database is busy"),
        ("SQLITE_PROTOCOL", TryAgainLater, "the database is busy"),
        ("SQLITE_FULL", StorageError, "the disk is full"),
        ("SQLITE_READONLY_DBMOVED", StorageError, "cannot be written"),
        ("SQLITE_PERM", StorageError, "cannot be written"),
        ("SQLITE_IOERR_WRITE", StorageError, "cannot be read or written"),
        ("SQLITE_CORRUPT_INDEX", StorageError, "not a sound newsletter database"),
        ("SQLITE_NOTADB", StorageError, "not a sound newsletter database"),
        ("SQLITE_CANTOPEN_ISDIR", StorageError, "cannot be opened"),
        ("SQLITE_NOMEM", TryAgainLater, "no memory left"),
        ("SQLITE_CONSTRAINT_TRIGGER", BrokenRule, "it breaks a rule"),
    ],
)
def test_an_extended_result_code_means_what_its_primary_one_does(
    name: str, kind: type[NewsletterError], words: str
) -> None:
    error = sqlite3.DatabaseError("full-moon is locked")
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name

    assert type(explain_driver_error(error)) is kind
    assert words in str(explain_driver_error(error))
    assert "full-moon" not in str(explain_driver_error(error))


def test_a_file_that_cannot_be_opened_is_told_so(tmp_path: Path, clock: SettableClock) -> None:
    (tmp_path / "ledger.db").mkdir()

    with pytest.raises(StorageError, match="cannot be opened"):
        schema.ensure_schema(open_database("sqlite:///ledger.db", root=tmp_path), clock)


def test_an_error_that_passes_below_shows_no_value_either(
    database: Database, clock: SettableClock
) -> None:
    row = insert(lists).values(
        name="daily", title="A", list_id="reader@example.org", created_at=clock.now()
    )
    with database.write() as connection:
        connection.execute(row)

    with pytest.raises(NotUnique) as raised, database.write() as connection:
        connection.execute(row)

    assert "reader@example.org" not in str(raised.value.__cause__)
