"""Which due letters are still wanted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from newsletter.audience.consent import MembershipStatus
from newsletter.audience.letters import LetterKind
from newsletter.delivery.letter_rules import LetterStanding, why_skip

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WANTED = LetterStanding(
    kind=LetterKind.CONFIRM,
    created_at=NOW,
    lifts=False,
    used=False,
    address="reader@example.org",
    same_address=True,
    status=MembershipStatus.PENDING,
    left_at=None,
    taken=False,
    suppression=None,
    suppressed_at=None,
)
LEFT = MembershipStatus.UNSUBSCRIBED
ALREADY, NEW, MOVED = LetterKind.ALREADY, LetterKind.NEW_ADDRESS, LetterKind.MOVED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"address": None}, "gone"),
        ({"used": True}, "answered"),
        ({"same_address": False}, "moved"),
        ({"status": None}, "gone"),
        ({"status": MembershipStatus.ACTIVE}, "on the list"),
        ({"status": MembershipStatus.PAUSED}, "on the list"),
        ({"status": LEFT, "left_at": NOW - HOUR}, None),
        ({"status": LEFT, "left_at": NOW + HOUR}, "unsubscribed"),
        ({"suppression": "complaint", "suppressed_at": NOW - HOUR}, "suppressed"),
        ({"suppression": "erased", "suppressed_at": NOW - HOUR, "lifts": True}, None),
        ({"suppression": "hard_bounce", "suppressed_at": NOW - HOUR, "lifts": True}, None),
        ({"suppression": "complaint", "suppressed_at": NOW + HOUR, "lifts": True}, "suppressed"),
        ({"kind": ALREADY, "status": MembershipStatus.ACTIVE}, None),
        ({"kind": ALREADY, "status": LEFT, "left_at": NOW}, "not on the list"),
        ({"kind": NEW, "status": MembershipStatus.ACTIVE}, None),
        ({"kind": NEW, "taken": True}, "taken"),
        ({"kind": MOVED, "status": LEFT, "left_at": NOW}, None),
        ({"kind": MOVED, "suppression": "manual", "suppressed_at": NOW}, "suppressed"),
    ],
)
def test_a_letter_goes_out_only_while_it_is_wanted(
    change: dict[str, Any], reason: str | None
) -> None:
    assert why_skip(replace(WANTED, **change)) == reason
