"""What follows from events, as tables: states, suppressions, lists to leave, streaks, brakes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.suppressions import SuppressionReason
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.brakes import judge_complaints
from newsletter.delivery.states import DeliveryState
from newsletter.feedback.events import EventKind
from newsletter.feedback.policy import (
    Drop,
    Ended,
    Ending,
    Landing,
    Leaving,
    News,
    ending_of,
    is_blocked,
    is_too_long,
    join,
    landing_of,
    leaving_for,
    soft_streak,
    suppression_for,
)
from newsletter.settings import BrakesPart

K, S = EventKind, DeliveryState
HARD, SOFT, BLOCKED = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)

NEWS = [
    News(K.PROCESSED),
    News(K.DELIVERED),
    News(K.DEFERRED),
    News(K.BOUNCED, HARD),
    News(K.BOUNCED, SOFT),
    News(K.BLOCKED, BLOCKED),
    *(News(K.DROPPED, None, drop) for drop in Drop),
    News(K.COMPLAINED),
    News(K.UNSUBSCRIBED),
    News(K.RESUBSCRIBED),
    News(K.OPENED),
    News(K.CLICKED),
    News(K.REPLIED),
    News(K.OTHER),
]


@pytest.mark.parametrize(
    ("news", "state", "reason"),
    [
        (News(K.PROCESSED), S.ACCEPTED, "evidence"),
        (News(K.DEFERRED), S.ACCEPTED, "evidence"),
        (News(K.DELIVERED), S.DELIVERED, None),
        (News(K.OPENED), S.DELIVERED, None),
        (News(K.BOUNCED, HARD), S.BOUNCED, "hard"),
        (News(K.BOUNCED, SOFT), S.BOUNCED, "soft"),
        (News(K.BOUNCED), S.BOUNCED, "soft"),
        (News(K.BLOCKED, BLOCKED), S.BOUNCED, "blocked"),
        (News(K.DROPPED, None, Drop.INVALID), S.BOUNCED, "hard"),
        (News(K.DROPPED, None, Drop.OTHER), S.BOUNCED, "dropped"),
        (News(K.COMPLAINED), S.COMPLAINED, None),
    ],
)
def test_an_event_proves_a_state(news: News, state: DeliveryState, reason: str | None) -> None:
    assert landing_of(news) == Landing(state, reason)


@pytest.mark.parametrize("kind", [K.OTHER, K.RESUBSCRIBED])
def test_what_proves_nothing_moves_nothing(kind: EventKind) -> None:
    assert landing_of(News(kind)) is None


_LANDINGS = st.sampled_from([one for news in NEWS if (one := landing_of(news))])


@given(_LANDINGS, _LANDINGS, _LANDINGS)
def test_landings_join_in_any_order_and_any_number_of_times(
    a: Landing, b: Landing, c: Landing
) -> None:
    assert join(a, a) == a
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, b).state >= max(a.state, b.state)


@pytest.mark.parametrize("state", [state for state in S if state < S.ACCEPTED])
def test_whatever_a_row_said_before_proof_of_more_wins(state: DeliveryState) -> None:
    assert join(Landing(state, "hard"), Landing(S.DELIVERED)) == Landing(S.DELIVERED)


def test_only_hard_bounces_complaints_and_drops_for_them_suppress() -> None:
    suppressing = {
        (news.kind, news.bounce, news.reason): reason
        for news in NEWS
        if (reason := suppression_for(news))
    }

    assert suppressing == {
        (K.BOUNCED, HARD, ""): SuppressionReason.HARD_BOUNCE,
        (K.DROPPED, None, "bounced"): SuppressionReason.HARD_BOUNCE,
        (K.DROPPED, None, "invalid"): SuppressionReason.HARD_BOUNCE,
        (K.DROPPED, None, "complaint"): SuppressionReason.COMPLAINT,
        (K.COMPLAINED, None, ""): SuppressionReason.COMPLAINT,
    }


def test_who_leaves_and_from_where() -> None:
    leaving = {
        (news.kind, news.reason): where
        for news in NEWS
        if (where := leaving_for(news)) is not Leaving.NOTHING
    }

    assert leaving == {
        (K.COMPLAINED, ""): Leaving.EVERYWHERE,
        (K.DROPPED, "complaint"): Leaving.EVERYWHERE,
        (K.DROPPED, "unsubscribed"): Leaving.EVERYWHERE,
        (K.UNSUBSCRIBED, ""): Leaving.LIST,
    }


@pytest.mark.parametrize(
    ("landing", "age", "soft_answer", "ending"),
    [
        (Landing(S.BOUNCED, "soft"), 0, False, Ending.SOFT),
        (Landing(S.REJECTED, "soft"), 0, False, Ending.SOFT),
        (Landing(S.EXPIRED), 0, True, Ending.SOFT),
        (Landing(S.EXPIRED), 0, False, Ending.SAYS_NOTHING),
        (Landing(S.BOUNCED, "blocked"), 9, False, Ending.SAYS_NOTHING),
        (Landing(S.DELIVERED), 0, False, Ending.ARRIVED),
        (Landing(S.ACCEPTED), 4, False, Ending.SAYS_NOTHING),
        (Landing(S.ACCEPTED), 5, False, Ending.ARRIVED),
        (Landing(S.SKIPPED, "paused"), 9, False, Ending.SAYS_NOTHING),
    ],
)
def test_how_a_campaign_ended(
    landing: Landing, age: int, soft_answer: bool, ending: Ending
) -> None:
    at = NOW - age * DAY
    assert ending_of(landing, soft_answer=soft_answer, at=at, now=NOW) is ending


def test_a_streak_goes_back_to_the_last_campaign_that_arrived() -> None:
    ends = [Ending.SOFT, Ending.SAYS_NOTHING, Ending.SOFT, Ending.ARRIVED, Ending.SOFT]
    streak = soft_streak(Ended(ending, NOW - n * DAY) for n, ending in enumerate(ends))

    assert streak is not None
    assert (streak.campaigns, streak.first, streak.last) == (2, NOW - 2 * DAY, NOW)


@pytest.mark.parametrize(
    ("campaigns", "days", "pauses"), [(5, 14, True), (4, 20, False), (9, 13, False)]
)
def test_a_streak_needs_so_many_campaigns_over_so_long(
    campaigns: int, days: int, pauses: bool
) -> None:
    step = days * DAY / (campaigns - 1)
    streak = soft_streak(Ended(Ending.SOFT, NOW - n * step) for n in range(campaigns))

    assert is_too_long(streak, 5, 14 * DAY) is pauses


@pytest.mark.parametrize(("blocked", "held"), [(10, False), (11, True)])
def test_a_domain_is_held_beyond_a_fifth_of_its_last_fifty(blocked: int, held: bool) -> None:
    landings = [Landing(S.BOUNCED, "blocked")] * blocked + [Landing(S.ACCEPTED)] * (50 - blocked)

    assert is_blocked(landings, 0.2, 50) is held


@pytest.mark.parametrize(
    ("handed_over", "complaints", "brakes"),
    [(10, 2, False), (2999, 3, True), (3000, 3, False), (3000, 4, True)],
)
def test_complaints_brake_beyond_one_in_a_thousand_and_three_at_least(
    handed_over: int, complaints: int, brakes: bool
) -> None:
    assert (judge_complaints(handed_over, complaints, BrakesPart()) is not None) is brakes
