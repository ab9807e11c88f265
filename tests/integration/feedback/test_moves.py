"""Whatever sends, comes back or is decided: states move along the one table, and no other way."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from tests.fakes.provider import ScriptedProvider
from tests.integration.delivery.letter_stage import LetterStage
from tests.integration.feedback.feedback_stage import HARD, SOFT, FeedbackStage

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.campaigns import change_status
from newsletter.delivery.domains import hold_domain
from newsletter.delivery.holding import announce_copy
from newsletter.delivery.letter_claims import letter_delivery
from newsletter.delivery.limits import open_limits
from newsletter.delivery.outcomes import RETRY_MARK
from newsletter.delivery.resolving import decide_unknown
from newsletter.delivery.states import MOVES, PROOFS, DeliveryState
from newsletter.errors import NewsletterError
from newsletter.feedback.events import EventKind
from newsletter.providers.base import DeliveryId, Envelope, Outcome, OutcomeKind
from newsletter.storage.database import Database
from newsletter.storage.tables import alerts, deliveries, events, letters

K, S = EventKind, DeliveryState


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> FeedbackStage:
    return FeedbackStage(tmp_path, clock)


@pytest.mark.parametrize("kind", [K.PROCESSED, K.DELIVERED, K.OPENED, K.BLOCKED, K.REPLIED])
def test_news_of_a_message_that_never_left_takes_nobody_out_of_a_send(
    stage: FeedbackStage, kind: EventKind
) -> None:
    campaign = stage.freeze()

    done = stage.tell(stage.event(kind, 2, campaign))
    waits = stage.row(2, campaign)
    provider = ScriptedProvider()
    stage.sender(provider).run(campaign)

    assert (done.moved, waits) == (0, ("pending", None))
    assert "reader2@example.org" in [envelope.address for envelope in provider.handed]
    assert stage.totals(campaign) == {"accepted": 5}


def test_news_of_messages_that_never_left_is_kept_and_told_once_for_a_campaign(
    stage: FeedbackStage,
) -> None:
    campaign = stage.freeze()

    stage.tell(*(stage.event(K.DELIVERED, n, campaign) for n in (1, 2)))
    stage.tell(stage.event(K.DELIVERED, 3, campaign))

    assert stage.alerts() == ["sent_elsewhere"]
    with stage.database.read() as connection:
        (body,) = connection.execute(select(alerts.c.body)).scalars()
        kept = connection.execute(
            select(events.c.campaign_id, events.c.subscriber_id).where(
                events.c.applied_at.is_not(None)
            )
        ).all()
    assert "were never sent from here: of 2 readers so far" in body
    assert [tuple(row) for row in kept] == [(campaign, 1), (campaign, 2), (campaign, 3)]


def test_what_never_left_stays_also_where_it_waits_for_a_domain_or_is_over(
    stage: FeedbackStage,
) -> None:
    campaign = stage.freeze()
    for subscriber, state in ((1, S.DEFERRED), (2, S.SKIPPED), (3, S.EXPIRED)):
        stage.set_state(campaign, subscriber, state)

    done = stage.tell(*(stage.event(K.DELIVERED, n, campaign) for n in (1, 2, 3)))

    assert done.moved == 0
    assert [stage.row(n, campaign)[0] for n in (1, 2, 3)] == ["deferred", "skipped", "expired"]


def test_a_reader_who_complains_of_another_copys_message_is_listened_to_all_the_same(
    stage: FeedbackStage,
) -> None:
    campaign = stage.freeze()

    stage.tell(stage.event(K.COMPLAINED, 1, campaign), stage.event(K.BOUNCED, 2, bounce=HARD))

    assert stage.suppressed() == {
        "reader1@example.org": "complaint",
        "reader2@example.org": "hard_bounce",
    }
    assert stage.standing(1)[0] == "unsubscribed"
    assert [stage.row(n, campaign)[0] for n in (1, 2)] == ["pending", "pending"]


def test_news_of_another_address_than_the_waiting_readers_is_nobodys(stage: FeedbackStage) -> None:
    campaign = stage.freeze()

    done = stage.tell(stage.event(K.COMPLAINED, 1, campaign, address="somebody@example.net"))

    assert (done.strangers, done.suppressed, done.moved) == (1, 0, 0)
    assert stage.standing(1)[0] == "active"
    assert stage.alerts() == []


def test_news_of_a_first_try_keeps_the_second_from_going_out(stage: FeedbackStage) -> None:
    campaign = stage.send(provider=ScriptedProvider(lambda _envelope: OutcomeKind.UNKNOWN))
    decide_unknown(stage.database, campaign, "retry", stage.clock.now(), actor="test")
    waits = stage.row(1, campaign)

    stage.tell(stage.event(K.DELIVERED, 1, campaign))
    provider = ScriptedProvider()
    stage.sender(provider).run(campaign)

    assert waits == ("pending", RETRY_MARK)
    assert "reader1@example.org" not in [envelope.address for envelope in provider.handed]
    assert stage.row(1, campaign) == ("delivered", None)
    assert "sent_elsewhere" not in stage.alerts()


@pytest.mark.parametrize("state", [state for state in S if state < S.ACCEPTED])
def test_late_proof_is_believed_of_whatever_was_handed_over_once(
    stage: FeedbackStage, state: DeliveryState
) -> None:
    campaign = stage.send()
    stage.set_state(campaign, 1, state)

    stage.tell(stage.event(K.DELIVERED, 1, campaign))

    assert stage.row(1, campaign) == ("delivered", None)


def test_a_letter_that_was_never_claimed_is_not_taken_for_sent(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock, readers=0)
    LetterStage.ask(stage)  # type: ignore[arg-type]
    with stage.database.read() as connection:
        row = connection.execute(select(letters.c.id, letters.c.created_at)).one()
    name = letter_delivery(row.id, row.created_at)

    stage.tell(stage.event(K.DELIVERED, 1, delivery=name, address="newcomer@example.org"))
    with stage.database.read() as connection:
        before = connection.execute(select(letters.c.state)).scalar_one()
    with stage.database.write() as connection:
        connection.execute(update(letters).values(fence="a carrier's", state=S.UNKNOWN))
    stage.tell(stage.event(K.DELIVERED, 1, delivery=name, address="newcomer@example.org"))

    with stage.database.read() as connection:
        after = connection.execute(select(letters.c.state)).scalar_one()
    assert (S(before), S(after)) == (S.PENDING, S.DELIVERED)


# -- every write ------------------------------------------------------------------------------

_OUTCOMES = tuple(OutcomeKind)
_NEWS = (
    (K.PROCESSED, None),
    (K.DELIVERED, None),
    (K.BOUNCED, HARD),
    (K.BOUNCED, SOFT),
    (K.DROPPED, None),
    (K.COMPLAINED, None),
)


@dataclass
class Play:
    """A stage on which anything may happen, and a record of each move of a state."""

    stage: FeedbackStage
    draw: Callable[[st.SearchStrategy[object]], object]
    campaign: int = 0
    late: list[ledger.Batch] = field(default_factory=list)

    def send(self) -> None:
        outcomes = self.draw(st.lists(st.sampled_from(_OUTCOMES), min_size=1, max_size=4))
        assert isinstance(outcomes, list)
        answers = itertools.cycle(outcomes)
        provider = ScriptedProvider(batch_limit=2)

        def answer(_envelope: Envelope) -> OutcomeKind:
            if len(provider.handed) >= 10:
                sender.stop.set()
            return next(answers)

        provider.script = answer
        limits = open_limits(self.stage.settings, self.stage.database)
        sender = self.stage.sender(provider, limits)
        sender.wait = lambda _seconds: sender.stop.set()
        sender.run(self.campaign)

    def claim_and_die(self) -> None:
        worker = ledger.Worker("slow", None, timedelta(minutes=10))
        batch = self.stage.claim(self.campaign, worker, limit=2)
        if batch is not None:
            self.late.append(batch)

    def answer_late(self) -> None:
        for batch in self.late:
            outcomes = [
                Outcome(
                    DeliveryId(batch.campaign, recipient.subscriber),
                    OutcomeKind.ACCEPTED,
                    code=250,
                )
                for recipient in batch.recipients
            ]
            ledger.record(
                self.stage.database,
                batch,
                outcomes,
                self.stage.clock.now(),
                jitter=0.5,
                provider="outbox",
            )
        self.late.clear()

    def hear(self) -> None:
        kind, bounce = self.draw(st.sampled_from(_NEWS))  # type: ignore[misc]
        reader = self.draw(st.integers(1, 5))
        assert isinstance(reader, int)
        self.stage.tell(self.stage.event(kind, reader, self.campaign, bounce=bounce))

    def leave(self) -> None:
        with self.stage.database.write() as connection:
            leaver = find_subscriber(connection, parse_address("reader4@example.org"))
            unsubscribe(connection, leaver.id, None, self.stage.clock.now(), Origin("one-click"))

    def hold_a_domain(self) -> None:
        with self.stage.database.write() as connection:
            hold_domain(
                connection,
                "example.org",
                duration=timedelta(minutes=30),
                reason="refused",
                campaign=self.campaign,
                at=self.stage.clock.now(),
            )

    def decide(self) -> None:
        word = self.draw(st.sampled_from(["retry", "accepted", "rejected"]))
        now = self.stage.clock.now()
        decide_unknown(self.stage.database, self.campaign, str(word), now, actor="test")

    def change(self) -> None:
        word = self.draw(st.sampled_from(["pause", "resume", "cancel"]))
        now = self.stage.clock.now()
        change_status(self.stage.database, self.campaign, str(word), now, actor="test")

    def copy(self) -> None:
        announce_copy(self.stage.database, self.stage.clock.now(), "test")

    def wait(self) -> None:
        hours = self.draw(st.sampled_from([1, 5, 13]))
        assert isinstance(hours, int)
        self.stage.clock.advance(timedelta(hours=hours))


_ACTS = (
    *(Play.send, Play.send, Play.hear, Play.hear, Play.wait, Play.decide, Play.change),
    *(Play.claim_and_die, Play.answer_late, Play.leave, Play.hold_a_domain, Play.copy),
)


def watch_states(database: Database) -> None:
    """Let the database itself note each move of a state, and whether the row was ever claimed."""
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE moves_seen (old int, new int, claimed int)")
        connection.exec_driver_sql(
            "CREATE TRIGGER watch AFTER UPDATE OF state ON deliveries WHEN old.state <> new.state "
            "BEGIN INSERT INTO moves_seen VALUES (old.state, new.state, "
            "old.attempt_id IS NOT NULL); END"
        )


@settings(max_examples=30)
@given(data=st.data())
def test_each_write_of_a_state_is_a_move_of_the_table(data: st.DataObject) -> None:
    legal = {(state, after) for (state, _), after in MOVES.items()}
    with tempfile.TemporaryDirectory() as folder:
        clock = SettableClock(datetime(2026, 11, 24, 6, 0, tzinfo=UTC))
        stage = FeedbackStage(Path(folder), clock)
        watch_states(stage.database)
        play = Play(stage, data.draw, stage.freeze())
        for act in data.draw(st.lists(st.sampled_from(_ACTS), min_size=3, max_size=12)):
            # A word that does not fit is refused, and that is all.
            with suppress(NewsletterError):
                act(play)
        with stage.database.read() as connection:
            seen = connection.exec_driver_sql("SELECT DISTINCT * FROM moves_seen").all()
            all_told = connection.execute(select(deliveries.c.state)).all()
        stage.database.close()

    for old, new, claimed in seen:
        assert (S(old), S(new)) in legal
        assert claimed or S(new) not in PROOFS
    assert len(all_told) == 5
