"""Suppressions: addresses that must not be mailed, as keyed hashes; they win over all (C10)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, func, select

from newsletter.audience.address import Address
from newsletter.audience.keys import Keys
from newsletter.errors import AudienceError
from newsletter.logs import mask_address
from newsletter.storage.audit import record_audit
from newsletter.storage.database import insert_for
from newsletter.storage.tables import suppression_lifts, suppressions


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


STRENGTH = (
    SuppressionReason.HARD_BOUNCE,
    SuppressionReason.MANUAL,
    SuppressionReason.COMPLAINT,
    SuppressionReason.ERASED,
)
"""The weakest first: what only its person can lift (C10) is not hidden behind what an operator
can."""


_KNOWN_DIGITS = 16
"""So much of the key is known of lifts that were taken over from the audit log."""


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
    """Suppress an address; returns False when nothing changed.

    A stronger reason takes the place of a weaker one, whichever came first.
    """
    key = keys.hash_address(address.key)
    weaker = [known.value for known in STRENGTH[: STRENGTH.index(reason)]]
    changed = connection.execute(
        insert_for(connection)(suppressions)
        .values(key=key, reason=reason.value, note=note, at=at)
        .on_conflict_do_update(
            index_elements=["key"],
            # Also its time: an operator's letter that is older must not lift it (C10).
            set_={"reason": reason.value, "note": note, "at": at},
            where=suppressions.c.reason.in_(weaker),
        )
    ).rowcount
    if not changed:
        return False
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
            fix="ask the person: newsletter suppressions lift ADDRESS --ask --list NAME",
        )
    end_suppression(connection, key, at, actor=actor, detail={"reason": row.reason, "note": note})


def end_suppression(
    connection: Connection, key: str, at: datetime, *, actor: str, detail: Mapping[str, str | None]
) -> None:
    """End a suppression, and remember that it was lifted: older news does not suppress again."""
    connection.execute(delete(suppressions).where(suppressions.c.key == key))
    connection.execute(
        insert_for(connection)(suppression_lifts)
        .values(key=key, at=at)
        .on_conflict_do_update(index_elements=["key"], set_={"at": at})
    )
    record_audit(
        connection,
        at,
        actor=actor,
        action="suppression.lift",
        subject=f"suppression {key[:16]}",
        detail=detail,
    )


def lifted_at(connection: Connection, hashes: Collection[str]) -> dict[str, datetime]:
    """Return when each of the hashes was last lifted, where it was; up to 5,000 at once."""
    if not hashes:
        return {}
    wanted = {part for key in hashes for part in (key, key[:_KNOWN_DIGITS])}
    rows = connection.execute(
        select(suppression_lifts).where(suppression_lifts.c.key.in_(wanted))
    ).all()
    known = {row.key: row.at for row in rows}
    found = {
        key: [at for part in (key, key[:_KNOWN_DIGITS]) if (at := known.get(part)) is not None]
        for key in hashes
    }
    return {key: max(times) for key, times in found.items() if times}


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
