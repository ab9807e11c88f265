"""Importing subscribers: streamed, validated, deduplicated, all or nothing (C13).

The whole file is one transaction: interrupted, it leaves nothing. Nobody who left a list or is
suppressed is brought back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, bindparam, insert, select, update

from newsletter.audience.address import Address, AddressRefused, parse_address
from newsletter.audience.consent import Act, MembershipStatus
from newsletter.audience.csv_reading import RawRow, SubscriberFile, open_rows
from newsletter.audience.eligibility import field_name
from newsletter.audience.keys import Keys
from newsletter.audience.lists import get_list
from newsletter.audience.suppressions import suppressed_keys
from newsletter.clock import Clock
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database
from newsletter.storage.tables import consents, imports, memberships, subscribers

CHUNK = 1000
_COUNTS = (
    *("added", "updated", "unchanged", "unsubscribed", "suppressed", "duplicate", "refused"),
)
_FIXED = ("email", "name", "timezone", "language")


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """What the operator lets in beyond persons' own addresses."""

    allow_role: bool = False
    allow_disposable: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not imported, or a value of it: where, a stable code, and why."""

    row: int
    code: str
    problem: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did; the counts add up to the rows."""

    list: str
    file: str
    file_hash: str
    rows: int
    counts: dict[str, int]
    warnings: tuple[str, ...]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class _Person:
    row: int
    address: Address
    values: dict[str, str]


def import_subscribers(
    database: Database,
    file: Path,
    list_name: str,
    *,
    consent: str | None,
    actor: str,
    keys: Keys,
    clock: Clock,
    policy: ImportPolicy,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
    on_refusal: Callable[[Refusal], None] | None = None,
) -> ImportReport:
    """Import a CSV file into a list; memory does not grow with the file but for 8 bytes a row.

    `progress` is told bytes done and in all. `on_refusal` gets each refused row. Counts: added,
    updated, unchanged, unsubscribed (left before: stays away), suppressed, duplicate, refused.
    Raises `ImportRefused` for a file that is none, and `AudienceError` for an unknown list.
    """
    opened, rows = open_rows(file, mapping=mapping, progress=progress)
    with database.write() as connection:
        mailing_list = get_list(connection, list_name)
        run = _Run(connection, mailing_list.id, keys, clock.now(), policy)
        run.begin(consent, file.name, on_refusal)
        run.take_all(rows)
        run.finish(opened, actor)
        if dry_run:
            connection.rollback()
    warnings = [*opened.warnings, *run.warnings]
    if not consent:
        warnings.append("no consent was stated; the evidence says so (--consent 'how they agreed')")
    return ImportReport(
        list_name,
        file.name,
        opened.content_hash,
        sum(run.counts.values()),
        dict(run.counts),
        tuple(warnings),
        dry_run,
    )


class _Run:
    """One import inside its transaction."""

    def __init__(
        self,
        connection: Connection,
        list_id: int,
        keys: Keys,
        now: datetime,
        policy: ImportPolicy,
    ) -> None:
        self._connection, self._list, self._keys, self._now = connection, list_id, keys, now
        self._policy = policy
        self._seen: set[bytes] = set()
        self._unknown_zones: Counter[str] = Counter()
        self.counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))

    def begin(
        self, consent: str | None, source: str, on_refusal: Callable[[Refusal], None] | None
    ) -> None:
        """Open the import's own row, which each consent row points to."""
        self._consent, self._source = consent, source
        self.refused = on_refusal or (lambda _refusal: None)
        self._import = self._connection.execute(
            insert(imports)
            .values(
                list_id=self._list,
                file_name=source,
                file_hash="",
                consent=consent,
                actor="",
                counts={},
                at=self._now,
            )
            .returning(imports.c.id)
        ).scalar_one()

    @property
    def warnings(self) -> list[str]:
        return [
            f"unknown time zone '{zone}' in {count} rows; left empty there"
            for zone, count in self._unknown_zones.most_common(10)
        ]

    def take_all(self, rows: Iterator[RawRow]) -> None:
        """Take the file in chunks."""
        while chunk := list(islice(rows, CHUNK)):
            self._write([person for row in chunk if (person := self._read(row))])

    def finish(self, opened: SubscriberFile, actor: str) -> None:
        """Write what the import was into its own row and the audit log."""
        counts = dict(self.counts)
        self._connection.execute(
            update(imports)
            .where(imports.c.id == self._import)
            .values(file_hash=opened.content_hash, counts=counts, actor=actor)
        )
        record_audit(
            self._connection,
            self._now,
            actor=actor,
            action="subscribers.import",
            subject=f"import {self._import}",
            detail=counts,
        )

    def _refuse(self, row: int, code: str, problem: str) -> None:
        self.counts["refused"] += 1
        self.refused(Refusal(row, code, problem))

    def _read(self, row: RawRow) -> _Person | None:
        if row.problem is not None:
            self._refuse(row.row, "ragged", row.problem)
            return None
        try:
            address = parse_address(row.values["email"])
        except AddressRefused as refused:
            self._refuse(row.row, refused.code, refused.problem)
            return None
        if address.is_role and not self._policy.allow_role:
            self._refuse(
                row.row, "role", f"'{address.text}' names a function, not a person (--allow-role)"
            )
            return None
        if address.is_disposable and not self._policy.allow_disposable:
            self._refuse(row.row, "disposable", f"'{address.domain}' gives throw-away addresses")
            return None
        mark = blake2b(address.key.encode(), digest_size=8).digest()
        if mark in self._seen:
            self.counts["duplicate"] += 1
            return None
        self._seen.add(mark)
        return _Person(row.row, address, self._known_zone(row.values))

    def _known_zone(self, values: dict[str, str]) -> dict[str, str]:
        zone = values.get("timezone")
        if zone:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                self._unknown_zones[zone[:60]] += 1
                values["timezone"] = ""
        return values

    def _write(self, people: Sequence[_Person]) -> None:
        if not people:
            return
        hashes = {self._keys.hash_address(p.address.key): p for p in people}
        suppressed = suppressed_keys(self._connection, list(hashes))
        self.counts["suppressed"] += len(suppressed)
        for key, reason in suppressed.items():
            person = hashes[key]
            self.refused(Refusal(person.row, "suppressed", f"suppressed ({reason}); stays away"))
        free = [person for key, person in hashes.items() if key not in suppressed]
        known = self._known(free)
        self._insert([person for person in free if person.address.key not in known])
        self._update([(known[p.address.key], p) for p in free if p.address.key in known])

    def _known(self, people: Sequence[_Person]) -> dict[str, Any]:
        rows = self._connection.execute(
            select(
                subscribers.c.id,
                subscribers.c.address_key,
                subscribers.c.name,
                subscribers.c.timezone,
                subscribers.c.language,
                subscribers.c.attributes,
                memberships.c.status,
            )
            .outerjoin(
                memberships,
                (memberships.c.subscriber_id == subscribers.c.id)
                & (memberships.c.list_id == self._list),
            )
            .where(subscribers.c.address_key.in_([p.address.key for p in people]))
        )
        return {row.address_key: row for row in rows}

    def _insert(self, people: Sequence[_Person]) -> None:
        if not people:
            return
        self._connection.execute(
            insert(subscribers),
            [
                {
                    "address": p.address.text,
                    "address_key": p.address.key,
                    "created_at": self._now,
                    "updated_at": self._now,
                    **_columns(p.values),
                }
                for p in people
            ],
        )
        ids = self._connection.execute(
            select(subscribers.c.id).where(
                subscribers.c.address_key.in_([p.address.key for p in people])
            )
        ).scalars()
        self._join(list(ids))
        self.counts["added"] += len(people)

    def _join(self, ids: Sequence[int]) -> None:
        self._connection.execute(
            insert(memberships),
            [
                {
                    "list_id": self._list,
                    "subscriber_id": subscriber,
                    "status": MembershipStatus.ACTIVE.value,
                    "changed_at": self._now,
                }
                for subscriber in ids
            ],
        )
        self._connection.execute(
            insert(consents),
            [
                {
                    "subscriber_id": subscriber,
                    "list_id": self._list,
                    "act": Act.GRANTED.value,
                    "how": "import",
                    "source": self._source,
                    "wording": self._consent,
                    "import_id": self._import,
                    "at": self._now,
                }
                for subscriber in ids
            ],
        )

    def _update(self, known: Sequence[tuple[Any, _Person]]) -> None:
        joining: list[int] = []
        changes: list[dict[str, Any]] = []
        for row, person in known:
            if row.status == MembershipStatus.UNSUBSCRIBED:
                self.counts["unsubscribed"] += 1
                self.refused(Refusal(person.row, "unsubscribed", "left this list; stays away"))
                continue
            change = _change(row, person.values)
            if row.status is None:
                joining.append(row.id)
                self.counts["added"] += 1
            else:
                self.counts["updated" if change else "unchanged"] += 1
            if change:
                changes.append({"b_id": row.id, **change})
        if changes:
            self._connection.execute(
                update(subscribers)
                .where(subscribers.c.id == bindparam("b_id"))
                .values(
                    name=bindparam("b_name"),
                    timezone=bindparam("b_timezone"),
                    language=bindparam("b_language"),
                    attributes=bindparam("b_attributes"),
                    updated_at=self._now,
                ),
                changes,
            )
        if joining:
            self._join(joining)


def _columns(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns of a new subscriber; what is no fixed field is an attribute."""
    attributes = {
        field_name(key): value
        for key, value in values.items()
        if key not in _FIXED and value and field_name(key)
    }
    name = values.get("name") or " ".join(
        part for part in (values.get("first_name"), values.get("last_name")) if part
    )
    return {
        "name": name[:200] or None,
        "timezone": values.get("timezone") or None,
        "language": (values.get("language") or "")[:35] or None,
        "attributes": attributes or None,
    }


def _change(row: Any, values: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the new columns of a known subscriber: only what the file has values for changes."""
    new = _columns(values)
    after = {
        "b_name": new["name"] or row.name,
        "b_timezone": new["timezone"] or row.timezone,
        "b_language": new["language"] or row.language,
        "b_attributes": {**(row.attributes or {}), **(new["attributes"] or {})} or None,
    }
    before = (row.name, row.timezone, row.language, row.attributes)
    return None if tuple(after.values()) == before else after
