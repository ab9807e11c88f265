"""What pacing keeps in the database, on SQLite and on a real PostgreSQL server alike."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from tests.builders import Stage

from newsletter.clock import SettableClock
from newsletter.delivery.domains import held_domains, hold_domain, release_domain
from newsletter.delivery.ledger import HELD_DOMAIN, make_due
from newsletter.delivery.outcomes import RETRY_MARK
from newsletter.delivery.pacing import AccountPace, SharedPace, Unpaced, open_pace
from newsletter.delivery.states import DeliveryState
from newsletter.delivery.warm_up import count_today, note_accepted
from newsletter.errors import NewsletterError
from newsletter.settings import DeliveryPart
from newsletter.storage.database import Database, open_database
from newsletter.storage.tables import audit_log, deliveries

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

HOUR = timedelta(hours=1)
NEVER = threading.Event()


@pytest.fixture
def on_server(server_url: str, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, readers=1, url=server_url)
    yield stage
    stage.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    if request.param == "postgresql":
        yield request.getfixturevalue("on_server")
        return
    embedded = Stage(tmp_path, clock, readers=1)
    yield embedded
    embedded.database.close()


def hold(stage: Stage, domain: str = "a.example", *, reason: str = "554 blocked") -> timedelta:
    """Hold a domain from now on; returns for how long."""
    now = stage.clock.now()
    with stage.database.write() as connection:
        until = hold_domain(connection, domain, duration=HOUR, reason=reason, campaign=1, at=now)
    return until - now


def held(stage: Stage) -> list[str]:
    with stage.database.read() as connection:
        return list(held_domains(connection, stage.clock.now()))


def audited(stage: Stage) -> list[tuple[str, str, str]]:
    columns = (audit_log.c.actor, audit_log.c.action, audit_log.c.subject)
    with stage.database.read() as connection:
        rows = connection.execute(
            select(*columns).where(audit_log.c.action.like("domain.%")).order_by(audit_log.c.id)
        )
        return [(row.actor, row.action, row.subject) for row in rows]


def test_the_days_messages_add_up_for_each_provider(stage: Stage) -> None:
    with stage.database.write(durable=False) as connection:
        note_accepted(connection, "smtp", "2026-11-24", 20)
        note_accepted(connection, "smtp", "2026-11-24", 100)
        note_accepted(connection, "smtp", "2026-11-25", 7)
        note_accepted(connection, "sendgrid", "2026-11-24", 1)
        note_accepted(connection, "smtp", "2026-11-26", 0)

    with stage.database.read() as connection:
        assert count_today(connection, "smtp", "2026-11-24") == 120
        assert count_today(connection, "smtp", "2026-11-25") == 7
        assert count_today(connection, "sendgrid", "2026-11-24") == 1
        assert count_today(connection, "smtp", "2026-11-26") == 0


def test_a_count_stands_or_falls_with_the_callers_transaction(stage: Stage) -> None:
    def fail() -> None:
        with stage.database.write() as connection:
            note_accepted(connection, "smtp", "2026-11-24", 20)
            raise NewsletterError("something else went wrong")

    with pytest.raises(NewsletterError):
        fail()

    with stage.database.read() as connection:
        assert count_today(connection, "smtp", "2026-11-24") == 0


def test_a_held_domain_is_left_alone_until_its_time(stage: Stage) -> None:
    stage.freeze()
    hold(stage, "b.example")
    hold(stage, "a.example")

    assert held(stage) == ["a.example", "b.example"]
    stage.clock.advance(HOUR)
    assert held(stage) == []


def test_a_hold_says_why_with_no_address_in_clear(stage: Stage) -> None:
    stage.freeze()
    hold(stage, reason="554 5.7.1 <reader@a.example>: blocked using dnsbl.example")

    with stage.database.read() as connection:
        found = held_domains(connection, stage.clock.now())["a.example"]

    assert found.reason == "554 5.7.1 <…@a.example>: blocked using dnsbl.example"
    assert (found.campaign, found.at, found.until) == (
        1,
        stage.clock.now(),
        stage.clock.now() + HOUR,
    )
    assert audited(stage) == [("brake", "domain.hold", "a.example")]


def test_a_hold_right_after_another_lasts_twice_as_long_up_to_six_hours(stage: Stage) -> None:
    stage.freeze()

    lasted = []
    for _ in range(5):
        lasted.append(hold(stage))
        stage.clock.advance(lasted[-1] + timedelta(minutes=5))

    assert lasted == [HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 6 * HOUR]


def test_a_hold_long_after_another_is_a_first_one_again(stage: Stage) -> None:
    stage.freeze()
    hold(stage)
    stage.clock.advance(HOUR + HOUR + timedelta(seconds=1))

    assert hold(stage) == HOUR


def test_a_domain_that_is_held_already_stays_so_until_the_same_time(stage: Stage) -> None:
    stage.freeze()
    hold(stage)
    stage.clock.advance(HOUR / 2)

    assert hold(stage) == HOUR / 2
    assert len(audited(stage)) == 1


def test_a_release_ends_the_hold_and_says_who_did_it(stage: Stage) -> None:
    stage.freeze()
    hold(stage)

    with stage.database.write() as connection:
        now = stage.clock.now()
        first = release_domain(connection, "a.example", at=now, actor="cli:maria")
        again = release_domain(connection, "a.example", at=now, actor="cli:maria")

    assert (first, again) == (now + HOUR, None)
    assert held(stage) == []
    assert hold(stage) == HOUR
    assert audited(stage)[1:] == [
        ("cli:maria", "domain.release", "a.example"),
        ("brake", "domain.hold", "a.example"),
    ]


def test_an_embedded_database_needs_no_shared_count(tmp_path: Path, clock: SettableClock) -> None:
    stage = Stage(tmp_path, clock, readers=0)
    paced = DeliveryPart.model_validate({"rate_per_second": 5})

    assert isinstance(open_pace(DeliveryPart(), stage.database), Unpaced)
    assert type(open_pace(paced, stage.database)) is AccountPace
    stage.database.close()


@pytest.mark.slow
def test_on_a_server_the_rate_is_shared_by_all_who_use_it(on_server: Stage) -> None:
    part = DeliveryPart.model_validate({"provider": "smtp", "rate_per_second": 100})
    paces = [open_pace(part, on_server.database) for _ in range(3)]
    counts = [0, 0, 0]
    start = time.monotonic()

    def worker(number: int) -> None:
        while time.monotonic() < start + 2:
            paces[number].take(NEVER)
            counts[number] += 1

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.monotonic() - start

    assert all(isinstance(pace, SharedPace) for pace in paces)
    # A chunk in the hand of each, and the bucket.
    assert sum(counts) <= 100 * spent + 10 + 3 * 5
    assert sum(counts) >= 100 * spent * 0.6
    assert paces[0].describe() == "100 messages/s"


Report = tuple[float, float, int]


def _take_for(url: str, seconds: float, reports: multiprocessing.SimpleQueue[Report]) -> None:
    database = open_database(url, root=Path("/"))
    pace, count, start = SharedPace(50, database, "smtp"), 0, time.monotonic()
    while time.monotonic() < start + seconds:
        count += pace.take_now()
        time.sleep(0.002)
    end = time.monotonic()
    database.close()
    reports.put((start, end, count))


@pytest.mark.slow
def test_processes_share_the_rate(on_server: Stage, server_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.SimpleQueue[Report] = context.SimpleQueue()
    processes = [context.Process(target=_take_for, args=(server_url, 2.0, queue)) for _ in range(2)]
    for process in processes:
        process.start()
    starts, ends, counts = zip(*(queue.get() for _ in processes), strict=True)
    for process in processes:
        process.join()

    together = max(ends) - min(starts)
    # The bucket, and a chunk in the hand of each.
    assert 50 <= sum(counts) <= 50 * together + 5 + 2 * 2


@pytest.mark.slow
@pytest.mark.parametrize("jump", ["+ 86400000000", "- 86400000000"])
def test_a_servers_clock_that_jumps_stops_nobody_for_long(on_server: Stage, jump: str) -> None:
    """Whether the clock goes back or forth a day, the row is off by so much the other way."""
    pace = SharedPace(20, on_server.database, "smtp")
    while pace.take_now():
        pass
    with on_server.database.write() as connection:
        connection.execute(text(f"UPDATE account_rates SET next_free_us = next_free_us {jump}"))
    time.sleep(0.15)

    at_once = 0
    while pace.take_now():
        at_once += 1
    start = time.monotonic()
    assert pace.take(NEVER)

    assert at_once <= 3
    assert time.monotonic() - start < 10


@pytest.mark.slow
def test_a_stop_ends_a_wait_for_the_shared_rate(on_server: Stage) -> None:
    pace, stop = SharedPace(0.01, on_server.database, "smtp"), threading.Event()
    assert pace.take(stop)
    assert not pace.ready()
    threading.Timer(0.1, stop.set).start()

    assert not pace.take(stop)


@pytest.mark.slow
def test_a_server_that_is_away_is_told_plainly(on_server: Stage) -> None:
    database: Database = on_server.database
    pace = SharedPace(100, database, "smtp")
    with database.write() as connection:
        connection.execute(text("DROP TABLE account_rates"))

    with pytest.raises(NewsletterError):
        pace.take(NEVER)


def test_releasing_a_domain_leaves_the_retry_to_a_server_that_asked_for_time(
    stage: Stage,
) -> None:
    stage.join("reader2@example.org")
    stage.join("reader3@example.org")
    campaign, now = stage.freeze(), stage.clock.now()
    until, asked = now + timedelta(hours=1), now + timedelta(minutes=20)
    waits = {1: (HELD_DOMAIN, until), 2: (RETRY_MARK, until), 3: (RETRY_MARK, asked)}
    with stage.database.write() as connection:
        for subscriber, (reason, at) in waits.items():
            connection.execute(
                update(deliveries)
                .where(deliveries.c.subscriber_id == subscriber)
                .values(state=DeliveryState.DEFERRED, reason=reason, not_before=at)
            )
        due = make_due(connection, "example.org", held_until=until)

    assert due == 2
    with stage.database.read() as connection:
        rows = connection.execute(
            select(deliveries.c.subscriber_id, deliveries.c.not_before).where(
                deliveries.c.campaign_id == campaign, deliveries.c.subscriber_id <= 3
            )
        ).all()
    assert dict(tuple(row) for row in rows) == {1: None, 2: None, 3: asked}
