"""Names the reason of a failure, for people and reports.

A name decides nothing: what a failure means for the reader is the class. Where the row that
decided names its cause, that is the reason; else the status does, else the words.
"""

from __future__ import annotations

from newsletter.delivery.bounce_classes import (
    NOBODY_THERE,
    BounceClass,
    Cause,
    Decision,
    spoken_rule,
)
from newsletter.feedback.report_model import Reason

BY_STATUS: dict[str, Cause] = {
    "1.7": Cause.SENDER,
    "1.8": Cause.SENDER,
    "2.2": Cause.MAILBOX_FULL,
    "2.3": Cause.TOO_LARGE,
    "3.1": Cause.MAILBOX_FULL,
    "3.4": Cause.TOO_LARGE,
    "4.1": Cause.NETWORK,
    "4.2": Cause.NETWORK,
    "4.3": Cause.NETWORK,
    "4.6": Cause.SYSTEM,
    "4.7": Cause.EXPIRED,
    "7.20": Cause.AUTHENTICATION,
    "7.23": Cause.AUTHENTICATION,
    "7.25": Cause.AUTHENTICATION,
    "7.26": Cause.AUTHENTICATION,
}
"""Subject and detail of a status (RFC 3463 §3, RFC 7372), whatever its class."""


def reason_of(decision: Decision, status: str | None, words: str) -> Reason:
    """Return the reason of a failure that was decided so."""
    return Reason(_cause(decision, status, words).value)


def _cause(decision: Decision, status: str | None, words: str) -> Cause:
    named = decision.rule.cause
    if named not in (Cause.UNDETERMINED, Cause.POLICY):
        return named
    coded = BY_STATUS.get((status or "").partition(".")[2])
    if coded is not None:
        return coded
    row = spoken_rule(words)
    if row is None or (row.cause in NOBODY_THERE) is not (decision.becomes is BounceClass.HARD):
        return named
    if named is Cause.POLICY and row.becomes is not BounceClass.BLOCKED:
        return named
    return row.cause
