"""Whom the message is merged for: a subscriber of the list, or somebody imagined."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Select, Text, cast, or_, select

from newsletter.audience.address import Address
from newsletter.audience.consent import MembershipStatus
from newsletter.audience.eligibility import Recipient
from newsletter.audience.lists import MailingList
from newsletter.errors import AudienceError
from newsletter.rendering.content import SYSTEM_FIELDS, EmailContent
from newsletter.rendering.merge import LONGEST_VALUE
from newsletter.storage.tables import memberships, subscribers

NOBODY, LONGEST = "nobody", "longest"
IMAGINED = {NOBODY: "A reader without any values", LONGEST: "The longest values"}
MOST_FOUND = 20

_NOBODY_ADDRESS = "reader@newsletter.example"
_LONG_NAME = "Maximiliane-Theodora Wolkenstein-Übergangsbewirtschaftung von und zu Ärmelkanal "


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody the message is merged for; `key` is how a look names them."""

    key: str
    address: str
    name: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Match:
    """A subscriber whom a search has found."""

    number: int
    address: str
    name: str
    status: str


def imagined_reader(key: str, content: EmailContent) -> Reader:
    """Return the reader without values, or the one whose values are all as long as can be."""
    if key != LONGEST:
        return Reader(NOBODY, _NOBODY_ADDRESS, "", {})
    name = (_LONG_NAME * LONGEST_VALUE)[:LONGEST_VALUE].rstrip()
    named = {slot.field: name for slot in content.slots if slot.field not in SYSTEM_FIELDS}
    address = f"{'maximiliane.theodora.' * 3}m@{'wolkenstein.' * 14}example.org"
    if "email" in named:
        named["email"] = address
    return Reader(LONGEST, address, name, named)


def subscriber_reader(
    connection: Connection, mailing_list: MailingList, number: int
) -> Reader | None:
    """Return a subscriber of a list as a reader; None: not on this list."""
    row = connection.execute(
        _on_list(mailing_list)
        .with_only_columns(
            subscribers.c.id,
            subscribers.c.address,
            subscribers.c.name,
            subscribers.c.timezone,
            cast(subscribers.c.attributes, Text),
        )
        .where(subscribers.c.id == number)
    ).first()
    if row is None:
        return None
    known = Recipient(row[0], row[1], row[2] or "", row[3], row[4])
    return Reader(str(number), known.address, known.name, known.values)


def number_of(connection: Connection, mailing_list: MailingList, address: Address) -> int:
    """Return the number of an address on a list; raises `AudienceError` when it is not there."""
    number = connection.execute(
        _on_list(mailing_list).where(subscribers.c.address_key == address.key)
    ).scalar()
    if number is None:
        raise AudienceError(
            f"{address.text} is not on list '{mailing_list.name}'",
            fix="check the spelling, or name another list with --list",
        )
    return number


def find_readers(connection: Connection, mailing_list: MailingList, words: str) -> list[Match]:
    """Return subscribers whose address or name holds some words, at most `MOST_FOUND` and one.

    The one more tells that there are others. Who has left the list is not among them.
    """
    rows = connection.execute(
        _on_list(mailing_list)
        .with_only_columns(
            subscribers.c.id, subscribers.c.address, subscribers.c.name, memberships.c.status
        )
        .where(
            or_(
                subscribers.c.address.icontains(words, autoescape=True),
                subscribers.c.name.icontains(words, autoescape=True),
            )
        )
        .order_by(memberships.c.subscriber_id)
        .limit(MOST_FOUND + 1)
    )
    return [Match(row[0], row[1], row[2] or "", row[3]) for row in rows]


def _on_list(mailing_list: MailingList) -> Select[int]:
    return (
        select(subscribers.c.id)
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        .where(
            memberships.c.list_id == mailing_list.id,
            memberships.c.status != MembershipStatus.UNSUBSCRIBED,
        )
    )
