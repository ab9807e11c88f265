"""Several processes at one row of PostgreSQL at the same moment: words, counts, dead claims."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.builders import Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.campaigns import change_status
from newsletter.delivery.limits import Limits
from newsletter.delivery.recovery import Scene, recover
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.settings import BrakesPart, WarmUpPart

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore::UserWarning")]

ROUNDS = 6
MOST = 10


@pytest.fixture
def stage(server_url: str, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    made = Stage(tmp_path, clock, readers=60, url=server_url)
    yield made
    made.database.close()


def at_once(*works: Callable[[], object]) -> None:
    """Let each begin at the same moment, in a thread of its own, and end."""
    barrier = threading.Barrier(len(works))
    raised: list[BaseException] = []

    def go(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            raised.append(error)

    threads = [threading.Thread(target=go, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def send(stage: Stage, campaign: int, limits: Limits) -> int:
    """Let three processes send at once; returns how many messages they handed over."""
    providers = [ScriptedProvider(batch_limit=50) for _ in range(3)]

    def run(provider: ScriptedProvider) -> None:
        sender = stage.sender(provider)
        sender.limits = limits
        sender.wait = lambda _seconds: sender.stop.set()
        with suppress(TryAgainLater):
            sender.run(campaign)

    at_once(*[lambda provider=provider: run(provider) for provider in providers])
    return sum(len(provider.handed) for provider in providers)


def freeze(stage: Stage, number: int, **values: object) -> int:
    return stage.freeze(slug=f"digest-{number}", content_hash=f"hash-{number}", **values)  # type: ignore[arg-type]


def test_the_canary_is_no_larger_where_several_workers_begin_at_once(stage: Stage) -> None:
    limits = Limits(brakes=BrakesPart(canary=MOST))

    sent = [send(stage, freeze(stage, n, canary=MOST), limits) for n in range(ROUNDS)]

    assert sent == [MOST] * ROUNDS


def test_the_days_share_of_the_warm_up_is_kept_by_all_workers_together(stage: Stage) -> None:
    limits = Limits(warm_up=WarmUpPart(start=date(2026, 11, 24), daily=(MOST, 20)))
    sent = []

    for number in range(ROUNDS):
        with stage.database.write() as connection:
            connection.execute(text("DELETE FROM sending_days"))
        sent.append(send(stage, freeze(stage, number), limits))

    assert sent == [MOST] * ROUNDS


def test_dead_claims_are_settled_once_however_many_look_at_them(
    stage: Stage, tmp_path: Path
) -> None:
    campaign = freeze(stage, 1)
    for number in range(12):
        worker = ledger.Worker(f"dead-{number}", "another-boot", timedelta(minutes=10))
        stage.claim(campaign, worker, limit=5)
    with stage.database.write() as connection:
        connection.execute(text("UPDATE attempts SET lease_until = lease_until - interval '1 h'"))
    scene = Scene(tmp_path / "flights", ScriptedProvider(), "boot")
    settled: list[int] = []

    def look() -> None:
        found = recover(stage.database, scene, stage.clock.now(), others_are_dead=False)
        settled.append(found.all)

    at_once(look, look, look)

    with stage.database.read() as connection:
        late = connection.execute(text("SELECT kind FROM events")).all()
    assert sum(settled) == 60
    assert late == []


def test_a_cancelled_campaign_stays_cancelled_whatever_else_is_said_at_that_moment(
    stage: Stage,
) -> None:
    found = set()
    for number in range(3 * ROUNDS):
        campaign = freeze(stage, number)

        def say(word: str, campaign: int = campaign) -> None:
            with suppress(NewsletterError):
                change_status(stage.database, campaign, word, stage.clock.now(), actor="test")

        at_once(lambda: say("cancel"), lambda: say("pause"))
        found.add(stage.campaign(campaign).status.value)

    assert found == {"cancelled"}


def test_a_scheduled_campaign_is_started_once_by_whoever_sees_its_time_come(stage: Stage) -> None:
    for number in range(ROUNDS):
        later = stage.clock.now() + timedelta(minutes=1)
        campaign = freeze(stage, number, not_before=later)

        def start(campaign: int = campaign) -> None:
            change_status(stage.database, campaign, "start", stage.clock.now(), actor="clock")

        at_once(start, start, start)

    with stage.database.read() as connection:
        starts = connection.execute(
            text("SELECT count(*) FROM audit_log WHERE action = 'campaign.start'")
        ).scalar_one()
    assert starts == ROUNDS
