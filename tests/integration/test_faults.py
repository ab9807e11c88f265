"""A fault of the program in one thing holds that one alone, in each step of all periodic work.

Each case injects an unexpected exception into one step, for the second of three things. The other
two go on, an alert names the second one, and the log holds the whole trace.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider
from tests.fakes.returned_mail import status_report
from tests.integration.delivery.alert_stage import AlertStage
from tests.integration.delivery.letter_stage import LetterStage
from tests.integration.feedback.feedback_stage import HARD, FeedbackStage
from tests.integration.feedback.mailroom import Mailroom
from tests.integration.schedule.keeping_stage import KeepingStage, a_digest
from tests.waiting import soon

from newsletter.audience.address import parse_address
from newsletter.audience.lists import create_list
from newsletter.audience.subscribers import add_subscriber
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import SettableClock
from newsletter.delivery import alert_post, campaign_runner, due_work, faults, letters
from newsletter.delivery.campaign_runner import CampaignRunner, Told
from newsletter.delivery.campaigns import Campaign
from newsletter.delivery.faults import Faults, Thing
from newsletter.delivery.lanes import Lane
from newsletter.delivery.letter_mailings import LetterMaker
from newsletter.delivery.sender import Sender
from newsletter.delivery.states import DeliveryState
from newsletter.feedback import applying, ingesting
from newsletter.feedback.events import EventKind
from newsletter.providers.base import OutcomeKind
from newsletter.schedule import edition_making, keeping, proof_mail
from newsletter.schedule.edition_dues import Dues
from newsletter.schedule.edition_firing import Firing
from newsletter.schedule.editions import find_edition
from newsletter.schedule.model import EditionStatus
from newsletter.schedule.operator_mail import OperatorRounds
from newsletter.schedule.schedules import add_schedule, get_schedule
from newsletter.storage.schedule_tables import schedules
from newsletter.storage.tables import alerts

DAY = date(2026, 11, 24)
NAMES = ("one", "two", "three")
WORDS = "of reader2@example.org"
"""What the exception says: it must reach no log."""
Spoilt = Callable[..., bool]
"""Whether a call is about the second thing."""


def spoil(patch: pytest.MonkeyPatch, owner: Any, name: str, second: Spoilt) -> None:
    """Let a function raise what nobody expects, where its arguments are about the second thing."""
    real = getattr(owner, name)

    def raising(*given: Any, **named: Any) -> Any:
        if second(*given, **named):
            raise RuntimeError(WORDS)
        return real(*given, **named)

    patch.setattr(owner, name, raising)


def subjects(stage: Stage) -> list[str]:
    with stage.database.read() as connection:
        return list(connection.execute(select(alerts.c.subject).order_by(alerts.c.id)).scalars())


def told(logs: list[Any]) -> Any:
    """Return what the log says of the one fault: its trace, and no word of the exception."""
    (line,) = [line for line in logs if line["event"] == "held_by_a_fault"]
    assert "RuntimeError" in line["trace"]
    assert "test_faults.py" in line["trace"]
    assert "reader2" not in str(line)
    return line


# ---------------------------------------------------------------- schedules and editions


class Morning(KeepingStage):
    """Three lists with a reader each, and a schedule for each at the same time."""

    def __init__(self, folder: Path, clock: SettableClock, *, approval: bool = False) -> None:
        super().__init__(folder, clock, readers=0)
        with self.database.write() as connection:
            for name in NAMES:
                created = create_list(
                    connection,
                    clock.now(),
                    name=name,
                    title=name,
                    base_url="https://news.example.org",
                    actor="test",
                )
                add_subscriber(
                    connection,
                    parse_address(f"{name}@example.org"),
                    created.id,
                    KEYS,
                    clock.now(),
                    actor="test",
                    consent="a test",
                )
                add_schedule(
                    connection,
                    clock.now(),
                    name=name,
                    list_name=name,
                    actor="test",
                    time="08:00",
                    timezone="Europe/Paris",
                    approval=approval,
                )
        self.write(a_digest())

    def status_of(self, name: str) -> EditionStatus | None:
        with self.database.read() as connection:
            found = find_edition(connection, get_schedule(connection, name).id, DAY)
        return found.status if found else None

    def edition_number(self, name: str) -> int | None:
        found = self.edition(schedule=name)
        return found.id if found else None

    def number(self, name: str) -> int:
        with self.database.read() as connection:
            return get_schedule(connection, name).id


EDITION_STEPS: dict[str, tuple[Any, str, Callable[[Morning], Spoilt]]] = {
    "planning": (
        edition_making,
        "_plan",
        lambda m: lambda _connection, schedule, *_: schedule.name == "two",
    ),
    "making": (
        edition_making,
        "make_edition",
        lambda m: lambda _connection, schedule, *_, **__: schedule == m.number("two"),
    ),
    "looking": (
        keeping,
        "view_edition",
        lambda m: lambda _connection, number, _now: number == m.edition_number("two"),
    ),
    "choosing": (
        keeping,
        "find_ready",
        lambda m: lambda view, *_: view.schedule.name == "two",
    ),
    "rendering and checking": (
        Firing,
        "check",
        lambda m: lambda _self, schedule, *_, **__: schedule.name == "two",
    ),
    "preparing the campaign": (
        Firing,
        "request",
        lambda m: lambda _self, schedule, *_, **__: schedule.name == "two",
    ),
    "freezing": (
        Firing,
        "fire",
        lambda m: lambda _self, _request, schedule, *_, **__: schedule.name == "two",
    ),
    "noting that it fired": (
        keeping,
        "move_edition",
        lambda m: lambda _connection, edition, *_, **__: edition.schedule_id == m.number("two"),
    ),
}


@pytest.mark.parametrize("step", EDITION_STEPS)
def test_a_fault_in_one_edition_holds_it_alone(
    step: str, tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = Morning(tmp_path, clock)
    owner, name, second = EDITION_STEPS[step]
    keeper = morning.keeper()
    with monkeypatch.context() as patch, capture_logs() as logs:
        spoil(patch, owner, name, second(morning))
        keeper.look()
        clock.advance(timedelta(hours=1))
        for _ in range(3):
            keeper.look()

    assert [morning.status_of(name) for name in ("one", "three")] == [EditionStatus.FIRED] * 2
    assert morning.status_of("two") is not EditionStatus.FIRED
    assert told(logs)["kind"] in ("edition", "schedule")
    (subject,) = subjects(morning)
    assert "two" in subject

    # The cause is gone: the next try of a process takes it up, and nobody has it twice.
    morning.keeper().look()
    morning.keeper().look()
    assert morning.status_of("two") is EditionStatus.FIRED
    assert len(morning.sent()) == 3
    assert morning.broken() == {}


def test_a_fault_while_one_edition_is_asked_about_keeps_no_other_from_being_asked_about(
    tmp_path: Path, clock: SettableClock
) -> None:
    morning = Morning(tmp_path, clock, approval=True)
    asked: list[int] = []

    def ask(edition: Any) -> None:
        if edition.schedule_id == morning.number("two"):
            raise RuntimeError(WORDS)
        asked.append(edition.schedule_id)

    clock.advance(timedelta(minutes=30))
    with capture_logs() as logs:
        morning.keeper(on_asked=ask).look()

    assert asked == [morning.number("one"), morning.number("three")]
    assert told(logs)["kind"] == "question"
    assert {morning.status_of(name) for name in NAMES} == {EditionStatus.HELD}


def test_a_zone_that_is_gone_holds_its_schedule_alone(tmp_path: Path, clock: SettableClock) -> None:
    morning = Morning(tmp_path, clock)
    with morning.database.write() as connection:
        connection.execute(
            update(schedules).where(schedules.c.name == "two").values(timezone="Europe/Atlantis")
        )
    keeper = morning.keeper()

    keeper.look()
    due = keeper.next_due()
    clock.advance(timedelta(hours=1))
    for _ in range(2):
        keeper.look()

    assert due == datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
    assert [morning.status_of(name) for name in ("one", "three")] == [EditionStatus.FIRED] * 2
    assert subjects(morning) == ["On hold: schedule 'two'"]
    assert "the time zone 'Europe/Atlantis' is not known" in morning.alert_text()


def test_a_fault_in_the_next_instant_of_one_schedule_leaves_the_others_theirs(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = Morning(tmp_path, clock)
    spoil(monkeypatch, Dues, "next_look", lambda _self, schedule, _now: schedule.name == "two")

    with capture_logs() as logs:
        due = morning.keeper().next_due()

    assert due is not None
    assert told(logs)["name"] == str(morning.number("two"))


# ---------------------------------------------------------------- questions and summaries


class Rounds:
    """What `OperatorRounds` calls: a part that fails, or counts."""

    def __init__(self, *, fails: bool) -> None:
        self.fails = fails
        self.calls = 0

    def _do(self) -> int:
        if self.fails:
            raise RuntimeError(WORDS)
        self.calls += 1
        return 0

    look = tell = _do


@pytest.mark.parametrize("part", ["questions", "summary"])
def test_a_fault_in_the_questions_or_the_summary_leaves_the_other(
    part: str, tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock, readers=0)
    asker: Any = Rounds(fails=part == "questions")
    teller: Any = Rounds(fails=part == "summary")
    rounds = OperatorRounds(asker, teller, Faults(stage.database, clock))

    with capture_logs() as logs:
        assert rounds._look(threading.Event())

    assert (asker.calls, teller.calls) == ((0, 1) if part == "questions" else (1, 0))
    assert told(logs)["name"] == part
    assert len(subjects(stage)) == 1


def test_a_fault_in_one_question_leaves_the_others(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = Morning(tmp_path, clock, approval=True)
    clock.advance(timedelta(minutes=30))
    morning.keeper(on_asked=None).look()
    asker = proof_mail.Asker(
        morning.database,
        morning.settings,
        TokenSigner(KEYS),
        clock,
        wake=lambda: None,
    )
    spoil(
        monkeypatch,
        proof_mail,
        "look_at_question",
        lambda _connection, edition, *_: edition.schedule_id == morning.number("two"),
    )

    with capture_logs() as logs:
        asked = asker.look()

    assert asked == 2
    assert told(logs)["kind"] == "question"
    assert any("question" in subject for subject in subjects(morning))


# ---------------------------------------------------------------- campaigns


CAMPAIGN_STEPS: dict[str, tuple[Any, str, Spoilt]] = {
    "starting": (
        due_work,
        "change_status_in",
        lambda _connection, campaign, *_, **__: campaign == 2,
    ),
    "looking": (campaign_runner, "wants_hands", lambda _connection, campaign, *_: campaign == 2),
    "opening": (campaign_runner, "get_campaign", lambda _connection, campaign: campaign == 2),
    "preparing": (Sender, "run", lambda _self, campaign, *_: campaign == 2),
    "claiming": (Lane, "_claim", lambda self: self._course.campaign.id == 2),
    "delivering": (Lane, "_deliver", lambda self, _batch: self._course.campaign.id == 2),
}


@pytest.mark.parametrize("step", CAMPAIGN_STEPS)
def test_a_fault_in_one_campaign_holds_it_alone(
    step: str, tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path, clock)
    later = clock.now() + timedelta(minutes=1)
    numbers = [
        stage.freeze(slug=f"digest-{n}", content_hash=str(n), not_before=later) for n in (1, 2, 3)
    ]
    clock.advance(timedelta(minutes=2))

    @contextmanager
    def open_sender(_campaign: Campaign) -> Iterator[Sender]:
        yield stage.sender(ScriptedProvider())

    runner = CampaignRunner(
        stage.database,
        "outbox",
        clock,
        open_sender,
        Told(after=lambda _campaign: None, trouble=lambda _campaign, _words: None),
        lease=timedelta(minutes=10),
        look_seconds=0.02,
        creator_seconds=0.0,
    )
    owner, name, second = CAMPAIGN_STEPS[step]
    with monkeypatch.context() as patch, capture_logs() as logs:
        spoil(patch, owner, name, second)
        runner.start()
        try:
            assert soon(lambda: all(stage.campaign(n).status == "sent" for n in (1, 3)))
            assert soon(lambda: "On hold after a fault: campaign 2" in subjects(stage))
        finally:
            runner.stop()
    assert numbers == [1, 2, 3]
    assert stage.campaign(2).status != "sent"
    assert told([line for line in logs if line["event"] == "held_by_a_fault"][:1])["campaign"] == 2

    assert sum(stage.totals(2).values()) == 5


# ---------------------------------------------------------------- letters


LETTER_STEPS: dict[str, tuple[Any, str, Spoilt]] = {
    "making": (LetterMaker, "mailing", lambda _self, letter: letter.id == 2),
    "addressing": (LetterMaker, "envelope", lambda _self, letter: letter.id == 2),
}


@pytest.mark.parametrize("step", [*LETTER_STEPS, "handing over"])
def test_a_fault_in_one_letter_holds_it_alone(
    step: str, tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = LetterStage(tmp_path, clock)
    for name in NAMES:
        stage.ask(f"{name}@example.org")
    provider = ScriptedProvider()
    if step == "handing over":

        def script(envelope: Any) -> Any:
            if envelope.address.startswith("two"):
                raise RuntimeError(WORDS)
            return ScriptedProvider().script(envelope)

        provider.script = script
    else:
        owner, name, second = LETTER_STEPS[step]
        spoil(monkeypatch, owner, name, second)

    with capture_logs() as logs:
        done = stage.carrier(provider).deliver_due()

    assert done.counts["accepted"] == 2
    assert not done.blocked
    assert told(logs)["kind"] == "letter"
    assert subjects(stage) == ["On hold after a fault: letter 2 (confirm)"]


def test_a_fault_while_a_lost_letter_is_settled_holds_it_alone(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = LetterStage(tmp_path, clock)
    for name in NAMES:
        stage.ask(f"{name}@example.org")
    lost = ScriptedProvider(lambda _envelope: OutcomeKind.UNKNOWN)
    stage.carrier(lost).deliver_due()
    stage.later(minutes=10)
    spoil(monkeypatch, letters, "retry_lost", lambda _connection, letter, _now: letter.id == 2)

    with capture_logs() as logs:
        stage.carrier(ScriptedProvider()).deliver_due()

    assert told(logs)["name"] == "2"
    accepted, unknown = DeliveryState.ACCEPTED, DeliveryState.UNKNOWN
    assert [row.state for row in stage.rows()] == [accepted, unknown, accepted]


# ---------------------------------------------------------------- alerts


@pytest.mark.parametrize("step", ["note_way", "settle_alert"])
def test_a_fault_in_one_alert_leaves_the_others(
    step: str, tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = AlertStage(tmp_path, clock, readers=0)
    for name in NAMES:
        stage.trouble(name, name)
    spoil(monkeypatch, alert_post, step, lambda _connection, claimed, *_: claimed.notice.alert == 2)

    with capture_logs() as logs:
        done = stage.post(mail_to=["ops@operator.example"]).tell()

    assert done == 2
    assert stage.told() == [True, False, True]
    assert told(logs)["name"] == "2"
    assert subjects(stage) == list(NAMES)


# ---------------------------------------------------------------- what comes back


EVENT_STEPS: dict[str, tuple[Any, str, Spoilt]] = {
    "understanding": (applying, "concern_of", lambda row, *_: row.address == "reader2@example.org"),
    "moving": (
        applying,
        "move_deliveries",
        lambda _connection, concerns, *_, **__: any(c.subscriber == 2 for c in concerns),
    ),
    "suppressing": (
        applying,
        "suppress_readers",
        lambda _connection, concerns, *_, **__: any(c.subscriber == 2 for c in concerns),
    ),
    "taking off lists": (
        applying,
        "take_off_lists",
        lambda _connection, concerns, *_, **__: any(c.subscriber == 2 for c in concerns),
    ),
    "marking": (
        applying,
        "_mark",
        lambda _connection, concerns, _now: any(c.subscriber == 2 for c in concerns),
    ),
}


@pytest.mark.parametrize("step", EVENT_STEPS)
def test_a_fault_in_one_event_holds_it_alone(
    step: str, tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    stage.send()
    owner, name, second = EVENT_STEPS[step]
    events = [stage.event(EventKind.BOUNCED, n, bounce=HARD) for n in (1, 2, 3)]
    with monkeypatch.context() as patch, capture_logs() as logs:
        spoil(patch, owner, name, second)
        done = stage.tell(*events)
        again = stage.applier.apply_waiting()

    assert (done.events, done.suppressed, again.events) == (2, 2, 0)
    assert set(stage.suppressed()) == {"reader1@example.org", "reader3@example.org"}
    assert told(logs)["kind"] == "event"
    assert subjects(stage) == ["On hold after a fault: event 2"]

    # Another process, or this one after the pause, takes it up: once.
    healed = FeedbackStage.__new__(FeedbackStage)
    healed.__dict__ |= stage.__dict__
    healed.applier = type(stage.applier)(
        stage.database, KEYS, clock, stage.settings, wait=lambda _seconds: None
    )
    assert healed.applier.apply_waiting().suppressed == 1
    assert len(stage.suppressed()) == 3


def test_a_fault_in_the_review_of_one_campaign_leaves_the_others(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    for _ in NAMES:
        stage.send()
    spoil(
        monkeypatch,
        applying.Applier,
        "_review",
        lambda _self, _connection, campaign: campaign == 2,
    )

    with capture_logs() as logs:
        stage.applier.apply_waiting()

    with stage.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT id FROM campaigns WHERE reviewed_at IS NOT NULL")
        assert [row[0] for row in rows] == [1, 3]
    assert told(logs)["campaign"] == 2


@pytest.mark.parametrize("step", ["parse_bounce", "events_of"])
def test_a_fault_in_one_mail_keeps_it_for_people_and_the_others_count(
    step: str, tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Mailroom(FeedbackStage(tmp_path, clock))
    mails = [status_report(f"reader{n}@example.org", to=room.path(n)) for n in (1, 2, 3)]
    calls: list[None] = []

    def second(*_: Any, **__: Any) -> bool:
        calls.append(None)
        return len(calls) == 2

    with monkeypatch.context() as patch, capture_logs() as logs:
        spoil(patch, ingesting, step, second)
        taken = room.intake().take_all(mails, "maildir")
        room.stage.applier.apply_waiting()

    assert [one.handled for one in taken] == [True, False, True]
    assert (room.kept / taken[1].kept).read_bytes() == mails[1]
    assert set(room.stage.suppressed()) == {"reader1@example.org", "reader3@example.org"}
    assert told(logs)["kind"] == "mail"
    assert subjects(room.stage) == ["On hold after a fault: a mail that came back (maildir)"]


# ---------------------------------------------------------------- the mechanism itself


def test_a_held_thing_rests_and_is_told_of_once_a_day(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "REST_SECONDS", (0.0, 0.0))
    stage = Stage(tmp_path, clock, readers=0)
    guard = Faults(stage.database, clock)
    thing = Thing("edition", "7", "the edition of today")
    for days in (0, 0, 1):
        clock.advance(timedelta(days=days))
        with guard.holding(thing):
            raise RuntimeError

    assert subjects(stage) == ["On hold after a fault: the edition of today"] * 2
    monkeypatch.setattr(faults, "REST_SECONDS", (60.0, 600.0))
    with guard.holding(thing):
        raise RuntimeError
    assert guard.is_held(thing)
    assert not guard.is_held(Thing("edition", "8", "another"))


def test_a_trace_shows_causes_and_no_words_of_exceptions(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock, readers=0)

    def inner() -> None:
        raise KeyError(WORDS)

    with capture_logs() as logs, Faults(stage.database, clock).holding(Thing("job", "x", "a job")):
        try:
            inner()
        except KeyError as error:
            raise RuntimeError(WORDS) from error

    (line,) = logs[:1]
    assert line["trace"].count("test_faults.py") >= 2
    assert "KeyError" in line["trace"]
    assert "reader2" not in str(line)


def test_a_database_that_is_gone_ends_no_work_by_the_alert_about_a_fault(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock, readers=0)
    with stage.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE alerts RENAME TO away")

    with Faults(stage.database, clock).holding(Thing("job", "x", "a job")):
        raise RuntimeError
