"""Who left after a backup was made: what the replaced database knew holds in the restored one too.

Unsubscriptions and suppressions are carried over as they are; and no number of a subscriber is
given again, for links already sent name it. Both lie on SQLite, the replaced one attached as
`kept`; its schema may be older, so only columns of the first schema are read.
"""

from __future__ import annotations

import sqlite3


def carry_departures(connection: sqlite3.Connection) -> int:
    """Unsubscribe and suppress in `main` whoever did so in `kept` since; returns how many.

    Raises `sqlite3.Error` when the replaced database cannot be read.
    """
    suppressed = connection.execute(_SUPPRESS).rowcount
    connection.execute(_ERASED_SINCE)
    connection.execute(_EVIDENCE)
    left = connection.execute(_LEAVE).rowcount
    connection.execute(_KEEP_NUMBER)
    return suppressed + left


_SUPPRESS = """
INSERT OR IGNORE INTO main.suppressions (key, reason, note, at)
SELECT key, reason, note, at FROM kept.suppressions
"""

_ERASED_SINCE = """
UPDATE main.suppressions SET reason = 'erased', note = NULL, at = k.at
FROM kept.suppressions k
WHERE k.key = suppressions.key AND k.reason = 'erased' AND suppressions.reason <> 'erased'
"""

# A member of the same list under the same address, who was still on it when the backup was made.
_LEFT_SINCE = """
FROM kept.memberships k
JOIN kept.subscribers s ON s.id = k.subscriber_id
JOIN kept.lists o ON o.id = k.list_id
JOIN main.subscribers t ON t.address_key = s.address_key
JOIN main.lists l ON l.id = o.id AND l.name = o.name
JOIN main.memberships m ON m.list_id = l.id AND m.subscriber_id = t.id
WHERE k.status = 'unsubscribed' AND m.status <> 'unsubscribed'
"""

_EVIDENCE = f"""
INSERT INTO main.consents (subscriber_id, list_id, act, how, source, wording, at)
SELECT t.id, l.id, 'withdrawn', 'restore', NULL, NULL, k.changed_at {_LEFT_SINCE}
"""

_LEAVE = f"""
UPDATE main.memberships SET status = 'unsubscribed', paused_until = NULL, changed_at = (
    SELECT k.changed_at {_LEFT_SINCE}
    AND m.list_id = memberships.list_id AND m.subscriber_id = memberships.subscriber_id)
WHERE (list_id, subscriber_id) IN (SELECT m.list_id, m.subscriber_id {_LEFT_SINCE})
"""  # noqa: S608 - made of our own words

_KEEP_NUMBER = """
INSERT INTO main.subscribers (id, address, address_key, created_at, updated_at)
SELECT top, '', 'number ' || top, '1970-01-01 00:00:00.000000', '1970-01-01 00:00:00.000000'
FROM (SELECT max(id) AS top FROM kept.subscribers)
WHERE top > (SELECT coalesce(max(id), 0) FROM main.subscribers)
"""
