"""Names the reason of a failure, for people and reports: status first, then words.

A name decides nothing: what a failure means for the reader is the class (D3).
"""

from __future__ import annotations

import re
from functools import lru_cache

from newsletter.delivery.bounce_classes import LONGEST_TEXT, BounceClass
from newsletter.feedback.report_model import Reason

BY_STATUS: dict[str, Reason] = {
    "1.0": Reason.USER_UNKNOWN,
    "1.1": Reason.USER_UNKNOWN,
    "1.2": Reason.HOST_UNKNOWN,
    "1.3": Reason.USER_UNKNOWN,
    "1.6": Reason.MOVED,
    "1.7": Reason.SENDER,
    "1.8": Reason.SENDER,
    "1.10": Reason.HOST_UNKNOWN,
    "2.1": Reason.DISABLED,
    "2.2": Reason.MAILBOX_FULL,
    "2.3": Reason.TOO_LARGE,
    "3.1": Reason.MAILBOX_FULL,
    "3.4": Reason.TOO_LARGE,
    "4.1": Reason.NETWORK,
    "4.2": Reason.NETWORK,
    "4.4": Reason.HOST_UNKNOWN,
    "4.310": Reason.HOST_UNKNOWN,
    "4.6": Reason.SYSTEM,
    "4.7": Reason.EXPIRED,
    "7.20": Reason.AUTHENTICATION,
    "7.23": Reason.AUTHENTICATION,
    "7.25": Reason.AUTHENTICATION,
    "7.26": Reason.AUTHENTICATION,
}
"""Subject and detail of a status (RFC 3463 §3, RFC 7372), whatever its class."""

BY_WORDS: tuple[tuple[str, Reason], ...] = (
    (
        r"\bblock(ed|s|ing)|black ?-?list|\b(dns)?[br]bl\b|reputation|complaints?\b",
        Reason.REPUTATION,
    ),
    (r"\bspf\b|\bdkim\b|\bdmarc\b|authenticat|reverse (dns|host)|\bptr\b", Reason.AUTHENTICATION),
    (r"\bspam\b|unsolicited|\bjunk\b|\bbulk\b", Reason.SPAM),
    (r"\bvirus\b|malware|content (rejected|denied|filter)", Reason.CONTENT),
    (
        r"\bquota\b|mailbox.{0,20}full|(full|exceed).{0,40}mailbox|mailbox.{0,40}exceed"
        r"|(enough|insufficient|no).{0,20}(space|storage)|空|満|一杯|переполнен",
        Reason.MAILBOX_FULL,
    ),
    (r"too (big|large)|size limit|message size|exceeds.{0,20}size", Reason.TOO_LARGE),
    (r"rate|too (many|fast|frequent)|gr[ea]y ?-?list|throttl|defer", Reason.THROTTLED),
    (r"(disabled|deactivated|inactive|suspended|closed|discontinued)", Reason.DISABLED),
    (r"has (been )?moved|no longer", Reason.MOVED),
    (
        r"(host|domain|\bmx\b).{0,40}(unknown|not (be )?found|exist|no mx|record)|no smtp service"
        r"|no mx|unrout|nxdomain|non-?existent host",
        Reason.HOST_UNKNOWN,
    ),
    (r"timed? ?out|expired|retry time", Reason.EXPIRED),
    (r"connect|network|unreachable", Reason.NETWORK),
    (r"polic|relay|access denied|not (permitted|allowed)", Reason.POLICY),
    (r"\bsender\b|mail from", Reason.SENDER),
)


def reason_of(bounce: BounceClass, status: str | None, words: str) -> Reason:
    """Return the reason of a failure of this class."""
    text = words[:LONGEST_TEXT].lower()
    spoken = next((reason for row, reason in _rows() if row.search(text)), Reason.UNDETERMINED)
    coded = BY_STATUS.get((status or "").partition(".")[2])
    if bounce is BounceClass.HARD:
        hard = (Reason.USER_UNKNOWN, Reason.HOST_UNKNOWN, Reason.MOVED, Reason.DISABLED)
        if coded in hard and not (status or "").endswith(".1.0"):
            return coded
        return spoken if spoken in hard else Reason.USER_UNKNOWN
    if bounce is BounceClass.BLOCKED:
        return spoken if spoken in _OURS else Reason.POLICY
    if coded is not None and coded not in (Reason.USER_UNKNOWN, Reason.HOST_UNKNOWN):
        return coded
    return spoken


_OURS = (Reason.REPUTATION, Reason.AUTHENTICATION, Reason.SPAM, Reason.CONTENT, Reason.SENDER)


@lru_cache(maxsize=1)
def _rows() -> list[tuple[re.Pattern[str], Reason]]:
    return [(re.compile(words), reason) for words, reason in BY_WORDS]
