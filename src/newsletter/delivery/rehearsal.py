"""What a send would do, without writing anything: who would get it and who would be skipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from newsletter.audience.eligibility import freeze_selection, recheck
from newsletter.audience.keys import Keys
from newsletter.storage.database import Database

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How many would be frozen, and how many of them would be skipped at the claim, by reason."""

    recipients: int
    skips: dict[str, int]


def rehearse(database: Database, list_id: int, keys: Keys, now: datetime) -> Rehearsal:
    """Walk the audience of a list as a campaign would."""
    skips: Counter[str] = Counter()
    recipients = 0
    with database.read() as connection:
        chosen = [row.subscriber_id for row in connection.execute(freeze_selection(list_id, now))]
        for start in range(0, len(chosen), CHUNK):
            chunk = chosen[start : start + CHUNK]
            recipients += len(chunk)
            verdict = recheck(connection, list_id, chunk, keys, now)
            skips.update(skip.reason for skip in verdict.skips)
    return Rehearsal(recipients, dict(skips))
