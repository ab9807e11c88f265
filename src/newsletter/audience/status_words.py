"""What other programs write of whether somebody may be mailed: one table of columns and words.

An import reads it by `status_columns`, and docs/importing.md is drawn from it. Only what stands
here as such lets anybody in; headings and words are in the spelling of `headings.plain_words`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Away(StrEnum):
    """Why somebody is not to be mailed."""

    UNSUBSCRIBED = "unsubscribed"
    UNCONFIRMED = "not confirmed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    BLOCKED = "blocked"
    REMOVED = "removed"
    INACTIVE = "inactive"
    UNKNOWN = "not known"
    """The file says something that the table does not know."""


class Kind(StrEnum):
    """How the cells of a column are read."""

    WORDS = "words"
    """A word of the table. An empty cell is not known."""
    YES = "yes"
    """Yes, or a date: may be mailed. An empty cell is not known."""
    NO = "no"
    """Yes, a date or a number above 0: must not be mailed. An empty cell says nothing."""
    WHEN = "when"
    """Anything: it happened, and they must not be mailed. An empty cell says nothing."""
    SINCE = "since"
    """A date: they confirmed. An empty cell: they did not."""
    PERHAPS = "perhaps"
    """May be about something else: only a word that keeps away counts."""


MAY_BE_MAILED: Mapping[str, str] = {
    "active": "beehiiv, Kit, MailerLite, Keila, this program",
    "subscribed": "Mailchimp, Mailtrain, MailPoet, Klaviyo, EmailOctopus",
    "enabled": "listmonk",
    "confirmed": "listmonk, phpList",
    "regular": "Buttondown",
    "premium": "Buttondown",
    "gifted": "Buttondown",
    "trialed": "Buttondown",
    "1": "Mailtrain",
    "opted in": "HubSpot",
    "opt in": "ActiveCampaign",
}
"""The only words that let somebody in, and who writes them."""

SAYS_NOTHING: Mapping[str, str] = {
    "free": "Ghost, Substack",
    "paid": "Ghost, Substack",
    "comped": "Ghost",
    "comp": "Substack",
    "founding": "Substack",
    "gift": "Substack",
}
"""Words for what somebody pays: another column must say that they may be mailed."""

_A = Away
KEEPS_AWAY: Mapping[str, Away] = {
    word: away
    for away, words in {
        _A.UNSUBSCRIBED: (
            *("unsubscribed", "unsubscribe", "unsub", "un subscribed", "globally unsubscribed"),
            *("opted out", "opt out", "optout", "optedout", "not subscribed", "non subscribed"),
            *("nonsubscribed", "never subscribed", "left", "cancelled", "canceled", "withdrawn"),
            *("revoked", "declined", "denied", "resigned", "signed off", "2", "not opted in"),
        ),
        _A.UNCONFIRMED: (
            *("unconfirmed", "not confirmed", "pending", "unactivated", "not activated"),
            *("awaiting confirmation", "waiting", "validating", "unverified", "not verified"),
            *("requested", "invited", "opt in pending", "double opt in pending"),
        ),
        _A.BOUNCED: (
            *("bounced", "bounce", "hard bounce", "hard bounced", "hardbounce", "hardbounced"),
            *("soft bounce", "soft bounced", "softbounce", "cleaned", "undeliverable"),
            *("unreachable", "undelivered", "invalid", "invalid email", "invalid address"),
            *("email invalid", "non existent", "dropped", "3", "bad address"),
        ),
        _A.COMPLAINED: (
            *("complained", "complaint", "complainer", "spam", "spam complaint", "spam report"),
            *("reported spam", "reported as spam", "marked as spam", "junk", "abuse", "4"),
        ),
        _A.BLOCKED: (
            *("blocked", "blocklisted", "blacklisted", "blocklist", "blacklist", "banned"),
            *("suppressed", "do not email", "do not mail", "do not contact", "do not send"),
            *("dnc", "excluded", "rejected", "quarantined", "block listed", "black listed"),
        ),
        _A.REMOVED: (
            *("removed", "deleted", "erased", "forgotten", "anonymized", "anonymised"),
            *("permanently deleted", "trashed", "deceased"),
        ),
        _A.INACTIVE: (
            *("inactive", "paused", "disabled", "archived", "suspended", "deactivated"),
            *("expired", "held", "on hold", "needs attention", "sleeping", "dormant", "snoozed"),
        ),
    }.items()
    for word in words
}
"""Words that keep somebody away, and what they mean."""

YES = frozenset({"1", "yes", "y", "true", "t", "on", "x", "ja", "oui", "si", "sí", "sim", "vrai"})
NO = frozenset({"0", "no", "n", "false", "f", "off", "nein", "non", "não", "nao", "faux", "never"})
EMPTY = frozenset(
    {"", "null", "none", "nil", "n/a", "na", "-", "--", r"\n", "nan", "undefined", "0000-00-00"}
    | {"0000-00-00 00:00:00", "[]", "{}", '""'}
)
"""Cells that hold nothing, in small letters."""


CIRCUMSTANCES = (
    *("at", "date", "time", "on", "timestamp", "reason", "reason other", "campaign id"),
    *("campaign title", "updated at"),
)
"""How columns about something that happened end."""


@dataclass(frozen=True, slots=True)
class StatusColumn:
    """Columns that say the same: their headings, how cells are read, what a `no` (or yes) means.

    `words`: what this column alone calls so: None lets in. `systems`: who writes it. `stems`: what
    happened; headings are these with each of `CIRCUMSTANCES` behind, or `date` or `last` before.
    """

    headings: tuple[str, ...]
    kind: Kind
    away: Away
    systems: str = ""
    words: Mapping[str, Away | None] = field(default_factory=dict)
    stems: tuple[str, ...] = ()


# They pay, paid or will; all of them get the newsletter still.
_PAYING: Mapping[str, Away | None] = dict.fromkeys(
    ("churned", "churning", "past due", "paused", "upcoming"), None
)

COLUMNS: tuple[StatusColumn, ...] = (
    StatusColumn(
        (
            *("status", "subscription status", "subscriber status", "email status", "list status"),
            *("global status", "contact status", "member status", "email subscriber status"),
            *("subscription state", "subscriber state", "email subscription status"),
        ),
        Kind.WORDS,
        Away.UNKNOWN,
        "beehiiv, EmailOctopus, Keila, Kit, listmonk, MailerLite, MailPoet, Mailtrain, Wix",
    ),
    StatusColumn(("subscriber type",), Kind.WORDS, Away.UNKNOWN, "Buttondown", _PAYING),
    StatusColumn(
        ("permission status", "email permission status", "permission to send"),
        Kind.WORDS,
        Away.UNKNOWN,
        "Constant Contact",
        {
            **dict.fromkeys(("implicit", "explicit", "implied", "express"), None),
            "temp hold": Away.INACTIVE,
            "pending confirmation": Away.UNCONFIRMED,
        },
    ),
    StatusColumn(
        ("marketing contact status",),
        Kind.WORDS,
        Away.UNKNOWN,
        "HubSpot",
        {"marketing contact": None, "non marketing contact": Away.UNSUBSCRIBED},
    ),
    StatusColumn(("type",), Kind.PERHAPS, Away.UNKNOWN, "Buttondown"),
    StatusColumn(("state",), Kind.PERHAPS, Away.UNKNOWN, "Kit, Drip"),
    StatusColumn(
        ("newsletter", "newsletters", "mailing", "subscription"),
        Kind.PERHAPS,
        Away.UNSUBSCRIBED,
        "forms of shops",
        dict.fromkeys(sorted(NO), Away.UNSUBSCRIBED),
    ),
    StatusColumn(
        ("subscribed", "subscribed to emails", "subscribed to newsletter"),
        Kind.YES,
        Away.UNSUBSCRIBED,
        "Ghost, Brevo (_SUBSCRIBED), MailerLite",
        {"email marketing": None},
    ),
    StatusColumn(
        (
            *("consent", "email consent", "marketing consent", "email marketing consent"),
            *("consented", "accepts marketing", "accepts email marketing", "accepts emails"),
            *("accepts", "accept", "opt in", "optin", "opted in", "permission"),
            *("email permission", "email allowed", "can email", "mailable", "contactable"),
            *("receive emails", "receives emails", "receive", "receives", "wants"),
        ),
        Kind.YES,
        Away.UNSUBSCRIBED,
        "Klaviyo, Shopify, Squarespace, AcyMailing",
    ),
    StatusColumn(
        ("confirmed", "email confirmed", "verified", "email verified", "validated"),
        Kind.YES,
        Away.UNCONFIRMED,
        "phpList, AcyMailing",
    ),
    StatusColumn(
        ("valid", "email valid", "deliverable", "reachable"),
        Kind.YES,
        Away.BOUNCED,
        "programs that verify addresses",
    ),
    StatusColumn(
        ("enabled", "email enabled", "active", "activated", "is active"),
        Kind.YES,
        Away.INACTIVE,
        "AcyMailing, CleverReach, Sympa",
    ),
    StatusColumn(
        ("confirmed at", "confirmation date", "confirmed date", "confirmed on", "verified at"),
        Kind.SINCE,
        Away.UNCONFIRMED,
        "programs with double opt-in",
    ),
    StatusColumn(
        (
            *("unsubscribed", "unsubscribe", "globally unsubscribed", "global unsubscribe"),
            *("unsubscribed from all email", "unsub", "opt out", "optout", "opted out"),
            *("email opt out", "user opt out", "no bulk emails user opt out", "no newsletter"),
        ),
        Kind.NO,
        Away.UNSUBSCRIBED,
        "HubSpot, Salesforce, Zoho, CiviCRM, Odoo, Mailjet",
    ),
    StatusColumn(
        (
            *("blacklisted", "blocklisted", "email blocklisted", "email blacklisted", "blacklist"),
            *("blocklist", "blocked", "banned", "do not email", "do not mail", "do not contact"),
            *("do not send", "do not", "dnc", "no email", "no emails", "no mail", "suppressed"),
            *("email suppressed", "suppression", "suppressions", "email suppressions", "excluded"),
            *("excluded from campaigns", "excluded campaigns", "is excluded from campaigns"),
            *("quarantined", "no bulk emails", "no bulk"),
        ),
        Kind.NO,
        Away.BLOCKED,
        "phpList, Brevo, CiviCRM, Mailjet, Klaviyo, HubSpot, this program (suppressed)",
    ),
    StatusColumn(
        (
            *("bounced", "email bounced", "hard bounced", "hard bounce", "hard bounces"),
            *("cleaned", "undeliverable", "unreachable", "invalid", "email invalid", "bad email"),
            "dropped",
        ),
        Kind.NO,
        Away.BOUNCED,
        "Mailchimp, HubSpot, this program (bounced)",
    ),
    StatusColumn(
        (
            *("complained", "complaint", "complaints", "spam complaint", "spam complaints"),
            *("spam complaining", "is spam complaining", "marked as spam", "spam", "spam reported"),
        ),
        Kind.NO,
        Away.COMPLAINED,
        "Mailjet, Mailtrain",
    ),
    StatusColumn(
        ("unconfirmed", "pending", "opt in pending", "is opt in pending", "optin pending"),
        Kind.NO,
        Away.UNCONFIRMED,
        "Mailjet",
    ),
    StatusColumn(
        ("deleted", "is deleted", "removed", "erased", "deceased", "is deceased", "anonymized"),
        Kind.NO,
        Away.REMOVED,
        "CiviCRM, Ghost",
    ),
    StatusColumn(
        (
            *("disabled", "email disabled", "emails disabled", "account disabled", "inactive"),
            *("is inactive", "archived", "on hold", "held", "paused", "suspended", "deactivated"),
        ),
        Kind.NO,
        Away.INACTIVE,
        "Substack (email_disabled), phpList, CiviCRM (on_hold), CleverReach",
    ),
    StatusColumn(
        (),
        Kind.WHEN,
        Away.UNSUBSCRIBED,
        "Mailchimp (UNSUB_TIME …), beehiiv, Buttondown, MailUp",
        stems=(
            *("unsub", "unsubscribe", "unsubscribed", "unsubscription", "opt out", "optout"),
            "opted out",
        ),
    ),
    StatusColumn(
        (),
        Kind.WHEN,
        Away.BOUNCED,
        "Mailchimp (CLEAN_TIME …)",
        stems=("clean", "cleaned", "bounced", "hard bounced", "hard bounce"),
    ),
    StatusColumn(
        (), Kind.WHEN, Away.COMPLAINED, stems=("complained", "complaint", "spam complaint", "spam")
    ),
    StatusColumn(
        (),
        Kind.WHEN,
        Away.BLOCKED,
        "Brevo (blockedAt)",
        stems=("blocked", "blocklisted", "blacklisted", "suppressed", "banned"),
    ),
    StatusColumn((), Kind.WHEN, Away.REMOVED, "Ghost", stems=("deleted", "removed", "erased")),
    StatusColumn(
        (),
        Kind.WHEN,
        Away.INACTIVE,
        "CleverReach",
        stems=("deactivated", "disabled", "archived", "suspended"),
    ),
)

HARMLESS: Mapping[str, str] = {
    "active subscription": "Substack: whether they pay",
    "optin time": "Mailchimp: empty where an operator added them",
    "opt in time": "Mailchimp: empty where an operator added them",
    "confirm time": "Mailchimp: empty where an operator added them",
    "optedin": "phpList: 0 where an operator added them",
    "manually confirm": "phpList: no where an operator added them",
    "commenting disabled": "Buttondown: about comments",
    "digest enabled": "Substack: about its own digest",
    "bounce date": "Buttondown: also of one bounce that passed",
    "bounce reason": "Buttondown: also of one bounce that passed",
    "bouncecount": "phpList: how many, also such that passed",
    "bounces": "how many, also such that passed",
    "soft bounces": "how many, also such that passed",
}
"""Columns that sound like it and say nothing of it."""

_FILE_NAMES: tuple[tuple[tuple[str, ...], Away], ...] = (
    (("unsubscribed", "unsubscribes", "unsubscribers", "unsubscribe"), Away.UNSUBSCRIBED),
    (("nonsubscribed", "non subscribed", "optouts", "opt outs", "opted out"), Away.UNSUBSCRIBED),
    (("cleaned", "bounces", "bounced", "hard bounces", "invalid emails"), Away.BOUNCED),
    (("complaints", "complained", "spam reports", "spam complaints"), Away.COMPLAINED),
    (("suppression", "suppressions", "suppressed", "blocklist", "blacklist"), Away.BLOCKED),
    (("blocklisted", "blacklisted", "blocked", "do not mail", "do not email"), Away.BLOCKED),
    (("unconfirmed", "unactivated"), Away.UNCONFIRMED),
)
"""How files begin that hold nobody but people to keep away, as Mailchimp names its four."""


def away_by_name(words: str) -> Away | None:
    """Return why all of a file stay away by its name (in plain words); None for other names."""
    for beginnings, away in _FILE_NAMES:
        if any(f"{words} ".startswith(f"{beginning} ") for beginning in beginnings):
            return away
    return None


def headings_of(column: StatusColumn) -> tuple[str, ...]:
    """Return every heading of a column."""
    happened = [f"{stem} {word}" for stem in column.stems for word in CIRCUMSTANCES]
    before = [f"{word} {stem}" for stem in column.stems for word in ("date", "last")]
    return (*column.headings, *happened, *before)


def by_heading(columns: Iterable[StatusColumn]) -> dict[str, StatusColumn]:
    """Return the columns by each of their headings."""
    return {heading: column for column in columns for heading in headings_of(column)}
