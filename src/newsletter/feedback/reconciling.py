"""Brings what SendGrid holds back into our own suppressions, once a day (D12).

Its entries become events like any other, and the applier decides what follows. Nothing is ever
changed at SendGrid here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from newsletter.audience.address import Address, AddressRefused, parse_address
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import SuppressionReason, suppression_of
from newsletter.clock import Clock
from newsletter.delivery.bounce_classes import BUILT_IN, BounceClass, BounceTable
from newsletter.errors import AudienceError, ProviderError, TryAgainLater
from newsletter.feedback.applying import Applied, Applier
from newsletter.feedback.events import Arrival, EventKind, Provenance, store_events
from newsletter.logs import get_logger
from newsletter.providers.base import AccountProblem, Unavailable
from newsletter.providers.sendgrid_suppressions import (
    Entry,
    SendgridSuppressions,
    SuppressionList,
    open_suppressions,
)
from newsletter.settings import ProviderName, Settings
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database
from newsletter.storage.tables import installation

log = get_logger("feedback")

OVERLAP = timedelta(days=1)
"""So much is read again: clocks differ, and an entry may appear a while after its time."""
LONGEST_REASON = 500
LIFTED = (SuppressionList.BOUNCES, SuppressionList.BLOCKS, SuppressionList.INVALID)
"""Lists from which an operator may take an address."""

_CODE = re.compile(r"\s*([245]\d\d)(?!\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one list gave: entries, those new to us, those known, and those that make no sense."""

    entries: int = 0
    new: int = 0
    known: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one reconciliation did; `since` None: everything was read."""

    lists: Mapping[str, Pulled]
    since: datetime | None
    until: datetime
    seconds: float
    applied: Applied

    @property
    def new(self) -> int:
        """Return how many entries were not known before."""
        return sum(pulled.new for pulled in self.lists.values())

    @property
    def known(self) -> int:
        """Return how many entries were known before."""
        return sum(pulled.known for pulled in self.lists.values())

    def document(self) -> dict[str, Any]:
        """Return the counts for `--json`."""
        return {
            "since": self.since,
            "until": self.until,
            "lists": {name: asdict(pulled) for name, pulled in self.lists.items()},
            "new": self.new,
            "known": self.known,
            "seconds": round(self.seconds, 3),
            "applied": self.applied.document(),
        }


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Reads SendGrid's lists through `client`, and lets `applier` do what follows.

    Used by one thread; several processes at once do no harm, nor does one that is interrupted.
    """

    database: Database
    keys: Keys
    clock: Clock
    client: SendgridSuppressions
    applier: Applier
    table: BounceTable = BUILT_IN

    def reconcile(self) -> Reconciled:
        """Read all lists since the last time, a day earlier; the first time from the beginning.

        What was read is stored page by page. `installation.reconciled_at` moves on only when every
        list was read to its end. Raises `ProviderError` when SendGrid refuses us and
        `TryAgainLater` when it is away: what was read by then is applied all the same.
        """
        began, until = time.monotonic(), self.clock.now()
        last = last_reconciled(self.database)
        since = last - OVERLAP if last is not None else None
        lists: dict[str, Pulled] = {}
        try:
            for which in SuppressionList:
                lists[which.value] = self._pull(which, since, until)
        except AccountProblem as refused:
            self.applier.apply_waiting()
            raise ProviderError(refused.problem, fix=refused.fix) from None
        except Unavailable as away:
            self.applier.apply_waiting()
            raise TryAgainLater(
                f"the suppressions were not all read: {away.problem}",
                fix="newsletter suppressions reconcile, later; nothing is lost",
            ) from None
        applied = self.applier.apply_waiting()
        self._note(until)
        done = Reconciled(lists, since, until, time.monotonic() - began, applied)
        log.info("reconciled", new=done.new, known=done.known)
        return done

    def _pull(self, which: SuppressionList, since: datetime | None, until: datetime) -> Pulled:
        entries = new = unread = 0
        for page in self.client.pages(which, since=since, until=until):
            now = self.clock.now()
            arrivals = [arrival_of(which, one, self.keys, self.table) for one in page.entries]
            if arrivals:
                with self.database.write(durable=True) as connection:
                    new += store_events(connection, arrivals, now)
            entries += len(arrivals)
            unread += page.unread
        if unread:
            log.warning("suppressions_unread", list=which.value, entries=unread)
        return Pulled(entries, new, entries - new, unread)

    def _note(self, until: datetime) -> None:
        column = installation.c.reconciled_at
        with self.database.write() as connection:
            # Another one that began later may have ended before us.
            connection.execute(
                update(installation)
                .where(or_(column.is_(None), column < until))
                .values(reconciled_at=until)
            )


def last_reconciled(database: Database) -> datetime | None:
    """Return up to when SendGrid's suppressions are known here; None: never read."""
    with database.read() as connection:
        found: datetime | None = connection.execute(
            select(installation.c.reconciled_at)
        ).scalar_one_or_none()
    return found


def reconcile_if_due(
    database: Database,
    keys: Keys,
    clock: Clock,
    settings: Settings,
    *,
    applier: Applier,
    table: BounceTable = BUILT_IN,
    wait: Callable[[float], object] = time.sleep,
) -> Reconciled | None:
    """Reconcile when `feedback.reconcile_every` has passed since the last time; None: not due.

    Never due where the provider is another. Raises what `Reconciler.reconcile` raises, and it stays
    due then: whoever calls decides how soon it is tried again.
    """
    if settings.delivery.provider is not ProviderName.SENDGRID:
        return None
    last = last_reconciled(database)
    if last is not None and clock.now() - last < settings.feedback.reconcile_every:
        return None
    client = open_suppressions(settings, clock, wait=wait)
    try:
        return Reconciler(database, keys, clock, client, applier, table).reconcile()
    finally:
        client.close()


def arrival_of(
    which: SuppressionList, entry: Entry, keys: Keys, table: BounceTable = BUILT_IN
) -> Arrival:
    """Return an entry of a list as an event: which one it is, and what it says of the address."""
    kind, bounce, reason = _meaning(which, entry, table)
    told = {"status": entry.status[:40], "diagnostic": entry.reason[:LONGEST_REASON]}
    return Arrival(
        f"sgs:{which.value}:{int(entry.created.timestamp())}:{_hash(entry.address, keys)}",
        entry.created,
        kind,
        Provenance.SENDGRID,
        address=entry.address,
        bounce=bounce,
        reason=reason,
        detail={"list": which.value, **{name: text for name, text in told.items() if text}},
    )


def _meaning(
    which: SuppressionList, entry: Entry, table: BounceTable
) -> tuple[EventKind, BounceClass | None, str]:
    match which:
        case SuppressionList.BOUNCES:
            code = _CODE.match(entry.reason)
            seen = table.classify(
                entry.status or None, int(code[1]) if code else None, entry.reason
            )
            # As everywhere: a refusal of us is no bounce of theirs (D6).
            blocked = seen is BounceClass.BLOCKED
            return EventKind.BLOCKED if blocked else EventKind.BOUNCED, seen, ""
        case SuppressionList.INVALID:
            return EventKind.BOUNCED, BounceClass.HARD, "invalid"
        case SuppressionList.BLOCKS:
            return EventKind.BLOCKED, BounceClass.BLOCKED, ""
        case SuppressionList.COMPLAINTS:
            return EventKind.COMPLAINED, None, ""
        case SuppressionList.UNSUBSCRIBES:
            return EventKind.UNSUBSCRIBED, None, ""


def _hash(address: str, keys: Keys) -> str:
    try:
        return keys.hash_address(parse_address(address).key)
    except AddressRefused:
        return keys.hash_address(address.lower())


def delete_at_provider(
    database: Database,
    keys: Keys,
    client: SendgridSuppressions,
    address: Address,
    *,
    at: datetime,
    actor: str,
) -> list[str]:
    """Take an address off SendGrid's bounces, blocks and invalid addresses: the operator asked.

    Returns the lists that held it. Complaints and unsubscriptions stay: they are the person's own
    word (C10). To be called before our own suppression is lifted, so that a failure leaves it.
    Raises `AudienceError` where an operator cannot lift ours, `ProviderError` and `TryAgainLater`.
    """
    with database.read() as connection:
        reason = suppression_of(connection, keys, address)
    if reason in (SuppressionReason.COMPLAINT, SuppressionReason.ERASED):
        raise AudienceError(
            f"the suppression is '{reason}'; an operator cannot lift it, nor SendGrid's",
            fix="ask the person: newsletter suppressions lift ADDRESS --ask --list NAME",
        )
    lists = _delete(client, address)
    with database.write() as connection:
        record_audit(
            connection,
            at,
            actor=actor,
            action="suppression.lift_at_provider",
            subject=f"suppression {keys.hash_address(address.key)[:16]}",
            detail={"lists": lists},
        )
    return lists


def _delete(client: SendgridSuppressions, address: Address) -> list[str]:
    # Also as we compare addresses: SendGrid may keep one in lower case.
    forms = dict.fromkeys((address.text, address.key))
    try:
        return [
            which.value
            for which in LIFTED
            # All forms, not only up to the first that is found.
            if any([client.delete(which, form) for form in forms])  # noqa: C419
        ]
    except AccountProblem as refused:
        raise ProviderError(refused.problem, fix=refused.fix) from None
    except Unavailable as away:
        raise TryAgainLater(away.problem, fix="try again later; nothing was lifted here") from None
