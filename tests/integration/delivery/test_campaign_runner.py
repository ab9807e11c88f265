"""The runner sends what is due, leaves to others what is theirs, and stops well (G6, G7)."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.builders import Stage
from tests.fakes.provider import ScriptedProvider
from tests.waiting import soon

from newsletter.clock import SettableClock
from newsletter.delivery import campaign_runner, campaign_troubles, faults, ledger
from newsletter.delivery.alerts import AlertKind
from newsletter.delivery.campaign_runner import CampaignRunner, Told
from newsletter.delivery.campaigns import Campaign, change_status
from newsletter.delivery.locking import is_sending, sender_lock
from newsletter.delivery.sender import Sender
from newsletter.delivery.serving_mark import is_served, marked_as_served
from newsletter.providers.base import AccountProblem, Envelope, OutcomeKind, Unavailable
from newsletter.storage.tables import alerts, campaigns

LEASE = timedelta(minutes=10)


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    made = Stage(tmp_path, clock)
    yield made
    made.database.close()


class Running:
    """A runner with one provider for all its campaigns, and what it told."""

    def __init__(self, stage: Stage, provider: ScriptedProvider, patience: float = 0.0) -> None:
        self.stage = stage
        self.provider = provider
        self.after: list[int] = []
        self.troubles: list[tuple[int, str]] = []
        self.runner = CampaignRunner(
            stage.database,
            "outbox",
            stage.clock,
            self.open_sender,
            Told(self.after.append, lambda number, words: self.troubles.append((number, words))),
            lease=LEASE,
            look_seconds=0.05,
            creator_seconds=patience,
        )

    @contextmanager
    def open_sender(self, _campaign: Campaign) -> Iterator[Sender]:
        """Give a sender over the one provider."""
        yield self.stage.sender(self.provider)

    def times(self) -> Counter[int]:
        """How often each subscriber was handed over."""
        return Counter(envelope.delivery.subscriber for envelope in self.provider.handed)


@contextmanager
def running(
    stage: Stage, provider: ScriptedProvider | None = None, patience: float = 0.0
) -> Iterator[Running]:
    """Let a runner work until the block ends."""
    made = Running(stage, provider or ScriptedProvider(), patience)
    made.runner.start()
    try:
        yield made
    finally:
        made.runner.stop()


def test_a_campaign_that_somebody_froze_is_sent_and_the_end_is_told(stage: Stage) -> None:
    with running(stage) as work:
        campaign = stage.freeze()
        assert soon(lambda: work.after == [campaign])

    assert stage.campaign(campaign).status == "sent"
    assert stage.totals(campaign) == {"accepted": 5}


def test_a_scheduled_campaign_begins_when_its_time_has_come(
    stage: Stage, clock: SettableClock
) -> None:
    with running(stage) as work:
        campaign = stage.freeze(not_before=clock.now() + timedelta(hours=1))
        time.sleep(0.3)
        assert stage.campaign(campaign).status == "scheduled"
        clock.advance(timedelta(hours=1))
        assert soon(lambda: work.after == [campaign])

    assert stage.campaign(campaign).status == "sent"


def test_campaigns_are_sent_one_after_the_other(stage: Stage) -> None:
    with running(stage) as work:
        numbers = [stage.freeze(slug=f"2026-11-2{n}", content_hash=str(n)) for n in range(3)]
        assert soon(lambda: sorted(work.after) == numbers)

    assert all(stage.campaign(number).status == "sent" for number in numbers)


def test_a_new_campaign_is_left_to_its_creator_for_a_moment(stage: Stage) -> None:
    own = ScriptedProvider()
    with running(stage, patience=30) as work:
        campaign = stage.freeze()
        time.sleep(0.3)
        stage.sender(own).run(campaign)
        time.sleep(0.6)

    assert len(own.handed) == 5
    assert work.provider.handed == []
    assert stage.campaign(campaign).status == "sent"


def test_the_campaign_of_an_edition_waits_for_no_creator(stage: Stage) -> None:
    campaign = stage.freeze()
    with stage.database.write() as connection:
        connection.execute(update(campaigns).values(edition_id=7))

    with running(stage, patience=3600) as work:
        assert soon(lambda: work.after == [campaign])


def test_while_another_process_sends_it_waits_without_a_word(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(stage.folder)], stdin=subprocess.PIPE, text=True
    )
    assert soon(lambda: is_sending(stage.database) is True)
    with running(stage) as work:
        campaign = stage.freeze()
        time.sleep(0.5)
        assert work.provider.handed == []
        holder.communicate()
        assert soon(lambda: work.after == [campaign])

    assert "campaign_waits" not in capsys.readouterr().out


_HOLD = """
import sys
from pathlib import Path
from newsletter.delivery.locking import sender_lock
from newsletter.storage.database import open_database
with sender_lock(open_database("sqlite:///ledger.db", root=Path(sys.argv[1]))):
    sys.stdin.read()
"""


def test_what_a_dead_process_had_claimed_is_settled_at_once(stage: Stage) -> None:
    campaign = stage.freeze()
    # Its flight log is empty: nothing left.
    worker = ledger.Worker("dead-0", "another boot", LEASE)
    assert stage.claim(campaign, worker, limit=2)

    with running(stage) as work:
        assert soon(lambda: work.after != [])

    assert stage.totals(campaign) == {"accepted": 3, "unknown": 2}
    assert set(work.times().values()) == {1}


def test_claims_of_a_cancelled_campaign_are_settled_too(stage: Stage, clock: SettableClock) -> None:
    campaign = stage.freeze()
    worker = ledger.Worker("dead-0", "another boot", LEASE)
    assert stage.claim(campaign, worker, limit=2)
    change_status(stage.database, campaign, "cancel", clock.now(), actor="test")

    with running(stage) as work:
        assert soon(lambda: work.after != [])

    assert stage.totals(campaign) == {"unknown": 2, "skipped": 3}
    assert work.provider.handed == []


def test_a_stop_finishes_what_is_on_the_wire_and_claims_nothing_more(stage: Stage) -> None:
    on_the_wire, go_on = threading.Event(), threading.Event()

    def wait(_envelope: Envelope) -> OutcomeKind:
        on_the_wire.set()
        go_on.wait(60)
        return OutcomeKind.ACCEPTED

    work = Running(stage, ScriptedProvider(wait, batch_limit=1))
    work.runner.start()
    campaign = stage.freeze()
    assert on_the_wire.wait(60)
    assert work.runner.working_on == [campaign]
    assert stage.totals(campaign) == {"claimed": 1, "pending": 4}

    stopping = threading.Thread(target=work.runner.stop)
    stopping.start()
    time.sleep(0.2)
    go_on.set()
    stopping.join(60)

    assert not stopping.is_alive()
    assert stage.totals(campaign) == {"accepted": 1, "pending": 4}
    assert work.runner.problem() == "not running"
    with running(stage, work.provider):
        assert soon(lambda: stage.campaign(campaign).status == "sent")
    assert set(work.times().values()) == {1}


def test_a_second_word_cuts_off_what_is_on_the_wire(stage: Stage) -> None:
    work = Running(stage, ScriptedProvider(batch_limit=1))
    on_the_wire = threading.Event()

    def hang(_envelope: Envelope) -> OutcomeKind:
        on_the_wire.set()
        work.provider.interrupted.wait(60)
        return OutcomeKind.UNKNOWN

    work.provider.script = hang
    campaign = stage.freeze()
    work.runner.start()
    assert on_the_wire.wait(60)

    work.runner.stop_soon()
    work.runner.break_off()
    work.runner.stop()

    assert stage.totals(campaign) == {"unknown": 1, "pending": 4}


def test_an_account_that_is_refused_pauses_that_campaign_and_the_runner_goes_on(
    stage: Stage,
) -> None:
    def refuse(_envelope: Envelope) -> OutcomeKind:
        raise AccountProblem("the key is wrong")

    with running(stage, ScriptedProvider(refuse)) as work:
        first = stage.freeze()
        assert soon(lambda: work.after == [first])
        assert stage.campaign(first).status == "paused"
        work.provider.script = lambda _envelope: OutcomeKind.ACCEPTED
        second = stage.freeze(slug="2026-11-25", content_hash="other")
        assert soon(lambda: second in work.after)

    assert stage.campaign(second).status == "sent"
    assert stage.totals(first) == {"pending": 5}


def fault_alerts(stage: Stage) -> list[str]:
    with stage.database.read() as connection:
        kind = alerts.c.kind == AlertKind.FAULT.value
        return list(connection.execute(select(alerts.c.subject).where(kind)).scalars())


@pytest.mark.parametrize("error", [Unavailable("the server is away"), RuntimeError("ours")])
def test_what_fails_for_long_is_tried_again_and_told_once(
    stage: Stage, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_troubles, "REST_SECONDS", (0.05, 0.1))
    monkeypatch.setattr(campaign_troubles, "TROUBLE_SECONDS", 0.4)
    monkeypatch.setattr(faults, "REST_SECONDS", (0.05, 0.1))
    failing = True
    work = Running(stage, ScriptedProvider())
    opened = 0

    @contextmanager
    def open_sender(_campaign: Campaign) -> Iterator[Sender]:
        nonlocal opened
        opened += 1
        if failing and isinstance(error, RuntimeError):
            raise error
        yield stage.sender(work.provider)

    def script(_envelope: Envelope) -> OutcomeKind:
        if failing and isinstance(error, Unavailable):
            raise error
        return OutcomeKind.ACCEPTED

    work.provider.script = script
    work.runner._open_sender = open_sender
    campaign = stage.freeze()
    work.runner.start()
    try:
        assert soon(lambda: len(work.troubles) + len(fault_alerts(stage)) == 1)
        tries = opened
        assert soon(lambda: opened >= tries + 3)
        failing = False
        assert soon(lambda: stage.campaign(campaign).status == "sent")
    finally:
        work.runner.stop()

    if isinstance(error, Unavailable):
        assert [number for number, _ in work.troubles] == [campaign]
    else:
        # No patience with a fault of the program: the operator hears of it at once.
        assert fault_alerts(stage) == [f"On hold after a fault: campaign {campaign}"]
    assert set(work.times().values()) == {1}


def test_a_database_that_cannot_be_read_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_runner, "LATE_SECONDS", 0.3)
    with stage.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE attempts RENAME TO away")
    with running(stage) as work:
        assert soon(lambda: (work.runner.problem() or "").startswith("no look for"))
        with stage.database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO attempts")
        campaign = stage.freeze()
        assert soon(lambda: work.after == [campaign])
        assert work.runner.problem() is None


def test_two_runners_on_one_embedded_database_repeat_nobody(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock, readers=60)
    provider = ScriptedProvider(batch_limit=5)
    with running(stage, provider), running(stage, provider):
        campaign = stage.freeze()
        assert soon(lambda: stage.campaign(campaign).status == "sent")

    handed = Counter(envelope.delivery.subscriber for envelope in provider.handed)
    assert len(handed) == 60
    assert set(handed.values()) == {1}
    stage.database.close()


@pytest.mark.slow
def test_two_runners_share_a_campaign_on_a_server(
    tmp_path: Path, clock: SettableClock, server_url: str
) -> None:
    stage = Stage(tmp_path, clock, readers=200, url=server_url)

    def slowly(_envelope: Envelope) -> OutcomeKind:
        time.sleep(0.005)
        return OutcomeKind.ACCEPTED

    providers = [ScriptedProvider(slowly, batch_limit=5) for _ in range(2)]
    with running(stage, providers[0]), running(stage, providers[1]):
        campaign = stage.freeze()
        assert soon(lambda: stage.campaign(campaign).status == "sent")

    handed = Counter(e.delivery.subscriber for one in providers for e in one.handed)
    assert len(handed) == 200
    assert set(handed.values()) == {1}
    assert all(provider.handed for provider in providers)
    stage.database.close()


def test_the_mark_says_whether_somebody_serves(stage: Stage) -> None:
    assert is_served(stage.database) is False
    with marked_as_served(stage.database), marked_as_served(stage.database):
        assert is_served(stage.database) is True
        with sender_lock(stage.database):
            assert is_served(stage.database) is True
    assert is_served(stage.database) is False
