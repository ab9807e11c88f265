"""Work in the background of a process that lives long, such as `serve`: round after round.

A round begins at once when it is woken, else now and then, and no error ends the rounds. What a
round does belongs to whoever gives it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from newsletter.errors import NewsletterError
from newsletter.logs import get_logger, place_of, trace_of

log = get_logger("delivery")

LOOK_SECONDS = 30.0
"""How often it looks without being woken: other processes leave work too."""
REST_SECONDS = (30.0, 600.0)
"""The shortest and the longest rest while nothing gets through; each is twice the one before."""
STEP_SECONDS = 0.2
"""How long it takes to notice a stop by an event of somebody else."""
STOP_SECONDS = 8.0
"""How long a stop waits for the round under way before it breaks off, and again behind that."""

Round = Callable[[threading.Event], bool]
"""Does what is due, looking at the event that says stop; returns whether it got through."""


def _break_nothing_off() -> None:
    return


class Rounds:
    """Does rounds in a thread: `start`, `wake` when there is something to do, `stop`.

    `name` is the thread's and that of the log's events: `letters` fails as `letters_failed`.
    `interrupt` breaks a round off that a stop has waited for long enough.
    """

    def __init__(
        self,
        name: str,
        work: Round,
        *,
        look_seconds: float = LOOK_SECONDS,
        interrupt: Callable[[], None] = _break_nothing_off,
    ) -> None:
        self._name = name
        self._failure = f"{name}_failed"
        self._work = work
        self._look_seconds = look_seconds
        self._interrupt = interrupt
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._rest = 0.0

    def start(self) -> None:
        """Begin; once."""
        self._thread = threading.Thread(target=self.run, args=(self._stop,), name=self._name)
        self._thread.start()

    def wake(self) -> None:
        """Tell that there is something to do, and committed; returns at once, from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """End it: the round under way is brought to its end, or broken off after a while."""
        self._stop.set()
        self._woken.set()
        if self._thread is None:
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            self._interrupt()
            self._thread.join(STOP_SECONDS)

    def run(self, stop: threading.Event) -> None:
        """Do rounds until `stop` is set."""
        while not stop.is_set():
            # Before the round: what comes during it wakes the next one.
            self._woken.clear()
            if self._round(stop):
                self._rest = 0.0
                self._wait(stop, self._look_seconds, until_woken=True)
            else:
                # Not to be woken: each new thing would only knock at the closed door again.
                shortest, longest = REST_SECONDS
                self._rest = min(max(shortest, 2 * self._rest), longest)
                self._wait(stop, self._rest, until_woken=False)

    def _round(self, stop: threading.Event) -> bool:
        try:
            return self._work(stop)
        except NewsletterError as error:
            log.error(self._failure, problem=str(error), fix=error.fix)  # noqa: TRY400
        except Exception as error:  # noqa: BLE001 - it outlives every error, and tells it
            # A fault of the program in one thing must not end the pages, nor the next thing.
            problem, place, trace = type(error).__name__, place_of(error), trace_of(error)
            log.error(self._failure, problem=problem, at=place, trace=trace)  # noqa: TRY400
        return False

    def _wait(self, stop: threading.Event, seconds: float, *, until_woken: bool) -> None:
        end = time.monotonic() + seconds
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            if not until_woken:
                stop.wait(min(left, STEP_SECONDS))
            elif self._woken.wait(min(left, STEP_SECONDS)):
                return
