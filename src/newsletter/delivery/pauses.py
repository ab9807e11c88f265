"""How long a process that sends leaves a campaign alone in which it could do nothing."""

from __future__ import annotations

import time


class Pauses:
    """The pauses of one process, for each campaign; by a clock that never jumps (G17)."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._last: dict[int, float] = {}

    def over(self, campaign: int) -> bool:
        """Return whether the campaign may be looked at."""
        return time.monotonic() >= self._until.get(campaign, 0.0)

    def clear(self, campaign: int) -> None:
        """End the pause, but not the series: somebody says that there is work."""
        self._until.pop(campaign, None)

    def begin(self, campaign: int, first: float, longest: float) -> None:
        """Pause for `first` seconds, twice as long the next time in a row, up to `longest`."""
        seconds = min(max(first, 2 * self._last.get(campaign, 0.0)), longest)
        self._last[campaign] = seconds
        self._until[campaign] = time.monotonic() + seconds

    def end(self, campaign: int) -> None:
        """Begin with the shortest pause again: all went well."""
        self.clear(campaign)
        self._last.pop(campaign, None)
