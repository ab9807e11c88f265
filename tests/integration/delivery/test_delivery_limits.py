"""What slows a send down or stops it by itself: brakes, canary, held domains, rate, warm-up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider, in_smtp

from newsletter.audience.address import parse_address
from newsletter.audience.suppressions import suppression_of
from newsletter.clock import SettableClock
from newsletter.delivery import sender as sender_module
from newsletter.delivery.campaigns import change_status
from newsletter.delivery.domains import DomainGate, DomainWatch, held_domains, hold_domain
from newsletter.delivery.limits import Limits
from newsletter.delivery.pacing import AccountPace
from newsletter.delivery.states import CampaignStatus
from newsletter.errors import TryAgainLater
from newsletter.providers.base import Envelope, OutcomeKind, Unavailable
from newsletter.settings import BrakesPart, WarmUpPart
from newsletter.storage.tables import suppressions

K = OutcomeKind
HARD = in_smtp("550 5.1.1 no such user here")
BLOCKED = in_smtp("554 5.7.1 blocked using our list")


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Stage:
    return Stage(tmp_path, clock, readers=40)


def every(nth: int, kind: OutcomeKind) -> Callable[[Envelope], OutcomeKind]:
    return lambda envelope: kind if envelope.delivery.subscriber % nth == 0 else K.ACCEPTED


def brakes(**values: object) -> BrakesPart:
    return BrakesPart.model_validate(values)


# ---------------------------------------------------------------- brakes


def test_too_many_hard_bounces_among_the_first_pause_the_campaign_with_the_numbers(
    stage: Stage,
) -> None:
    campaign = stage.freeze()
    provider = ScriptedProvider(every(4, K.REJECTED_RECIPIENT), batch_limit=10, answer=HARD)

    stage.sender(provider, Limits(brakes=brakes(hard_bounce_after=20))).run(campaign)

    current = stage.campaign(campaign)
    assert current.status is CampaignStatus.PAUSED
    assert "5 of the first 20 recipients bounced hard (25 %, limit 5 %)" in str(
        current.status_reason
    )
    assert stage.totals(campaign) == {"accepted": 15, "rejected": 5, "pending": 20}


def test_a_campaign_that_the_brake_paused_goes_on_by_the_operators_word(stage: Stage) -> None:
    campaign = stage.freeze()
    limits = Limits(brakes=brakes(hard_bounce_after=20))
    provider = ScriptedProvider(every(4, K.REJECTED_RECIPIENT), batch_limit=10, answer=HARD)
    stage.sender(provider, limits).run(campaign)

    change_status(stage.database, campaign, "resume", stage.clock.now(), actor="test")
    stage.sender(provider, limits).run(campaign)

    assert stage.campaign(campaign).status is CampaignStatus.SENT
    assert stage.totals(campaign) == {"accepted": 30, "rejected": 10}


def test_a_few_hard_bounces_do_not_pause(stage: Stage) -> None:
    campaign = stage.freeze()
    provider = ScriptedProvider(every(40, K.REJECTED_RECIPIENT), batch_limit=10, answer=HARD)

    stage.sender(provider, Limits(brakes=brakes(hard_bounce_after=20))).run(campaign)

    assert stage.campaign(campaign).status is CampaignStatus.SENT


def test_an_address_its_host_does_not_know_is_suppressed_with_the_reply_as_evidence(
    stage: Stage,
) -> None:
    campaign = stage.freeze()
    provider = ScriptedProvider(every(40, K.REJECTED_RECIPIENT), answer=HARD)

    stage.sender(provider).run(campaign)

    with stage.database.read() as connection:
        unknown = suppression_of(connection, KEYS, parse_address("reader40@example.org"))
        others = connection.execute(select(suppressions.c.note)).scalars().all()
    assert unknown == "hard_bounce"
    assert others == [f"delivery {campaign}-40: 550 5.1.1"]


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        (K.REJECTED_RECIPIENT, "554 5.7.1 blocked using our list"),
        (K.REJECTED_RECIPIENT, "552 5.2.2 mailbox full"),
        (K.REJECTED_MESSAGE, "550 5.1.1 about the message all the same"),
        (K.DEFERRED, "450 4.1.1 unknown for now"),
    ],
)
def test_nothing_else_suppresses_anybody(stage: Stage, kind: OutcomeKind, reply: str) -> None:
    campaign = stage.freeze()

    stage.sender(ScriptedProvider(every(40, kind), answer=in_smtp(reply))).run(campaign)

    with stage.database.read() as connection:
        assert connection.execute(select(suppressions)).all() == []


def test_many_skips_of_one_batch_are_all_named(stage: Stage) -> None:
    campaign = stage.freeze()
    with stage.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE memberships SET status = 'unsubscribed' WHERE subscriber_id IN (3, 4, 5)"
        )
        connection.exec_driver_sql(
            "UPDATE memberships SET status = 'paused' WHERE subscriber_id IN (6, 7)"
        )

    stage.sender(ScriptedProvider()).run(campaign)

    assert stage.totals(campaign) == {"accepted": 35, "skipped": 5}


# ---------------------------------------------------------------- canary


def test_a_canary_goes_first_and_alone_then_the_rest_follows(stage: Stage) -> None:
    campaign = stage.freeze(canary=8)
    provider = ScriptedProvider(batch_limit=5)
    sender = stage.sender(provider, Limits(brakes=brakes(canary_wait="10m")))
    seen: list[int] = []

    def wait(_seconds: float) -> None:
        seen.append(len(provider.handed))
        stage.clock.advance(timedelta(minutes=4))

    sender.wait = wait
    sender.run(campaign)

    assert seen == [8, 8, 8], "watched for ten minutes while nobody else gets it"
    assert stage.totals(campaign) == {"accepted": 40}


def test_a_bad_canary_pauses_before_anybody_else_gets_it(stage: Stage) -> None:
    campaign = stage.freeze(canary=8)
    provider = ScriptedProvider(every(4, K.REJECTED_RECIPIENT), answer=HARD)
    sender = stage.sender(provider)
    sender.wait = lambda _seconds: stage.clock.advance(timedelta(minutes=11))

    sender.run(campaign)

    assert stage.campaign(campaign).status is CampaignStatus.PAUSED
    assert "2 of the canary's 8 recipients bounced hard" in str(
        stage.campaign(campaign).status_reason
    )
    assert stage.totals(campaign) == {"accepted": 6, "rejected": 2, "pending": 32}


def test_a_sender_that_was_killed_goes_on_waiting_for_the_same_time(stage: Stage) -> None:
    campaign = stage.freeze(canary=8)
    first = stage.sender(ScriptedProvider())
    first.wait = lambda _seconds: first.stop.set()
    first.run(campaign)
    until = stage.campaign(campaign).canary_until
    stage.clock.advance(timedelta(minutes=6))
    waits: list[float] = []
    second = stage.sender(ScriptedProvider())

    def wait(seconds: float) -> None:
        waits.append(seconds)
        stage.clock.advance(timedelta(minutes=2))

    second.wait = wait
    second.run(campaign)

    assert until is not None
    assert len(waits) == 2
    assert stage.totals(campaign) == {"accepted": 40}


def test_a_canary_is_never_more_than_half(tmp_path: Path, clock: SettableClock) -> None:
    small = Stage(tmp_path, clock, readers=5)

    assert small.campaign(small.freeze(canary=100)).canary == 2


# ---------------------------------------------------------------- domains


def test_a_domain_that_blocks_us_is_held_and_the_others_go_on(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock, readers=10)
    for number in range(30):
        stage.join(f"reader{number}@blocking.example")
    campaign = stage.freeze()

    def script(envelope: Envelope) -> OutcomeKind:
        blocking = envelope.address.endswith("@blocking.example")
        return K.REJECTED_RECIPIENT if blocking else K.ACCEPTED

    provider = ScriptedProvider(script, batch_limit=15, answer=BLOCKED)

    stage.sender(provider, Limits(watch=DomainWatch(0.2))).run(campaign)

    with stage.database.read() as connection:
        held = held_domains(connection, clock.now())
        assert connection.execute(select(suppressions)).all() == [], "nobody is to blame"
    assert list(held) == ["blocking.example"]
    assert stage.totals(campaign) == {"accepted": 10, "rejected": 11, "deferred": 19}
    assert stage.campaign(campaign).status is CampaignStatus.SENDING


def test_after_its_hold_a_domain_is_tried_again(tmp_path: Path, clock: SettableClock) -> None:
    stage = Stage(tmp_path, clock, readers=6)
    campaign = stage.freeze()
    with stage.database.write() as connection:
        hold_domain(
            connection,
            "example.org",
            duration=timedelta(hours=1),
            reason="a test",
            campaign=campaign,
            at=clock.now(),
        )

    stage.sender(ScriptedProvider()).run(campaign)
    held = stage.totals(campaign)
    clock.advance(timedelta(minutes=61))
    stage.sender(ScriptedProvider()).run(campaign)

    assert held == {"deferred": 6}
    assert stage.totals(campaign) == {"accepted": 6}


def test_no_more_messages_than_its_share_are_on_their_way_to_a_domain(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock, readers=40)
    campaign = stage.freeze()
    lock, now, most = threading.Lock(), [0], [0]

    def script(_envelope: Envelope) -> OutcomeKind:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.003)
        with lock:
            now[0] -= 1
        return K.ACCEPTED

    provider = ScriptedProvider(script, batch_limit=5, lanes=4)

    stage.sender(provider, Limits(gate=DomainGate(2))).run(campaign)

    assert most[0] <= 2
    assert stage.totals(campaign) == {"accepted": 40}


# ---------------------------------------------------------------- rate and warm-up


def test_the_rate_is_the_accounts_whatever_the_number_of_lanes(stage: Stage) -> None:
    campaign = stage.freeze()
    provider = ScriptedProvider(batch_limit=5, lanes=4)
    start = time.monotonic()

    stage.sender(provider, Limits(pace=AccountPace(100), rate=100)).run(campaign)

    # 40 messages at 100 a second, less what a full bucket holds.
    assert time.monotonic() - start >= 0.25
    assert provider.pauses > 0, "each wait was announced"
    assert stage.totals(campaign) == {"accepted": 40}


def test_the_warm_up_ends_a_days_sending_and_the_next_day_goes_on(stage: Stage) -> None:
    campaign = stage.freeze()
    plan = WarmUpPart.model_validate({"start": "2026-11-24", "daily": [15, 20, 1000]})
    limits = Limits(warm_up=plan)

    with pytest.raises(TryAgainLater, match=r"warm-up day 1: 15 of 15 today.*25 of campaign 1"):
        stage.sender(ScriptedProvider(batch_limit=10), limits).run(campaign)
    first = stage.totals(campaign)
    stage.clock.advance(timedelta(hours=11))
    with pytest.raises(TryAgainLater):
        stage.sender(ScriptedProvider(batch_limit=10), limits).run(campaign)
    same_day = stage.totals(campaign)
    with stage.database.write() as connection:
        connection.exec_driver_sql("UPDATE campaigns SET expires_at = '2027-01-01 00:00:00.000'")
    stage.clock.advance(timedelta(hours=10))
    with pytest.raises(TryAgainLater, match="warm-up day 2: 20 of 20 today"):
        stage.sender(ScriptedProvider(batch_limit=10), limits).run(campaign)

    assert first == same_day == {"accepted": 15, "pending": 25}
    assert stage.totals(campaign) == {"accepted": 35, "pending": 5}


# ---------------------------------------------------------------- lanes


def test_several_lanes_hand_over_everybody_exactly_once(stage: Stage) -> None:
    campaign = stage.freeze()
    provider = ScriptedProvider(batch_limit=3, lanes=4)

    stage.sender(provider).run(campaign)

    handed = sorted(envelope.delivery.subscriber for envelope in provider.handed)
    assert handed == list(range(1, 41))
    assert stage.totals(campaign) == {"accepted": 40}


def test_a_fault_in_one_lane_ends_all_and_loses_nobody(stage: Stage) -> None:
    campaign = stage.freeze()

    def script(envelope: Envelope) -> OutcomeKind:
        if envelope.delivery.subscriber == 17:
            raise RuntimeError("a fault of the program")
        return K.ACCEPTED

    with pytest.raises(RuntimeError, match="a fault of the program"):
        stage.sender(ScriptedProvider(script, batch_limit=5, lanes=3)).run(campaign)

    left = ScriptedProvider(batch_limit=5)
    stage.sender(left).run(campaign)
    assert 17 in {envelope.delivery.subscriber for envelope in left.handed}
    assert stage.totals(campaign) == {"accepted": 40}


def test_a_stop_that_takes_too_long_breaks_off_and_names_the_unknown(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "DRAIN_SECONDS", 0.2)
    campaign = stage.freeze()
    provider = ScriptedProvider(batch_limit=10)
    sender = stage.sender(provider)

    def script(envelope: Envelope) -> OutcomeKind:
        if envelope.delivery.subscriber < 3:
            return K.ACCEPTED
        sender.stop.set()
        # A server that never answers, until the connection is broken off.
        assert provider.interrupted.wait(20)
        return K.UNKNOWN

    provider.script = script
    sender.run(campaign)

    assert stage.totals(campaign) == {"accepted": 2, "unknown": 1, "pending": 37}


def test_a_wait_for_a_provider_that_is_away_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "TELL_SECONDS", 0.0)
    campaign = stage.freeze()
    away = [True]

    def script(_envelope: Envelope) -> OutcomeKind:
        if away.pop():
            raise Unavailable("nobody answers", retry_after=0.5)
        away.append(False)
        return K.ACCEPTED

    told: list[str] = []
    provider = ScriptedProvider(script)
    sender = stage.sender(provider)

    def wait(seconds: float) -> None:
        time.sleep(seconds)
        away.append(False)

    sender.wait = wait
    sender.progress = lambda _states, _campaign, limits: told.extend(limits)
    sender.run(campaign)

    assert "waiting: nobody answers" in told
    assert stage.totals(campaign) == {"accepted": 40}


def test_a_cancel_in_the_middle_leaves_nothing_waiting(stage: Stage) -> None:
    campaign = stage.freeze()

    def script(envelope: Envelope) -> OutcomeKind:
        if envelope.delivery.subscriber == 2:
            change_status(stage.database, campaign, "cancel", stage.clock.now(), actor="test")
            return K.DEFERRED
        return K.ACCEPTED

    stage.sender(ScriptedProvider(script, batch_limit=3)).run(campaign)

    assert stage.totals(campaign) == {"accepted": 2, "skipped": 38}
