"""The ledger: freeze, claim and record, memory and bytes, at 10,000, 100,000 and 1,000,000.

The peer is bare SQLite doing the same statements on the same narrow rows, with no check of
membership or suppression, in the same run. Each size runs in a process of its own, so that its
peak of memory is its own.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog
from tests.builders import KEYS

from benchmarks.measuring import say, seconds
from benchmarks.stages import Yard, content_of
from newsletter.clock import Clock
from newsletter.delivery import ledger
from newsletter.providers.base import (
    DeliveryId,
    Envelope,
    Flight,
    Health,
    Mailing,
    Outcome,
    OutcomeKind,
)
from newsletter.storage.database import Database

SIZES = (10_000, 100_000, 1_000_000)
BATCH = 1000
MESSAGE_BYTES = 45_000


class NullSink:
    """An outbox whose files go nowhere: each message is built whole, noted, and dropped."""

    name = "outbox"
    batch_limit = 1000
    lanes = 1
    gathers = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.bytes = 0

    def send(
        self, mailing: Mailing, envelopes: Iterable[Envelope | None], flight: Flight
    ) -> Iterator[Outcome]:
        """Build each message."""
        for envelope in envelopes:
            if envelope is None:
                continue
            message = mailing.template.build(
                subscriber=envelope.delivery.subscriber,
                address=envelope.address,
                name=envelope.name,
                values=envelope.values,
                at=self._clock.now(),
            )
            flight.launch([envelope.delivery])
            self.bytes += len(message)
            outcome = Outcome(envelope.delivery, OutcomeKind.ACCEPTED)
            flight.land(outcome)
            yield outcome

    def interrupt(self) -> None:
        """Nothing is on a wire."""

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """Nothing is kept that could prove anything."""

    def health(self) -> list[Health]:
        """Always well."""
        return []

    def close(self) -> None:
        """Nothing is open."""


def claim_and_record(yard: Yard, campaign: int) -> float:
    """Return rows a second of claiming and recording everybody, each with a queue name.

    What a provider does in between, here making the outcomes, is not counted.
    """
    worker = ledger.Worker("bench", "boot", yard.full_sender(NullSink(yard.clock)).lease)
    spent, after, readers = 0.0, -1, 0
    while True:
        start = time.perf_counter()
        request = ledger.ClaimRequest(campaign, worker, BATCH, after)
        batch = ledger.claim(yard.database, request, KEYS, yard.clock.now())
        spent += time.perf_counter() - start
        if batch is None:
            break
        after, readers = batch.last, readers + len(batch.recipients)
        accepted = [
            Outcome(
                DeliveryId(campaign, recipient.subscriber),
                OutcomeKind.ACCEPTED,
                code=250,
                provider_id="4cVbZk2Jq0z1F",
            )
            for recipient in batch.recipients
        ]
        start = time.perf_counter()
        with yard.database.write(durable=False) as connection:
            ledger.record_in(
                connection, batch, accepted, yard.clock.now(), jitter=0.5, provider="smtp"
            )
            ledger.close_attempt_in(connection, batch, yard.clock.now())
        spent += time.perf_counter() - start
    assert yard.totals(campaign) == {"accepted": readers}
    return readers / spent


def bare(readers: int) -> float:
    """Return rows a second of the same on a bare table."""
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(
            "CREATE TABLE rows (c INT, s INT, state INT, attempt INT, answer TEXT, "
            "PRIMARY KEY (c, s)) WITHOUT ROWID"
        )
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO rows VALUES (1, ?, 0, NULL, NULL)", ((n,) for n in range(readers))
        )
        db.execute("COMMIT")
        spent = seconds(lambda: _bare_work(db))
        db.close()
    return readers / spent


def _bare_work(db: sqlite3.Connection) -> None:
    after = -1
    while True:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        ready = "SELECT s FROM rows WHERE c = 1 AND s > ? AND state = 0 ORDER BY s LIMIT ?"
        rows = [row[0] for row in db.execute(ready, (after, BATCH))]
        if rows:
            claimed = "UPDATE rows SET state = 1, attempt = 7 WHERE c = 1 AND s BETWEEN ? AND ?"
            db.execute(claimed, (rows[0], rows[-1]))
        db.execute("COMMIT")
        if not rows:
            return
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("BEGIN IMMEDIATE")
        db.executemany(
            "UPDATE rows SET state = 7, answer = ? WHERE c = 1 AND s = ? AND attempt = 7",
            [("4cVbZk2Jq0z1F", s) for s in rows],
        )
        db.execute("COMMIT")
        after = rows[-1]


def bytes_a_row(database: Database, campaign: int) -> float:
    """Return what a row of the ledger takes on disk, indices included (G20)."""
    with database.read() as connection:
        count = connection.exec_driver_sql(
            f"SELECT count(*) FROM deliveries WHERE campaign_id = {campaign}"
        ).scalar_one()
        try:
            size = connection.exec_driver_sql(
                "SELECT sum(pgsize) FROM dbstat WHERE name IN "
                "(SELECT name FROM sqlite_master WHERE tbl_name = 'deliveries')"
            ).scalar_one()
            rows = connection.exec_driver_sql("SELECT count(*) FROM deliveries").scalar_one()
            return float(size) / float(rows)
        except Exception:  # noqa: BLE001 - a SQLite that was built without dbstat
            del count
            return float("nan")


def peak() -> int:
    """Return the peak memory of this process so far, in MB (its own: not its parent's)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


def one_size(readers: int) -> dict[str, float]:
    """Measure one size; the first campaign for claim and record, the second for a whole send."""
    with tempfile.TemporaryDirectory() as folder:
        yard = Yard(Path(folder), readers)
        content = content_of(MESSAGE_BYTES)
        made: list[int] = []
        start = peak()
        freeze = seconds(lambda: made.append(yard.campaign_for("outbox", content)))
        rate = claim_and_record(yard, made[0])
        peer = bare(min(readers, 100_000))
        size = bytes_a_row(yard.database, made[0])
        second = yard.campaign_for("outbox", content)
        before = peak()
        spent = seconds(lambda: yard.full_sender(NullSink(yard.clock)).run(second))
        assert yard.totals(second) == {"accepted": readers}
        return {
            "freeze": freeze,
            "claim_and_record": rate,
            "bare": peer,
            "bytes": size,
            "send": readers / spent,
            "peak_at_start": start,
            "peak_before_send": before,
            "peak": peak(),
        }


def ledger_at_scale() -> None:
    """Measure each size in a process of its own, and print."""
    for size in SIZES:
        words = [sys.executable, "-m", "benchmarks.ledger", str(size)]
        found = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
        say(f"{size:,}: freeze", f"{found['freeze']:.2f} s")
        ratio = found["claim_and_record"] / found["bare"]
        say(
            f"{size:,}: claim and record",
            f"{found['claim_and_record']:,.0f} rows/s, {ratio:.2f} × bare SQLite",
        )
        say(f"{size:,}: a row of the ledger", f"{found['bytes']:.0f} bytes")
        say(f"{size:,}: whole send to a null sink", f"{found['send']:,.0f} messages/s")
        say(f"{size:,}: peak memory of the process", f"{found['peak']:,.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        print(json.dumps(one_size(int(sys.argv[1]))))
    else:
        ledger_at_scale()
