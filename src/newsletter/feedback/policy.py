"""What follows from what came back: pure rules over events, readable as tables (D1, D3 to D8).

Nothing here reads or writes; `applying` does what these rules say. Each rule is written so that
the order of events does not matter: states join upwards, reasons join by weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from newsletter.audience.suppressions import SuppressionReason
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.states import DeliveryState, proven
from newsletter.feedback.events import EventKind

EVIDENCE = "evidence"
"""`reason` of a row whose lost answer an event gave (G8)."""
DROPPED = "dropped"
"""`reason` of a row that the provider took and then did not try to deliver."""

_K, _S = EventKind, DeliveryState


class Drop(StrEnum):
    """Why a provider dropped a message; the reason of a `dropped` event (D10)."""

    BOUNCED = "bounced"
    INVALID = "invalid"
    COMPLAINT = "complaint"
    UNSUBSCRIBED = "unsubscribed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class News:
    """What decides of an event: its kind, the class of a failure, and its reason."""

    kind: EventKind
    bounce: BounceClass | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Landing:
    """A state of a delivery and the reason in its row."""

    state: DeliveryState
    reason: str | None = None


_LANDINGS = {
    # Whoever puts a message off, answers it or leaves by it has taken it first.
    _K.PROCESSED: Landing(_S.ACCEPTED, EVIDENCE),
    _K.DEFERRED: Landing(_S.ACCEPTED, EVIDENCE),
    _K.REPLIED: Landing(_S.ACCEPTED, EVIDENCE),
    _K.UNSUBSCRIBED: Landing(_S.ACCEPTED, EVIDENCE),
    _K.DELIVERED: Landing(_S.DELIVERED),
    _K.OPENED: Landing(_S.DELIVERED),
    _K.CLICKED: Landing(_S.DELIVERED),
    _K.BLOCKED: Landing(_S.BOUNCED, BounceClass.BLOCKED.value),
    _K.COMPLAINED: Landing(_S.COMPLAINED),
}
_WEIGHT = (BounceClass.BLOCKED.value, BounceClass.SOFT.value, DROPPED, BounceClass.HARD.value)
"""Reasons of a bounced row, the lightest first: what says most of the person wins (D4)."""


def landing_of(news: News) -> Landing | None:
    """Return where an event proves a delivery to be at least; None where it proves nothing."""
    if news.kind is _K.BOUNCED:
        return Landing(_S.BOUNCED, (news.bounce or BounceClass.SOFT).value)
    if news.kind is _K.DROPPED:
        known_bad = news.reason in (Drop.BOUNCED, Drop.INVALID)
        return Landing(_S.BOUNCED, BounceClass.HARD.value if known_bad else DROPPED)
    return _LANDINGS.get(news.kind)


def join(current: Landing, other: Landing) -> Landing:
    """Return where a row stands once an event proved `other`: as the table of moves says.

    Of two bounces the weightier reason stays. Associative, commutative and idempotent from
    `accepted` on: the order of events is no matter.
    """
    if other.state is not current.state:
        return other if proven(current.state, other.state) is other.state else current
    if current.state is _S.BOUNCED and _weight(other) > _weight(current):
        return other
    return current


def _weight(landing: Landing) -> int:
    return _WEIGHT.index(landing.reason) if landing.reason in _WEIGHT else -1


def suppression_for(news: News) -> SuppressionReason | None:
    """Return why the address must not be mailed any more; None where it may (D3, D6, D10)."""
    if news.kind is _K.COMPLAINED:
        return SuppressionReason.COMPLAINT
    if news.kind is _K.BOUNCED and news.bounce is BounceClass.HARD:
        return SuppressionReason.HARD_BOUNCE
    if news.kind is _K.DROPPED:
        if news.reason in (Drop.BOUNCED, Drop.INVALID):
            return SuppressionReason.HARD_BOUNCE
        if news.reason == Drop.COMPLAINT:
            return SuppressionReason.COMPLAINT
    return None


class Leaving(Enum):
    """Which lists a reader leaves by an event."""

    NOTHING = "nothing"
    LIST = "list"
    """The one of the message; every one where no message is named (C8)."""
    EVERYWHERE = "everywhere"


def leaving_for(news: News) -> Leaving:
    """Return which lists the reader leaves (D3, C8)."""
    if news.kind is _K.COMPLAINED:
        return Leaving.EVERYWHERE
    if news.kind is _K.UNSUBSCRIBED:
        return Leaving.LIST
    if news.kind is _K.DROPPED and news.reason in (Drop.COMPLAINT, Drop.UNSUBSCRIBED):
        # The provider keeps every mail of ours from them.
        return Leaving.EVERYWHERE
    return Leaving.NOTHING


RELAY_GIVES_UP = timedelta(days=5)
"""How long a relay tries (RFC 5321 §4.5.4.1): what it took and did not return by then, arrived."""


class Ending(Enum):
    """How one campaign ended for one reader, as far as D5 counts."""

    SOFT = "soft"
    ARRIVED = "arrived"
    SAYS_NOTHING = "says nothing"


@dataclass(frozen=True, slots=True)
class Ended:
    """One campaign of a reader: how it ended, and when it was sent."""

    ending: Ending
    at: datetime


def ending_of(landing: Landing, *, soft_answer: bool, at: datetime, now: datetime) -> Ending:
    """Return how a campaign ended.

    `soft_answer`: the last answer in the row was a soft refusal, which counts where its time ran
    out. An accepted message may still come back for some days.
    """
    state, reason = landing.state, landing.reason
    if state in (_S.REJECTED, _S.BOUNCED) and reason == BounceClass.SOFT.value:
        return Ending.SOFT
    if state is _S.EXPIRED and soft_answer:
        return Ending.SOFT
    if state in (_S.DELIVERED, _S.COMPLAINED):
        return Ending.ARRIVED
    if state is _S.ACCEPTED and at + RELAY_GIVES_UP <= now:
        return Ending.ARRIVED
    return Ending.SAYS_NOTHING


@dataclass(frozen=True, slots=True)
class Streak:
    """Campaigns in a row that ended softly, the last of them included."""

    campaigns: int
    first: datetime
    last: datetime


def soft_streak(newest_first: Iterable[Ended]) -> Streak | None:
    """Count back to the last campaign that arrived; each campaign counts once (D5)."""
    soft: list[datetime] = []
    for ended in newest_first:
        if ended.ending is Ending.ARRIVED:
            break
        if ended.ending is Ending.SOFT:
            soft.append(ended.at)
    return Streak(len(soft), min(soft), max(soft)) if soft else None


def is_too_long(streak: Streak | None, limit: int, span: timedelta) -> bool:
    """Return whether a streak pauses the membership: so many campaigns, over so long a time."""
    return streak is not None and streak.campaigns >= limit and streak.last - streak.first >= span


def is_blocked(landings: Sequence[Landing], rate: float, window: int) -> bool:
    """Return whether a domain refuses us as a whole: too many of its last attempts (D6).

    Attempts that were never made count as good, as in the watch at sending time.
    """
    blocked = sum(
        landing.state in (_S.BOUNCED, _S.REJECTED, _S.DEFERRED)
        and landing.reason == BounceClass.BLOCKED.value
        for landing in landings
    )
    # Rounded away: 0.28 × 50 is a little more than 14.
    return blocked > round(rate * window, 9)
