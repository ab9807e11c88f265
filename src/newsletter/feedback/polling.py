"""Looking into the bounce mailbox again and again, for `serve` and `bounces poll --follow`.

It knows when to look, not how: a mailbox is whatever does a round and waits for the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, Self

from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.logs import get_logger, place_of

LONGEST_PAUSE = timedelta(hours=1)
"""Between two tries while something is wrong."""
PATIENCE_SECONDS = 2.0
"""How long the end of the process waits for a round; what it was reading is read again."""


@dataclass(frozen=True, slots=True)
class Round:
    """One look into a mailbox: mails fetched, of them handled, and left for the operator.

    `more` is True where mail is left that this round had no room for.
    """

    fetched: int = 0
    handled: int = 0
    unclear: int = 0
    more: bool = False


class Mailbox(Protocol):
    """What mail that came back is fetched from."""

    def round(self) -> Round:
        """Fetch what is there and hand it over; raises `NewsletterError`."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when there may be new mail, after `seconds`, or when told to stop."""
        ...

    def close(self) -> None:
        """End what was opened; another round may open it again."""
        ...


class LookedAt:
    """A mailbox that cannot tell of new mail, such as a folder: it is looked at now and then."""

    def __init__(self, look: Callable[[], Round], stop: threading.Event) -> None:
        self._look = look
        self._stop = stop

    def round(self) -> Round:
        """Look once."""
        return self._look()

    def wait(self, seconds: float) -> None:
        """Wait the whole time, or until told to stop."""
        self._stop.wait(seconds)

    def close(self) -> None:
        """Nothing is open between two looks."""


def pause_after(failures: int, interval: timedelta) -> timedelta:
    """Return how long to wait after so many failures in a row: doubled each time, to an hour."""
    times = 1 << min(max(failures - 1, 0), 20)
    doubled = max(interval, timedelta(seconds=1)) * times
    return min(doubled, max(LONGEST_PAUSE, interval))


class Poller:
    """Does rounds until `stop` is set: in a thread (`start`), or in the caller's (`run`).

    `apply` acts on what was stored. `on_trouble` gets the words for the first failure of a series;
    `on_round` each round that went well.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        interval: timedelta,
        apply: Callable[[], object],
        on_trouble: Callable[[str], None],
        stop: threading.Event,
        on_round: Callable[[Round], None] | None = None,
    ) -> None:
        self._mailbox = mailbox
        self._interval = interval
        self._apply = apply
        self._on_trouble = on_trouble
        self._on_round = on_round
        self._stop = stop
        self._failures = 0
        self._log = get_logger("feedback")
        # A daemon: a connection that is being made cannot be called back, and holds nothing.
        self._thread = threading.Thread(target=self.run, name="bounce-mailbox", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for the end and wait for it, two seconds at most."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_SECONDS)

    def run(self) -> None:
        """Do rounds until told to stop; what goes wrong is told, and tried again later."""
        try:
            while not self._stop.is_set():
                try:
                    self._one_round()
                except NewsletterError as error:
                    self._failed(error, f"{error}. {error.fix}" if error.fix else str(error))
                except Exception as error:  # noqa: BLE001 - the pages go on beside this thread
                    self._failed(error, f"{type(error).__name__} at {place_of(error)}")
        finally:
            self._mailbox.close()

    def _one_round(self) -> None:
        try:
            done = self._mailbox.round()
        except NewsletterError:
            # What it stored before it failed is not left waiting for the next one.
            with suppress(NewsletterError):
                self._apply()
            raise
        if done.fetched:
            self._apply()
            self._log.info(
                "mailbox_read", fetched=done.fetched, handled=done.handled, unclear=done.unclear
            )
        if self._failures:
            self._log.warning("mailbox_read_again", failures=self._failures)
            self._failures = 0
        if self._on_round is not None:
            self._on_round(done)
        if not done.more:
            self._mailbox.wait(max(self._interval.total_seconds(), 1.0))

    def _failed(self, error: Exception, words: str) -> None:
        if self._stop.is_set() and isinstance(error, TryAgainLater):
            return
        self._failures += 1
        pause = pause_after(self._failures, self._interval).total_seconds()
        self._log.warning(
            "mailbox_not_read", problem=words, failures=self._failures, next_try_seconds=pause
        )
        if self._failures == 1:
            try:
                self._on_trouble(words)
            except Exception as untold:  # noqa: BLE001 - the log has it already
                self._log.warning("trouble_not_told", error=type(untold).__name__)
        self._stop.wait(pause)
