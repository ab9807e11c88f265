"""The outbox: each message becomes a file, exactly once; the default, and good for a look.

A message is written under a temporary name and renamed, so that a file with its final name is
whole. The name comes from the delivery: a second try finds the first one's file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from newsletter.clock import Clock
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Flight,
    Health,
    Mailing,
    Outcome,
    OutcomeKind,
)
from newsletter.rendering.headers import NeedsSmtputf8
from newsletter.rendering.mime import MessageTemplate


class Outbox:
    """Writes `<directory>/<campaign>/<campaign>-<subscriber>.eml`."""

    name = "outbox"
    batch_limit = 1000

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def send(
        self, mailing: Mailing, envelopes: Sequence[Envelope], flight: Flight
    ) -> Iterator[Outcome]:
        """Write each message; raises `AccountProblem` when the folder cannot take files."""
        template = MessageTemplate(
            mailing.content,
            mailing.identity,
            campaign=mailing.campaign,
            salt=mailing.message_id_salt,
            list_mail=not mailing.transactional,
        )
        folder = self._directory / str(mailing.campaign)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(folder, error) from None
        for envelope in envelopes:
            outcome = self._write(template, envelope, flight)
            flight.land(outcome)
            yield outcome

    def _write(self, template: MessageTemplate, envelope: Envelope, flight: Flight) -> Outcome:
        path = self._path(envelope.delivery)
        if path.exists():
            return Outcome(envelope.delivery, OutcomeKind.ACCEPTED)
        try:
            message = template.build(
                subscriber=envelope.delivery.subscriber,
                address=envelope.address,
                name=envelope.name,
                values=envelope.values,
                at=self._clock.now(),
                smtputf8=not envelope.address.rpartition("@")[0].isascii(),
            )
        except (NeedsSmtputf8, ValueError) as error:
            return Outcome(
                envelope.delivery, OutcomeKind.REJECTED_RECIPIENT, detail=f"no address: {error}"
            )
        flight.launch([envelope.delivery])
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(message)
            temporary.rename(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _cannot_write(path, error) from None
        return Outcome(envelope.delivery, OutcomeKind.ACCEPTED)

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """Tell by the file: renaming is atomic, so no file means not accepted."""
        del mailing
        there = self._path(delivery).exists()
        return Outcome(delivery, OutcomeKind.ACCEPTED if there else OutcomeKind.NOT_SENT)

    def health(self) -> list[Health]:
        """Look whether the folder can be written."""
        parent = self._directory
        while not parent.exists():
            parent = parent.parent
        writable = parent.is_dir() and os.access(parent, os.W_OK)
        return [
            Health("outbox", writable, str(self._directory), f"make {parent} writable"),
        ]

    def close(self) -> None:
        """Nothing is open."""

    def _path(self, delivery: DeliveryId) -> Path:
        return self._directory / str(delivery.campaign) / f"{delivery}.eml"


def _cannot_write(path: Path, error: OSError) -> AccountProblem:
    return AccountProblem(
        f"the outbox cannot be written ({error.strerror}): {path}",
        fix="make room or correct the rights of the folder",
    )
