"""Feedback in the background: applied when woken, and its words forgotten after a while."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from tests.integration.feedback.feedback_stage import HARD, FeedbackStage

from newsletter.clock import SettableClock
from newsletter.feedback.applying import Applied
from newsletter.feedback.events import EventKind
from newsletter.feedback.keeping import FeedbackKeeper, forget_details
from newsletter.storage.tables import events


def test_what_is_stored_is_applied_once_the_keeper_is_woken(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    stage.send()
    told: list[Applied] = []
    done = threading.Event()

    def applied(what: Applied) -> None:
        told.append(what)
        done.set()

    keeper = FeedbackKeeper(stage.applier, applied, look_seconds=3600)
    keeper.start()
    try:
        stage.store(stage.event(EventKind.BOUNCED, 1, bounce=HARD))
        keeper.wake()
        assert done.wait(60)
    finally:
        keeper.stop()

    assert [one.suppressed for one in told] == [1]
    assert stage.suppressed() == {"reader1@example.org": "hard_bounce"}


def test_words_and_addresses_of_old_events_are_forgotten_and_what_they_prove_is_not(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    stage.send()
    stage.tell(stage.event(EventKind.BOUNCED, 1, bounce=HARD, detail={"status": "5.1.1"}))
    clock.advance(timedelta(days=2))
    stage.tell(stage.event(EventKind.DELIVERED, 2, detail={"response": "250 ok"}))

    assert forget_details(stage.database, clock.now() - timedelta(days=1)) == 1
    assert forget_details(stage.database, clock.now() - timedelta(days=1)) == 0

    old, new = stage.read(lambda c: c.execute(select(events).order_by(events.c.id)).all())
    assert (old.kind, old.bounce, old.subscriber_id, old.campaign_id) == ("bounced", "hard", 1, 1)
    assert (old.address, old.address_hash, old.domain, old.detail) == (None, None, None, None)
    assert new.address == "reader2@example.org"
    assert stage.broken() == {}
