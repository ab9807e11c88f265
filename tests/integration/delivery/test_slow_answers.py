"""A server that takes its time over a whole message is waited for, and the claim outlives the wait.

RFC 5321 §4.5.3.2.6 asks for ten minutes; here both waits are parts of a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.builders import Stage
from tests.fakes.provider import ScriptedProvider
from tests.fakes.smtp_scripted import PIPELINING, Hang, ScriptedSmtpServer, Wait
from tests.fakes.smtp_sending import a_provider
from tests.integration.delivery.letter_stage import LetterStage

from newsletter.clock import SettableClock
from newsletter.delivery import leases, status_watch
from newsletter.delivery import sender as sending
from newsletter.delivery.alert_claims import claim_alert, renew_alert
from newsletter.delivery.alerts import Alert, AlertKind, raise_alert
from newsletter.delivery.campaigns import change_status
from newsletter.delivery.leases import kept_alive, renew_claims
from newsletter.delivery.ledger import Worker
from newsletter.delivery.letter_records import lose_overdue
from newsletter.delivery.states import DeliveryState
from newsletter.delivery.status_watch import StatusWatch
from newsletter.errors import TryAgainLater
from newsletter.providers.base import Envelope, OutcomeKind
from newsletter.settings import Settings
from newsletter.storage.tables import alerts, attempts, letters

SHORT, LONG = timedelta(milliseconds=150), timedelta(seconds=20)
LEASE = timedelta(minutes=10)


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Stage:
    return Stage(tmp_path, clock, readers=3)


def soon(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_ten_minutes_are_left_for_the_answer_to_a_message_and_five_for_every_other() -> None:
    smtp = Settings().delivery.smtp

    assert (smtp.answer_timeout, smtp.timeout) == (timedelta(minutes=10), timedelta(minutes=5))
    assert smtp.connect_timeout == timedelta(minutes=1)


@pytest.mark.parametrize("extensions", [(), PIPELINING])
def test_a_server_that_answers_later_than_to_a_command_has_taken_the_message(
    stage: Stage, clock: SettableClock, extensions: tuple[str, ...]
) -> None:
    campaign = stage.freeze()
    slow = [Wait(3 * SHORT.total_seconds())]
    with ScriptedSmtpServer({"dot": slow}, extensions=extensions) as server:
        provider = a_provider(server.port, clock, timeout=SHORT, answer_timeout=LONG)
        sender = stage.sender(provider)
        stage_as_smtp(stage, campaign)
        sender.run(campaign)
        provider.close()

    assert stage.totals(campaign) == {"accepted": 3}


def test_what_has_no_answer_in_that_time_is_unknown(stage: Stage, clock: SettableClock) -> None:
    campaign = stage.freeze()
    stage_as_smtp(stage, campaign)
    with ScriptedSmtpServer({"dot": [Hang()]}) as server:
        provider = a_provider(server.port, clock, timeout=LONG, answer_timeout=SHORT)
        stage.sender(provider).run(campaign)
        provider.close()

    assert stage.totals(campaign) == {"unknown": 1, "accepted": 2}


def stage_as_smtp(stage: Stage, campaign: int) -> None:
    with stage.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE campaigns SET provider = 'smtp' WHERE id = ?", (campaign,)
        )


def test_a_stop_during_the_wait_breaks_it_off_when_its_time_is_over(
    stage: Stage, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DRAIN_SECONDS", 0.1)
    campaign = stage.freeze()
    stage_as_smtp(stage, campaign)
    with ScriptedSmtpServer({"dot": [Hang()]}) as server:
        provider = a_provider(server.port, clock, timeout=LONG, answer_timeout=LONG)
        sender = stage.sender(provider)
        working = threading.Thread(target=sender.run, args=(campaign,))
        working.start()
        soon(lambda: server.dots)
        begun = time.monotonic()
        sender.stop.set()
        working.join(20)
        provider.close()

    assert time.monotonic() - begun < 10
    assert stage.totals(campaign) == {"unknown": 1, "pending": 2}


@pytest.mark.parametrize(("word", "rest"), [("pause", "pending"), ("cancel", "skipped")])
def test_a_pause_during_the_wait_ends_the_send_behind_the_message_on_the_wire(
    stage: Stage, clock: SettableClock, monkeypatch: pytest.MonkeyPatch, word: str, rest: str
) -> None:
    noticed, look = threading.Event(), StatusWatch.look

    def look_and_tell(watch: StatusWatch) -> None:
        look(watch)
        if watch._course.over:
            noticed.set()

    monkeypatch.setattr(status_watch, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(StatusWatch, "look", look_and_tell)
    campaign = stage.freeze()

    def pause_and_answer_late(_envelope: Envelope) -> OutcomeKind:
        change_status(stage.database, campaign, word, clock.now(), actor="test")
        assert noticed.wait(20)
        return OutcomeKind.ACCEPTED

    provider = ScriptedProvider(pause_and_answer_late)
    stage.sender(provider).run(campaign)

    assert len(provider.handed) == 1
    assert stage.totals(campaign) == {"accepted": 1, rest: 2}


# -- leases -----------------------------------------------------------------------------------


def lease_of(stage: Stage, campaign: int) -> datetime:
    with stage.database.read() as connection:
        return connection.execute(
            select(attempts.c.lease_until).where(attempts.c.campaign_id == campaign)
        ).scalar_one()


def test_a_claim_outlives_an_answer_that_takes_longer_than_its_lease(
    stage: Stage, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Renewed again and again, as often as in ten minutes.
    monkeypatch.setattr(leases, "RENEWALS", 60_000)
    campaign, ends = stage.freeze(), []

    def answer_after_an_hour(_envelope: Envelope) -> OutcomeKind:
        for _ in range(12):
            clock.advance(timedelta(minutes=5))
            now = clock.now()
            soon(lambda now=now: lease_of(stage, campaign) >= now + LEASE)
            ends.append(lease_of(stage, campaign))
        return OutcomeKind.ACCEPTED

    stage.sender(ScriptedProvider(answer_after_an_hour, batch_limit=3)).run(campaign)

    assert ends == sorted(ends)
    assert stage.totals(campaign)["accepted"] >= 1


def test_a_lease_that_is_over_is_not_renewed_nor_that_of_another_worker(
    stage: Stage, clock: SettableClock
) -> None:
    campaign = stage.freeze()
    stage.claim(campaign, Worker("slow", None, LEASE), limit=1)
    stage.claim(campaign, Worker("other", None, LEASE), limit=1, after=1)

    in_time = renew_claims(stage.database, campaign, ["slow"], clock.now(), LEASE)
    clock.advance(LEASE + timedelta(seconds=1))
    too_late = renew_claims(stage.database, campaign, ["slow"], clock.now(), LEASE)

    assert (in_time, too_late) == (1, 0)


def test_a_renewal_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEWALS", 600_000)
    problems = iter([TryAgainLater("the database is busy"), RuntimeError("ours")])
    renewed = threading.Event()

    def renew() -> None:
        for problem in problems:
            raise problem
        renewed.set()

    with kept_alive(renew, LEASE):
        assert renewed.wait(20)


def test_a_letter_is_not_taken_for_lost_while_its_answer_is_waited_for(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEWALS", 60_000)
    stage, lost = LetterStage(tmp_path, clock), []
    stage.ask()

    def until() -> datetime:
        with stage.database.read() as connection:
            return connection.execute(select(letters.c.lease_until)).scalar_one()

    def answer_late(_envelope: Envelope) -> OutcomeKind:
        for _ in range(4):
            clock.advance(timedelta(minutes=5))
            now = clock.now()
            soon(lambda now=now: until() >= now + LEASE)
            with stage.database.write() as connection:
                lost.append(lose_overdue(connection, clock.now()))
        return OutcomeKind.ACCEPTED

    provider = ScriptedProvider(answer_late)
    stage.carrier(provider).deliver_due()

    assert lost == [0, 0, 0, 0]
    assert len(provider.handed) == 1
    assert [state for _, state, _ in stage.states()] == [DeliveryState.ACCEPTED]


def test_an_alert_stays_with_its_teller_while_a_way_takes_its_time(
    stage: Stage, clock: SettableClock
) -> None:
    with stage.database.write() as connection:
        raise_alert(connection, Alert(AlertKind.FAULT, "key", "Subject", "Body"), clock.now())
        claimed = claim_alert(connection, clock.now())
    assert claimed is not None
    clock.advance(timedelta(minutes=9))

    with stage.database.write() as connection:
        renew_alert(connection, claimed, clock.now())
    clock.advance(timedelta(minutes=9))
    with stage.database.write() as connection:
        still = claim_alert(connection, clock.now())
    clock.advance(timedelta(minutes=2))
    with stage.database.write() as connection:
        later = claim_alert(connection, clock.now())
        renew_alert(connection, claimed, clock.now() + timedelta(days=1))
        until = connection.execute(select(alerts.c.next_try)).scalar_one()

    assert still is None
    assert later is not None
    # Its first teller has nothing to say any more.
    assert until == clock.now() + LEASE
