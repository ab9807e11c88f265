"""The post: carries letters in the background of a process that lives long, such as `serve`.

It looks at once when it is woken, else every half minute, and outlives every error.
"""

from __future__ import annotations

import threading
import time

from newsletter.delivery.letters import Delivered, LetterCarrier
from newsletter.errors import NewsletterError
from newsletter.logs import get_logger, place_of

log = get_logger("delivery")

LOOK_SECONDS = 30.0
"""How often it looks without being woken: other processes write letters too."""
REST_SECONDS = (30.0, 600.0)
"""The shortest and the longest rest while nothing gets through; each is twice the one before."""
STEP_SECONDS = 0.2
"""How long it takes to notice a stop by an event of somebody else."""
STOP_SECONDS = 8.0
"""How long a stop waits for the letter on the wire before it breaks off, and again behind that."""


class LetterPost:
    """Works a carrier in a thread: `start`, `wake` after a letter was written, `stop`.

    The carrier, and its provider, belong to it alone from the start on.
    """

    def __init__(self, carrier: LetterCarrier, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._carrier = carrier
        self._look_seconds = look_seconds
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._rest = 0.0

    def start(self) -> None:
        """Begin to carry letters; once."""
        self._thread = threading.Thread(target=self.run, args=(self._stop,), name="letters")
        self._thread.start()

    def wake(self) -> None:
        """Tell that a letter was written and committed; returns at once, from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """End it: the letter on the wire is brought to its end, or broken off after a while."""
        self._stop.set()
        self._woken.set()
        if self._thread is None:
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            self._carrier.provider.interrupt()
            self._thread.join(STOP_SECONDS)

    def run(self, stop: threading.Event) -> None:
        """Carry letters until `stop` is set; no error ends it."""
        while not stop.is_set():
            # Before the round: what is written during it wakes the next one.
            self._woken.clear()
            if self._round(stop):
                self._rest = 0.0
                self._wait(stop, self._look_seconds, until_woken=True)
            else:
                # Not to be woken: each new letter would only knock at the closed door again.
                shortest, longest = REST_SECONDS
                self._rest = min(max(shortest, 2 * self._rest), longest)
                self._wait(stop, self._rest, until_woken=False)

    def _round(self, stop: threading.Event) -> bool:
        """Send what is due; returns whether letters get through."""
        try:
            done = self._carrier.deliver_due(stop)
        except NewsletterError as error:
            log.error("letters_failed", problem=str(error), fix=error.fix)  # noqa: TRY400
            return False
        except Exception as error:  # noqa: BLE001 - it outlives every error, and tells it
            # A fault of the program in one letter must not end the pages, nor the next letter.
            problem = type(error).__name__
            log.error("letters_failed", problem=problem, at=place_of(error))  # noqa: TRY400
            return False
        self._tell(done)
        return not done.blocked

    def _tell(self, done: Delivered) -> None:
        if done.problem is not None:
            log.error("letters_put_off", problem=str(done.problem), fix=done.problem.fix)
        if done.counts:
            log.info("letters_carried", **done.counts)

    def _wait(self, stop: threading.Event, seconds: float, *, until_woken: bool) -> None:
        end = time.monotonic() + seconds
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            if not until_woken:
                stop.wait(min(left, STEP_SECONDS))
            elif self._woken.wait(min(left, STEP_SECONDS)):
                return
