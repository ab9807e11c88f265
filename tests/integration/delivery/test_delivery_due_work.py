"""What workers look for: campaigns that are due, dead claims, and deliveries that want a hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.builders import Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.due_work import dead_claims, sending, start_due, wants_hands
from newsletter.delivery.faults import Faults

LEASE = timedelta(minutes=10)
WORKER = ledger.Worker("somebody", "a-boot", LEASE)


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Stage:
    return Stage(tmp_path, clock, readers=4)


def ask(stage: Stage, campaign: int) -> bool:
    with stage.database.read() as connection:
        return wants_hands(connection, campaign, stage.clock.now(), LEASE)


def put(stage: Stage, words: str) -> None:
    with stage.database.write() as connection:
        connection.execute(text(f"UPDATE deliveries SET {words}"))


def test_a_campaign_is_started_when_its_time_has_come_and_only_once(stage: Stage) -> None:
    due = stage.freeze(not_before=stage.clock.now() + timedelta(minutes=5))
    name = stage.campaign(due).provider
    faults = Faults(stage.database, stage.clock)

    early = start_due(stage.database, name, faults, stage.clock.now())
    stage.clock.advance(timedelta(minutes=5))
    others = start_due(stage.database, "another", faults, stage.clock.now())
    started = [start_due(stage.database, name, faults, stage.clock.now()) for _ in range(2)]

    assert (early, others, started) == ([], [], [[due], []])
    with stage.database.read() as connection:
        assert sending(connection, name) == [due]


def test_ready_deliveries_want_a_hand_and_claimed_ones_do_not(stage: Stage) -> None:
    campaign = stage.freeze()

    before = ask(stage, campaign)
    stage.claim(campaign, WORKER, limit=4)

    assert (before, ask(stage, campaign)) == (True, False)


def test_a_deferred_delivery_wants_a_hand_when_its_time_has_come(stage: Stage) -> None:
    campaign = stage.freeze()
    put(stage, "state = 2, not_before = '2026-11-24 06:30:00'")

    before = ask(stage, campaign)
    stage.clock.advance(timedelta(minutes=31))

    assert (before, ask(stage, campaign)) == (False, True)


def test_what_still_waits_when_the_time_is_over_wants_to_be_marked(stage: Stage) -> None:
    campaign = stage.freeze()
    put(stage, "state = 2, not_before = '2027-11-24 06:30:00'")

    before = ask(stage, campaign)
    stage.clock.advance(stage.campaign(campaign).expires_at - stage.clock.now())

    assert (before, ask(stage, campaign)) == (False, True)


def test_a_campaign_whose_last_worker_died_before_the_last_word_wants_it(stage: Stage) -> None:
    campaign = stage.freeze()
    put(stage, "state = 7")

    assert ask(stage, campaign)


@pytest.mark.parametrize(
    ("policy", "reason", "wanted"),
    [("hold", "lost", False), ("retry", "lost", True), ("retry", "retried", False)],
)
def test_an_unknown_delivery_wants_a_hand_once_where_the_policy_is_retry(
    stage: Stage, policy: str, reason: str, wanted: bool
) -> None:
    campaign = stage.freeze(on_unknown=policy)
    stage.claim(campaign, WORKER, limit=4)
    put(stage, f"state = 3, reason = '{reason}'")

    early = ask(stage, campaign)
    stage.clock.advance(LEASE)

    assert (early, ask(stage, campaign)) == (False, wanted)


def test_a_claim_is_dead_when_its_lease_has_run_out_and_no_longer_once_it_is_settled(
    stage: Stage, make_dead: Callable[[], set[int]]
) -> None:
    campaign = stage.freeze()
    stage.claim(campaign, WORKER, limit=2)

    before = make_dead()
    stage.clock.advance(LEASE + timedelta(seconds=1))
    after = make_dead()
    stage.sender(ScriptedProvider()).run(campaign)

    assert (before, after, make_dead()) == (set(), {campaign}, set())


@pytest.fixture
def make_dead(stage: Stage) -> Callable[[], set[int]]:
    def look() -> set[int]:
        with stage.database.read() as connection:
            return dead_claims(connection, "outbox", stage.clock.now())

    return look
