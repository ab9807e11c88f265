"""How long a process leaves alone what it could do nothing for: a campaign, a held thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable


class Pauses:
    """The pauses of one process, by a clock that never jumps; safe to use from several threads."""

    def __init__(self) -> None:
        self._until: dict[Hashable, float] = {}
        self._last: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def over(self, thing: Hashable) -> bool:
        """Return whether the thing may be looked at."""
        with self._lock:
            return time.monotonic() >= self._until.get(thing, 0.0)

    def clear(self, thing: Hashable) -> None:
        """End the pause, but not the series: somebody says that there is work."""
        with self._lock:
            self._until.pop(thing, None)

    def begin(self, thing: Hashable, first: float, longest: float) -> None:
        """Pause for `first` seconds, twice as long the next time in a row, up to `longest`."""
        with self._lock:
            seconds = min(max(first, 2 * self._last.get(thing, 0.0)), longest)
            self._last[thing] = seconds
            self._until[thing] = time.monotonic() + seconds

    def end(self, thing: Hashable) -> None:
        """Begin with the shortest pause again: all went well."""
        with self._lock:
            self._until.pop(thing, None)
            self._last.pop(thing, None)
