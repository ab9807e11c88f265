"""Letters in a copy of the database wait for the operator's word (G19)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.fakes.provider import ScriptedProvider
from tests.integration.delivery.letter_stage import NEWCOMER, LetterStage

from newsletter.clock import SettableClock
from newsletter.delivery.holding import announce_copy
from newsletter.delivery.letter_holding import count_held, release_letters
from newsletter.delivery.letter_reports import look_at_letters
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.restoring import restore
from newsletter.delivery.states import DeliveryState
from newsletter.errors import TryAgainLater
from newsletter.providers.base import Envelope, OutcomeKind
from newsletter.providers.outbox import Outbox
from newsletter.storage.backups import backup
from newsletter.storage.copies import mark_path
from newsletter.storage.tables import audit_log


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[LetterStage]:
    made = LetterStage(tmp_path, clock, readers=1)
    yield made
    made.database.close()


def sent_to(stage: LetterStage) -> list[str]:
    provider = ScriptedProvider()
    stage.carrier(provider).deliver_due()
    return [envelope.address for envelope in provider.handed]


def held(stage: LetterStage) -> int:
    with stage.database.read() as connection:
        return count_held(connection)


def test_a_declared_copy_holds_the_letters_it_was_made_with_until_they_are_released(
    stage: LetterStage,
) -> None:
    stage.ask("before@example.org")
    announce_copy(stage.database, stage.clock.now(), "test")
    stage.later(minutes=1)
    stage.ask("since@example.org")

    at_first = sent_to(stage)
    waiting = held(stage)
    released = release_letters(stage.database, stage.clock.now(), actor="test")

    assert at_first == ["since@example.org"]
    assert waiting == released == 1
    assert sent_to(stage) == ["before@example.org"]
    assert held(stage) == 0
    with stage.database.read() as connection:
        actions = connection.execute(select(audit_log.c.action)).scalars().all()
    assert actions[-1] == "letters.release"


def test_a_copy_that_nobody_announced_is_recognised_before_a_letter_leaves(
    stage: LetterStage,
) -> None:
    stage.sender(ScriptedProvider()).run(stage.freeze())
    stage.ask(NEWCOMER)
    assert stage.database.path is not None
    mark_path(stage.database.path).unlink()
    stage.later(seconds=1)

    sent = sent_to(stage)

    assert sent == []
    assert held(stage) == 1
    assert sent_to(stage) == [], "the mark is renewed by now, and they wait all the same"
    with stage.database.read() as connection:
        [health] = look_at_letters(connection, stage.clock.now())
    assert (health.ok, health.fix) == (False, "newsletter letters send --held")


def test_a_copy_that_somebody_sends_from_is_left_to_them(stage: LetterStage) -> None:
    stage.sender(ScriptedProvider()).run(stage.freeze())
    stage.ask(NEWCOMER)
    assert stage.database.path is not None
    mark_path(stage.database.path).unlink()

    with sender_lock(stage.database), pytest.raises(TryAgainLater):
        stage.carrier(ScriptedProvider()).deliver_due()

    assert [state for _, state, _ in stage.states()] == [DeliveryState.PENDING]


def test_a_hold_during_a_round_ends_it(stage: LetterStage) -> None:
    for number in range(3):
        stage.ask(f"n{number}@example.org")

    def hold_now(_envelope: Envelope) -> OutcomeKind:
        announce_copy(stage.database, stage.clock.now(), "test")
        return OutcomeKind.ACCEPTED

    provider = ScriptedProvider(hold_now)
    stage.carrier(provider).deliver_due()

    assert len(provider.handed) == 1
    assert held(stage) == 2


def test_a_restored_backup_sends_nothing_again_and_mistakes_no_new_letter_for_an_old_one(
    stage: LetterStage,
) -> None:
    outbox = Outbox(stage.folder / "outbox", stage.clock)
    saved = backup(stage.database, stage.clock)
    stage.later(minutes=1)
    stage.ask("lost@example.org")
    stage.carrier(outbox).deliver_due()
    stage.database.close()
    restore(stage.database, saved, stage.clock, actor="test")
    stage.later(minutes=1)

    # It gets the number of the letter that the backup does not know.
    stage.ask("new@example.org")
    stage.carrier(outbox).deliver_due()

    files = list((stage.folder / "outbox").rglob("*.eml"))
    assert [row.id for row in stage.rows()] == [1]
    assert len(files) == 2
    assert any(b"new@example.org" in path.read_bytes() for path in files)


def test_a_backup_restored_with_a_waiting_letter_holds_it(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    saved = backup(stage.database, stage.clock)
    first = sent_to(stage)
    stage.database.close()
    stage.later(minutes=1)

    restore(stage.database, saved, stage.clock, actor="test")
    again = sent_to(stage)

    assert first == [NEWCOMER]
    assert again == []
    assert held(stage) == 1
