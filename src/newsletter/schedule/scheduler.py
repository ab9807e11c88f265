"""Looks after the schedules at the right time, in the background of a process that lives long.

What is due stands in our tables alone, and whoever looks brings them up to date; here it is only
seen to that somebody looks: every few seconds, and at the very instant of the next occurrence
(H4, H9). So a change by the command line is taken up within seconds, and two schedulers on one
database are as good as one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from newsletter.clock import Clock
from newsletter.delivery.rounds import Rounds
from newsletter.errors import NewsletterError
from newsletter.logs import get_logger, place_of, trace_of

log = get_logger("schedule")

LOOK_SECONDS = 3.0
"""How long a change by another process may go unseen."""
TROUBLE_SECONDS = 60.0
"""Looks that fail for so long are told of; a busy database is no trouble yet."""
LATE_SECONDS = 90.0
"""No look came to its end for so long: something is wrong."""
COMPLAINT_SECONDS = 60.0
"""How often the log is told of looks that fail."""
WATCH_SECONDS = 1.0

_LOOK, _DUE = "look", "due"


class MorningScheduler:
    """Calls `look` every few seconds and when something is due: `start`, `wake`, `stop`.

    `look` brings the editions up to date: idempotent, in any number of processes; it is never
    called twice at once here. `next_due` returns the next instant at which it should be called, in
    UTC, or None. `trouble` gets the words of the last error once for each series of looks that
    fail. Neither may take long; whatever they raise, the looks go on.
    """

    def __init__(
        self,
        look: Callable[[], object],
        next_due: Callable[[], datetime | None],
        clock: Clock,
        *,
        trouble: Callable[[str], None],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._look = look
        self._next_due = next_due
        self._clock = clock
        self._trouble = trouble
        self._look_seconds = look_seconds
        # Its own log is for its makers; what it would tell is told here.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        self._jobs: Any = BackgroundScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            # One thread: a look that is due waits for the one under way and follows it.
            executors={"default": ThreadPoolExecutor(1)},
            # A look that is late is as good as another: there is no grace here, schedules have one.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._watch = Rounds("schedule_watch", self._watch_over, look_seconds=WATCH_SECONDS)
        self._running = False
        self._busy = threading.Lock()
        self._began_at = self._looked_at = time.monotonic()
        self._failing_since: float | None = None
        self._told = False
        self._complained_at: float | None = None
        self.next_due: datetime | None = None
        """The next instant that is known of, as of the last look."""

    def start(self) -> None:
        """Begin, with a look at once."""
        self._began_at = self._looked_at = time.monotonic()
        self._jobs.add_job(
            self._look_once,
            "interval",
            seconds=self._look_seconds,
            id=_LOOK,
            next_run_time=datetime.now(UTC),
        )
        self._running = True
        self._jobs.start()
        self._watch.start()

    def wake(self) -> None:
        """Have a look as soon as may be; returns at once, from any thread."""
        # It may be stopped meanwhile.
        with suppress(JobLookupError):
            self._jobs.modify_job(_LOOK, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """End it: the look under way comes to its end, no other begins."""
        if not self._running:
            return
        self._running = False
        self._watch.stop()
        # Not by `wait`: it would hold the lock that the look under way needs to plan the next one.
        self._jobs.shutdown(wait=False)
        with self._busy:
            pass

    @property
    def seconds_since_look(self) -> float:
        """How long ago the last look came to a good end; at first, how long ago it was begun."""
        return time.monotonic() - self._looked_at

    def problem(self) -> str | None:
        """Say what is wrong; None: nothing."""
        if not self._running:
            return "not running"
        late = self.seconds_since_look
        return f"no look for {late:.0f} s" if late > LATE_SECONDS else None

    def _look_once(self) -> None:
        with self._busy:
            if self._running:
                self._began_at = time.monotonic()
                self._try_to_look()

    def _try_to_look(self) -> None:
        """Look, and plan the next one; never raises."""
        try:
            self._look()
            self.next_due = self._next_due()
            self._plan(self.next_due)
        except NewsletterError as error:
            self._fail(f"{error}. {error.fix}" if error.fix else str(error))
        except Exception as error:  # noqa: BLE001 - it outlives every error, and tells it
            self._fail(f"{type(error).__name__} at {place_of(error)}", trace_of(error))
        else:
            self._looked_at = time.monotonic()
            self._failing_since, self._told = None, False

    def _plan(self, due: datetime | None) -> None:
        """Look again at the instant that is due next; what is due already is looked at anyway."""
        if due is not None and due > self._clock.now():
            self._jobs.add_job(
                self._look_once, "date", run_date=due, id=_DUE, replace_existing=True
            )
            return
        with suppress(JobLookupError):
            self._jobs.remove_job(_DUE)

    def _fail(self, problem: str, trace: str | None = None) -> None:
        now = time.monotonic()
        if self._complained_at is None or now - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = now
            log.error("schedules_not_seen", problem=problem, trace=trace)
        self._failing_since = self._failing_since or now
        if now - self._failing_since < TROUBLE_SECONDS or self._told:
            return
        try:
            self._trouble(problem)
            self._told = True
        except Exception as error:  # noqa: BLE001 - the next look tries again
            log.warning("trouble_not_told", at=place_of(error))

    def _watch_over(self, _stop: threading.Event) -> bool:
        """Bring the looks back that a clock set back has put off (G17).

        APScheduler waits for a time of day; this waits by a clock that never jumps.
        """
        late = time.monotonic() - self._began_at > 2 * self._look_seconds + WATCH_SECONDS
        if late and self._running and not self._busy.locked():
            self.wake()
        return True
