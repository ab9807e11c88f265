"""The flight log: which messages of one attempt may have become real, and what was answered.

It is appended to just before the bytes that make a message real (the final dot, an API call's
body) and after each answer. A killed process leaves it whole in the system's page cache, so that
the next process can tell the one message in flight from the hundreds behind it. A power cut may
lose it: then the boot id differs, and it proves nothing (G4).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as _quote
from pathlib import Path

from newsletter.errors import StorageError
from newsletter.private_files import make_private_folder, open_private
from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """Name the machine's present boot; None where the system does not tell."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None


@dataclass(slots=True)
class FlightRecord:
    """What a flight log proves: subscribers launched, and those whose answer was read."""

    launched: set[int] = field(default_factory=set)
    landed: dict[int, Outcome] = field(default_factory=dict)


class FlightLog:
    """Writes the log of one worker, one attempt after the other; safe to use from several threads.

    The file exists before the worker's first claim: a missing file proves nothing, an existing one
    without the attempt proves that nothing of it left. Each note is one `write` to a file opened
    for appending, which the system keeps whole.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self.path = log_path(folder, worker)
        self.record = FlightRecord()
        self.settled = True
        """Whether the ledger holds all of the attempt; false from its begin on."""
        try:
            make_private_folder(folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._file = open_private(self.path, flags)
        except OSError as error:
            raise _cannot_write(self.path, error) from None

    def begin(self, attempt: int) -> None:
        """Start the log of an attempt, dropping the one before, which is in the ledger by now."""
        self.record = FlightRecord()
        self.settled = False
        try:
            os.ftruncate(self._file, 0)
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        self._append(f"B {attempt}")

    def launch(self, deliveries: Sequence[DeliveryId]) -> None:
        """Note that these messages may become real from now on.

        Raises `StorageError` when the note cannot be kept: then nothing may leave.
        """
        subscribers = [delivery.subscriber for delivery in deliveries]
        self._append("L " + " ".join(map(str, subscribers)))
        self.record.launched.update(subscribers)
        for subscriber in subscribers:
            # Launched anew (a call without its guilty recipient): an earlier answer is void.
            self.record.landed.pop(subscriber, None)

    def land(self, outcome: Outcome) -> None:
        """Note an answer. When it cannot be kept, the ledger's own record must do."""
        self.record.landed[outcome.delivery.subscriber] = outcome
        self._append(_answer_line(outcome))

    def land_all(self, outcomes: Sequence[Outcome]) -> None:
        """Note the answers of one call in one write."""
        if outcomes:
            self.record.landed.update({o.delivery.subscriber: o for o in outcomes})
            # Most of them are told the same: it is written out once.
            words: dict[tuple[object, ...], str] = {}
            lines = []
            for outcome in outcomes:
                told = outcome[2:]
                text = words.get(told)
                if text is None:
                    text = words[told] = _words(outcome)
                lines.append(f"A {outcome.delivery.subscriber} {outcome.kind} {text}")
            self._append("\n".join(lines))

    def discard(self) -> None:
        """Close and remove the file: everything it says is in the ledger."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self.path.unlink(missing_ok=True)

    def _append(self, line: str) -> None:
        data = line.encode("ascii") + b"\n"
        try:
            written = os.write(self._file, data)
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        if written != len(data):
            raise _cannot_write(self.path, OSError(28, "no space left on device"))


def _answer_line(outcome: Outcome) -> str:
    return f"A {outcome.delivery.subscriber} {outcome.kind} {_words(outcome)}"


def _words(outcome: Outcome) -> str:
    """Return an answer's words as a JSON array; by hand, for a send writes one for each reader."""
    code = "null" if outcome.code is None else str(outcome.code)
    status, detail, name = (
        "null" if text is None else _quote(text)
        for text in (outcome.status, outcome.detail, outcome.provider_id)
    )
    return f"[{code},{status},{detail},{name}]"


def log_path(folder: Path, worker: str) -> Path:
    """Return where the log of a worker is."""
    return folder / f"{worker}.log"


def read_flight(folder: Path, worker: str, attempt: int, campaign: int) -> FlightRecord | None:
    """Read what a dead worker noted of an attempt; None when its log is gone.

    A last line without its end was being written when the process died: a launch counts all the
    same (it errs towards unknown), an answer does not.
    """
    path = log_path(folder, worker)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot_write(path, error) from None
    lines = raw.decode("ascii", "replace").split("\n")
    if lines[0] != f"B {attempt}":
        return FlightRecord()
    return _parse(lines[1:], campaign)


def _parse(lines: Sequence[str], campaign: int) -> FlightRecord:
    record = FlightRecord()
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "L":
            for subscriber in (int(word) for word in rest.split() if word.isdigit()):
                record.launched.add(subscriber)
                record.landed.pop(subscriber, None)
        elif kind == "A":
            try:
                number, outcome, words = rest.split(" ", 2)
                code, status, detail, provider_id = json.loads(words)
                delivery, landed = DeliveryId(campaign, int(number)), OutcomeKind(outcome)
            except (ValueError, TypeError):
                continue
            record.landed[delivery.subscriber] = Outcome(
                delivery, landed, code, status, detail, provider_id
            )
    return record


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the flight log cannot be kept ({error.strerror}): {path}",
        fix="free some room or correct the rights, then run 'newsletter campaigns resume'",
    )
