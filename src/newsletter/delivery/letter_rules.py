"""Whether a letter that is due is still wanted: pure rules over what the claim has just read.

A letter is never sent for its own sake: the reader may have answered, left, moved or been
suppressed since it was written (C9, C10, C11).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from newsletter.audience.consent import MembershipStatus
from newsletter.audience.letters import LetterKind

_ON_LIST = (MembershipStatus.ACTIVE, MembershipStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class LetterStanding:
    """What the claim reads of a due letter and of those concerned.

    `address` is where it would go; None when the subscriber is gone. `same_address`: it is still
    the one that the letter was written for, and the subscriber has no other since. `status` is None
    without a membership. `taken`: another subscriber, or the reader themselves, has the new address
    already.
    """

    kind: LetterKind
    created_at: datetime
    lifts: bool
    used: bool
    address: str | None
    same_address: bool
    status: MembershipStatus | None
    left_at: datetime | None
    taken: bool
    suppression: str | None
    suppressed_at: datetime | None


def why_skip(letter: LetterStanding) -> str | None:
    """Return why a letter is not sent, as the row's reason; None when it goes out."""
    if letter.address is None:
        return "gone"
    if letter.used:
        return "answered"
    if not letter.same_address:
        return "moved"
    if _suppressed(letter):
        return "suppressed"
    match letter.kind:
        case LetterKind.CONFIRM:
            return _why_not_confirm(letter)
        case LetterKind.ALREADY:
            return None if letter.status in _ON_LIST else "not on the list"
        case LetterKind.NEW_ADDRESS:
            return "taken" if letter.taken else None
        case LetterKind.MOVED | LetterKind.MANAGE:
            return None


def _why_not_confirm(letter: LetterStanding) -> str | None:
    if letter.status is None:
        return "gone"
    if letter.status in _ON_LIST:
        return "on the list"
    left_since = letter.left_at is not None and letter.left_at > letter.created_at
    return "unsubscribed" if left_since else None


def _suppressed(letter: LetterStanding) -> bool:
    """Return whether the address must not be mailed, also not by the operator's word.

    An operator's own letter (`lifts`) goes out whatever the reason was, if the suppression is
    older than the letter: only its reader can end a complaint or an erasure (C10), and an answer
    is the best proof that a mailbox is back. What came after the operator's word wins over it.
    """
    if letter.suppression is None:
        return False
    since = letter.suppressed_at
    return not (letter.lifts and since is not None and since <= letter.created_at)
