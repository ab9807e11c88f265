"""One message for one envelope, for the providers that take whole messages (outbox, smtp).

What cannot become a message is an outcome for that envelope alone, never an exception.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from newsletter.clock import Clock
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Mailing,
    Outcome,
    OutcomeKind,
)
from newsletter.rendering.content import ListIdentity
from newsletter.rendering.headers import NeedsSmtputf8, wire_address
from newsletter.rendering.mime import MessageTemplate

NO_SMTPUTF8 = "the server does not take addresses outside ASCII (SMTPUTF8, RFC 6531)"


def return_path(identity: ListIdentity, delivery: DeliveryId) -> str:
    """Return the envelope sender of a delivery: where its bounces go.

    The list's own address for every delivery; the delivery is a parameter because a bounce
    address may name it (A15).
    """
    del delivery
    return wire_address(identity.from_email)


def template_for(mailing: Mailing) -> MessageTemplate:
    """Encode what all messages of a mailing share; raises `AccountProblem` for a bad sender."""
    try:
        return MessageTemplate(
            mailing.content,
            mailing.identity,
            campaign=mailing.campaign,
            salt=mailing.message_id_salt,
            list_mail=not mailing.transactional,
        )
    except (NeedsSmtputf8, ValueError):
        raise AccountProblem(
            "the sender's address cannot stand in a message",
            fix="correct 'sender.from_email' (or the list's own): an ASCII part before the @",
        ) from None


def wire_recipient(envelope: Envelope, *, smtputf8: bool) -> str | Outcome:
    """Return the address as the wire takes it, or the outcome when it does not (A6)."""
    try:
        return wire_address(envelope.address, smtputf8=smtputf8)
    except NeedsSmtputf8:
        reason = NO_SMTPUTF8
    except ValueError:
        reason = "not an address that mail can be sent to"
    return Outcome(envelope.delivery, OutcomeKind.REJECTED_RECIPIENT, detail=reason)


class Composer:
    """Builds the messages of one mailing; safe to use from several threads."""

    def __init__(self, mailing: Mailing, clock: Clock) -> None:
        self.mailing = mailing
        self._clock = clock
        self._template = template_for(mailing)
        self._zone = ZoneInfo(mailing.identity.timezone)

    def compose(self, envelope: Envelope, *, smtputf8: bool = False) -> bytes | Outcome:
        """Return the whole message with CRLF line ends, dated now in the list's zone (A11).

        `smtputf8` only for an address that needs it: its header fields are UTF-8 then.
        """
        try:
            return self._template.build(
                subscriber=envelope.delivery.subscriber,
                address=envelope.address,
                name=envelope.name,
                values=envelope.values,
                at=self._clock.now().astimezone(self._zone),
                smtputf8=smtputf8,
            )
        except KeyError as error:
            reason = f"the message lacks a value: {error.args[0]}"
        except ValueError as error:
            reason = f"the message cannot be built: {error}"
        return Outcome(envelope.delivery, OutcomeKind.REJECTED_MESSAGE, detail=reason[:300])
