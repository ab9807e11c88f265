"""The table of bounce classes as data: statuses, and what follows from a class (RFC 3463).

Words are in `bounce_words`. How a reply is looked up is in `bounce_classes`; an operator's own rows
are in the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BounceClass(StrEnum):
    """What a refusal means for the address."""

    HARD = "hard"
    """Nobody is there and nobody will be: suppress at once."""
    SOFT = "soft"
    """The person cannot be reached this time, or nobody can tell why: count."""
    BLOCKED = "blocked"
    """We or our message are refused (policy, spam, reputation): never suppresses (D6)."""


class Cause(StrEnum):
    """What a refusal names as its cause; a name for people, which decides nothing."""

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


FOLLOWS: dict[BounceClass, str] = {
    BounceClass.HARD: "suppress the address",
    BounceClass.SOFT: "count campaigns",
    BounceClass.BLOCKED: "hold the domain, alert",
}
"""What follows from each class, in a few words; the rules themselves are D4 to D7."""

_HARD, _SOFT, _BLOCKED = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One row of the table: an RFC 3463 status and what it means.

    `status` may hold `*` for any number. A row with `words` (a pattern for lower case) fits
    only where they are found. A `vague` status lets the text decide, and means `becomes` only where
    the text says nothing known. One that is `open` gives way to words that say that nobody is
    there. `example` is a reply that the row is made for.
    """

    status: str
    becomes: BounceClass
    example: str
    vague: bool = False
    words: str = ""
    cause: Cause = Cause.UNDETERMINED
    open: bool = False


STATUS_RULES: tuple[StatusRule, ...] = (
    StatusRule("5.1.0", _HARD, "550 5.1.0 Address rejected", vague=True, cause=Cause.USER_UNKNOWN),
    StatusRule(
        "5.1.1",
        _HARD,
        "550 5.1.1 The account that you tried to reach does not exist",
        cause=Cause.USER_UNKNOWN,
    ),
    StatusRule(
        "5.1.2", _HARD, "550 5.1.2 Bad destination system address", cause=Cause.HOST_UNKNOWN
    ),
    StatusRule("5.1.3", _HARD, "501 5.1.3 Bad recipient address syntax", cause=Cause.USER_UNKNOWN),
    StatusRule(
        "5.1.6", _HARD, "550 5.1.6 Mailbox has moved, no forwarding address", cause=Cause.MOVED
    ),
    StatusRule("5.1.7", _BLOCKED, "501 5.1.7 Bad sender address syntax", cause=Cause.SENDER),
    StatusRule(
        "5.1.8", _BLOCKED, "550 5.1.8 Sender address rejected: domain not found", cause=Cause.SENDER
    ),
    StatusRule(
        "5.1.10", _HARD, "556 5.1.10 Recipient address has a null MX", cause=Cause.HOST_UNKNOWN
    ),
    StatusRule("5.2.0", _SOFT, "550 5.2.0 Message could not be delivered", vague=True),
    StatusRule(
        "5.2.1",
        _SOFT,
        "550 5.2.1 The user is receiving mail at a rate that …",
        words=r"\brate\b",
        cause=Cause.THROTTLED,
    ),
    StatusRule(
        "5.2.1",
        _HARD,
        "550 5.2.1 Mailbox disabled, not accepting messages",
        cause=Cause.DISABLED,
    ),
    StatusRule("5.2.2", _SOFT, "552 5.2.2 Mailbox full", cause=Cause.MAILBOX_FULL),
    StatusRule(
        "5.2.3", _SOFT, "552 5.2.3 Message exceeds this mailbox's limit", cause=Cause.TOO_LARGE
    ),
    StatusRule("5.3.0", _SOFT, "554 5.3.0 Other mail system problem", vague=True),
    StatusRule("5.3.4", _SOFT, "552 5.3.4 Message too big for system", cause=Cause.TOO_LARGE),
    StatusRule("5.4.0", _SOFT, "554 5.4.0 Network trouble", vague=True),
    # What Exchange Online says of an address that its directory does not hold.
    StatusRule(
        "5.4.1",
        _HARD,
        "550 5.4.1 Recipient address rejected: Access denied",
        words=r"\brecipient address rejected: access denied\b",
        cause=Cause.USER_UNKNOWN,
    ),
    StatusRule("5.4.4", _HARD, "550 5.4.4 Host or domain name not found", cause=Cause.HOST_UNKNOWN),
    StatusRule("5.4.7", _SOFT, "554 5.4.7 Delivery time expired", cause=Cause.EXPIRED),
    StatusRule("5.4.310", _HARD, "550 5.4.310 DNS domain does not exist", cause=Cause.HOST_UNKNOWN),
    StatusRule("5.5.0", _SOFT, "554 5.5.0 Transaction failed", vague=True),
    StatusRule("5.6.*", _SOFT, "554 5.6.0 Media error", cause=Cause.CONTENT),
    StatusRule("5.7.0", _BLOCKED, "554 5.7.0 Not allowed", cause=Cause.POLICY, open=True),
    StatusRule(
        "5.7.1", _BLOCKED, "554 5.7.1 Message rejected by policy", cause=Cause.POLICY, open=True
    ),
    StatusRule("5.7.*", _BLOCKED, "550 5.7.26 Not authenticated", cause=Cause.POLICY),
    StatusRule("5.0.*", _SOFT, "554 5.0.0 Service unavailable", vague=True),
    StatusRule("5.*.*", _SOFT, "554 5.5.4 Bad parameters", vague=True),
)
"""The first row that fits counts. `TEMPORARY` goes before all of them.

Words about us, a rate, a quota, a policy or a failure that passes make a hard status milder: many
systems say 5.1.1 whatever happened, and to suppress somebody who is there is the worse mistake.
"""

TEMPORARY = StatusRule("4.*.*", _SOFT, "452 4.2.2 Mailbox full", vague=True)
"""What 4.x.x and replies of 420 to 499 mean; words only ever make them blocked."""
