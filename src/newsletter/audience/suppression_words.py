"""What providers write into files of suppressions: one table of columns, reasons and file names.

`suppression_files` reads by it, and docs/importing.md is drawn from it. Headings and words are in
the spelling of `headings.plain_words`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from newsletter.audience.csv_columns import ColumnRules
from newsletter.audience.foreign_dates import instants_in
from newsletter.audience.headings import plain_words
from newsletter.audience.status_words import Away, Kind, StatusColumn, by_heading
from newsletter.audience.suppressions import SuppressionReason


class Meaning(StrEnum):
    """What a word, or a reply, says of an address."""

    ERASED = "erased"
    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard_bounce"
    BOUNCE = "bounce"
    """A bounce of a kind that is not said: hard, where no reply says otherwise."""
    MANUAL = "manual"
    PASSING = "passing"
    """A fault that passes, or one of our message: nothing about the address for good."""
    NOTHING = "nothing"
    """Says no reason."""


class Reply(StrEnum):
    """What a server's reply means for the address, by the table of bounce classes."""

    GONE = "gone"
    PASSING = "passing"
    OURS = "ours"
    """It speaks of us or of our message."""
    UNCLEAR = "unclear"


ReplyReader = Callable[[str | None, int | None, str], Reply]
"""Reads a status such as 5.1.1, a code such as 550, and words."""

_M = Meaning
WORDS: Mapping[str, Meaning] = {
    word: meaning
    for meaning, words in {
        _M.ERASED: (
            *("erased", "erasure", "gdpr", "forgotten", "deleted", "right to be forgotten"),
            *("gdpr delete", "gdpr erasure"),
        ),
        _M.COMPLAINT: (
            *("complaint", "complaints", "complained", "spam", "spam report", "spamreport"),
            *("spam reports", "spam complaint", "spam complaints", "spam notification", "abuse"),
            *("abuse complaint", "abuse report", "junk", "feedback loop", "fbl", "marked as spam"),
            *("contact flagged as spam", "flagged as spam", "reported as spam", "reported spam"),
            *("spam reporting address", "suppress complaint"),
        ),
        _M.HARD_BOUNCE: (
            *("hard bounce", "hard", "hardbounce", "hard bounced", "hard bounces", "permanent"),
            *("permanent bounce", "permanent failure", "permanent fail", "permfail", "invalid"),
            *("invalid email", "invalid emails", "invalid address", "invalid email address"),
            *("invalid recipient", "undeliverable", "cleaned", "bounce rule", "suppress bounce"),
            *("bad mailbox", "bad email", "bad email address", "does not exist", "no such user"),
            *("user unknown", "mailbox unknown", "unknown user", "nonexistent", "non existent"),
            *("no email", "bad syntax", "known bad domain", "on account suppression list"),
        ),
        _M.BOUNCE: ("bounce", "bounces", "bounced", "bounced address", "bounce complaint"),
        _M.MANUAL: (
            *("manual", "manual suppression", "manually added", "manually suppressed"),
            *("unsubscribe", "unsubscribes", "unsubscribed", "unsub", "opt out", "opted out"),
            *("optout", "global unsubscribe", "global unsubscribes", "group unsubscribe"),
            *("group unsubscribes", "list unsubscribe", "unsubscribe link", "one click"),
            *("unsubscribed via email", "unsubscribed via ma", "unsubscribed via api"),
            *("unsubscribed address", "suppress unsubscribe", "admin", "admin blocked"),
            *("administrator", "blocklist", "blocklisted", "blacklist", "blacklisted", "denylist"),
            *("suppressed", "suppression", "compliance", "do not mail", "do not email", "custom"),
            *("do not contact", "excluded", "exclusion", "blocked contact"),
        ),
        _M.PASSING: (
            *("soft bounce", "soft", "softbounce", "soft bounced", "soft bounces", "transient"),
            *("temporary", "temporary failure", "temp fail", "tempfail", "deferred", "deferral"),
            *("delayed", "mailbox full", "over quota", "block", "blocks", "transient bounce"),
            *("greylisted", "throttled", "rate limited"),
        ),
        _M.NOTHING: (
            *("transactional", "non transactional", "recipient", "customer", "api", "user"),
            *("ui", "upload", "import", "imported", "system", "automatic", "general", "address"),
            *("none", "null", "unknown", "n a", "all", "email"),
        ),
    }.items()
    for word in words
}
"""Words of a reason, a type or an origin."""

STRENGTH = (
    _M.ERASED,
    _M.COMPLAINT,
    _M.HARD_BOUNCE,
    _M.PASSING,
    _M.BOUNCE,
    _M.MANUAL,
)
"""Of several words of a row the one that comes first here counts."""

REASONS: Mapping[Meaning, SuppressionReason] = {
    _M.ERASED: SuppressionReason.ERASED,
    _M.COMPLAINT: SuppressionReason.COMPLAINT,
    _M.HARD_BOUNCE: SuppressionReason.HARD_BOUNCE,
    _M.BOUNCE: SuppressionReason.HARD_BOUNCE,
    _M.MANUAL: SuppressionReason.MANUAL,
}

OF_STATUS: Mapping[Away, Meaning] = {
    Away.UNSUBSCRIBED: _M.MANUAL,
    Away.UNCONFIRMED: _M.MANUAL,
    Away.BOUNCED: _M.BOUNCE,
    Away.COMPLAINED: _M.COMPLAINT,
    Away.BLOCKED: _M.MANUAL,
    Away.REMOVED: _M.MANUAL,
    Away.INACTIVE: _M.MANUAL,
}
"""What follows from a status column, as files of subscribers have them."""

FILE_NAMES: tuple[tuple[str, Meaning], ...] = (
    (r"soft bounce|\bblocks?\b|transient|deferr", _M.PASSING),
    (r"complain|\bspam\b|abuse", _M.COMPLAINT),
    (r"\binvalid|\bcleaned\b|hard bounce", _M.HARD_BOUNCE),
    (r"bounce", _M.BOUNCE),
    (r"unsub|opt ?out|nonsubscribed|blocklist|blacklist|denylist", _M.MANUAL),
)
"""How files are called that hold one reason, as SendGrid and Mailgun name theirs: no column says
it there."""
ALLOWED_NAMES = re.compile(r"\b(white|allow|safe) ?lists?\b")
"""Files of addresses that may be mailed."""


def meaning_of_name(words: str) -> Meaning | None:
    """Return what all of a file are by its name (in plain words); None where it does not say."""
    return next((meaning for sign, meaning in FILE_NAMES if re.search(sign, words)), None)


def _field_of_cell(cell: str) -> str | None:
    """Return what a cell of a file without headings is, as Amazon SES takes such files."""
    if "@" in cell and " " not in cell:
        return "email"
    if plain_words(cell) in WORDS:
        return "reason"
    if re.match(r"[245]\d\d[ -]", cell):
        return "reply"
    return "at" if instants_in(cell) else None


SUPPRESSION_COLUMNS = ColumnRules(
    aliases={
        "email": (
            *("email", "email address", "recipient", "address", "mail", "e mail"),
            *("e mail address", "mail address", "emailaddress", "recipient email", "rcpt"),
            *("recipient address", "rcpt to", "subscriber email", "contact email", "user email"),
            *("suppressed address", "contact"),
        ),
        "key": ("key", "hash"),
        "reason": (
            *("reason", "suppression reason", "reason code", "cause", "bounce category"),
            *("complaint feedback type", "block reason", "unsubscribe reason"),
        ),
        "type": ("type", "bounce type", "event type", "kind", "event", "category", "bounce class"),
        "source": ("source", "origin", "added by"),
        "code": ("code", "smtp code", "error code", "reply code", "bounce code", "status code"),
        "reply": (
            *("error", "description", "reply", "diagnostic code", "diagnostic", "smtp response"),
            *("response", "bounce reason", "detail", "details", "reason message", "message"),
            *("error message", "bounce message", "raw reason", "bounce description"),
        ),
        "at": (
            *("at", "date", "created at", "created", "since", "timestamp", "added", "added at"),
            *("suppressed at", "last update time", "creation date", "created on", "date added"),
            *("date created", "created date", "added on", "bounce date", "event date", "time"),
            *("date time", "datetime", "exclusion from campaigns updated at", "updated"),
            *("updated at", "blocked date", "creation time"),
        ),
        "note": ("note", "notes", "comment", "comments"),
        "status": (),
    },
    needed=("email", "key"),
    first=frozenset({"reason", "type", "source", "code", "reply", "at", "note"}),
    guess=_field_of_cell,
    # SparkPost: of which mail an entry keeps the address away.
    more=by_heading(
        [StatusColumn(("transactional", "non transactional"), Kind.NO, Away.BLOCKED, "SparkPost")]
    ),
)
