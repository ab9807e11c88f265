"""Bounds what an outage of SendGrid leaves unknown, over all calls in flight.

The API has no idempotency key, so a call whose answer was lost leaves all its recipients unknown.
While nothing is known of the API, or since an answer was lost, one small call goes out alone; once
it is answered, whole calls go out side by side again. An outage so costs the calls that were in
flight when it began, and one small call for each attempt after that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from newsletter.providers.base import Unavailable

PROBE = 50
"""Recipients of a call that asks whether the API answers."""
LOST_IN_A_ROW = 2
"""So many lost answers, one after the other, are an outage: the lane rests and asks again."""
TRUSTED_SECONDS = 60.0
"""How long an answer speaks for the API."""


@dataclass
class Turn:
    """One call's leave to go out, for `most` recipients."""

    most: int
    probe: bool
    lost: bool = False
    answered: bool = False


class OutageGuard:
    """Gives turns to the lanes of one provider; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._in_flight = 0
        self._doubted = True
        self._heard = clock()
        self._lost_in_a_row = 0
        self._interrupted = False

    @contextmanager
    def turn(self, wanted: int) -> Iterator[Turn]:
        """Wait for leave to make a call; whoever gets it notes in the turn what came of it.

        Raises `Unavailable` where others found an outage meanwhile, or the sending was interrupted.
        """
        with self._changed:
            turn = self._admit(wanted)
            self._in_flight += 1
        try:
            yield turn
        finally:
            with self._changed:
                self._in_flight -= 1
                self._note(turn)
                self._changed.notify_all()

    @property
    def out(self) -> bool:
        """Whether the API takes calls and answers none."""
        with self._changed:
            return self._lost_in_a_row >= LOST_IN_A_ROW

    def interrupt(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def _admit(self, wanted: int) -> Turn:
        lost = self._lost_in_a_row
        if not self._in_flight and self._clock() - self._heard > TRUSTED_SECONDS:
            self._doubted = True
        while self._doubted and self._in_flight and not self._interrupted:
            self._changed.wait()
        if self._interrupted:
            raise Unavailable("the sending was interrupted")
        if self._lost_in_a_row > max(lost, LOST_IN_A_ROW - 1):
            raise unanswered()
        return Turn(min(wanted, PROBE) if self._doubted else wanted, probe=self._doubted)

    def _note(self, turn: Turn) -> None:
        if turn.lost:
            self._doubted = True
            self._lost_in_a_row += 1
        elif turn.answered:
            self._heard = self._clock()
            # What went out before an answer was lost says nothing of the API since then.
            if turn.probe:
                self._doubted, self._lost_in_a_row = False, 0


def unanswered() -> Unavailable:
    """Return what a lane raises while calls go out and no answers come back."""
    return Unavailable("SendGrid takes our calls and does not say what became of them")
