"""Tags: short words that an operator or an import puts on subscribers, for segments."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select

from newsletter.errors import AudienceError
from newsletter.storage.tables import subscriber_tags

LONGEST_TAG = 64
_SEPARATORS = re.compile(r"[,;|]")
_TAG = re.compile(
    r"""\s*(?:"((?:[^"]|"")*)"|'([^',;|]*)'|([^,;|]*))\s*(?:[,;|]|$)""",
)


def tag_name(text: str) -> str:
    """Return a tag as it is stored: NFC, small letters, single spaces.

    Raises `AudienceError` for one that is empty, too long, or holds a separator or a control.
    """
    name = " ".join(unicodedata.normalize("NFC", text).lower().split())
    if not name or len(name) > LONGEST_TAG or _SEPARATORS.search(name) or not name.isprintable():
        raise AudienceError(
            f"'{text[:LONGEST_TAG]}' is no tag",
            fix=f"use up to {LONGEST_TAG} characters without commas: beta, 'long reads'",
        )
    return name


def tag_words(cell: str) -> list[str]:
    """Return the tags of a cell as they stand there: `beta, long reads` or `"beta","long reads"`.

    Quotes around a tag are no part of it, nor are brackets around all of them: so Mailchimp and
    lists of JSON write them.
    """
    text = cell.strip()
    if len(text) > 1 and text[0] + text[-1] in ("[]", "{}"):
        text = text[1:-1]
    found = [match[1] or match[2] or match[3] or "" for match in _TAG.finditer(text)]
    return [word.replace('""', '"').strip() for word in found if word.strip()]


def split_tags(cell: str) -> list[str]:
    """Return the tags of a cell in their stored form; raises `AudienceError`."""
    return sorted({tag_name(word) for word in tag_words(cell)})


def tags_of(connection: Connection, subscriber: int) -> list[str]:
    """Return the tags of a subscriber in their order."""
    return list(
        connection.execute(
            select(subscriber_tags.c.tag)
            .where(subscriber_tags.c.subscriber_id == subscriber)
            .order_by(subscriber_tags.c.tag)
        ).scalars()
    )


def change_tags(
    connection: Connection, subscriber: int, *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> bool:
    """Put tags on a subscriber and take others off; returns whether anything changed."""
    have = set(tags_of(connection, subscriber))
    gone = have & set(remove)
    new = set(add) - have
    if gone:
        connection.execute(
            delete(subscriber_tags).where(
                subscriber_tags.c.subscriber_id == subscriber, subscriber_tags.c.tag.in_(gone)
            )
        )
    if new:
        connection.execute(
            insert(subscriber_tags), [{"tag": t, "subscriber_id": subscriber} for t in sorted(new)]
        )
    return bool(gone or new)
