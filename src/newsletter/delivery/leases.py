"""Keeps claims alive while their owner waits for an answer.

A lease is short, so that what a dead process held is soon free; an answer may take longer than
that, for a server may look at a message for ten minutes (RFC 5321 §4.5.3.2.6). Whoever lives
renews.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import update

from newsletter.delivery.statements import database_time, lease_end
from newsletter.errors import NewsletterError
from newsletter.logs import get_logger, place_of
from newsletter.storage.database import Database
from newsletter.storage.tables import attempts

log = get_logger("delivery")

RENEWALS = 3
"""So often within a lease it is renewed: one may fail for a busy database."""


@contextmanager
def kept_alive(renew: Callable[[], object], lease: timedelta) -> Iterator[None]:
    """Renew a lease again and again for as long as the block runs, in a thread of its own.

    A renewal that fails is told in the log and tried again; one that comes too late changes
    nothing, as the fence of each claim sees to.
    """
    over = threading.Event()

    def keep() -> None:
        while not over.wait(lease.total_seconds() / RENEWALS):
            try:
                renew()
            except NewsletterError as error:
                log.warning("lease_not_renewed", problem=error.problem)
            except Exception as error:  # noqa: BLE001 - the lease ends by itself, and all is well
                problem, place = type(error).__name__, place_of(error)
                log.error("lease_not_renewed", problem=problem, at=place)  # noqa: TRY400

    keeper = threading.Thread(target=keep, name="lease-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def renew_claims(
    database: Database, campaign: int, workers: Collection[str], now: datetime, lease: timedelta
) -> int:
    """Let the open claims of some workers hold for a whole lease from now; returns how many.

    A lease that is over already stays so: another worker may have settled its claims.
    """
    with database.write(durable=False) as connection:
        return connection.execute(
            update(attempts)
            .where(
                attempts.c.campaign_id == campaign,
                attempts.c.worker.in_(list(workers)),
                attempts.c.finished_at.is_(None),
                attempts.c.lease_until >= database_time(connection, now),
            )
            .values(lease_until=lease_end(connection, now, lease))
        ).rowcount
