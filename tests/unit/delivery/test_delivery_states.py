"""States: only the moves of the table, forward only, and waits that grow."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.retries import LONGEST_WAIT, next_try
from newsletter.delivery.states import (
    CAUSES,
    MOVES,
    PROOFS,
    UNSETTLED,
    CampaignStatus,
    DeliveryState,
    Move,
    before,
    next_status,
    proven,
)
from newsletter.errors import DeliveryError

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def test_states_settle_forward_only() -> None:
    settled = [state for state in DeliveryState if state not in UNSETTLED]
    for (state, _), after in MOVES.items():
        if state in settled:
            assert after > state
            assert after in settled


def test_only_proof_leaves_a_rejected_skipped_or_expired_delivery() -> None:
    ends = {DeliveryState.REJECTED, DeliveryState.SKIPPED, DeliveryState.EXPIRED}

    assert {move for state, move in MOVES if state in ends} == set(PROOFS.values())


def test_proof_leads_to_what_it_proves_and_never_back() -> None:
    for state in DeliveryState:
        for proof in PROOFS:
            assert proven(state, proof) is (proof if proof > state else state)


def test_every_move_says_what_lets_it_happen() -> None:
    assert set(CAUSES) == set(Move) == {move for _, move in MOVES}


def test_only_what_has_not_left_may_be_claimed_skipped_or_expired() -> None:
    ready = {DeliveryState.PENDING, DeliveryState.DEFERRED}

    for move in (Move.CLAIM, Move.SKIP, Move.EXPIRE):
        assert set(before(move)) == ready


def test_an_unknown_delivery_never_becomes_pending_but_by_a_retry() -> None:
    ways = {
        move
        for (state, move), after in MOVES.items()
        if state is DeliveryState.UNKNOWN and after is DeliveryState.PENDING
    }

    assert ways == {Move.RETRY}


def test_a_finished_campaign_says_that_it_cannot_be_paused() -> None:
    with pytest.raises(DeliveryError, match="campaign 7 is sent; it cannot pause") as caught:
        next_status(7, CampaignStatus.SENT, "pause")

    assert caught.value.fix == "nothing is left to do"


def test_waits_double_from_five_minutes() -> None:
    waits = [next_try(NOW, tries, jitter=0.5) - NOW for tries in (1, 2, 3)]

    assert waits == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]


@given(tries=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_waits_stay_within_bounds(tries: int, jitter: float) -> None:
    wait = next_try(NOW, tries, jitter=jitter) - NOW

    assert timedelta(minutes=4) <= wait <= LONGEST_WAIT * 1.2


def test_a_time_that_the_other_side_named_is_kept() -> None:
    assert next_try(NOW, 1, jitter=0.0, retry_after=3600) == NOW + timedelta(hours=1)
