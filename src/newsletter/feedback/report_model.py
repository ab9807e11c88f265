"""What a mail that came back says, as values: its kind, its recipients, its evidence (D3, D8).

Nothing here reads mail or decides; `bounces` makes these values, the policy acts on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from newsletter.delivery.bounce_classes import BounceClass


class ReportKind(StrEnum):
    """What a mail is, in the words of `bounces parse`."""

    HARD = "hard"
    SOFT = "soft"
    """Also what the table calls blocked: `RecipientResult.bounce` and the reason tell them apart"""
    COMPLAINT = "complaint"
    """Also a wish to leave, and a report of failed authentication: see `from_the_reader`."""
    AUTOREPLY = "autoreply"
    DELAYED = "delayed"
    NOT_A_BOUNCE = "not_a_bounce"


class Reason(StrEnum):
    """Why, as far as status and words tell it."""

    USER_UNKNOWN = "user_unknown"
    HOST_UNKNOWN = "host_unknown"
    MOVED = "moved"
    DISABLED = "mailbox_disabled"
    MAILBOX_FULL = "mailbox_full"
    TOO_LARGE = "too_large"
    EXPIRED = "expired"
    NETWORK = "network"
    THROTTLED = "throttled"
    SPAM = "spam"
    REPUTATION = "reputation"
    AUTHENTICATION = "authentication"
    SENDER = "sender_refused"
    POLICY = "policy"
    CONTENT = "content"
    SYSTEM = "system"
    UNDETERMINED = "undetermined"
    ABUSE = "abuse"
    FRAUD = "fraud"
    VIRUS = "virus"
    OPT_OUT = "opt_out"
    UNSUBSCRIBE = "unsubscribe"
    OTHER_FEEDBACK = "other_feedback"
    AUTHENTICATION_FAILURE = "authentication_failure"
    """A mailbox host tells that a message in our name failed DMARC (RFC 6591): no reader spoke."""
    NOT_SPAM = "not_spam"
    VACATION = "vacation"
    DELIVERED = "delivered"
    STATISTICS = "statistics"
    """An aggregate report of DMARC or TLS."""
    ORDINARY = "ordinary_mail"


class Source(StrEnum):
    """Where a recipient was read, the most reliable first."""

    STATUS_PART = "status_part"
    """The fields of RFC 3464, wherever in the mail they stood."""
    FEEDBACK_PART = "feedback_part"
    """The fields of RFC 5965."""
    NOTIFICATION = "notification"
    """The JSON of a provider's notification."""
    HEADER = "header"
    """`X-Failed-Recipients`."""
    TEXT = "text"
    """Words meant for people."""
    RETURNED = "returned"
    """`To` of the returned message: nothing better was found."""


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What one mail says of one recipient.

    `status` is the RFC 3463 code that decided, `code` the SMTP reply, `bounce` the class of D3
    (None where the mail tells of no failure), `remote_mta` the host that said it. `address` is as
    the mail has it, `original` as the message was addressed (RFC 3464 §2.3.1).
    """

    address: str
    kind: ReportKind
    source: Source
    bounce: BounceClass | None = None
    reason: Reason = Reason.UNDETERMINED
    status: str | None = None
    code: int | None = None
    action: str = ""
    diagnostic: str = ""
    remote_mta: str = ""
    original: str = ""


@dataclass(frozen=True, slots=True)
class MessageName:
    """A delivery as our Message-ID names it: `<subscriber.campaign.salt@domain>` (A2)."""

    subscriber: int
    campaign: int
    salt: str


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What in a mail may be ours (D8); nothing here is proven.

    `return_paths` are addresses of our shape, for `ReturnPaths.read` to judge. `messages` are
    names out of returned headers, References and In-Reply-To, for the ledger to compare; anybody
    may write them. `envelope_ids` are ENVIDs (RFC 3461 §4.4), `feedback_ids` the Feedback-IDs.
    `tokens` stood in the returned List-Unsubscribe, for `TokenSigner.read` to judge.
    """

    return_paths: tuple[str, ...] = ()
    messages: tuple[MessageName, ...] = ()
    message_ids: tuple[str, ...] = ()
    envelope_ids: tuple[str, ...] = ()
    feedback_ids: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a mail that came back says as a whole.

    `evidence` names, in words, what the verdict rests on. `truncated` says that the mail was
    longer than what is read of it. `delivered` says that a host put the message into a mailbox, and
    not only passed it on (RFC 3464 §2.3.3). `subject_token` is the subject where it has the form of
    a token. `written_at` is the Date that the mail gives itself, None where it gives none.
    """

    kind: ReportKind
    reason: Reason
    recipients: tuple[RecipientResult, ...] = ()
    identifiers: Identifiers = Identifiers()
    reporting_mta: str = ""
    evidence: tuple[str, ...] = ()
    truncated: bool = False
    delivered: bool = False
    subject_token: str = ""
    written_at: datetime | None = None

    @property
    def leading(self) -> RecipientResult | None:
        """Return the recipient that made the kind of the whole."""
        return next((one for one in self.recipients if one.kind is self.kind), None)

    @property
    def from_the_reader(self) -> bool:
        """Return whether a reader complained: only then may a complaint suppress (D3).

        A wish to leave goes the way of C6, and a report of failed authentication concerns nobody.
        """
        return self.kind is ReportKind.COMPLAINT and self.reason not in (
            Reason.UNSUBSCRIBE,
            Reason.AUTHENTICATION_FAILURE,
        )

    def document(self) -> Mapping[str, Any]:
        """Return what `bounces parse --json` prints."""
        leading = self.leading
        addresses = dict.fromkeys(one.address for one in self.recipients if one.address)
        return {
            "kind": self.kind.value,
            "recipients": list(addresses),
            "status": leading.status if leading else None,
            "reason": self.reason.value,
            "diagnostic": leading.diagnostic if leading else "",
        }
