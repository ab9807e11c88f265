"""Alerts: what needs an operator, written down in the transaction of what it tells of.

How people are told stands in `alert_post`; here it is only seen to that nothing is told twice, and
that no reader's address is in it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select

from newsletter.logs import get_logger, mask_address
from newsletter.storage.database import insert_for
from newsletter.storage.tables import alerts

log = get_logger("alerts")

LONGEST_SUBJECT = 200
LONGEST_BODY = 10_000

_QUOTED = re.compile(r'"[^"\n]*"@')
_WORD = re.compile(r"\S+")


class AlertKind(StrEnum):
    """What kind of trouble it is."""

    CAMPAIGN_PAUSED = "campaign_paused"
    DOMAIN_HELD = "domain_held"
    UNKNOWN_WAITS = "unknown_waits"
    SENT_ELSEWHERE = "sent_elsewhere"
    """News came of messages that another database must have sent."""
    FEEDBACK_UNREAD = "feedback_unread"
    """The mailbox, the webhook or the provider's lists cannot be read."""
    EDITION_MISSED = "edition_missed"
    """Nothing was sent by the deadline (H5, H7), or nobody was there at its time (H4)."""
    EDITION_TROUBLE = "edition_trouble"
    """An edition waits for something that only an operator can mend."""
    EDITION_ASKED = "edition_asked"
    """An edition waits for an operator's yes (H7)."""
    SERVE_TROUBLE = "serve_trouble"
    """A part of `newsletter serve` does not do its work."""
    FAULT = "fault"
    """A fault of the program holds one thing."""
    SUMMARY = "summary"
    """No trouble: what the day was like."""
    TEST = "test"
    """No trouble at all: the operator tries the ways. Never kept."""


BY_MAIL_ALONE = frozenset({AlertKind.SUMMARY})
"""Kinds that webhooks and commands are not told."""
NO_TROUBLE = frozenset({AlertKind.SUMMARY, AlertKind.EDITION_ASKED})
"""Kinds that are told, and are no error of anything."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing an operator must know.

    `key` names the trouble: a second alert with the same one is dropped. `subject` is one line,
    `body` says what happened, what it means and what to do: paragraphs between blank lines, those
    indented by four spaces are commands.
    """

    kind: AlertKind
    key: str
    subject: str
    body: str
    campaign: int | None = None
    edition: int | None = None


def raise_alert(connection: Connection, alert: Alert, at: datetime) -> bool:
    """Write an alert down inside the caller's transaction; returns False when it is known.

    Addresses in it are masked: servers' answers quote them, and alerts leave by ways that are
    not ours (E9).
    """
    made = connection.execute(
        insert_for(connection)(alerts)
        .values(
            key=alert.key[:200],
            kind=alert.kind.value,
            subject=" ".join(mask_addresses(alert.subject).split())[:LONGEST_SUBJECT],
            body=mask_addresses(alert.body)[:LONGEST_BODY],
            campaign_id=alert.campaign,
            edition_id=alert.edition,
            at=at,
        )
        .on_conflict_do_nothing()
        .returning(alerts.c.id)
    ).scalar()
    if made is not None:
        tell = log.info if alert.kind in NO_TROUBLE else log.error
        tell("alert", kind=alert.kind.value, alert=made, campaign=alert.campaign)
    return made is not None


def is_raised(connection: Connection, key: str) -> bool:
    """Return whether an alert with this key was written down before."""
    found = select(alerts.c.id).where(alerts.c.key == key[:200])
    return connection.execute(found).first() is not None


def mask_addresses(text: str) -> str:
    """Return a text with each address in it masked, without controls; its lines stay as they are.

    Also addresses as they stand in links, with `%40`.
    """
    clean = "".join(
        " " if c != "\n" and unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c
        for c in text
    )
    return _WORD.sub(_masked, _QUOTED.sub("@", clean))


def _masked(word: re.Match[str]) -> str:
    plain = word[0].replace("%40", "@")
    return mask_address(plain) if "@" in plain else word[0]
