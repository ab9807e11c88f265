"""The statements of an import, for SQLite and PostgreSQL: stage, settle, apply.

Staging and settling touch temporary tables of the connection alone and read the others: they take
no lock that anybody waits for. Only what is under "apply" writes, in one transaction (SQLite's
write lock is held from the first of them to the commit).

`import_staged` holds the people of the file in its order, `import_settled` what is known of those
who are not simply new: a kind of `Kind`, the subscriber, and whether there is something to change.
`import_new` holds those who are, lined up to be written quickly.
"""

# ruff: noqa: S608 - put together from the constants of this module; every value is bound
from __future__ import annotations

from enum import IntEnum

from sqlalchemy import bindparam, text

from newsletter.storage.columns import Instant


class Kind(IntEnum):
    """What became of a staged person who is not simply new."""

    DUPLICATE = 1
    SUPPRESSED = 2
    STAYS = 3
    """New to the list, and the file itself says that they left or never confirmed."""
    LEFT = 4
    MEMBER = 5
    JOINS = 6
    """Known, but not on this list."""


DOUBTFUL = 2
"""Stands for `changed` until the attributes were compared."""

# ---------------------------------------------------------------- stage

_PEOPLE = """
    n integer PRIMARY KEY, line integer NOT NULL, address_key text NOT NULL, address text NOT NULL,
    name text, timezone text, language text, stays text, says text, hash text NOT NULL
"""
_OTHERS = (
    "CREATE TEMPORARY TABLE import_settled (n integer PRIMARY KEY, kind integer NOT NULL,"
    " subscriber {key}, changed integer NOT NULL, tagged integer NOT NULL, reason text)",
    "CREATE TEMPORARY TABLE import_tags (n integer NOT NULL, tag text NOT NULL)",
    "CREATE TEMPORARY TABLE import_cells (line integer PRIMARY KEY, cells text NOT NULL)",
)
_NEW_PEOPLE = """
    n integer NOT NULL, address_key text NOT NULL, address text NOT NULL,
    name text, timezone text, language text
"""
CREATE = {
    # The number of a new subscriber: on SQLite the place, counted on from the last subscriber
    # under the write lock; on a server the sequence, which nobody waits for.
    "sqlite": (
        f"CREATE TEMPORARY TABLE import_staged ({_PEOPLE}, attributes text)",
        f"CREATE TEMPORARY TABLE import_new (place integer PRIMARY KEY,"
        f" {_NEW_PEOPLE}, attributes text,"
        " subscriber integer GENERATED ALWAYS AS (place) VIRTUAL)",
        *(words.format(key="integer") for words in _OTHERS),
    ),
    "postgresql": (
        f"CREATE TEMPORARY TABLE import_staged ({_PEOPLE}, attributes json)",
        f"CREATE TEMPORARY TABLE import_new"
        f" (place integer GENERATED ALWAYS AS IDENTITY, {_NEW_PEOPLE}, attributes json,"
        " subscriber bigint NOT NULL"
        " DEFAULT nextval(pg_get_serial_sequence('subscribers', 'id')))",
        *(words.format(key="bigint") for words in _OTHERS),
    ),
}
STAGED_COLUMNS = (
    *("n", "line", "address_key", "address", "name", "timezone", "language", "attributes"),
    *("stays", "says", "hash"),
)
INDEX_KEYS = "CREATE INDEX import_staged_keys ON import_staged (address_key)"
INDEX_HASHES = "CREATE INDEX import_staged_hashes ON import_staged (hash)"

# ---------------------------------------------------------------- settle

SETTLE_DUPLICATES = text(f"""
    INSERT INTO import_settled (n, kind, changed, tagged)
    SELECT s.n, {Kind.DUPLICATE:d}, 0, 0 FROM import_staged s
    JOIN (SELECT address_key, min(n) AS first FROM import_staged
          GROUP BY address_key HAVING count(*) > 1) d
      ON d.address_key = s.address_key AND s.n > d.first
    ORDER BY s.n
""")
"""The first row of an address counts. Walks the index of keys once."""

SETTLE_STRICTEST = text(f"""
    UPDATE import_staged
    SET stays = d.stays, says = 'row ' || d.line || ' of this address: ' || d.says
    FROM (SELECT s.address_key AS address_key, min(s.n) AS n FROM import_settled k
          JOIN import_staged s ON s.n = k.n
          WHERE k.kind = {Kind.DUPLICATE:d} AND s.stays IS NOT NULL GROUP BY s.address_key) f
    JOIN import_staged d ON d.n = f.n
    WHERE import_staged.address_key = f.address_key AND import_staged.stays IS NULL
""")
"""Whom any row of the file keeps away stays away."""

COUNT_SUPPRESSIONS = text("SELECT count(*) FROM (SELECT 1 FROM suppressions LIMIT :most) AS few")

_SUPPRESSED = """
    SELECT s.n, p.reason FROM {outer} CROSS JOIN {inner} WHERE p.key = s.hash
    AND NOT EXISTS (SELECT 1 FROM import_settled k
                    WHERE k.n = s.n AND k.kind IN (:duplicate, :suppressed))
    ORDER BY {order}
"""
SUPPRESSED_BY_FEW = text(
    _SUPPRESSED.format(outer="suppressions p", inner="import_staged s", order="p.key")
)
"""Walks all suppressions; the index of hashes finds who is meant."""
SUPPRESSED_BY_MANY = text(
    _SUPPRESSED.format(outer="import_staged s", inner="suppressions p", order="s.hash")
)
"""Walks the index of hashes; the key of the suppressions answers for each, page after page."""

_NEW = "NOT EXISTS (SELECT 1 FROM import_settled k WHERE k.n = s.n)"

_SETTLE_KNOWN = f"""
    INSERT INTO import_settled (n, kind, subscriber, changed, tagged, reason)
    SELECT s.n,
           CASE WHEN m.status = 'unsubscribed' THEN {Kind.LEFT:d}
                WHEN m.status IS NOT NULL THEN {Kind.MEMBER:d}
                WHEN s.stays IS NOT NULL THEN {Kind.STAYS:d}
                ELSE {Kind.JOINS:d} END,
           u.id,
           CASE WHEN (s.name IS NOT NULL AND coalesce(u.name, '') <> s.name)
                  OR (s.timezone IS NOT NULL AND coalesce(u.timezone, '') <> s.timezone)
                  OR (s.language IS NOT NULL AND coalesce(u.language, '') <> s.language) THEN 1
                WHEN s.attributes IS NULL
                  OR CAST(s.attributes AS text) = CAST(u.attributes AS text) THEN 0
                ELSE {DOUBTFUL} END,
           0, s.stays
    FROM import_staged s CROSS JOIN subscribers u
    LEFT JOIN memberships m ON m.list_id = :list AND m.subscriber_id = u.id
    WHERE u.address_key = s.address_key AND {_NEW}
"""
SETTLE_KNOWN = text(_SETTLE_KNOWN)
"""Only what the file has values for changes. Index: the address key."""

DOUBTFUL_PEOPLE = text(f"""
    SELECT k.n, CAST(s.attributes AS text), CAST(u.attributes AS text)
    FROM import_settled k JOIN import_staged s ON s.n = k.n
    JOIN subscribers u ON u.id = k.subscriber
    WHERE k.n > :after AND k.changed = {DOUBTFUL} ORDER BY k.n LIMIT :limit
""")
"""Whose attributes read differently, a page at a time: equal ones may be written differently."""

SETTLE_CHANGED = text("UPDATE import_settled SET changed = :changed WHERE n = :n")

SETTLE_STAYING = text(f"""
    INSERT INTO import_settled (n, kind, changed, tagged, reason)
    SELECT s.n, {Kind.STAYS:d}, 0, 0, s.stays FROM import_staged s
    WHERE s.stays IS NOT NULL AND {_NEW}
""")

SETTLE_TAGS = text(f"""
    UPDATE import_settled SET tagged = 1
    WHERE kind IN ({Kind.MEMBER:d}, {Kind.JOINS:d}) AND n IN (
        SELECT t.n FROM import_tags t JOIN import_settled k ON k.n = t.n
        WHERE NOT EXISTS (SELECT 1 FROM subscriber_tags g
                          WHERE g.tag = t.tag AND g.subscriber_id = k.subscriber))
""")

COUNTS = text("""
    SELECT kind, CASE WHEN changed + tagged > 0 THEN 1 ELSE 0 END AS differs, count(*)
    FROM import_settled GROUP BY 1, 2
""")

KEPT_AWAY = text(f"""
    SELECT reason, count(*) FROM import_settled WHERE kind = {Kind.STAYS:d}
    GROUP BY reason ORDER BY 2 DESC, 1
""")
"""How many the file itself keeps away, for each reason."""

ON_THE_LIST_STILL = text(f"""
    SELECT s.line FROM import_settled k JOIN import_staged s ON s.n = k.n
    JOIN memberships m ON m.list_id = :list AND m.subscriber_id = k.subscriber
    WHERE k.kind = {Kind.MEMBER:d} AND k.reason IS NOT NULL AND m.status = 'active' ORDER BY s.line
""")
"""Whom the file keeps away and this list does not."""

TOLD = text(f"""
    SELECT s.line, k.kind, k.reason, s.says, c.cells FROM import_settled k
    JOIN import_staged s ON s.n = k.n LEFT JOIN import_cells c ON c.line = s.line
    WHERE k.kind IN ({Kind.SUPPRESSED:d}, {Kind.STAYS:d}, {Kind.LEFT:d}) ORDER BY s.line
""")
"""Who was not imported though the row was right."""

LINE_UP_NEW = text(f"""
    INSERT INTO import_new (n, address_key, address, name, timezone, language, attributes)
    SELECT s.n, s.address_key, s.address, s.name, s.timezone, s.language, s.attributes
    FROM import_staged s WHERE {_NEW}
    ORDER BY s.n / :block, CASE WHEN :sorted = 1 THEN s.address_key END, s.n
""")
"""In the order of the file; in a large file by address within each block.

So the index of addresses is written page by page and not all over: a third less time under lock.
"""
INDEX_TAGS = "CREATE INDEX import_tags_people ON import_tags (n)"

DROP_NO_LONGER_NEW = text("""
    DELETE FROM import_new
    WHERE EXISTS (SELECT 1 FROM import_settled k WHERE k.n = import_new.n)
""")

# ---------------------------------------------------------------- apply

LAST_SUBSCRIBER = text("""
    SELECT max(coalesce((SELECT max(id) FROM subscribers), 0),
               coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'subscribers'), 0))
""")
"""SQLite only, under the write lock."""

INSERT_SUBSCRIBERS = text("""
    INSERT INTO subscribers (id, address, address_key, name, timezone, language, attributes,
                             created_at, updated_at)
    SELECT :base + s.subscriber, s.address, s.address_key, s.name, s.timezone, s.language,
           s.attributes, :now, :now
    FROM import_new s WHERE true ORDER BY s.place
    ON CONFLICT (address_key) DO NOTHING
""").bindparams(bindparam("now", type_=Instant()))
"""Ids grow by one, and the table is appended to."""

SETTLE_OVERTAKEN = text(f"""{_SETTLE_KNOWN}
    AND EXISTS (SELECT 1 FROM import_new w
                WHERE w.address_key = u.address_key AND u.id <> :base + w.subscriber)
""")
"""Who was new when the file was settled, and subscribed before it was applied."""
INDEX_OVERTAKEN = "CREATE INDEX import_new_keys ON import_new (address_key)"

JOIN_NEW = text("""
    INSERT INTO memberships (list_id, subscriber_id, status, changed_at)
    SELECT :list, :base + s.subscriber, 'active', :now FROM import_new s ORDER BY s.place
""").bindparams(bindparam("now", type_=Instant()))

_EVIDENCE = """
    INSERT INTO consents (subscriber_id, list_id, act, how, source, wording, import_id, at)
    SELECT {subscriber}, :list, 'granted', 'import', :source, :wording, :import, :now
"""
CONSENT_NEW = text(
    _EVIDENCE.format(subscriber=":base + s.subscriber") + "FROM import_new s ORDER BY s.place"
).bindparams(bindparam("now", type_=Instant()))

_STILL_JOINING = f"""
    FROM import_settled k JOIN subscribers u ON u.id = k.subscriber
    WHERE k.kind = {Kind.JOINS:d}
      AND NOT EXISTS (SELECT 1 FROM memberships m
                      WHERE m.list_id = :list AND m.subscriber_id = u.id)
    ORDER BY k.n
"""
CONSENT_JOINING = text(_EVIDENCE.format(subscriber="u.id") + _STILL_JOINING).bindparams(
    bindparam("now", type_=Instant())
)
JOIN_KNOWN = text(
    "INSERT INTO memberships (list_id, subscriber_id, status, changed_at)"
    f" SELECT :list, u.id, 'active', :now {_STILL_JOINING}"
).bindparams(bindparam("now", type_=Instant()))
"""Behind their consent rows, for it ends what those are chosen by."""

_MERGED = {
    "sqlite": "json_patch(coalesce(subscribers.attributes, '{}'), s.attributes)",
    "postgresql": (
        "CAST((CASE WHEN json_typeof(subscribers.attributes) = 'object'"
        " THEN CAST(subscribers.attributes AS jsonb) ELSE CAST('{}' AS jsonb) END)"
        " || CAST(s.attributes AS jsonb) AS json)"
    ),
}
CHANGE_KNOWN = {
    dialect: text(f"""
        UPDATE subscribers SET
            name = coalesce(s.name, subscribers.name),
            timezone = coalesce(s.timezone, subscribers.timezone),
            language = coalesce(s.language, subscribers.language),
            attributes = CASE WHEN s.attributes IS NULL THEN subscribers.attributes
                              ELSE {merged} END,
            updated_at = :now
        FROM import_settled k JOIN import_staged s ON s.n = k.n
        WHERE subscribers.id = k.subscriber AND k.changed = 1
          AND k.kind IN ({Kind.MEMBER:d}, {Kind.JOINS:d})
          AND NOT EXISTS (SELECT 1 FROM memberships m
                          WHERE m.list_id = :list AND m.subscriber_id = k.subscriber
                            AND m.status = 'unsubscribed')
    """).bindparams(bindparam("now", type_=Instant()))
    for dialect, merged in _MERGED.items()
}
"""Merges into what is there at this moment: a change made meanwhile is kept."""

TAG_NEW = text("""
    INSERT INTO subscriber_tags (tag, subscriber_id)
    SELECT t.tag, :base + s.subscriber FROM import_new s CROSS JOIN import_tags t
    WHERE t.n = s.n ORDER BY s.place
""")
"""Index: the tags of a person."""
TAG_KNOWN = text(f"""
    INSERT INTO subscriber_tags (tag, subscriber_id)
    SELECT t.tag, u.id FROM import_tags t JOIN import_settled k ON k.n = t.n
    JOIN subscribers u ON u.id = k.subscriber
    WHERE k.tagged = 1 AND k.kind IN ({Kind.MEMBER:d}, {Kind.JOINS:d})
    ON CONFLICT DO NOTHING
""")
