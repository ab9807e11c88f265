"""`newsletter verify` on a real PostgreSQL server: the same statements, and leases by its clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.invariants import verify_invariants
from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture
def stage(server_url: str, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    """A database of its own on the server, with campaign 1 frozen for six readers."""
    stage = Stage(tmp_path, clock, readers=6, url=server_url)
    stage.freeze()
    yield stage
    stage.database.close()


def broken(stage: Stage) -> dict[str, tuple[str, ...]]:
    found = verify_invariants(stage.database, KEYS, stage.clock.now())
    return {verdict.name: verdict.examples for verdict in found if not verdict.ok}


def tamper(stage: Stage, *statements: str) -> None:
    with stage.database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def suppress(stage: Stage, address: str) -> None:
    with stage.database.write() as connection:
        add_suppression(
            connection,
            KEYS,
            parse_address(address),
            SuppressionReason.MANUAL,
            stage.clock.now(),
            actor="test",
        )


def test_what_was_sent_holds(stage: Stage) -> None:
    with stage.database.write() as connection:
        leaver = find_subscriber(connection, parse_address("reader2@example.org"))
        unsubscribe(connection, leaver.id, None, stage.clock.now(), Origin("one-click"))
    stage.sender(ScriptedProvider()).run(1)
    suppress(stage, "reader3@example.org")

    assert stage.totals(1) == {"accepted": 5, "skipped": 1}
    assert broken(stage) == {}


def test_senders_at_work_give_no_false_alarm(stage: Stage) -> None:
    senders = [
        threading.Thread(target=stage.sender(ScriptedProvider(batch_limit=1)).run, args=(1,))
        for _ in range(2)
    ]
    for sender in senders:
        sender.start()
    seen = [broken(stage)]
    while any(sender.is_alive() for sender in senders):
        seen.append(broken(stage))

    assert [found for found in seen if found] == []


def test_a_lease_is_judged_by_the_servers_clock(stage: Stage) -> None:
    worker = ledger.Worker("another-host", "another-boot", timedelta(minutes=10))
    batch = stage.claim(1, worker, limit=3)
    assert batch is not None
    outcomes = [Outcome(DeliveryId(1, 1), OutcomeKind.ACCEPTED)]
    ledger.record(stage.database, batch, outcomes, stage.clock.now(), jitter=0, provider="outbox")
    stage.clock.advance(timedelta(days=9000))
    within = broken(stage)
    tamper(stage, "UPDATE attempts SET lease_until = clock_timestamp() - interval '1 second'")

    assert within == {}
    assert broken(stage) == {"I4": ("1-1",), "I5": ("1-2", "1-3")}


def test_what_is_broken_is_named(stage: Stage) -> None:
    stage.sender(ScriptedProvider()).run(1)
    suppress(stage, "reader6@example.org")
    tamper(
        stage,
        "UPDATE deliveries SET state = 0 WHERE subscriber_id = 1",
        "UPDATE memberships SET status = 'unsubscribed', "
        "changed_at = changed_at - interval '1 hour' WHERE subscriber_id = 2",
        "UPDATE suppressions SET at = at - interval '1 hour'",
        "UPDATE deliveries SET attempt_id = NULL WHERE subscriber_id = 3",
        "DELETE FROM consents WHERE subscriber_id = 4",
        "UPDATE campaigns SET key = '1/2026-11-24/2'",
    )

    assert broken(stage) == {
        "I1": ("1-1",),
        "I3": ("1-2", "1-6"),
        "I4": ("1-3",),
        "I6": ("subscriber 4 on list 1",),
        "I8": ("campaign 1",),
    }


def test_keys_that_are_gone_are_named(stage: Stage) -> None:
    stage.sender(ScriptedProvider()).run(1)
    tamper(
        stage,
        "ALTER TABLE deliveries DROP CONSTRAINT pk_deliveries",
        "ALTER TABLE events DROP CONSTRAINT uq_events_provider_event_id",
    )

    assert broken(stage) == {
        "I2": ("deliveries (campaign_id, subscriber_id)",),
        "I7": ("events (provider_event_id)",),
    }
