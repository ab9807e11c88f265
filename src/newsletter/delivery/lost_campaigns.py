"""What a replaced database knew and the restored one does not: campaigns, answers, people who left.

Both lie on SQLite, the replaced one attached as `kept`; its schema may be older than ours, so only
columns of the first schema are read. Nothing is changed in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.delivery.lost_departures import carry_departures
from newsletter.delivery.states import DeliveryState

_HAD_IT = ", ".join(
    str(int(state))
    for state in (
        DeliveryState.ACCEPTED,
        DeliveryState.DELIVERED,
        DeliveryState.BOUNCED,
        DeliveryState.COMPLAINED,
    )
)


@dataclass(frozen=True, slots=True)
class LostCampaign:
    """A campaign that was made after the backup: never to be sent again by mistake.

    `recorded`: the restored database lists it as cancelled, so that `send` refuses its digest.
    """

    campaign: int
    digest: str
    list: str
    status: str
    recipients: int
    had_it: int
    recorded: bool = False

    def __str__(self) -> str:
        then = "listed as cancelled, so that 'send' refuses it" if self.recorded else "not listed"
        return (
            f"campaign {self.campaign}, '{self.digest}' to '{self.list}', is not in the backup: "
            f"it was {self.status}, {self.had_it} of {self.recipients} had it ({then})"
        )


@dataclass(frozen=True, slots=True)
class Lost:
    """All that is told of a replaced database."""

    campaigns: tuple[LostCampaign, ...] = ()
    had_it: tuple[tuple[int, int], ...] = ()
    """(campaign, how many had it after the backup), for campaigns that the backup knows."""
    left: int = 0
    """How many left a list or were suppressed after the backup: here they did so too."""


def carry_over(restored: Path, kept: Path) -> Lost:
    """Record campaigns and departures that only the replaced database knows, and tell of them.

    They become cancelled campaigns without recipients under their own number: neither digest nor
    number is used again by mistake. Raises `sqlite3.Error` when the replaced one cannot be read.
    """
    with _together(restored, kept) as connection:
        campaigns = tuple(
            _carry(connection, LostCampaign(*row), kept.name)
            for row in connection.execute(_LOST).fetchall()
        )
        had_it = tuple(connection.execute(_HAD_SINCE).fetchall())
        left = carry_departures(connection)
        connection.commit()
    return Lost(campaigns, had_it, left)


@contextmanager
def _together(restored: Path, kept: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(restored, uri=True)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        # Nobody else knows of it yet, and a copy must not get a log beside it.
        connection.execute("ATTACH ? AS kept", (f"{kept.as_uri()}?mode=ro&immutable=1",))
        yield connection


def _carry(connection: sqlite3.Connection, lost: LostCampaign, kept: str) -> LostCampaign:
    connection.execute(_CARRY_DIGEST, (lost.campaign,))
    reason = (
        f"sent after the backup was made: it was {lost.status}, {lost.had_it} of "
        f"{lost.recipients} had it; they are named in {kept}"
    )
    taken = connection.execute(_CARRY_CAMPAIGN, (reason, lost.campaign)).rowcount
    return replace(lost, recorded=taken == 1)


# The salt of its Message-IDs tells one campaign from another of the same number.
_LOST = f"""
SELECT c.id, d.slug, l.name, c.status, c.recipients,
       (SELECT count(*) FROM kept.deliveries x
        WHERE x.campaign_id = c.id AND x.state IN ({_HAD_IT}))
FROM kept.campaigns c
JOIN kept.digests d ON d.id = c.digest_id
JOIN kept.lists l ON l.id = c.list_id
WHERE c.message_id_salt NOT IN (SELECT message_id_salt FROM main.campaigns)
ORDER BY c.id
"""  # noqa: S608 - made of numbers of our own

_HAD_SINCE = f"""
SELECT id, since FROM (
    SELECT c.id AS id,
           (SELECT count(*) FROM kept.deliveries x
            WHERE x.campaign_id = c.id AND x.state IN ({_HAD_IT}))
         - (SELECT count(*) FROM main.deliveries y
            WHERE y.campaign_id = c.id AND y.state IN ({_HAD_IT})) AS since
    FROM main.campaigns c
    JOIN kept.campaigns k ON k.id = c.id AND k.message_id_salt = c.message_id_salt
    WHERE c.status IN ('scheduled', 'sending', 'paused', 'held')
) WHERE since > 0 ORDER BY id
"""  # noqa: S608 - made of numbers of our own

_CARRY_DIGEST = """
INSERT OR IGNORE INTO main.digests (slug, content_hash, title, markdown, created_at)
SELECT d.slug, d.content_hash, d.title, d.markdown, d.created_at
FROM kept.campaigns c JOIN kept.digests d ON d.id = c.digest_id
WHERE c.id = ?
"""

# One that was carried over before has no recipients, and its reason says what became of it.
_CARRY_CAMPAIGN = """
INSERT OR IGNORE INTO main.campaigns (
    id, key, list_id, digest_id, status, status_reason, provider, content, identity,
    message_id_salt, on_unknown, recipients, created_at, not_before, expires_at, finished_at)
SELECT c.id, c.key, l.id, d.id, 'cancelled',
       CASE c.recipients WHEN 0 THEN c.status_reason ELSE ? END,
       c.provider, c.content, c.identity, c.message_id_salt, c.on_unknown, 0, c.created_at,
       c.not_before, c.expires_at, coalesce(c.finished_at, c.created_at)
FROM kept.campaigns c
JOIN kept.lists o ON o.id = c.list_id
JOIN kept.digests e ON e.id = c.digest_id
JOIN main.lists l ON l.id = o.id AND l.name = o.name
JOIN main.digests d ON d.slug = e.slug AND d.content_hash = e.content_hash
WHERE c.id = ?
"""
