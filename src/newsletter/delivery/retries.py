"""When a deferred delivery is tried again, as a pure function (G9)."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=2)


def next_try(
    now: datetime, tries: int, *, jitter: float, retry_after: float | None = None
) -> datetime:
    """Return when to try again after `tries` deferrals (1 for the first).

    Waits double from 5 minutes to 2 hours, times 0.8 to 1.2 by `jitter` (0 to 1), and are never
    shorter than `retry_after` seconds when the other side named a time.
    """
    wait = min(FIRST_WAIT * (1 << min(max(tries - 1, 0), 10)), LONGEST_WAIT)
    wait *= 0.8 + 0.4 * jitter
    if retry_after is not None:
        wait = max(wait, timedelta(seconds=retry_after))
    return now + wait
