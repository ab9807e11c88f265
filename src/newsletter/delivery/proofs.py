"""One message outside any campaign: rendered to files, or sent to one address as a test."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from newsletter.delivery.preparing import Prepared
from newsletter.errors import DeliveryError, ProviderError, TryAgainLater
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Mailing,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)
from newsletter.rendering.content import (
    PREFERENCES_URL,
    UNSUBSCRIBE_URL,
    EmailContent,
    ListIdentity,
)
from newsletter.rendering.merge import merge
from newsletter.rendering.mime import MessageTemplate

NO_CAMPAIGN = 0
"""The campaign number of messages that belong to none."""

TEST_MARK = "[Test] "


@dataclass(frozen=True, slots=True)
class Proof:
    """A digest merged for one imagined reader; `message` is the whole RFC 5322 message."""

    subject: str
    html: str
    text: str
    message: bytes


def proof_links(base_url: str) -> dict[str, str]:
    """Return links of the right shape that belong to nobody: pressing them changes nothing."""
    return {UNSUBSCRIBE_URL: f"{base_url}/u/test", PREFERENCES_URL: f"{base_url}/p/test"}


def first_word(name: str) -> str:
    """Return how an imagined reader is addressed."""
    return name.partition(" ")[0]


def render_proof(prepared: Prepared, *, name: str, at: datetime) -> Proof:
    """Merge a rendered digest for a reader called `name` (empty: nobody known)."""
    content = prepared.content
    if content is None:
        raise DeliveryError("the digest has errors and was not rendered", fix="newsletter check")
    values = {"name": name, "first_name": first_word(name)}
    reader = ProofReader("reader@newsletter.example", name, values)
    return proof_for(content, prepared.identity, reader, at=at)


@dataclass(frozen=True, slots=True)
class ProofReader:
    """Who a proof is merged for; `smtputf8` lets the address have a non-ASCII local part."""

    address: str
    name: str
    values: Mapping[str, str]
    smtputf8: bool = False


def proof_for(
    content: EmailContent, identity: ListIdentity, reader: ProofReader, *, at: datetime
) -> Proof:
    """Merge an email for one reader; its personal links are those of `proof_links`."""
    if not identity.from_email:
        identity = replace(identity, from_email="sender@newsletter.example")
    values = {**reader.values, **proof_links(identity.base_url)}
    merged = merge(content, values)
    message = MessageTemplate(content, identity, campaign=NO_CAMPAIGN, salt="proof").build(
        subscriber=0,
        address=reader.address,
        name=reader.name,
        values=values,
        at=at,
        smtputf8=reader.smtputf8,
    )
    return Proof(merged.subject, merged.html, merged.text, message)


class _NoFlight:
    """A test message is not in the ledger: nothing needs to be noted."""

    def launch(self, deliveries: Sequence[DeliveryId]) -> None:
        """Note nothing."""

    def land(self, outcome: Outcome) -> None:
        """Note nothing."""

    def land_all(self, outcomes: Sequence[Outcome]) -> None:
        """Note nothing."""


def send_test(
    prepared: Prepared, content: EmailContent, provider: Provider, *, address: str, name: str
) -> Outcome:
    """Send one real message, its subject marked as a test, and return the provider's answer.

    Raises `ProviderError` or `TryAgainLater` when the provider does not take mail from us at all.
    """
    mailing = Mailing(
        campaign=NO_CAMPAIGN,
        content=replace(content, subject=TEST_MARK + content.subject),
        identity=prepared.identity,
        message_id_salt=secrets.token_hex(8),
    )
    values = {"name": name, "first_name": first_word(name), "email": address}
    envelope = Envelope(
        DeliveryId(NO_CAMPAIGN, secrets.randbelow(10**12)),
        address,
        name,
        {**values, **proof_links(prepared.identity.base_url)},
    )
    try:
        outcomes = list(provider.send(mailing, [envelope], _NoFlight()))
    except AccountProblem as problem:
        raise ProviderError(problem.problem, fix=problem.fix) from None
    except Unavailable as problem:
        raise TryAgainLater(problem.problem, fix="try again in a moment") from None
    return outcomes[0] if outcomes else Outcome(envelope.delivery, OutcomeKind.NOT_SENT)
