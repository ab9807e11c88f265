"""`newsletter verify`: the invariants I1 to I8 on a live database, read and never written.

All of it is one consistent read, and counted in the database: it may run while a campaign is sent.
"""

from __future__ import annotations

from datetime import datetime

from newsletter.audience.keys import Keys
from newsletter.delivery.campaigns import get_campaign
from newsletter.delivery.invariants_leaving import check_leaving
from newsletter.delivery.invariants_ledger import check_ledger
from newsletter.delivery.invariants_model import Verdict, View
from newsletter.delivery.invariants_records import (
    check_consents,
    check_editions,
    check_events,
    check_uniqueness,
)
from newsletter.delivery.locking import is_sending
from newsletter.delivery.statements import database_time
from newsletter.storage.database import Database

__all__ = ["Verdict", "verify_invariants"]


def verify_invariants(
    database: Database, keys: Keys, now: datetime, *, campaign: int | None = None
) -> list[Verdict]:
    """Check I1 to I8, in this order, on what the database holds at this moment.

    `campaign` narrows the look to one campaign, its list and its digest. Raises `DeliveryError`
    when there is no such campaign.
    """
    sending = is_sending(database)
    with database.read() as connection:
        at = database_time(connection, now)
        list_id = None if campaign is None else get_campaign(connection, campaign).list_id
        view = View(connection, at, campaign, list_id, sending)
        sums, evidence, claims = check_ledger(view)
        return [
            sums,
            check_uniqueness(view),
            check_leaving(view, keys),
            evidence,
            claims,
            check_consents(view),
            check_events(view),
            check_editions(view),
        ]
