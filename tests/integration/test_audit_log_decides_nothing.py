"""The audit log is for people: emptied, it changes nothing of who is mailed and what is sent."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider
from tests.fakes.smtp_server import SmtpServer
from tests.integration.delivery.letter_stage import LetterStage
from tests.integration.delivery.wave_stage import WaveStage, watch
from tests.integration.feedback.feedback_stage import DAY, HARD, FeedbackStage
from tests.integration.schedule.keeping_stage import DUE, KeepingStage

import newsletter
from newsletter.audience.address import parse_address
from newsletter.audience.erasing import erase_again, erase_subscriber
from newsletter.audience.letters import LetterLimits
from newsletter.audience.preferences import ask_to_change_address, confirm_new_address
from newsletter.audience.subscribers import add_subscriber, find_subscriber
from newsletter.audience.suppressions import end_suppression, lift_suppression
from newsletter.audience.tokens import TokenClaims
from newsletter.clock import SettableClock
from newsletter.delivery.campaigns import change_status
from newsletter.delivery.holding import announce_copy
from newsletter.delivery.letter_holding import count_held, release_letters
from newsletter.feedback.events import EventKind, Provenance
from newsletter.providers.base import OutcomeKind
from newsletter.schedule.model import EditionStatus
from newsletter.storage.database import Database
from newsletter.storage.tables import audit_log

K = EventKind


def lose_the_log(database: Database) -> None:
    """Let the log be empty from now on, whatever is written into it."""
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM audit_log")
        connection.exec_driver_sql(
            "CREATE TRIGGER lose AFTER INSERT ON audit_log BEGIN DELETE FROM audit_log; END"
        )


@pytest.fixture
def feedback(tmp_path: Path, clock: SettableClock) -> Iterator[FeedbackStage]:
    made = FeedbackStage(tmp_path, clock, readers=150, brakes={"hard_bounce_after": 100})
    lose_the_log(made.database)
    yield made
    hold_to_it(made)


@pytest.fixture
def waves(tmp_path: Path, clock: SettableClock) -> Iterator[WaveStage]:
    clock.advance(datetime(2026, 11, 23, 16, 0, tzinfo=UTC) - clock.now())
    made = WaveStage(tmp_path, clock, readers=0)
    lose_the_log(made.database)
    yield made
    hold_to_it(made)


@pytest.fixture
def letters(tmp_path: Path, clock: SettableClock) -> Iterator[LetterStage]:
    made = LetterStage(tmp_path, clock, readers=1)
    lose_the_log(made.database)
    yield made
    hold_to_it(made)


def hold_to_it(stage: Stage) -> None:
    with stage.database.read() as connection:
        assert connection.execute(select(func.count(audit_log.c.id))).scalar_one() == 0
    stage.database.close()


def test_a_wave_that_nobody_sent_in_time_is_not_sent_late(waves: WaveStage) -> None:
    waves.settle("Asia/Tokyo", "Europe/Paris", None, "America/Los_Angeles")
    campaign = waves.freeze_waves()
    waves.clock.advance(datetime(2026, 11, 24, 12, tzinfo=UTC) - waves.clock.now())

    with SmtpServer() as server:
        seen = watch(waves, campaign, server, hours=6)

    assert sorted(seen) == [f"reader{number}@example.org" for number in (2, 3, 4)]
    assert waves.totals(campaign) == {"accepted": 3, "expired": 1}


def test_a_brake_that_an_operator_let_go_does_not_brake_again(feedback: FeedbackStage) -> None:
    campaign = feedback.freeze()
    feedback.sender(
        ScriptedProvider(
            lambda envelope: (
                OutcomeKind.DEFERRED if envelope.delivery.subscriber > 120 else OutcomeKind.ACCEPTED
            )
        )
    ).run(campaign)
    feedback.tell(*(feedback.event(K.BOUNCED, n, campaign, bounce=HARD) for n in range(1, 9)))
    braked = feedback.status(campaign)[0]
    change_status(feedback.database, campaign, "resume", feedback.clock.now(), actor="test")

    feedback.tell(feedback.event(K.BOUNCED, 20, campaign, bounce=HARD))

    assert (braked, feedback.status(campaign)[0]) == ("paused", "sending")


def test_a_lifted_suppression_does_not_come_back_with_an_old_event(
    feedback: FeedbackStage,
) -> None:
    feedback.send()
    bounced_at = feedback.clock.now()
    feedback.tell(feedback.event(K.BOUNCED, 1, bounce=HARD))
    feedback.clock.advance(DAY)
    with feedback.database.write() as connection:
        address = parse_address("reader1@example.org")
        lift_suppression(connection, KEYS, address, feedback.clock.now(), actor="test")

    feedback.tell(feedback.event(K.BOUNCED, 1, bounce=HARD, at=bounced_at))

    assert feedback.suppressed() == {}


def test_old_news_of_an_address_that_was_left_does_not_suppress_the_new_one(
    feedback: FeedbackStage,
) -> None:
    feedback.send()
    feedback.clock.advance(timedelta(hours=1))
    with feedback.database.write() as connection:
        ask_to_change_address(
            connection,
            1,
            feedback.list_id,
            parse_address("new@example.net"),
            KEYS,
            now=feedback.clock.now(),
            limits=LetterLimits(),
        )
    with feedback.database.write() as connection:
        claims = TokenClaims(1, feedback.list_id, number=1)
        assert confirm_new_address(connection, claims, KEYS, feedback.clock.now())

    feedback.tell(feedback.event(K.BOUNCED, 1, bounce=HARD, provenance=Provenance.MAIL))

    assert "new@example.net" not in feedback.suppressed()
    assert list(feedback.suppressed().values()) == ["hard_bounce"]


def test_letters_of_a_copy_wait_for_the_operators_word(letters: LetterStage) -> None:
    letters.ask("before@example.org")
    announce_copy(letters.database, letters.clock.now(), "test")
    provider = ScriptedProvider()

    letters.carrier(provider).deliver_due()
    with letters.database.read() as connection:
        waiting = count_held(connection)
    at_first = list(provider.handed)
    release_letters(letters.database, letters.clock.now(), actor="test")
    letters.carrier(provider).deliver_due()

    assert (waiting, at_first) == (1, [])
    assert [envelope.address for envelope in provider.handed] == ["before@example.org"]


def test_a_copy_fires_no_edition_by_itself(tmp_path: Path, clock: SettableClock) -> None:
    stage = KeepingStage(tmp_path, clock)
    lose_the_log(stage.database)
    stage.schedule()
    stage.write()
    announce_copy(stage.database, clock.now(), "test")

    waiting = stage.look(at=DUE)

    assert waiting is not None
    assert waiting.status is EditionStatus.WAITING
    hold_to_it(stage)


@pytest.mark.parametrize(("back_after_days", "stays"), [(1, True), (-1, False)])
def test_who_was_erased_is_erased_again_unless_they_came_back_since(
    feedback: FeedbackStage, back_after_days: int, stays: bool
) -> None:
    now, database = feedback.clock.now(), feedback.database
    with database.read() as connection:
        reader = find_subscriber(connection, parse_address("reader1@example.org"))
    erase_subscriber(database, reader.id, KEYS, now, actor="test", forget_mail=lambda _names: None)
    mark, back = KEYS.hash_address("reader1@example.org"), now + back_after_days * DAY
    with database.write() as connection:
        end_suppression(connection, mark, back, actor="subscriber", detail={})
        add_subscriber(
            connection,
            parse_address("reader1@example.org"),
            feedback.list_id,
            KEYS,
            back,
            actor="test",
            consent="a test",
        )

    erase_again(database, KEYS, now + 2 * DAY, actor="test")

    assert (feedback.suppressed() == {}) is stays


def test_nothing_but_words_and_checks_is_made_of_the_audit_log() -> None:
    package = Path(newsletter.__file__).parent
    readers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(
            isinstance(node, ast.Name) and node.id == "audit_log"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    }

    assert readers == {
        # Makes the table, and writes it.
        "storage/tables.py",
        "storage/audit.py",
        # Shows why a reader was paused.
        "audience/story.py",
        # Tells how old a backup is.
        "delivery/restoring.py",
        # Hold the ledger against the log, for `newsletter verify`.
        "delivery/invariants_leaving.py",
        "delivery/invariants_letters.py",
        "delivery/invariants_suspicions.py",
    }
