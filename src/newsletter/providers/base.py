"""What every provider is given and what it must answer; the contract test runs against each.

A provider knows no database. It is handed envelopes, says through the `Flight` when bytes that
may make a message real are about to leave, and yields one `Outcome` for each envelope.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, Protocol

from newsletter.rendering.content import EmailContent, ListIdentity
from newsletter.rendering.mime import MessageTemplate


class DeliveryId(NamedTuple):
    """Names one subscriber of one campaign; written `7-1234` outside the program.

    A tuple, as everything that a send makes anew for each recipient: quicker than a dataclass.
    """

    campaign: int
    subscriber: int

    def __str__(self) -> str:
        return f"{self.campaign}-{self.subscriber}"

    @classmethod
    def parse(cls, text: str) -> DeliveryId | None:
        """Read what `str` wrote; None for anything else."""
        match = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", text)
        return cls(int(match[1]), int(match[2])) if match else None


class Envelope(NamedTuple):
    """One message to one recipient, ready to be merged.

    `values` maps merge fields (and the system fields, such as `unsubscribe_url`) to this
    subscriber's plain values; a field that is missing or empty takes its slot's default.
    `return_path` is where a bounce of this very message goes (A15); empty: to the sender.
    """

    delivery: DeliveryId
    address: str
    name: str
    values: Mapping[str, str]
    return_path: str = ""


@dataclass(frozen=True)
class Mailing:
    """What all envelopes of one campaign share, as frozen.

    `message_id_salt` is the random part of every Message-ID of the campaign (A2).
    """

    campaign: int
    content: EmailContent
    identity: ListIdentity
    message_id_salt: str
    transactional: bool = False

    @cached_property
    def template(self) -> MessageTemplate:
        """The message with everything encoded that is the same for all, built once."""
        return MessageTemplate(
            self.content,
            self.identity,
            campaign=self.campaign,
            salt=self.message_id_salt,
            list_mail=not self.transactional,
        )


class OutcomeKind(StrEnum):
    """What became of one envelope at the provider."""

    ACCEPTED = "accepted"
    """The provider took it: its answer says so."""
    REJECTED_RECIPIENT = "rejected_recipient"
    """A permanent no about this address."""
    REJECTED_MESSAGE = "rejected_message"
    """A permanent no about the message or about us; never counts against the address (G10)."""
    DEFERRED = "deferred"
    """Surely not taken; may be tried again later."""
    NOT_SENT = "not_sent"
    """Surely not taken, and the recipient had no part in it: no try is counted."""
    UNKNOWN = "unknown"
    """It may have been taken: the answer was lost (G11)."""


class Outcome(NamedTuple):
    """The answer for one envelope.

    `code` is the SMTP reply or HTTP status, `status` the RFC 3463 enhanced code, `detail` the
    answer's own words cut to 300 characters. `retry_after` is in seconds.
    """

    delivery: DeliveryId
    kind: OutcomeKind
    code: int | None = None
    status: str | None = None
    detail: str = ""
    provider_id: str | None = None
    retry_after: float | None = None


class AccountProblem(Exception):  # noqa: N818 - it is a state of the account, not a crash
    """The provider refuses us as a whole: wrong key, closed account, TLS stripped (D7).

    Raised from `send`; envelopes without an outcome were surely not sent. The campaign pauses.
    """

    def __init__(self, problem: str, *, fix: str | None = None, code: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.code = code


class Unavailable(Exception):  # noqa: N818
    """The provider cannot be reached or asks us to wait; nothing counts against recipients (G12).

    Raised from `send`; envelopes without an outcome were surely not sent. `retry_after`: seconds.
    """

    def __init__(self, problem: str, *, retry_after: float = 30.0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.retry_after = retry_after


class Flight(Protocol):
    """Told, before they leave, which messages may become real: survives a killed process."""

    def launch(self, deliveries: Sequence[DeliveryId]) -> None:
        """Note that the next bytes may make these messages real (the final dot, the body)."""
        ...

    def land(self, outcome: Outcome) -> None:
        """Note the provider's answer for one message, before it is committed to the ledger."""
        ...

    def land_all(self, outcomes: Sequence[Outcome]) -> None:
        """Note the answers of one call at once."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """One line of `newsletter doctor`: what was looked at and whether it is fine."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None


class Provider(Protocol):
    """Takes messages from us.

    `send` yields exactly one outcome for each envelope it took, as soon as it is known, in any
    order; or raises `AccountProblem` or `Unavailable`, after which envelopes without an outcome
    were surely not sent. It calls `flight.launch` before the bytes that may make a message real,
    and `flight.land` with each outcome before yielding it. It never raises for one recipient's
    sake. A consumer that closes the iterator gets no more outcomes: what was launched is brought
    to its end and landed first.

    `send` is called from several threads at once, up to `lanes` of them, each with a flight of
    its own; a provider starts no threads of its own for it.
    """

    name: str
    batch_limit: int
    """The largest batch of envelopes that `send` takes."""
    lanes: int
    """How many batches may be under way at once."""
    gathers: bool
    """Whether many messages leave at once: then a short wait between two is not announced."""

    def send(
        self, mailing: Mailing, envelopes: Iterable[Envelope | None], flight: Flight
    ) -> Iterator[Outcome]:
        """Hand over each envelope's message.

        Envelopes are pulled one by one, no earlier than needed: pulling may wait (pacing). None
        among them announces such a wait: what is under way is to be brought to its end first.
        """
        ...

    def interrupt(self) -> None:
        """Break off what is on the wire, from another thread: each `send` then ends at once.

        The last resort of a stop whose time is over (G6); nothing can be sent afterwards.
        """
        ...

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """Return what the provider itself can prove about a delivery, or None if it can't tell."""
        ...

    def health(self) -> list[Health]:
        """Look at the provider without sending anything."""
        ...

    def close(self) -> None:
        """End connections in good order."""
        ...
