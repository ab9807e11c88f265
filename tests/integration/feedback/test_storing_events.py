"""Storing what came back: once each, and as it was told, on both databases (E2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.builders import Stage

from newsletter.clock import SettableClock
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.feedback.events import Arrival, EventKind, Provenance, store_events
from newsletter.providers.base import DeliveryId
from newsletter.storage.tables import events

SENDGRID = Provenance.SENDGRID


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    made = Stage(tmp_path, clock, readers=1, url=url)
    yield made
    made.database.close()


def store(stage: Stage, *arrivals: Arrival) -> int:
    with stage.database.write() as connection:
        return store_events(connection, arrivals, stage.clock.now())


def an_arrival(name: str, at: datetime) -> Arrival:
    return Arrival(f"sg:{name}", at, EventKind.OPENED, SENDGRID)


def test_only_new_events_are_counted(stage: Stage) -> None:
    one, two, three = (an_arrival(name, stage.clock.now()) for name in "zya")

    assert store(stage) == 0
    assert store(stage, one, two, one) == 2
    assert store(stage, three, two) == 1
    assert store(stage, one, two, three) == 0


def test_an_event_is_stored_as_it_was_told(stage: Stage) -> None:
    east = timezone(timedelta(hours=9))
    arrival = Arrival(
        "sg:x",
        datetime(2026, 11, 24, 14, 30, 1, 250_000, tzinfo=east),
        EventKind.BOUNCED,
        SENDGRID,
        delivery=DeliveryId(7, 1234),
        subscriber=1,
        address="Jörg@Bücher.example",
        bounce=BounceClass.HARD,
        reason="invalid",
        believed=False,
        detail={"status": "5.1.1", "über": ["ja", None, 1.5, "100 % ?"]},
    )

    store(stage, arrival)

    with stage.database.read() as connection:
        row = connection.execute(select(events)).one()
    assert (row.at, row.received_at) == (arrival.at, stage.clock.now())
    assert (row.kind, row.provider, row.provider_event_id) == ("bounced", "sendgrid", "sg:x")
    assert (row.delivery, row.subscriber_id, row.bounce, row.reason) == (
        *("7-1234", 1, "hard", "invalid"),
    )
    assert (row.address, row.domain) == ("Jörg@Bücher.example", "xn--bcher-kva.example")
    assert (row.believed, row.applied_at, row.detail) == (False, None, arrival.detail)
