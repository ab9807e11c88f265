"""SIGTERM and SIGINT as a request for a good end (G6), while a block runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def taking_signals(ask: Callable[[str], None]) -> Iterator[None]:
    """Call `ask` with the name of each signal that comes; afterwards all is as it was."""

    def handle(number: int, _frame: FrameType | None) -> None:
        ask(signal.Signals(number).name)

    earlier = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextmanager
def stopped_by_signals(
    stop: threading.Event, tell: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Set `stop` at the first signal and `tell` its name; a second one ends at once."""

    def ask(name: str) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if tell is not None:
            tell(name)

    with taking_signals(ask):
        yield
