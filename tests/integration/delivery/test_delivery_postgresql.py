"""The same ledger on a real PostgreSQL server: several senders at once, and leases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from tests.builders import Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.storage.tables import metadata

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture
def make_stage(
    server_url: str, tmp_path: Path, clock: SettableClock
) -> Iterator[Callable[[int], Stage]]:
    stages: list[Stage] = []

    def make(readers: int) -> Stage:
        stages.append(Stage(tmp_path, clock, readers=readers, url=server_url))
        return stages[-1]

    yield make
    for stage in stages:
        stage.database.close()


def test_the_migrations_build_the_tables_of_the_code(make_stage: Callable[[int], Stage]) -> None:
    stage = make_stage(0)

    with stage.database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert differences == []


def test_a_campaign_is_sent_and_who_left_is_skipped(make_stage: Callable[[int], Stage]) -> None:
    stage = make_stage(6)
    campaign = stage.freeze()
    with stage.database.write() as connection:
        leaver = find_subscriber(connection, parse_address("reader2@example.org"))
        unsubscribe(connection, leaver.id, None, stage.clock.now(), Origin("one-click"))

    stage.sender(ScriptedProvider(batch_limit=2)).run(campaign)

    assert stage.campaign(campaign).status == "sent"
    assert stage.totals(campaign) == {"accepted": 5, "skipped": 1}


def test_two_senders_at_once_hand_over_everybody_exactly_once(
    make_stage: Callable[[int], Stage],
) -> None:
    stage = make_stage(60)
    campaign = stage.freeze()
    providers = [ScriptedProvider(batch_limit=5), ScriptedProvider(batch_limit=5)]
    threads = [
        threading.Thread(target=stage.sender(provider).run, args=(campaign,))
        for provider in providers
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    handed = [e.address for provider in providers for e in provider.handed]
    assert sorted(handed) == sorted(f"reader{n}@example.org" for n in range(1, 61))
    assert stage.totals(campaign) == {"accepted": 60}


def test_a_claim_is_left_alone_until_its_lease_has_run_out(
    make_stage: Callable[[int], Stage],
) -> None:
    stage = make_stage(4)
    campaign = stage.freeze()
    worker = ledger.Worker("another-host", "another-boot", timedelta(minutes=10))
    stage.claim(campaign, worker, limit=2)

    stage.sender(ScriptedProvider()).run(campaign)
    within = stage.totals(campaign)
    # A clock of ours that jumps frees nothing: the server's decides (G17).
    stage.clock.advance(timedelta(minutes=11))
    stage.sender(ScriptedProvider()).run(campaign)
    jumped = stage.totals(campaign)
    with stage.database.write() as connection:
        connection.execute(text("UPDATE attempts SET lease_until = lease_until - interval '1 h'"))
    stage.sender(ScriptedProvider()).run(campaign)

    assert jumped == within == {"claimed": 2, "accepted": 2}
    assert stage.totals(campaign) == {"unknown": 2, "accepted": 2}
