"""The post: carries letters in the background of a process that lives long, such as `serve`."""

from __future__ import annotations

import threading

from newsletter.delivery.letters import LetterCarrier
from newsletter.delivery.rounds import LOOK_SECONDS, Rounds
from newsletter.logs import get_logger

log = get_logger("delivery")


class LetterPost(Rounds):
    """Works a carrier in a thread: `start`, `wake` after a letter was written, `stop`.

    The carrier, and its provider, belong to it alone from the start on.
    """

    def __init__(self, carrier: LetterCarrier, *, look_seconds: float = LOOK_SECONDS) -> None:
        super().__init__(
            "letters",
            self._carry,
            look_seconds=look_seconds,
            interrupt=carrier.provider.interrupt,
        )
        self._carrier = carrier

    def _carry(self, stop: threading.Event) -> bool:
        """Send what is due; returns whether letters get through."""
        done = self._carrier.deliver_due(stop)
        if done.problem is not None:
            log.error("letters_put_off", problem=str(done.problem), fix=done.problem.fix)
        if done.counts:
            log.info("letters_carried", **done.counts)
        return not done.blocked
