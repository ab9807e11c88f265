"""What `Database` promises, kept on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text

from newsletter.clock import SettableClock
from newsletter.errors import StorageError, TryAgainLater
from newsletter.storage.database import Database, open_database
from newsletter.storage.database_errors import NotUnique
from newsletter.storage.tables import installation, lists

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture
def database(server_url: str, tmp_path: Path) -> Iterator[Database]:
    opened = open_database(server_url, root=tmp_path)
    yield opened
    opened.close()


def count_lists(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(lists)).scalar_one()


def add_list(database: Database, clock: SettableClock, name: str) -> None:
    with database.write() as connection:
        connection.execute(
            insert(lists).values(name=name, title="A", list_id=name, created_at=clock.now())
        )


def test_all_that_is_read_together_is_of_one_moment_whatever_others_commit_between(
    database: Database, clock: SettableClock
) -> None:
    with database.read() as connection:
        before = count_lists(connection)
        add_list(database, clock, "daily")
        after = count_lists(connection)
    with database.read() as connection:
        later = count_lists(connection)

    assert (before, after, later) == (0, 0, 1)


def test_what_is_read_is_not_written_and_a_write_after_it_sees_what_others_committed(
    database: Database, clock: SettableClock
) -> None:
    with pytest.raises(StorageError, match="cannot be written"), database.read() as connection:
        connection.execute(text("DELETE FROM lists"))

    with database.write() as connection:
        assert count_lists(connection) == 0
        level = connection.execute(text("SHOW transaction_isolation")).scalar_one()
        add_list(database, clock, "daily")
        assert count_lists(connection) == 1
    assert level == "read committed"


@pytest.mark.parametrize("value", ["full-moon", "a-locked-room", "connection-42", "me@example.org"])
def test_what_is_there_already_is_told_by_its_rule_and_not_by_its_value(
    database: Database, clock: SettableClock, value: str
) -> None:
    add_list(database, clock, value)

    with pytest.raises(NotUnique, match=r"there already \(lists\.uq_lists_\w+\)$") as raised:
        add_list(database, clock, value)

    assert value not in str(raised.value)


def test_a_row_that_somebody_else_holds_for_too_long_is_a_try_again(database: Database) -> None:
    held = select(installation.c.id).with_for_update()

    def take_it() -> None:
        with database.write() as second:
            second.execute(text("SET LOCAL lock_timeout = '10ms'"))
            second.execute(held)

    with database.write() as first:
        first.execute(held)
        with pytest.raises(TryAgainLater, match="is busy"):
            take_it()


def test_two_that_change_one_state_crosswise_are_a_try_again(
    database: Database, clock: SettableClock
) -> None:
    add_list(database, clock, "daily")
    retitle = text("UPDATE lists SET title = title || '!'")

    def change_what_another_changed() -> None:
        with database.write() as first:
            first.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            count_lists(first)
            with database.write() as second:
                second.execute(retitle)
            first.execute(retitle)

    with pytest.raises(TryAgainLater, match="at the same time"):
        change_what_another_changed()


def test_a_server_that_ends_our_connection_is_one_that_cannot_be_reached(
    database: Database,
) -> None:

    def go_on_after_the_end() -> None:
        with database.write() as first:
            number = first.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with database.write() as second:
                second.execute(text(f"SELECT pg_terminate_backend({int(number)})"))
            first.execute(text("SELECT 1"))

    with pytest.raises(TryAgainLater, match="cannot be reached"):
        go_on_after_the_end()


def test_a_server_that_is_not_there_is_one_that_cannot_be_reached(tmp_path: Path) -> None:
    gone = open_database("postgresql://me@127.0.0.1:1/locked", root=tmp_path)

    with pytest.raises(TryAgainLater, match="cannot be reached"), gone.read():
        pass
