"""Storage: the schema, its upgrades and backups, and transactions that keep their promises."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select

from newsletter.clock import SettableClock
from newsletter.errors import ConfigurationError, StorageError, TryAgainLater
from newsletter.storage import schema
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database, open_database
from newsletter.storage.tables import audit_log, letters, metadata, subscribers


@pytest.fixture
def database(tmp_path: Path, clock: SettableClock) -> Database:
    opened = open_database("sqlite:///ledger.db", root=tmp_path)
    schema.ensure_schema(opened, clock)
    return opened


def test_the_migrations_build_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert differences == []


def test_the_newest_migration_is_the_head_that_the_program_asks_for() -> None:
    folder = Path(schema.__file__).parent / "migrations"

    assert ScriptDirectory(str(folder)).get_current_head() == schema.HEAD


def test_an_upgrade_ends_the_links_of_addresses_that_were_left_before_it(
    tmp_path: Path, clock: SettableClock
) -> None:
    old = open_database("sqlite:///old.db", root=tmp_path)
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with old.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        connection.exec_driver_sql(
            "INSERT INTO lists (id, name, title, list_id, created_at) "
            "VALUES (1, 'daily', 'Daily', 'daily.example.org', '2026-11-01')"
        )
        for number in (1, 2):
            connection.exec_driver_sql(
                "INSERT INTO subscribers (id, address, address_key, created_at, updated_at) VALUES "
                f"({number}, 'r{number}@example.org', 'r{number}@example.org', '2026-11-01', "
                "'2026-11-01')"
            )
            connection.exec_driver_sql(
                "INSERT INTO letters (kind, subscriber_id, list_id, address_hash, state, "
                "created_at, expires_at, used_at) VALUES ('new_address', "
                f"{number}, 1, 'hash {number}', 3, '2026-11-01', '2026-11-08', "
                f"{'NULL' if number == 1 else repr('2026-11-02')})"
            )

    schema.upgrade(old, clock)

    with old.read() as connection:
        epochs = connection.execute(
            select(subscribers.c.id, subscribers.c.address_epoch).order_by(subscribers.c.id)
        ).all()
        counted = connection.execute(select(letters.c.mailbox_hash).order_by(letters.c.id))
        assert [tuple(row) for row in epochs] == [(1, 0), (2, 1)]
        assert list(counted.scalars()) == ["hash 1", "hash 2"]
    old.close()


def test_an_embedded_database_uses_wal_foreign_keys_and_full_syncs(database: Database) -> None:
    with database.read() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous")
        }

    assert values == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_a_write_is_as_durable_as_it_was_asked_to_be(
    database: Database, durable: bool, level: int
) -> None:
    with database.write(durable=durable) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level


def test_an_error_inside_a_write_leaves_nothing_behind(database: Database) -> None:
    def act_and_fail() -> None:
        with database.write() as connection:
            record_audit(connection, datetime.now(UTC), actor="me", action="try", subject="nothing")
            raise KeyError

    with pytest.raises(KeyError):
        act_and_fail()

    with database.read() as connection:
        assert connection.execute(select(audit_log)).all() == []


def test_an_instant_comes_back_in_utc_whatever_zone_it_went_in_with(database: Database) -> None:
    local = datetime(2026, 3, 29, 9, 30, tzinfo=timezone(timedelta(hours=2)))

    with database.write() as connection:
        record_audit(connection, local, actor="me", action="try", subject="time")

    with database.read() as connection:
        stored = connection.execute(select(audit_log.c.at)).scalar_one()
    assert stored == local
    assert stored.tzinfo is UTC


def test_a_newer_schema_is_refused_and_left_alone(database: Database, clock: SettableClock) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StorageError, match="newer than this program knows"):
        schema.ensure_schema(database, clock)


def test_a_backup_is_whole_private_and_never_overwrites(
    database: Database, clock: SettableClock
) -> None:
    path = schema.backup(database, clock)

    with sqlite3.connect(path) as copy:
        assert copy.execute("SELECT count(*) FROM installation").fetchone() == (1,)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(StorageError, match="exists already"):
        schema.backup(database, clock)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "nonsense"])
def test_a_url_that_is_no_database_of_ours_is_a_configuration_error(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(ConfigurationError):
        open_database(url, root=tmp_path)


def test_a_file_that_is_no_database_is_told_plainly(tmp_path: Path, clock: SettableClock) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database at all" * 100)

    with pytest.raises(StorageError, match="not a sound newsletter database"):
        schema.ensure_schema(open_database("sqlite:///ledger.db", root=tmp_path), clock)


def test_a_database_that_another_process_holds_is_a_try_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.path is not None
    holder = sqlite3.connect(database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with database.read() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")

    with pytest.raises(TryAgainLater, match="busy"), database.write():
        pass
    holder.execute("ROLLBACK")
    holder.close()
