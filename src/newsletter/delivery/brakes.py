"""When a campaign must pause by itself for its hard bounces, and the arithmetic of a canary (D7).

Pure: who counts, pauses and alerts is the sender.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from newsletter.settings import BrakesPart

FEWEST = 2
"""One bad recipient never pauses a campaign, however few it was judged by (G10)."""


def judge_hard_bounces(settled: int, hard: int, part: BrakesPart, canary: int) -> str | None:
    """Return why the campaign must pause, or None.

    `settled` counts recipients with an outcome, `hard` those of them that bounced hard. Nothing
    is judged before the canary (if there is one, else `part.hard_bounce_after`) has its outcomes.
    """
    if settled < (canary or part.hard_bounce_after):
        return None
    return _too_many(settled, hard, part, f"the first {settled} recipients")


def judge_canary(settled: int, hard: int, part: BrakesPart) -> str | None:
    """Return why the campaign must pause now that its canary was waited for, or None.

    Those of the canary who have no outcome yet (deferred, skipped) are not waited for again.
    """
    return _too_many(settled, hard, part, f"the canary's {settled} recipients")


def _too_many(settled: int, hard: int, part: BrakesPart, whom: str) -> str | None:
    # Rounded away: 0.07 × 100 is a little more than 7.
    if hard < FEWEST or hard <= round(part.hard_bounce_rate * settled, 9):
        return None
    share, limit = 100 * hard / settled, 100 * part.hard_bounce_rate
    return f"brake: {hard} of {whom} bounced hard ({share:.3g} %, limit {limit:.3g} %)"


def canary_size(part: BrakesPart, recipients: int) -> int:
    """Return how many get the campaign first, alone; never more than half; 0: no canary."""
    return max(0, min(part.canary, recipients // 2))


class CanaryStep(StrEnum):
    """How far the canary of a campaign is."""

    NONE = "none"
    """There is no canary: everybody may be claimed."""
    SENDING = "sending"
    """It is not out yet: only its members may be claimed."""
    WAITING = "waiting"
    """It is out and watched: nobody may be claimed."""
    DUE = "due"
    """Its wait is over: judge it before anybody else is claimed."""
    JUDGED = "judged"
    """It was let pass: the rest may follow."""


@dataclass(frozen=True, slots=True)
class CanaryStage:
    """How far a canary is; `until` is the end of its wait, once that has begun."""

    step: CanaryStep
    until: datetime | None = None

    @classmethod
    def of(
        cls,
        canary: int,
        settled: int,
        canary_until: datetime | None,
        judged_at: datetime | None,
        now: datetime,
    ) -> CanaryStage:
        """Tell the stage from a campaign's row and how many recipients had their turn.

        Where all of the canary had theirs and no wait was written down, it waits from now on:
        `until` is None, and it is the caller's to write it.
        """
        if canary <= 0:
            return cls(CanaryStep.NONE)
        if judged_at is not None:
            return cls(CanaryStep.JUDGED, canary_until)
        if canary_until is None:
            return cls(CanaryStep.SENDING if settled < canary else CanaryStep.WAITING)
        waiting = now < canary_until
        return cls(CanaryStep.WAITING if waiting else CanaryStep.DUE, canary_until)
