"""A campaign over time: when its messages were handed over, and when answers came.

The bins are chosen here, and what falls into them is counted; the sums are those of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_BINS = 60
"""A curve has no more points than fit on a line of a terminal."""

_WIDTHS = tuple(
    timedelta(seconds=seconds) for seconds in (1, 10, 60, 300, 900, 3600, 6 * 3600, 86400)
)

ANSWER_BINS = tuple(
    timedelta(minutes=minutes) for minutes in (5, 15, 60, 6 * 60, 24 * 60, 3 * 24 * 60, 7 * 24 * 60)
)
"""How long after the start an answer may have come; one more bin takes what is later."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """So many messages, handed over between two moments: one attempt."""

    begun: datetime
    ended: datetime
    count: int


@dataclass(frozen=True, slots=True)
class SendingCurve:
    """How many messages were handed over in each bin of `width` since `started_at`.

    `undated` are those whose attempt is not kept. `started_at` is None where nothing was tried.
    """

    started_at: datetime | None
    width: timedelta
    counts: tuple[int, ...]
    undated: int

    @property
    def all(self) -> int:
        """Return how many were handed over."""
        return sum(self.counts) + self.undated


@dataclass(frozen=True, slots=True)
class AnswerBin:
    """How many deliveries became what they are within so long after the start.

    `within` is None for the last two bins: what came later, and (`dated` False) what no event
    tells the time of.
    """

    within: timedelta | None
    dated: bool = True
    delivered: int = 0
    bounced: int = 0
    complained: int = 0

    @property
    def all(self) -> int:
        """Return how many there are."""
        return self.delivered + self.bounced + self.complained


@dataclass(frozen=True, slots=True)
class AnswerCurve:
    """The bins of `ANSWER_BINS`, what came later, and what has no time."""

    bins: tuple[AnswerBin, ...]


def bin_width(span: timedelta) -> timedelta:
    """Return the width of the bins for a span of time: at most `MOST_BINS` of them cover it."""
    for width in _WIDTHS:
        if span < width * MOST_BINS:
            return width
    width = _WIDTHS[-1]
    while span >= width * MOST_BINS:
        width *= 2
    return width


def sending_curve(
    started_at: datetime, ended_at: datetime, stretches: Iterable[Stretch], *, handed_over: int
) -> SendingCurve:
    """Count messages into bins; those of one attempt are spread evenly over its time."""
    span = max(ended_at - started_at, timedelta())
    width = bin_width(span)
    counts = [0] * (span // width + 1)
    for stretch in stretches:
        _spread(counts, stretch, started_at, width)
    return SendingCurve(started_at, width, tuple(counts), handed_over - sum(counts))


def _spread(counts: list[int], stretch: Stretch, started_at: datetime, width: timedelta) -> None:
    last = len(counts) - 1
    begin = max(stretch.begun - started_at, timedelta())
    end = max(stretch.ended - started_at, begin)
    first_bin, last_bin = min(begin // width, last), min(end // width, last)
    done = 0
    for number in range(first_bin, last_bin):
        # What was over by the end of the bin: differences of it lose nothing to rounding.
        over = int(stretch.count * ((number + 1) * width - begin) / (end - begin))
        counts[number] += over - done
        done = over
    counts[last_bin] += stretch.count - done
