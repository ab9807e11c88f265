"""A provider that answers as a test says, and remembers what it was handed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from newsletter.providers.base import (
    DeliveryId,
    Envelope,
    Flight,
    Health,
    Mailing,
    Outcome,
    OutcomeKind,
)


def as_scripted(envelope: Envelope, kind: OutcomeKind) -> Outcome:
    """Answer like a server that says little."""
    return Outcome(envelope.delivery, kind, code=250, detail="as scripted")


def in_smtp(refusal: str) -> Callable[[Envelope, OutcomeKind], Outcome]:
    """Answer acceptances with 250 and everything else with the given reply: `550 5.1.1 words`."""
    code, status, words = refusal.split(" ", 2)

    def answer(envelope: Envelope, kind: OutcomeKind) -> Outcome:
        if kind is OutcomeKind.ACCEPTED:
            return Outcome(envelope.delivery, kind, code=250, provider_id="Q1")
        return Outcome(envelope.delivery, kind, code=int(code), status=status, detail=words)

    return answer


class ScriptedProvider:
    """`script` gives the outcome of an envelope, or raises; by default everything is accepted."""

    name = "outbox"
    gathers = False

    def __init__(
        self,
        script: Callable[[Envelope], OutcomeKind] | None = None,
        *,
        batch_limit: int = 100,
        lanes: int = 1,
        answer: Callable[[Envelope, OutcomeKind], Outcome] | None = None,
    ) -> None:
        self.script = script or (lambda _envelope: OutcomeKind.ACCEPTED)
        self.batch_limit = batch_limit
        self.lanes = lanes
        self.answer = answer or as_scripted
        self.pauses = 0
        self.interrupted = threading.Event()
        self.handed: list[Envelope] = []
        self.proven: dict[DeliveryId, Outcome] = {}

    def send(
        self, mailing: Mailing, envelopes: Iterable[Envelope | None], flight: Flight
    ) -> Iterator[Outcome]:
        """Answer each envelope by the script."""
        del mailing
        for envelope in envelopes:
            if envelope is None:
                self.pauses += 1
                continue
            kind = self.script(envelope)
            self.handed.append(envelope)
            if kind is not OutcomeKind.NOT_SENT:
                flight.launch([envelope.delivery])
            outcome = self.answer(envelope, kind)
            flight.land(outcome)
            yield outcome

    def interrupt(self) -> None:
        """Remember it, for a script that waits for it."""
        self.interrupted.set()

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """Prove what a test put into `proven`."""
        del mailing
        return self.proven.get(delivery)

    def health(self) -> list[Health]:
        """Always well."""
        return [Health("scripted", ok=True, detail="fine")]

    def close(self) -> None:
        """Nothing is open."""
