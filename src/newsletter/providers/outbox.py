"""The outbox: every message becomes one `.eml` file; nothing leaves the machine.

A file's name is its delivery (`7-1234.eml`), and it appears whole or not at all: so a delivery is
written exactly once, and a file is proof of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
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
    Unavailable,
)
from newsletter.providers.composing import Composer, wire_recipient

FOLDER_SIZE = 10_000
"""Most files in one folder: then a subfolder for each ten thousand subscriber numbers."""

_SINGLE_MESSAGES = 0
"""The campaign number of messages outside any campaign; their numbers are random."""
_ABANDONED_SECONDS = 36 * 3600
"""Age of a temporary file that nobody will finish, as Maildir readers count it."""
_MENDED_BY_WAITING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE)
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class OutboxProvider:
    """Writes messages to `<directory>/<campaign>/<delivery>.eml`.

    Subscribers numbered from 10,000 on get a subfolder for each ten thousand
    (`7/12/7-123456.eml`), so that no folder grows without bound and a file's place is known from
    its delivery alone.
    """

    name = "outbox"
    batch_limit = 10_000

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._temporary = directory / "tmp"
        self._ready: set[Path] = set()

    def send(
        self, mailing: Mailing, envelopes: Sequence[Envelope], flight: Flight
    ) -> Iterator[Outcome]:
        """Write each envelope's message; see `Provider.send`."""
        composer = Composer(mailing, self._clock)
        self._prepare()
        for envelope in envelopes:
            outcome = self._deliver(composer, envelope, flight)
            flight.land(outcome)
            yield outcome

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """Prove a delivery by its file; without an outbox folder nothing is proven."""
        del mailing
        path = self.path_of(delivery)
        if _is_whole(path):
            return _accepted(delivery, path)
        if not self._directory.is_dir():
            return None
        return Outcome(delivery, OutcomeKind.NOT_SENT, detail="no file was written")

    def health(self) -> list[Health]:
        """Look whether the folder takes a file."""
        probe = self._temporary / f"probe-{secrets.token_hex(4)}"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"probe\r\n")
            probe.unlink()
        except OSError as error:
            return [
                Health(
                    "outbox",
                    ok=False,
                    detail=f"{self._directory} cannot be written: {error.strerror}",
                    fix="correct 'delivery.outbox.directory' or its rights",
                )
            ]
        return [Health("outbox", ok=True, detail=f"messages become files in {self._directory}")]

    def close(self) -> None:
        """End: nothing is held open."""

    def path_of(self, delivery: DeliveryId) -> Path:
        """Return where the file of a delivery is, or would be."""
        folder = self._directory / str(delivery.campaign)
        part = delivery.subscriber // FOLDER_SIZE
        if part and delivery.campaign != _SINGLE_MESSAGES:
            folder /= str(part)
        return folder / f"{delivery}.eml"

    def _prepare(self) -> None:
        """Make the folder for temporary files and clear what killed processes left there."""
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            oldest = self._clock.now().timestamp() - _ABANDONED_SECONDS
            for path in self._temporary.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()
        except OSError as error:
            raise self._explain(error) from None

    def _deliver(self, composer: Composer, envelope: Envelope, flight: Flight) -> Outcome:
        path = self.path_of(envelope.delivery)
        if _is_whole(path):
            return _accepted(envelope.delivery, path)
        # A file takes any address (RFC 6532); only what is none at all is refused.
        address = wire_recipient(envelope, smtputf8=True)
        if isinstance(address, Outcome):
            return address
        message = composer.compose(envelope, smtputf8=not envelope.address.isascii())
        if isinstance(message, Outcome):
            return message
        temporary = self._temporary / f"{envelope.delivery}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            if path.parent not in self._ready:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._ready.add(path.parent)
            temporary.write_bytes(message)
            flight.launch([envelope.delivery])
            _reveal(temporary, path)
        except OSError as error:
            raise self._explain(error) from None
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return _accepted(envelope.delivery, path)

    def _explain(self, error: OSError) -> AccountProblem | Unavailable:
        self._ready.clear()
        problem = f"the outbox {self._directory} cannot be written: {error.strerror}"
        if error.errno in _MENDED_BY_WAITING:
            return Unavailable(f"{problem}; free some room", retry_after=30.0)
        return AccountProblem(
            problem, fix="correct 'delivery.outbox.directory' or its rights, then resume"
        )


def _accepted(delivery: DeliveryId, path: Path) -> Outcome:
    return Outcome(delivery, OutcomeKind.ACCEPTED, detail="written", provider_id=path.name)


def _reveal(temporary: Path, path: Path) -> None:
    """Give a finished file its name, once: a whole file that is there already stays."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        if not _is_whole(path):
            temporary.replace(path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        temporary.replace(path)


def _is_whole(path: Path) -> bool:
    """Tell whether a file holds a message to its end: a power cut may leave a name without it."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < 2:
                return False
            file.seek(-2, os.SEEK_END)
            return file.read() == b"\r\n"
    except OSError:
        return False
