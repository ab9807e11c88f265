"""When a campaign must pause by itself for its hard bounces (D7).

Pure: who counts, pauses and alerts is the sender.
"""

from __future__ import annotations

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


def judge_complaints(handed_over: int, complaints: int, part: BrakesPart) -> str | None:
    """Return why the campaign must pause for its complaints, or None (D7).

    `handed_over` counts recipients whose message the provider took.
    """
    if complaints < part.complaints_at_least:
        return None
    if complaints <= round(part.complaint_rate * handed_over, 9):
        return None
    share, limit = 100 * complaints / max(1, handed_over), 100 * part.complaint_rate
    return (
        f"brake: {complaints} of {handed_over} recipients complained "
        f"({share:.3g} %, limit {limit:.3g} %)"
    )
