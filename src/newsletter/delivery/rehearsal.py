"""What a send would do, without writing anything: who would get it and who would be skipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from newsletter.audience.eligibility import recheck
from newsletter.audience.keys import Keys
from newsletter.delivery.campaigns import AlreadySent, refuse_second
from newsletter.delivery.freeze_request import FreezeRequest
from newsletter.delivery.freezing import choose_audience
from newsletter.delivery.waves import Wave, count_waves
from newsletter.storage.database import Database

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How many would be frozen, and how many of them would be skipped at the claim, by reason."""

    recipients: int
    skips: dict[str, int]
    left_out: int
    """In an earlier campaign of this digest, to another segment of the list."""
    refusal: str | None
    """Why a send would be refused, or would go on with another campaign (G1)."""
    waves: tuple[Wave, ...] = ()
    """When how many readers would be due, in that order; empty without waves (H6)."""


def rehearse(database: Database, request: FreezeRequest, keys: Keys, now: datetime) -> Rehearsal:
    """Walk the audience of a send as its campaign would."""
    skips: Counter[str] = Counter()
    refusal = None
    with database.read() as connection:
        try:
            refuse_second(connection, request)
        except AlreadySent as already:
            refusal = str(already)
        audience = choose_audience(connection, request, now)
        chosen = [row.subscriber_id for row in connection.execute(audience.selection)]
        for start in range(0, len(chosen), CHUNK):
            chunk = chosen[start : start + CHUNK]
            verdict = recheck(connection, request.list_id, chunk, keys, now)
            skips.update(skip.reason for skip in verdict.skips)
        left_out = audience.count_left_out(connection)
        waves: tuple[Wave, ...] = ()
        if request.waves is not None:
            begin = request.not_before or now
            waves = count_waves(connection, audience.selection, request.waves, begin)
    return Rehearsal(len(chosen), dict(skips), left_out, refusal, waves)
