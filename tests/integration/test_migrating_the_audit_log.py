"""What older versions decided by the audit log is in columns after an upgrade, with its facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text
from tests.builders import KEYS

from newsletter.audience.suppressions import lifted_at
from newsletter.clock import SettableClock
from newsletter.delivery.braking import Brake, braked_before
from newsletter.delivery.freeze_request import Waves
from newsletter.delivery.letter_holding import read_hold
from newsletter.delivery.wave_expiry import _frozen_waves
from newsletter.storage import schema
from newsletter.storage.database import Database, open_database
from newsletter.storage.tables import installation, metadata, subscribers

MARK = KEYS.hash_address("reader1@example.org")
OTHER = KEYS.hash_address("reader2@example.org")


def at(hour: int) -> datetime:
    return datetime(2026, 11, 24, hour, tzinfo=UTC)


def log(hour: int, actor: str, action: str, subject: str, detail: Any = None) -> dict[str, Any]:
    return {
        "at": at(hour),
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": None if detail is None else json.dumps(detail),
    }


WAVES_OF_2 = {
    "recipients": 3,
    "waves": {
        "day": "2026-11-24",
        "time": "08:00",
        "timezone": "Europe/Paris",
        "expires_after_s": 43200,
    },
}
LOG = [
    log(1, "cli", "campaign.freeze", "campaign 1", {"recipients": 3}),
    log(1, "cli", "campaign.freeze", "campaign 2", WAVES_OF_2),
    log(2, "brake", "campaign.pause", "campaign 1"),
    log(3, "brake:complaints", "campaign.pause", "campaign 2"),
    log(3, "cli", "campaign.pause", "campaign 3"),
    log(4, "subscriber 1", "subscriber.address", "subscriber 1"),
    log(5, "subscriber 1", "subscriber.address", "subscriber 1"),
    log(6, "cli", "suppression.lift", f"suppression {MARK[:16]}"),
    log(7, "cli", "suppression.lift", f"suppression {MARK[:16]}"),
    log(8, "cli", "installation.copy", "epoch 2", {"reason": "restored"}),
    log(9, "cli", "letters.release", "letters", {"waiting": 0}),
    log(10, "cli", "installation.copy", "epoch 3", {"reason": "restored"}),
]


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgresql",
            marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")],
        ),
    ]
)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database at schema 0007 in which all of that happened."""
    url = "sqlite:///old.db"
    if request.param == "postgresql":
        server = request.getfixturevalue("server")
        admin = create_engine(
            server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE IF EXISTS old_newsletter"))
            connection.execute(text("CREATE DATABASE old_newsletter"))
        admin.dispose()
        url = server.replace("/postgres?", "/old_newsletter?", 1)
    opened = open_database(url, root=tmp_path)
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with opened.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        _populate(connection)
    yield opened
    opened.close()


def _as_stored(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=None).isoformat(" ", "microseconds")


def _populate(connection: Any) -> None:
    def insert(table: str, **values: Any) -> None:
        if connection.dialect.name == "sqlite":
            values = {name: _as_stored(value) for name, value in values.items()}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)

    insert("installation", id=1, installation_id="i", epoch=3, created_at=at(0))
    insert("lists", id=1, name="daily", title="Daily", list_id="daily.example", created_at=at(0))
    insert("digests", id=1, slug="d", content_hash="h", title="D", markdown="D", created_at=at(0))
    for number, wave in ((1, None), (2, "08:00"), (3, "08:00")):
        insert(
            "campaigns",
            id=number,
            key=f"1/d/{number}",
            list_id=1,
            digest_id=1,
            status="sending",
            provider="smtp",
            content="{}",
            identity="{}",
            message_id_salt="salt",
            on_unknown="hold",
            recipients=3,
            created_at=at(1),
            expires_at=at(23),
            wave_time=wave,
        )
    for number in (1, 2, 3):
        key = f"reader{number}@example.org"
        insert(
            "subscribers",
            id=number,
            address=key,
            address_key=key,
            created_at=at(0),
            updated_at=at(0),
        )
    for number, used in ((1, at(3)), (2, at(6)), (3, None)):
        insert(
            "letters",
            id=number,
            kind="new_address",
            subscriber_id=number,
            list_id=1,
            address_hash="hash",
            state=7,
            created_at=at(1),
            expires_at=at(20),
            used_at=used,
        )
    for row in LOG:
        insert("audit_log", **row)


@pytest.fixture
def upgraded(old: Database, clock: SettableClock) -> Database:
    schema.upgrade(old, clock)
    with old.write() as connection:
        connection.execute(text("DELETE FROM audit_log"))
    return old


def test_an_upgraded_database_has_the_tables_of_the_code(upgraded: Database) -> None:
    with upgraded.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_waves_keep_their_day_their_zone_and_their_time_to_live(upgraded: Database) -> None:
    with upgraded.read() as connection:
        found = [_frozen_waves(connection, campaign) for campaign in (1, 2, 3)]

    waves = Waves(date(2026, 11, 24), time(8), "Europe/Paris")
    # Of the third the log knew nothing.
    assert found == [None, (waves, timedelta(hours=12)), None]


def test_a_brake_that_has_worked_does_not_work_again(upgraded: Database) -> None:
    with upgraded.read() as connection:
        worked = {
            (campaign, brake)
            for campaign in (1, 2, 3)
            for brake in Brake
            if braked_before(connection, campaign, brake)
        }

    assert worked == {(1, Brake.BOUNCES), (2, Brake.COMPLAINTS)}


def test_who_changed_their_address_is_known_by_the_log_or_the_letter(upgraded: Database) -> None:
    query = select(subscribers.c.address_changed_at).order_by(subscribers.c.id)
    with upgraded.read() as connection:
        assert list(connection.execute(query).scalars()) == [at(5), at(6), None]


def test_a_lifted_suppression_is_known_with_its_last_time(upgraded: Database) -> None:
    with upgraded.read() as connection:
        assert lifted_at(connection, [MARK, OTHER]) == {MARK: at(7)}


def test_a_copy_stays_one_and_its_letters_wait(upgraded: Database) -> None:
    with upgraded.read() as connection:
        assert connection.execute(select(installation.c.copied_at)).scalar_one() == at(10)
        assert read_hold(connection).until == at(10)
