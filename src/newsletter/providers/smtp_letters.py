"""From envelopes to what goes over an SMTP connection: commands and a finished message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from newsletter.clock import Clock
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Health,
    Mailing,
    Outcome,
    OutcomeKind,
)
from newsletter.rendering.headers import NeedsSmtputf8, wire_address
from newsletter.rendering.mime import MessageTemplate

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Signer(Protocol):
    """Signs messages; called from several threads at once."""

    def sign(self, message: bytes) -> bytes:
        """Return the DKIM-Signature field with its CRLF, to stand before the message.

        May raise `AccountProblem`.
        """
        ...

    def health(self) -> list[Health]:
        """Look at the key."""
        ...


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server offered and we use. `size_limit`: bytes of a message, None: no limit."""

    pipelining: bool = False
    smtputf8: bool = False
    size: bool = False
    size_limit: int | None = None


class Letter(NamedTuple):
    """One message ready for the wire: `head` and `body` together, ending in CRLF, dots doubled."""

    envelope: Envelope
    commands: tuple[bytes, bytes, bytes]
    head: bytes
    body: bytes

    @property
    def delivery(self) -> DeliveryId:
        """Whose it is."""
        return self.envelope.delivery

    def pieces(self, tail: int) -> Iterator[bytes | memoryview]:
        """Return the message without its last `tail` bytes."""
        if self.head:
            yield self.head
        if len(self.body) > tail:
            yield memoryview(self.body)[:-tail]

    def tail(self, size: int) -> bytes:
        """Return the message's last bytes."""
        return self.body[-size:]


class Letters:
    """Makes letters of envelopes, one ahead of the wire.

    What is refused here, without the server, waits in `refused`. What goes wrong while a letter is
    prepared waits in `problem`: the message on the wire is brought to its end before it is told.
    """

    def __init__(
        self,
        mailing: Mailing,
        envelopes: Iterable[Envelope | None],
        clock: Clock,
        signer: Signer | None,
    ) -> None:
        self._template, self._sender = _prepared(mailing)
        self._source = iter(envelopes)
        self._clock = clock
        self._signer = signer
        self._held: Envelope | None = None
        self._over = False
        self.refused: list[Outcome] = []
        self.problem: BaseException | None = None

    def wait(self) -> bool:
        """Pull the next envelope, however long that takes; false when there is none left."""
        while self._held is None and not self._over:
            self._pull()
        return self._held is not None

    def next(self, offers: Offers) -> Letter | None:
        """Return the next letter; None when there is none now (a pause) or no more."""
        while self._held is not None or self._pull():
            assert self._held is not None  # noqa: S101 - for the type checker
            envelope, self._held = self._held, None
            try:
                made = self._write(envelope, offers)
            except Exception as problem:  # noqa: BLE001 - raised by whoever reads `problem`
                self.problem, self._over = problem, True
                return None
            if isinstance(made, Letter):
                return made
            self.refused.append(made)
        return None

    def put_back(self, letter: Letter) -> None:
        """Let the next letter be this one once more, for another connection."""
        self._held = letter.envelope

    def taken_back(self) -> list[Outcome]:
        """Give up what was pulled and did not leave."""
        held, self._held, self._over = self._held, None, True
        return [] if held is None else [Outcome(held.delivery, OutcomeKind.NOT_SENT)]

    def refusals(self) -> list[Outcome]:
        """Return what was refused here since the last time."""
        refused, self.refused = self.refused, []
        return refused

    def _pull(self) -> bool:
        if self._over:
            return False
        try:
            self._held = next(self._source)
        except StopIteration:
            self._over = True
        except Exception as problem:  # noqa: BLE001 - raised by whoever reads `problem`
            self.problem, self._over = problem, True
        return self._held is not None

    def _write(self, envelope: Envelope, offers: Offers) -> Letter | Outcome:
        delivery = envelope.delivery
        try:
            recipient = wire_address(envelope.address, smtputf8=offers.smtputf8)
            smtputf8 = not recipient.isascii()
            message = self._template.build(
                subscriber=delivery.subscriber,
                address=envelope.address,
                name=envelope.name,
                values=envelope.values,
                at=self._clock.now(),
                smtputf8=smtputf8,
            )
        except NeedsSmtputf8:
            return _refusal(delivery, "the server takes no such address (SMTPUTF8)")
        except ValueError as error:
            return _refusal(delivery, f"no address: {error}")
        signature = self._signer.sign(message) if self._signer is not None else b""
        size = len(signature) + len(message)
        if offers.size_limit is not None and size > offers.size_limit:
            return Outcome(
                delivery,
                OutcomeKind.REJECTED_MESSAGE,
                status="5.3.4",
                detail=f"{size} bytes; the server takes {offers.size_limit}",
            )
        sender = self._sender
        if envelope.return_path:
            try:
                sender = wire_address(envelope.return_path)
            except (NeedsSmtputf8, ValueError):
                return Outcome(
                    delivery, OutcomeKind.REJECTED_MESSAGE, detail="the return path is no address"
                )
        announced = f" SIZE={size}" if offers.size else ""
        options = " SMTPUTF8 BODY=8BITMIME" if smtputf8 else ""
        commands = (
            f"MAIL FROM:<{sender}>{announced}{options}\r\n".encode(),
            f"RCPT TO:<{recipient}>\r\n".encode(),
            b"DATA\r\n",
        )
        return Letter(envelope, commands, dot_stuffed(signature) if signature else b"", message)


def dot_stuffed(lines: bytes) -> bytes:
    """Return bytes of any origin as the wire takes them (A12).

    CRLF alone as line ends, dots at the start of lines doubled, ending in CRLF. What
    `MessageTemplate` built is so already, without a dot at the start of any line.
    """
    clean = _BARE.sub(b"\r\n", lines)
    stuffed = clean.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def _prepared(mailing: Mailing) -> tuple[MessageTemplate, str]:
    try:
        return mailing.template, wire_address(mailing.identity.from_email)
    except (NeedsSmtputf8, ValueError) as error:
        raise AccountProblem(
            f"the sender's address cannot be used: {error}", fix="correct 'sender.from_email'"
        ) from None


def _refusal(delivery: DeliveryId, detail: str) -> Outcome:
    return Outcome(delivery, OutcomeKind.REJECTED_RECIPIENT, detail=detail)
