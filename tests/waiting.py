"""Waits for what another thread or process does, and says whether it came."""

from __future__ import annotations

import time
from collections.abc import Callable


def soon(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Return whether something holds within so many seconds; as soon as it does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False
