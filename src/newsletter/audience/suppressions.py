"""Suppressions: addresses that must not be mailed, as keyed hashes; they win over all (C10)."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, delete, func, insert, select

from newsletter.audience.address import Address, AddressRefused, parse_address
from newsletter.audience.keys import Keys
from newsletter.clock import Clock
from newsletter.errors import AudienceError, ImportRefused, Place
from newsletter.logs import mask_address
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database
from newsletter.storage.tables import suppressions


class SuppressionReason(StrEnum):
    """Why an address must not be mailed."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One row: the hash of an address, and why and since when."""

    key: str
    reason: str
    note: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class SuppressionRefusal:
    """A row of a file that is no address or names no reason."""

    row: int
    problem: str


@dataclass(frozen=True, slots=True)
class SuppressionImport:
    """What an import of suppressions did."""

    added: int
    known: int
    refusals: tuple[SuppressionRefusal, ...]


def add_suppression(
    connection: Connection,
    keys: Keys,
    address: Address,
    reason: SuppressionReason,
    at: datetime,
    *,
    actor: str,
    note: str | None = None,
) -> bool:
    """Suppress an address; returns False when it was already (its first reason stays)."""
    key = keys.hash_address(address.key)
    if connection.execute(select(suppressions.c.key).where(suppressions.c.key == key)).first():
        return False
    connection.execute(insert(suppressions).values(key=key, reason=reason.value, note=note, at=at))
    record_audit(
        connection,
        at,
        actor=actor,
        action="suppression.add",
        subject=f"suppression {key[:16]}",
        detail={"reason": reason.value},
    )
    return True


def lift_suppression(
    connection: Connection,
    keys: Keys,
    address: Address,
    at: datetime,
    *,
    actor: str,
    note: str | None = None,
) -> None:
    """Lift a suppression by the operator's word (C10).

    Raises `AudienceError` when there is none, and for complaints and erasures: only the person can
    undo those, by a new double opt-in.
    """
    key = keys.hash_address(address.key)
    row = connection.execute(select(suppressions).where(suppressions.c.key == key)).first()
    if row is None:
        raise AudienceError(f"{mask_address(address.text)} is not suppressed", fix="nothing to do")
    if row.reason in (SuppressionReason.COMPLAINT, SuppressionReason.ERASED):
        raise AudienceError(
            f"the suppression is '{row.reason}'; an operator cannot lift it",
            fix="the person has to subscribe anew and confirm by mail",
        )
    connection.execute(delete(suppressions).where(suppressions.c.key == key))
    record_audit(
        connection,
        at,
        actor=actor,
        action="suppression.lift",
        subject=f"suppression {key[:16]}",
        detail={"reason": row.reason, "note": note},
    )


def has_suppressions(connection: Connection) -> bool:
    """Return whether anybody at all is suppressed."""
    return connection.execute(select(suppressions.c.key).limit(1)).first() is not None


def suppressed_keys(connection: Connection, hashes: Collection[str]) -> dict[str, str]:
    """Return those of the hashes that are suppressed, with the reason; up to 10,000 at once."""
    rows = connection.execute(
        select(suppressions.c.key, suppressions.c.reason).where(suppressions.c.key.in_(hashes))
    )
    return {row.key: row.reason for row in rows}


def suppression_of(connection: Connection, keys: Keys, address: Address) -> str | None:
    """Return why an address is suppressed; None when it is not."""
    key = keys.hash_address(address.key)
    return suppressed_keys(connection, [key]).get(key)


def refuse_suppressed(connection: Connection, keys: Keys, address: Address) -> None:
    """Raise `AudienceError` when an address must not be mailed."""
    if reason := suppression_of(connection, keys, address):
        raise AudienceError(
            f"{mask_address(address.text)} is suppressed ({reason})",
            fix="use another address; 'newsletter suppressions lift' where that is right",
        )


def count_suppressions(connection: Connection) -> dict[str, int]:
    """Return how many there are for each reason."""
    rows = connection.execute(
        select(suppressions.c.reason, func.count()).group_by(suppressions.c.reason)
    )
    return {row[0]: row[1] for row in rows}


def list_suppressions(connection: Connection, *, limit: int) -> list[Suppression]:
    """Return the newest suppressions."""
    query = select(suppressions).order_by(suppressions.c.at.desc(), suppressions.c.key).limit(limit)
    return [Suppression(**row._mapping) for row in connection.execute(query)]


def export_suppressions(connection: Connection, file: TextIO) -> None:
    """Write all suppressions as CSV: the hashes are as safe to show as the database itself."""
    from newsletter.audience.exports import spreadsheet_safe

    writer = csv.writer(file)
    writer.writerow(["key", "reason", "at", "note"])
    for row in connection.execute(select(suppressions).order_by(suppressions.c.key)):
        note = spreadsheet_safe(row.note or "")
        writer.writerow([row.key, row.reason, f"{row.at:%Y-%m-%dT%H:%M:%SZ}", note])


def import_suppressions(
    database: Database, keys: Keys, path: Path, clock: Clock, *, actor: str
) -> SuppressionImport:
    """Suppress the addresses (or exported hashes) of a CSV file, in one transaction.

    Columns: `email` or `key`; optionally `reason` and `at`. Raises `ImportRefused` for a file that
    cannot be read; rows that are wrong are named in the answer.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImportRefused(
            f"cannot be read: {error}", where=Place(path), fix="give a UTF-8 CSV file"
        ) from None
    rows = csv.DictReader(text.splitlines())
    columns = [(name or "").strip().lower() for name in rows.fieldnames or []]
    if "email" not in columns and "key" not in columns:
        raise ImportRefused(
            f"there is no column 'email'; found: {', '.join(columns) or 'nothing'}",
            where=Place(path, 1),
            fix="name the column of addresses 'email'",
        )
    rows.fieldnames = columns
    with database.write() as connection:
        report = _import_rows(connection, keys, rows, clock.now())
        record_audit(
            connection,
            clock.now(),
            actor=actor,
            action="suppression.import",
            subject=f"file {path.name}",
            detail={"added": report.added},
        )
    return report


def _import_rows(
    connection: Connection, keys: Keys, rows: Iterable[dict[str, str]], now: datetime
) -> SuppressionImport:
    wanted: dict[str, dict[str, object]] = {}
    refusals: list[SuppressionRefusal] = []
    for number, row in enumerate(rows, start=2):
        try:
            key = row.get("key") or keys.hash_address(parse_address(row.get("email") or "").key)
            reason = SuppressionReason((row.get("reason") or "manual").strip())
            at = datetime.fromisoformat(row["at"]) if row.get("at") else now
        except AddressRefused as refused:
            refusals.append(SuppressionRefusal(number, refused.problem))
        except ValueError as error:
            refusals.append(SuppressionRefusal(number, str(error)))
        else:
            aware = at if at.tzinfo else at.replace(tzinfo=UTC)
            wanted.setdefault(
                key, {"key": key, "reason": reason.value, "note": row.get("note"), "at": aware}
            )
    known: set[str] = set()
    hashes = list(wanted)
    for start in range(0, len(hashes), 5000):
        known |= suppressed_keys(connection, hashes[start : start + 5000]).keys()
    new = [row for key, row in wanted.items() if key not in known]
    if new:
        connection.execute(insert(suppressions), new)
    return SuppressionImport(len(new), len(known), tuple(refusals))
