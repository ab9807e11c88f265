"""Remote domains: how many messages are on their way to each, and which are left alone (D6, G15).

The gate and the watch live in the process; holds stand in the database, for every process.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import idna
from sqlalchemy import Connection, bindparam, delete, select, text

from newsletter.delivery.alert_words import domain_held
from newsletter.delivery.alerts import raise_alert
from newsletter.logs import mask_address
from newsletter.storage.audit import record_audit
from newsletter.storage.columns import Instant
from newsletter.storage.pacing_tables import domain_holds

WINDOW = 50
"""Attempts of a domain that are looked at."""
MOST_DOMAINS = 10_000
"""Domains that are watched at once; the one not heard of for longest is forgotten first."""
LONGEST_HOLD = timedelta(hours=6)
"""Doubling ends here."""


def domain_of(address: str) -> str:
    """Return the domain of an address in lower case and as an A-label (D11)."""
    domain = address.rpartition("@")[2].lower()
    return domain if domain.isascii() else _a_label(domain)


@lru_cache(maxsize=1000)
def _a_label(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return domain


class DomainGate:
    """Lets at most `limit` messages be on their way to one domain, over all lanes of a process."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Messages at once; 0: no limit."""
        self._inside: dict[str, int] = {}
        self._changed = threading.Condition()

    def enter(self, domain: str) -> bool:
        """Take a place, without waiting; returns False when the domain has its share already."""
        if not self.limit:
            return True
        with self._changed:
            inside = self._inside.get(domain, 0)
            if inside >= self.limit:
                return False
            self._inside[domain] = inside + 1
            return True

    def leave(self, domain: str) -> None:
        """Give back a place that `enter` gave."""
        if not self.limit:
            return
        with self._changed:
            if self._inside[domain] > 1:
                self._inside[domain] -= 1
            else:
                del self._inside[domain]
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Wait until some place was given back, at most `timeout` seconds."""
        with self._changed:
            if self._inside:
                self._changed.wait(timeout)

    def describe(self) -> str | None:
        """Say the limit, `4 at once to a domain`; None where there is none."""
        return f"{self.limit} at once to a domain" if self.limit else None


class DomainWatch:
    """Remembers of each domain which of its last attempts were blocked; shared by all lanes."""

    def __init__(self, blocked_rate: float) -> None:
        # Rounded away: 0.28 × 50 is a little more than 14.
        self._most = round(blocked_rate * WINDOW, 9)
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def alert(self) -> bool:
        """Whether any domain has blocked something lately."""
        return bool(self._seen)

    def note(self, domain: str, blocked: bool) -> bool:
        """Take in one attempt; returns True at the moment when the domain is to be held.

        That is when more than the given share of a full window were blocked, even before the
        window is full. From then on it is counted anew.
        """
        if not blocked and domain not in self._seen:
            # Never blocked so far: what is not remembered counts as good.
            return False
        with self._lock:
            # One bit for each attempt, the newest the lowest.
            attempts = (self._seen.pop(domain, 0) << 1 | blocked) & ((1 << WINDOW) - 1)
            if attempts.bit_count() > self._most:
                return True
            if not attempts:
                return False
            self._seen[domain] = attempts
            if len(self._seen) > MOST_DOMAINS:
                self._seen.popitem(last=False)
            return False


@dataclass(frozen=True, slots=True)
class Hold:
    """A domain that refuses us as a whole and is left alone until then, and why."""

    domain: str
    until: datetime
    reason: str
    campaign: int
    at: datetime


# By the primary key; the row is locked until the caller commits. Of two who hold a domain at once,
# the second waits for the first and changes nothing.
_HOLD = text(
    "INSERT INTO domain_holds (domain, until, reason, campaign_id, at)"
    " VALUES (:domain, :until, :reason, :campaign, :at)"
    " ON CONFLICT (domain) DO UPDATE SET until = excluded.until, reason = excluded.reason,"
    " campaign_id = excluded.campaign_id, at = excluded.at WHERE domain_holds.until <= excluded.at"
    " RETURNING until"
).bindparams(bindparam("until", type_=Instant), bindparam("at", type_=Instant))


def hold_domain(
    connection: Connection,
    domain: str,
    *,
    duration: timedelta,
    reason: str,
    campaign: int,
    at: datetime,
    actor: str = "brake",
) -> datetime:
    """Leave a domain alone from `at` on, inside the caller's transaction; returns until when.

    A hold soon after another (no longer after its end than it lasted) lasts twice as long as that
    one, up to six hours. A domain that is held already stays so, until the same time. `reason`
    may be the server's words: addresses in it are masked, for it is kept for good.

    Raises an alert in the same transaction, so it is for holds that nobody asked for (D6).
    """
    reason = " ".join(mask_address(word) if "@" in word else word for word in reason.split())
    earlier = connection.execute(
        select(domain_holds.c.at, domain_holds.c.until)
        .where(domain_holds.c.domain == domain)
        .with_for_update()
    ).one_or_none()
    if earlier is not None:
        until: datetime = earlier.until
        if until > at:
            return until
        lasted = until - earlier.at
        if at - until <= lasted:
            duration = max(duration, min(2 * lasted, LONGEST_HOLD))
    until = at + duration
    made = connection.execute(
        _HOLD,
        {"domain": domain, "until": until, "reason": reason, "campaign": campaign, "at": at},
    ).first()
    if made is None:
        theirs: datetime = connection.execute(
            select(domain_holds.c.until).where(domain_holds.c.domain == domain)
        ).scalar_one()
        return theirs
    record_audit(
        connection,
        at,
        actor=actor,
        action="domain.hold",
        subject=domain[:200],
        detail={"until": until.isoformat(), "reason": reason, "campaign": campaign},
    )
    alert = domain_held(domain, until=until, reason=reason, campaign=campaign, at=at)
    raise_alert(connection, alert, at)
    return until


def held_domains(connection: Connection, now: datetime) -> dict[str, Hold]:
    """Return the domains that are left alone now."""
    rows = connection.execute(
        select(domain_holds).where(domain_holds.c.until > now).order_by(domain_holds.c.domain)
    )
    return {
        row.domain: Hold(row.domain, row.until, row.reason, row.campaign_id, row.at) for row in rows
    }


def release_domain(
    connection: Connection, domain: str, *, at: datetime, actor: str
) -> datetime | None:
    """End a domain's hold, inside the caller's transaction; returns when it would have ended.

    None: it was not held.

    Its next hold is a first one again. Deliveries that were put off keep their time.
    """
    released = connection.execute(
        delete(domain_holds)
        .where(domain_holds.c.domain == domain, domain_holds.c.until > at)
        .returning(domain_holds.c.until, domain_holds.c.reason)
    ).one_or_none()
    if released is None:
        return None
    record_audit(
        connection,
        at,
        actor=actor,
        action="domain.release",
        subject=domain[:200],
        detail={"until": released.until.isoformat(), "reason": released.reason},
    )
    until: datetime = released.until
    return until
