"""What follows from events: the right person, once, whatever comes first."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from tests.builders import KEYS
from tests.fakes.provider import ScriptedProvider, in_smtp
from tests.integration.feedback.feedback_stage import (
    BLOCKED,
    DAY,
    HARD,
    SOFT,
    FeedbackStage,
    mornings,
)

from newsletter.audience.address import parse_address
from newsletter.audience.preferences import end_pause
from newsletter.audience.suppressions import lift_suppression
from newsletter.clock import SettableClock
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.campaigns import change_status
from newsletter.feedback.events import Arrival, EventKind, Provenance
from newsletter.providers.base import DeliveryId, Envelope, OutcomeKind
from newsletter.storage.database import open_database
from newsletter.storage.tables import consents, deliveries, events

K = EventKind


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> FeedbackStage:
    """A stage whose campaign 1 was accepted for all five readers, on each database."""
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    made = FeedbackStage(tmp_path, clock, url=url)
    made.send()
    clock.advance(timedelta(minutes=5))
    return made


def test_a_hard_bounce_suppresses_its_reader_and_nobody_else(stage: FeedbackStage) -> None:
    applied = stage.tell(stage.event(K.BOUNCED, 2, bounce=HARD), stage.event(K.DELIVERED, 3))

    assert stage.row(2) == ("bounced", "hard")
    assert stage.row(3) == ("delivered", None)
    assert stage.row(1)[0] == "accepted"
    assert stage.suppressed() == {"reader2@example.org": "hard_bounce"}
    assert (applied.moved, applied.suppressed) == (2, 1)
    assert stage.broken() == {}


def test_a_blocked_message_and_a_soft_bounce_suppress_nobody(stage: FeedbackStage) -> None:
    stage.tell(stage.event(K.BLOCKED, 1, bounce=BLOCKED), stage.event(K.BOUNCED, 2, bounce=SOFT))

    assert stage.row(1) == ("bounced", "blocked")
    assert stage.row(2) == ("bounced", "soft")
    assert stage.suppressed() == {}


def test_a_complaint_takes_its_reader_off_every_list_and_suppresses(stage: FeedbackStage) -> None:
    stage.tell(stage.event(K.COMPLAINED, 4))

    assert stage.row(4) == ("complained", None)
    assert stage.standing(4)[0] == "unsubscribed"
    assert stage.suppressed() == {"reader4@example.org": "complaint"}
    assert stage.broken() == {}


def test_a_complaint_is_not_hidden_behind_an_earlier_hard_bounce(stage: FeedbackStage) -> None:
    stage.tell(stage.event(K.BOUNCED, 4, bounce=HARD))

    stage.tell(stage.event(K.COMPLAINED, 4))

    assert stage.suppressed() == {"reader4@example.org": "complaint"}


def test_an_unsubscribe_leaves_the_list_of_the_message_with_evidence(stage: FeedbackStage) -> None:
    stage.tell(stage.event(K.UNSUBSCRIBED, 5))

    assert stage.standing(5)[0] == "unsubscribed"
    assert stage.suppressed() == {}
    how = stage.read(
        lambda connection: connection.execute(
            select(consents.c.how).where(
                consents.c.subscriber_id == 5, consents.c.act == "withdrawn"
            )
        ).scalar_one()
    )
    assert how == "provider"


def test_an_unsubscribe_that_is_older_than_a_new_consent_changes_nothing(
    stage: FeedbackStage,
) -> None:
    before = stage.clock.now()
    stage.tell(stage.event(K.UNSUBSCRIBED, 5))
    stage.clock.advance(timedelta(hours=1))
    stage.join("reader5@example.org")

    stage.tell(stage.event(K.UNSUBSCRIBED, 5, at=before))

    assert stage.standing(5)[0] == "active"


def test_an_event_settles_an_unknown_delivery_and_finishes_the_campaign(
    tmp_path: Path, clock: SettableClock
) -> None:
    lost = ScriptedProvider(
        lambda envelope: (
            OutcomeKind.UNKNOWN if envelope.delivery.subscriber == 2 else OutcomeKind.ACCEPTED
        )
    )
    stage = FeedbackStage(tmp_path, clock)
    stage.send(provider=lost)
    assert stage.status()[0] == "sending"

    stage.tell(stage.event(K.PROCESSED, 2))

    assert stage.row(2) == ("accepted", "evidence")
    assert stage.status()[0] == "sent"
    assert stage.broken() == {}


def test_a_late_delivered_does_not_undo_a_bounce(stage: FeedbackStage) -> None:
    stage.tell(stage.event(K.BOUNCED, 1, bounce=HARD))

    stage.tell(stage.event(K.DELIVERED, 1), stage.event(K.PROCESSED, 1))

    assert stage.row(1) == ("bounced", "hard")


def test_the_same_event_told_twice_is_one(stage: FeedbackStage) -> None:
    event = stage.event(K.BOUNCED, 1, bounce=HARD)

    assert stage.store(event, event) == 1
    assert stage.store(event) == 0
    assert stage.applier.apply_waiting().events == 1
    assert stage.applier.apply_waiting().events == 0


def test_nothing_follows_from_what_nobody_proved(stage: FeedbackStage) -> None:
    before = stage.picture()

    applied = stage.tell(
        stage.event(K.BOUNCED, 1, bounce=HARD, believed=False),
        stage.event(K.COMPLAINED, 2, believed=False),
    )

    assert stage.picture() == before
    assert applied.unproven == 2


def test_an_event_of_another_newsletter_on_the_same_account_is_nobodys(
    stage: FeedbackStage,
) -> None:
    before = stage.picture()

    applied = stage.tell(
        stage.event(K.BOUNCED, 1, bounce=HARD, detail={"salt": "somebody else's"}),
        stage.event(K.BOUNCED, 1, campaign=99, bounce=HARD),
    )

    assert stage.picture() == before
    assert applied.strangers == 2


def test_a_suppression_that_an_operator_lifted_does_not_come_back_with_an_old_event(
    stage: FeedbackStage,
) -> None:
    bounced_at = stage.clock.now()
    stage.tell(stage.event(K.BOUNCED, 1, bounce=HARD))
    stage.clock.advance(DAY)
    with stage.database.write() as connection:
        address = parse_address("reader1@example.org")
        lift_suppression(connection, KEYS, address, stage.clock.now(), actor="test")

    stage.tell(stage.event(K.BOUNCED, 1, bounce=HARD, at=bounced_at))
    assert stage.suppressed() == {}

    stage.clock.advance(DAY)
    stage.tell(stage.event(K.BOUNCED, 1, bounce=HARD, at=stage.clock.now()))
    assert stage.suppressed() == {"reader1@example.org": "hard_bounce"}


def test_a_bounce_of_an_old_address_does_not_suppress_the_new_one(stage: FeedbackStage) -> None:
    from newsletter.storage.tables import subscribers

    with stage.database.write() as connection:
        connection.execute(
            update(subscribers)
            .where(subscribers.c.id == 1)
            .values(
                address="new@example.net",
                address_key="new@example.net",
                address_changed_at=stage.clock.now(),
            )
        )

    stage.tell(stage.event(K.BOUNCED, 1, bounce=HARD, provenance=Provenance.MAIL))

    assert "new@example.net" not in stage.suppressed()
    assert list(stage.suppressed().values()) == ["hard_bounce"]


def test_a_bounce_from_behind_a_forward_suppresses_the_readers_own_address(
    stage: FeedbackStage,
) -> None:
    stage.tell(
        stage.event(
            K.BOUNCED,
            1,
            bounce=HARD,
            provenance=Provenance.MAIL,
            address="passed.on@example.com",
        )
    )

    assert stage.suppressed() == {"reader1@example.org": "hard_bounce"}


def test_what_a_provider_dropped_follows_its_reason(stage: FeedbackStage) -> None:
    stage.tell(
        stage.event(K.DROPPED, 1, bounce=HARD, reason="bounced"),
        stage.event(K.DROPPED, 2, reason="complaint"),
        stage.event(K.DROPPED, 3, reason="unsubscribed"),
        stage.event(K.DROPPED, 4, reason="other"),
    )

    assert [stage.row(n) for n in (1, 2, 3, 4)] == [
        ("bounced", "hard"),
        ("bounced", "dropped"),
        ("bounced", "dropped"),
        ("bounced", "dropped"),
    ]
    assert stage.suppressed() == {
        "reader1@example.org": "hard_bounce",
        "reader2@example.org": "complaint",
    }
    assert [stage.standing(n)[0] for n in (1, 2, 3, 4)] == [
        "active",
        "unsubscribed",
        "unsubscribed",
        "active",
    ]


def test_five_soft_campaigns_over_two_weeks_pause_the_membership(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    mornings(stage, 4)
    stage.tell(*(stage.event(K.BOUNCED, 1, campaign, bounce=SOFT) for campaign in (1, 2, 3, 4)))
    assert stage.standing(1) == ("active", None)

    fifth = stage.send()
    stage.tell(
        stage.event(K.BOUNCED, 1, fifth, bounce=SOFT), stage.event(K.BOUNCED, 1, fifth, bounce=SOFT)
    )

    assert stage.standing(1) == ("paused", "soft_bounces")
    assert stage.standing(2) == ("active", None)
    sixth = stage.send()
    assert stage.row(1, sixth) if sixth in _campaigns_of(stage, 1) else True
    assert sixth not in _campaigns_of(stage, 1)


def test_five_soft_campaigns_within_a_week_pause_nobody(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    mornings(stage, 5, apart=DAY)

    stage.tell(*(stage.event(K.BOUNCED, 1, campaign, bounce=SOFT) for campaign in range(1, 6)))

    assert stage.standing(1) == ("active", None)


def test_a_delivery_in_between_resets_the_count_even_when_it_is_told_late(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    mornings(stage, 6)
    stage.tell(*(stage.event(K.BOUNCED, 1, campaign, bounce=SOFT) for campaign in (1, 2, 3, 5, 6)))
    # Campaign 4 was accepted, and its relay has given up by now: it arrived.
    assert stage.standing(1) == ("active", None)


def test_a_pause_by_bounces_ends_when_a_message_turns_out_to_have_arrived(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    sent = mornings(stage, 5)
    soft = [stage.event(K.BOUNCED, 1, campaign, bounce=SOFT) for campaign in range(1, 5)]
    clock.advance(sent[4] - clock.now())
    stage.tell(*soft, stage.event(K.BOUNCED, 1, 5, bounce=SOFT))
    assert stage.standing(1)[0] == "paused"

    clock.advance(timedelta(hours=1))
    sixth = stage.send()
    stage.tell(stage.event(K.DELIVERED, 2, sixth))
    assert stage.standing(1)[0] == "paused"


def test_soft_bounces_from_before_a_reader_came_back_do_not_count(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    mornings(stage, 5)
    stage.tell(*(stage.event(K.BOUNCED, 1, campaign, bounce=SOFT) for campaign in range(1, 6)))
    assert stage.standing(1)[0] == "paused"
    with stage.database.write() as connection:
        end_pause(connection, 1, clock.now())

    sixth = stage.send()
    stage.tell(stage.event(K.BOUNCED, 1, sixth, bounce=SOFT))

    assert stage.standing(1) == ("active", None)


def test_soft_refusals_at_sending_time_count_too(tmp_path: Path, clock: SettableClock) -> None:
    full = ScriptedProvider(
        lambda envelope: (
            OutcomeKind.REJECTED_RECIPIENT
            if envelope.delivery.subscriber == 1
            else OutcomeKind.ACCEPTED
        ),
        answer=in_smtp("552 5.2.2 mailbox full"),
    )
    stage = FeedbackStage(tmp_path, clock)
    for _ in range(5):
        stage.send(provider=full)
        stage.applier.apply_waiting()
        clock.advance(4 * DAY)

    assert stage.standing(1) == ("paused", "soft_bounces")
    assert stage.suppressed() == {}


def test_a_domain_that_blocks_us_is_held_and_nobody_is_suppressed(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock, readers=0)
    for number in range(1, 61):
        stage.join(f"reader{number}@{'large' if number <= 40 else 'small'}.example")
    campaign = stage.send()

    applied = stage.tell(
        *(
            stage.event(
                K.BLOCKED,
                number,
                campaign,
                bounce=BLOCKED,
                address=f"reader{number}@large.example",
                detail={"status": "5.7.1", "diagnostic": "550 5.7.1 refused by reputation"},
            )
            for number in range(1, 41)
        )
    )

    assert applied.held_domains == ["large.example"]
    assert stage.suppressed() == {}
    assert stage.alerts() == ["domain_held"]
    assert {stage.standing(n)[0] for n in range(1, 61)} == {"active"}


def test_a_few_refusals_of_a_domain_hold_nothing(tmp_path: Path, clock: SettableClock) -> None:
    stage = FeedbackStage(tmp_path, clock, readers=60)
    campaign = stage.send()

    applied = stage.tell(
        *(stage.event(K.BLOCKED, n, campaign, bounce=BLOCKED) for n in range(1, 11))
    )

    assert applied.held_domains == []


def test_bounces_that_come_back_while_it_is_sent_brake_a_campaign_once(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock, readers=300, brakes={"hard_bounce_after": 100})
    campaign = stage.freeze()
    stage.sender(
        ScriptedProvider(
            lambda envelope: (
                OutcomeKind.DEFERRED if envelope.delivery.subscriber > 150 else OutcomeKind.ACCEPTED
            )
        )
    ).run(campaign)
    assert stage.status(campaign)[0] == "sending"

    applied = stage.tell(*(stage.event(K.BOUNCED, n, campaign, bounce=HARD) for n in range(1, 9)))

    assert applied.paused_campaigns == [campaign]
    assert stage.status(campaign)[0] == "paused"
    assert "8 of the first 100 recipients bounced hard" in (stage.status(campaign)[1] or "")
    assert stage.alerts() == ["campaign_paused"]

    change_status(stage.database, campaign, "resume", clock.now(), actor="test")
    stage.tell(stage.event(K.BOUNCED, 20, campaign, bounce=HARD))
    assert stage.status(campaign)[0] == "sending"


def test_complaints_brake_a_campaign_from_the_third_on(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock, readers=50)
    campaign = stage.freeze()
    stage.sender(
        ScriptedProvider(
            lambda envelope: (
                OutcomeKind.DEFERRED if envelope.delivery.subscriber > 40 else OutcomeKind.ACCEPTED
            )
        )
    ).run(campaign)

    stage.tell(*(stage.event(K.COMPLAINED, n, campaign) for n in (1, 2)))
    assert stage.status(campaign)[0] == "sending"
    stage.tell(stage.event(K.COMPLAINED, 3, campaign))

    status, reason = stage.status(campaign)
    assert status == "paused"
    assert "3 of 40 recipients complained" in (reason or "")


def test_an_event_that_comes_before_the_answer_is_recorded_is_not_lost(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = FeedbackStage(tmp_path, clock)
    told = []

    def hook_first(envelope: Envelope) -> OutcomeKind:
        if not told:
            told.append(envelope.delivery)
            stage.tell(stage.event(K.DELIVERED, envelope.delivery.subscriber))
        return OutcomeKind.ACCEPTED

    stage.send(provider=ScriptedProvider(hook_first))

    assert stage.row(told[0].subscriber) == ("delivered", None)
    assert stage.status()[0] == "sent"
    assert stage.broken() == {}


# -- order and repetition ---------------------------------------------------------------------

_READERS, _CAMPAIGNS = 3, 6
_TELLING = (
    (K.PROCESSED, None, ""),
    (K.DELIVERED, None, ""),
    (K.DEFERRED, None, ""),
    (K.BOUNCED, BounceClass.SOFT, "mailbox_full"),
    (K.BOUNCED, BounceClass.SOFT, "mailbox_full"),
    (K.BOUNCED, BounceClass.HARD, "user_unknown"),
    (K.BLOCKED, BounceClass.BLOCKED, "policy"),
    (K.DROPPED, None, "other"),
    (K.DROPPED, None, "complaint"),
    (K.COMPLAINED, None, ""),
    (K.UNSUBSCRIBED, None, ""),
    (K.OPENED, None, "machine"),
    (K.OTHER, None, ""),
)
_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(_TELLING),
        st.integers(1, _READERS),
        st.integers(1, _CAMPAIGNS),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which six campaigns, four days apart, were accepted for three readers."""
    from datetime import UTC, datetime

    folder = tmp_path_factory.mktemp("template")
    clock = SettableClock(datetime(2026, 11, 1, 6, 0, tzinfo=UTC))
    stage = FeedbackStage(folder, clock, readers=_READERS)
    mornings(stage, _CAMPAIGNS)
    stage.database.close()
    return folder / "ledger.db"


def _ending(
    template: Path, folder: Path, arrivals: list[Arrival], cuts: list[int], now: SettableClock
) -> tuple[object, ...]:
    """Apply events in this order, some at a time, on a copy; returns the final state."""
    shutil.copy(template, folder / "ledger.db")
    stage = FeedbackStage.__new__(FeedbackStage)
    stage.clock = now
    stage.database = open_database("sqlite:///ledger.db", root=folder)
    from newsletter.feedback.applying import Applier
    from newsletter.settings import Settings

    applier = Applier(stage.database, KEYS, now, Settings(root=folder), wait=lambda _: None)
    try:
        start = 0
        for end in [*sorted(cuts), len(arrivals)]:
            stage.store(*arrivals[start:end])
            applier.apply_waiting()
            start = max(start, end)
        return stage.picture()
    finally:
        stage.database.close()


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=_EVENTS, data=st.data())
def test_events_in_any_order_and_any_number_of_times_lead_to_the_same_end(
    told: list[tuple[tuple[EventKind, BounceClass | None, str], int, int, bool]],
    data: st.DataObject,
    template: Path,
    tmp_path: Path,
) -> None:
    from datetime import UTC, datetime

    now = SettableClock(datetime(2026, 11, 25, 6, 0, tzinfo=UTC))
    arrivals = [
        Arrival(
            id=f"e{number}",
            at=now.now() - timedelta(hours=number),
            kind=kind,
            provenance=Provenance.SENDGRID,
            delivery=DeliveryId(campaign, reader),
            address=f"reader{reader}@example.org",
            bounce=bounce,
            reason=reason,
            believed=believed or kind is not K.COMPLAINED,
        )
        for number, ((kind, bounce, reason), reader, campaign, believed) in enumerate(told)
    ]
    again = data.draw(st.lists(st.sampled_from(arrivals), max_size=10))
    shuffled = data.draw(st.permutations([*arrivals, *again]))
    cuts = data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4))

    expected = _ending(template, tmp_path, arrivals, [], now)

    assert _ending(template, tmp_path, shuffled, cuts, now) == expected


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=st.lists(
        st.sampled_from([K.DELIVERED, K.BOUNCED, K.BOUNCED, K.BOUNCED, None]),
        min_size=_CAMPAIGNS,
        max_size=_CAMPAIGNS,
    ),
    data=st.data(),
)
def test_a_pause_by_soft_bounces_does_not_depend_on_the_order_of_news(
    told: list[EventKind | None], data: st.DataObject, template: Path, tmp_path: Path
) -> None:
    from datetime import UTC, datetime

    now = SettableClock(datetime(2026, 11, 21, 7, 0, tzinfo=UTC))
    arrivals = [
        Arrival(
            id=f"e{campaign}",
            at=now.now(),
            kind=kind,
            provenance=Provenance.SENDGRID,
            delivery=DeliveryId(campaign, 1),
            bounce=BounceClass.SOFT if kind is K.BOUNCED else None,
        )
        for campaign, kind in enumerate(told, start=1)
        if kind is not None
    ]
    shuffled = data.draw(st.permutations(arrivals))
    cuts = list(range(len(arrivals)))

    expected = _ending(template, tmp_path, arrivals, [], now)

    assert _ending(template, tmp_path, shuffled, cuts, now) == expected


def _campaigns_of(stage: FeedbackStage, subscriber: int) -> set[int]:
    def look(connection: object) -> set[int]:
        rows = connection.execute(  # type: ignore[attr-defined]
            select(deliveries.c.campaign_id).where(deliveries.c.subscriber_id == subscriber)
        )
        return set(rows.scalars())

    found: set[int] = stage.read(look)
    return found


def test_each_event_is_marked_with_whom_it_concerned(stage: FeedbackStage) -> None:
    stage.tell(stage.event(K.DELIVERED, 1))

    row = stage.read(lambda connection: connection.execute(select(events)).one())
    assert (row.campaign_id, row.subscriber_id) == (1, 1)
    assert row.applied_at == stage.clock.now()
    assert row.address_hash == KEYS.hash_address("reader1@example.org")
    assert stage.read(lambda c: c.execute(select(func.count()).select_from(events)).scalar()) == 1
