"""Applying a settled import: everything in one transaction, and the record of what it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, update

from newsletter.audience import import_statements as sql
from newsletter.audience.import_connection import short_lock
from newsletter.audience.import_staging import Staging, Standings
from newsletter.clock import Clock
from newsletter.storage.audit import record_audit
from newsletter.storage.tables import imports


@dataclass(frozen=True, slots=True)
class Application:
    """What is recorded of an import besides its people. `wrong`: rows refused before.

    `standings` is how everybody stood when the file was settled.
    """

    list_id: int
    file_name: str
    file_hash: str
    consent: str | None
    actor: str
    wrong: int
    standings: Standings


def counts_of(standings: Standings, wrong: int) -> dict[str, int]:
    """Return the counts that reports and the audit log show; they add up to the rows."""
    counts = asdict(standings)
    added, stays = counts.pop("new") + counts.pop("joining"), counts.pop("stays")
    return {"added": added, **counts, "refused": wrong + stays}


def apply(
    staging: Staging, application: Application, clock: Clock, path: Path | None
) -> tuple[Standings, float]:
    """Write everything or nothing; returns how everybody stood, and the seconds of the lock.

    `path` is the file of an embedded database.
    """
    connection = staging.connection
    staging.line_up()
    with short_lock(connection, path) as lock:
        now = clock.now()
        number = _open_record(connection, application, now)
        standings = _write(staging, application, number, now)
        counts = counts_of(standings, application.wrong)
        _record(connection, application.actor, number, counts, now)
    return standings, lock.seconds


def _write(staging: Staging, application: Application, number: int, now: datetime) -> Standings:
    """Write what there is to write; what nobody needs is not even asked for, for it costs lock."""
    connection, standings = staging.connection, application.standings
    if staging.settle_suppressed():
        staging.drop_settled()
        standings = staging.count()
    here = {"list": application.list_id, "now": now}
    evidence = {
        **here,
        "source": application.file_name,
        "wording": application.consent,
        "import": number,
    }
    if standings.new:
        base = _last_subscriber(connection)
        new = {"base": base, "now": now}
        if connection.execute(sql.INSERT_SUBSCRIBERS, new).rowcount < standings.new:
            staging.settle_overtaken(base)
            standings = staging.count()
        connection.execute(sql.JOIN_NEW, {**here, "base": base})
        connection.execute(sql.CONSENT_NEW, {**evidence, "base": base})
        if staging.tagged:
            connection.execute(sql.TAG_NEW, {"base": base})
    if standings.joining:
        connection.execute(sql.CONSENT_JOINING, evidence)
        connection.execute(sql.JOIN_KNOWN, here)
    if standings.joining or standings.updated:
        connection.execute(sql.CHANGE_KNOWN[connection.dialect.name], here)
        if staging.tagged:
            connection.execute(sql.TAG_KNOWN)
    return standings


def _last_subscriber(connection: Connection) -> int:
    """Return the number that new ones count on from; a server's sequence needs none."""
    if connection.dialect.name != "sqlite":
        return 0
    last: int = connection.execute(sql.LAST_SUBSCRIBER).scalar_one()
    return last


def _open_record(connection: Connection, application: Application, now: datetime) -> int:
    """Write the import's own row, which each consent row points to."""
    number: int = connection.execute(
        insert(imports)
        .values(
            list_id=application.list_id,
            file_name=application.file_name,
            file_hash=application.file_hash,
            consent=application.consent,
            actor=application.actor,
            counts={},
            at=now,
        )
        .returning(imports.c.id)
    ).scalar_one()
    return number


def _record(
    connection: Connection, actor: str, number: int, counts: dict[str, int], now: datetime
) -> None:
    connection.execute(update(imports).where(imports.c.id == number).values(counts=counts))
    record_audit(
        connection,
        now,
        actor=actor,
        action="subscribers.import",
        subject=f"import {number}",
        detail=counts,
    )
