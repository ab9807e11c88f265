"""A provider that answers as a test says, and remembers what it was handed."""

from __future__ import annotations

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


class ScriptedProvider:
    """`script` gives the outcome of an envelope, or raises; by default everything is accepted."""

    name = "outbox"
    lanes = 1
    gathers = False

    def __init__(
        self,
        script: Callable[[Envelope], OutcomeKind] | None = None,
        *,
        batch_limit: int = 100,
    ) -> None:
        self.script = script or (lambda _envelope: OutcomeKind.ACCEPTED)
        self.batch_limit = batch_limit
        self.handed: list[Envelope] = []
        self.proven: dict[DeliveryId, Outcome] = {}

    def send(
        self, mailing: Mailing, envelopes: Iterable[Envelope | None], flight: Flight
    ) -> Iterator[Outcome]:
        """Answer each envelope by the script."""
        del mailing
        for envelope in envelopes:
            if envelope is None:
                continue
            kind = self.script(envelope)
            self.handed.append(envelope)
            if kind is not OutcomeKind.NOT_SENT:
                flight.launch([envelope.delivery])
            outcome = Outcome(envelope.delivery, kind, code=250, detail="as scripted")
            flight.land(outcome)
            yield outcome

    def interrupt(self) -> None:
        """Nothing is on a wire."""

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """Prove what a test put into `proven`."""
        del mailing
        return self.proven.get(delivery)

    def health(self) -> list[Health]:
        """Always well."""
        return [Health("scripted", ok=True, detail="fine")]

    def close(self) -> None:
        """Nothing is open."""
