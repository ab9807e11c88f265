"""The outbox: each message becomes a file, exactly once; the default, and good for a look.

A message is written under a temporary name and renamed, so that a file with its final name is
whole. The name comes from the delivery: a second try finds the first one's file.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from newsletter.clock import Clock
from newsletter.private_files import make_private_folder, open_private
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


class Outbox:
    """Writes `<directory>/<campaign>/<campaign>-<subscriber>.eml`."""

    name = "outbox"
    batch_limit = 1000
    lanes = 1
    gathers = False

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def send(
        self, mailing: Mailing, envelopes: Iterable[Envelope | None], flight: Flight
    ) -> Iterator[Outcome]:
        """Write each message; raises `AccountProblem` when the folder cannot take files."""
        path = self._directory / str(mailing.campaign)
        try:
            make_private_folder(path)
            folder = _Folder(path)
        except OSError as error:
            raise _cannot_write(path, error) from None
        with contextlib.closing(folder):
            for envelope in envelopes:
                # None announces a wait: nothing is under way here between two messages.
                if envelope is not None:
                    yield self._write(folder, mailing, envelope, flight)

    def _write(
        self, folder: _Folder, mailing: Mailing, envelope: Envelope, flight: Flight
    ) -> Outcome:
        """Write one message, unless its file is there already, and land its outcome."""
        delivery, name = envelope.delivery, _file_name(envelope.delivery)
        outcome = Outcome(delivery, OutcomeKind.ACCEPTED)
        if not folder.holds(name):
            try:
                message = mailing.template.build(
                    subscriber=delivery.subscriber,
                    address=envelope.address,
                    name=envelope.name,
                    values=envelope.values,
                    at=self._clock.now(),
                    smtputf8=not envelope.address.rpartition("@")[0].isascii(),
                )
            except (NeedsSmtputf8, ValueError) as error:
                outcome = Outcome(
                    delivery, OutcomeKind.REJECTED_RECIPIENT, detail=f"no address: {error}"
                )
            else:
                flight.launch([delivery])
                try:
                    folder.write(name, message)
                except OSError as error:
                    flight.land(Outcome(delivery, OutcomeKind.NOT_SENT))
                    raise _cannot_write(folder.path / name, error) from None
        flight.land(outcome)
        return outcome

    def interrupt(self) -> None:
        """Nothing here waits for anybody."""

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """Tell by the file: renaming is atomic, so no file means not accepted."""
        del mailing
        there = (self._directory / str(delivery.campaign) / _file_name(delivery)).exists()
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


class _Folder:
    """The open folder of one campaign: names in it are looked up without walking its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        # Of this thread alone; a killed process leaves one such file at most.
        self._temporary = f".{os.getpid()}-{threading.get_ident()}.part"

    def holds(self, name: str) -> bool:
        return os.access(name, os.F_OK, dir_fd=self._descriptor)

    def write(self, name: str, data: bytes) -> None:
        """Let a file appear whole; raises `OSError`, and then it did not."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            file = open_private(self._temporary, flags, dir_fd=self._descriptor)
            try:
                while data:
                    data = data[os.write(file, data) :]
            finally:
                os.close(file)
            os.rename(
                self._temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor
            )
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._descriptor)
            raise

    def close(self) -> None:
        os.close(self._descriptor)


def _file_name(delivery: DeliveryId) -> str:
    return f"{delivery}.eml"


def _cannot_write(path: Path, error: OSError) -> AccountProblem:
    return AccountProblem(
        f"the outbox cannot be written ({error.strerror}): {path}",
        fix="make room or correct the rights of the folder",
    )
