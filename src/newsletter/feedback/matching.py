"""Says whose delivery a mail speaks of, and how well that is proven (D8).

It reads and judges only. How much proof is enough is the operator's setting `feedback.believe`,
and what follows is decided in `policy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from sqlalchemy import Connection

from newsletter.audience.keys import Keys
from newsletter.audience.tokens import Purpose, TokenClaims, TokenSigner
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.feedback.known_readers import (
    Reader,
    SentMessage,
    address_key,
    has_moved,
    latest_delivery,
    reader_at,
    reader_of,
    sent_message,
)
from newsletter.feedback.report_model import Identifiers, RecipientResult, Report
from newsletter.providers.base import DeliveryId
from newsletter.settings.feedback_parts import Believe


class Proof(IntEnum):
    """How well a mail shows whom it speaks of; more proves what less does."""

    NONE = 0
    ADDRESS = 1
    """An address alone, of somebody who was written to within the week."""
    NAMED = 2
    """A Message-ID of ours beside the reader's own address: any reader could write it."""
    PROVEN = 3
    """Our seal: a return path, or a signed link."""

    @property
    def label(self) -> str:
        """Its name as people see it."""
        return self.name.lower()


ENOUGH = {
    Believe.PROVEN: Proof.PROVEN,
    Believe.NAMED: Proof.NAMED,
    Believe.ADDRESS: Proof.ADDRESS,
}
"""What each setting of `feedback.believe` asks for."""


@dataclass(frozen=True, slots=True)
class Match:
    """Whom a mail speaks of.

    `delivery` is None where the mail proves a person and a list but no message of theirs. `why`
    says in words what it rests on, or why it leads to nobody. `sent_at` is when the message left.
    """

    proof: Proof = Proof.NONE
    delivery: DeliveryId | None = None
    subscriber: int | None = None
    list_id: int | None = None
    why: str = "nothing of ours is in it"
    sent_at: datetime | None = None
    address: str = ""


class Matcher:
    """Matches reports with the ledger; one for each operator's keys."""

    def __init__(self, keys: Keys, signer: TokenSigner) -> None:
        # A return path is read whatever the domain is today.
        self._paths = ReturnPaths(keys, None)
        self._signer = signer

    def match(self, connection: Connection, report: Report, now: datetime) -> tuple[Match, ...]:
        """Return a match for each recipient of a report, or one where it names nobody.

        Only the recipient who is the proven reader gets the match. Where proofs contradict each
        other, and where a proven message names another reader of ours, nothing matches.
        """
        found = report.identifiers
        return_paths = {path for one in found.return_paths if (path := self._paths.read(one))}
        claims = {claim for token in found.tokens if (claim := self._read(token))}
        named, denied = _named_messages(connection, found)
        several = max(1, len(report.recipients))
        if return_paths or claims:
            proven = (
                _by_return_path(connection, return_paths)
                if return_paths
                else _by_claims(claims, named)
            )
            reader = reader_of(connection, proven.delivery, proven.subscriber)
            if proven.proof and _contradicts(reader, proven, claims, named, denied):
                proven = Match(why="its proofs contradict each other")
            if not proven.proof:
                return (proven,) * several
            return _assign(connection, proven, reader, report.recipients)
        return tuple(_unproven(connection, one, named, now) for one in report.recipients) or (
            Match(),
        )

    def match_wish(self, connection: Connection, token: str) -> Match | None:
        """Return whose wish to leave a token is (C6); None for one that we did not make."""
        claim = self._read(token)
        if claim is None or reader_of(connection, None, claim.subscriber) is None:
            return None
        return Match(
            Proof.PROVEN, None, claim.subscriber, claim.list_id, "the signed link in the subject"
        )

    def _read(self, token: str) -> TokenClaims | None:
        return self._signer.read(Purpose.UNSUBSCRIBE, token) if token else None


def _named_messages(
    connection: Connection, found: Identifiers
) -> tuple[list[SentMessage], set[DeliveryId]]:
    """Return the messages that Message-IDs name rightly, and what others name with a wrong salt."""
    named: list[SentMessage] = []
    denied: set[DeliveryId] = set()
    for name in found.messages:
        delivery = DeliveryId(name.campaign, name.subscriber)
        sent = sent_message(connection, delivery)
        if sent is None or not sent.salt:
            continue
        if sent.salt != name.salt:
            denied.add(delivery)
        elif sent.has_left:
            named.append(sent)
    return named, denied


def _by_return_path(connection: Connection, return_paths: set[DeliveryId]) -> Match:
    if len(return_paths) > 1:
        return Match(why="it holds the return paths of several messages")
    delivery = next(iter(return_paths))
    sent = sent_message(connection, delivery)
    if sent is None:
        return Match(why="its return path names a message that is not in this database")
    return Match(
        Proof.PROVEN,
        delivery,
        sent.subscriber,
        sent.list_id,
        "the return path",
        sent.sent_at,
    )


def _by_claims(claims: set[TokenClaims], named: Sequence[SentMessage]) -> Match:
    if len({(one.subscriber, one.list_id) for one in claims}) > 1:
        return Match(why="it holds the signed links of several readers or lists")
    claim = next(iter(claims))
    theirs = [
        one for one in named if one.subscriber == claim.subscriber and one.list_id == claim.list_id
    ]
    match = Match(Proof.PROVEN, None, claim.subscriber, claim.list_id, "the signed link")
    if len(theirs) != 1:
        return match
    why = "the signed link and the Message-ID"
    return replace(match, delivery=theirs[0].delivery, sent_at=theirs[0].sent_at, why=why)


def _contradicts(
    reader: Reader | None,
    proven: Match,
    claims: Iterable[TokenClaims],
    named: Iterable[SentMessage],
    denied: set[DeliveryId],
) -> bool:
    """Return whether anything else of ours in a mail speaks of somebody else."""
    if reader is None and proven.delivery is None:
        return True
    others = {one.subscriber for one in claims} | {one.subscriber for one in named}
    of_another_list = {one.list_id for one in claims} - {proven.list_id}
    # A right seal beside a wrong salt: this number meant another message in a restored database.
    others -= {proven.subscriber}
    return bool(others or of_another_list) or proven.delivery in denied


def _assign(
    connection: Connection,
    proven: Match,
    reader: Reader | None,
    recipients: Sequence[RecipientResult],
) -> tuple[Match, ...]:
    """Give a proven match to the recipients whose it is (D9: a report may name several)."""
    own = reader.key if reader else ""
    keys = [_keys_of(one) for one in recipients]
    if own and any(own in each for each in keys):
        other = Match(why="it is another recipient than the one of the message")
        theirs = (replace(proven, address=each[own]) if own in each else other for each in keys)
        return tuple(theirs)
    # Whoever forwards their mail is written of under the address it went on to.
    matches = (replace(proven, address=own),) * max(1, len(recipients))
    if len({one.address.lower() for one in recipients}) > 1:
        return tuple(Match(why="it names several, none of them the reader") for _ in matches)
    if any(reader_at(connection, key) is not None for each in keys for key in each):
        return tuple(Match(why="the message of one reader, but it names another") for _ in matches)
    if reader is not None and has_moved(connection, reader, since=proven.sent_at):
        return tuple(Match(why="the reader has another address since") for _ in matches)
    return matches


def _unproven(
    connection: Connection, recipient: RecipientResult, named: Sequence[SentMessage], now: datetime
) -> Match:
    for key, address in _keys_of(recipient).items():
        reader = reader_at(connection, key)
        if reader is None:
            continue
        proof, why = Proof.NAMED, "the Message-ID, with the reader's address"
        sent = next((one for one in named if one.subscriber == reader.subscriber), None)
        if sent is None:
            proof, why = Proof.ADDRESS, "the address alone"
            sent = latest_delivery(connection, reader.subscriber, now)
        if sent is not None:
            return Match(
                proof, sent.delivery, sent.subscriber, sent.list_id, why, sent.sent_at, address
            )
    return Match(why="a Message-ID without its reader's address") if named else Match()


def _keys_of(recipient: RecipientResult) -> dict[str, str]:
    """Return the identities under which a report names a recipient, with what it wrote."""
    told = (recipient.address, recipient.original)
    return {key: address for address in told if (key := address_key(address))}
