"""What a provider's answer makes of a ledger row: the heart of the sending policy, no database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from newsletter.delivery.bounce_classes import BUILT_IN, BounceClass, BounceTable
from newsletter.delivery.retries import next_try
from newsletter.delivery.states import DeliveryState
from newsletter.providers.base import Outcome, OutcomeKind

MESSAGE_TRIES = 3
"""After so many refusals of the message itself a delivery is rejected instead of deferred."""

RETRY_MARK = "retry"
"""`reason` of a row that goes out a second time after its answer was lost: once only (G8)."""

RETRIED = "retried"
"""`reason` of a row that was lost again on its second way: it is never sent a third time."""

LONGEST_ANSWER = 400
LONGEST_NAME = 60
"""Characters of an accepted row's answer: the name in the server's queue, to keep rows narrow."""


def class_of(outcome: Outcome, table: BounceTable = BUILT_IN) -> BounceClass | None:
    """Return the class of a host's refusal of this recipient (D3); None for every other outcome.

    What we refused ourselves, and an API's no to the form of an address, says nothing of a mailbox.
    """
    if outcome.kind is not OutcomeKind.REJECTED_RECIPIENT or (outcome.code or 0) < 500:
        return None
    return table.classify(outcome.status, outcome.code, outcome.detail)


def plain_answer(outcome: Outcome) -> str | None:
    """Return what of an accepting answer is kept with the row: its name in the server's queue."""
    if outcome.code == 202:
        # One call's name for hundreds of rows: it is kept with their attempt.
        return None
    return (outcome.provider_id or outcome.detail)[:LONGEST_NAME] or None


def row_of(
    outcome: Outcome,
    tries: int,
    mark: str | None,
    now: datetime,
    jitter: float,
    *,
    table: BounceTable = BUILT_IN,
) -> dict[str, Any]:
    """Decide the ledger row of an outcome that is not simply accepted.

    `tries` and `mark` are what the row held: how often it was tried, and its reason. A refused
    recipient's reason is its class by `table` (D3).
    """
    state, reason, not_before = DeliveryState.ACCEPTED, None, None
    kept = RETRY_MARK if mark == RETRY_MARK else None
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            pass
        case OutcomeKind.REJECTED_RECIPIENT:
            state, reason = DeliveryState.REJECTED, str(class_of(outcome, table) or "recipient")
        case OutcomeKind.REJECTED_MESSAGE if tries + 1 >= MESSAGE_TRIES:
            state, reason, tries = DeliveryState.REJECTED, "message", tries + 1
        case OutcomeKind.DEFERRED | OutcomeKind.REJECTED_MESSAGE:
            state, tries = DeliveryState.DEFERRED, tries + 1
            refused = outcome.kind is OutcomeKind.REJECTED_MESSAGE
            reason = kept or ("message" if refused else None)
            not_before = next_try(now, tries, jitter=jitter, retry_after=outcome.retry_after)
        case OutcomeKind.NOT_SENT:
            state, reason = DeliveryState.PENDING, kept
        case OutcomeKind.UNKNOWN:
            state = DeliveryState.UNKNOWN
            reason = RETRIED if kept else "no answer"
    return {
        "b_subscriber": outcome.delivery.subscriber,
        "b_state": state,
        "b_tries": tries,
        "b_not_before": not_before,
        "b_reason": reason,
        "b_answer": _words(outcome),
    }


def _words(outcome: Outcome) -> str | None:
    """Keep the other side's words, with its codes in front."""
    parts = [str(outcome.code) if outcome.code else "", outcome.status or "", outcome.detail]
    return " ".join(part for part in parts if part)[:LONGEST_ANSWER] or None
