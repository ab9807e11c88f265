"""The account's rate: when the next message may leave (G15).

One `Pace` is shared by all lanes of a process; on a database server, by all processes too. The
bucket is pyrate-limiter's. Time is monotonic, or the server's: clocks that jump do no harm (G17).
"""

from __future__ import annotations

import math
import threading
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import text

from newsletter.errors import StorageError
from newsletter.settings import DeliveryPart
from newsletter.storage.database import Database

if TYPE_CHECKING:
    from pyrate_limiter import Decision, Rate, StateAlgorithm

BUCKET_SECONDS = 0.1
"""How much may leave at once after a lull, in seconds' worth: enough to make good a late waking,
too little to be felt as a burst."""
CHUNK_SECONDS = 0.005
"""Messages are taken out of the bucket so many seconds' worth at once: asking it costs more than
handing out."""
SHARED_CHUNK_SECONDS = 0.05
"""The same where asking means a transaction."""


class Pace(Protocol):
    """Says when a message may leave; asked from several threads at once."""

    def take(self, stop: threading.Event) -> bool:
        """Wait until one message may leave; False when `stop` was set while waiting."""
        ...

    def take_now(self) -> bool:
        """Take the right to send one message if it may leave at once; never waits."""
        ...

    def ready(self) -> bool:
        """Return whether a message may leave at once, without taking the right to it."""
        ...

    def describe(self) -> str | None:
        """Say the limit, `14 messages/s`; None where there is none."""
        ...


class Unpaced:
    """No limit: a message may leave whenever it is ready."""

    def take(self, stop: threading.Event) -> bool:
        """Return True at once."""
        return True

    def take_now(self) -> bool:
        """Return True."""
        return True

    def ready(self) -> bool:
        """Return True."""
        return True

    def describe(self) -> None:
        """Return None: there is no limit."""
        return


class _Store(Protocol):
    """Where the state of a bucket is kept: pyrate-limiter's `StateStore`, as far as we need it."""

    def check(
        self, algorithm: StateAlgorithm, rates: list[Rate], now: int, weight: int
    ) -> Decision:
        """Apply one taking of `weight` units to the stored state; `now` in milliseconds."""
        ...


class AccountPace:
    """Lets `rate_per_second` messages leave, evenly, over all threads of this process.

    Waits are in seconds. A chunk taken out of the bucket is handed out one by one; rates below one
    a second work the same with chunks of one.
    """

    def __init__(
        self,
        rate_per_second: float,
        *,
        chunk_seconds: float = CHUNK_SECONDS,
        store: _Store | None = None,
    ) -> None:
        # Here, for the library takes as long to load as the whole of the command line.
        from pyrate_limiter import InMemoryStateStore, TokenBucket

        self._words = f"{rate_per_second:g} message{'' if rate_per_second == 1 else 's'}/s"
        self._chunk = max(1, int(rate_per_second * chunk_seconds))
        self._rates = [_rate_of_chunks(rate_per_second / self._chunk)]
        self._algorithm = TokenBucket()
        self._store: _Store = store or InMemoryStateStore()
        self._lock = threading.Lock()
        self._in_hand = 0
        self._closed_until = 0.0

    def take(self, stop: threading.Event) -> bool:
        """Wait until one message may leave; False when `stop` was set while waiting."""
        while (wait := self._try(1)) > 0:
            if stop.wait(wait):
                return False
        return True

    def take_now(self) -> bool:
        """Take the right to send one message if it may leave at once; never waits."""
        return self._try(1) == 0

    def ready(self) -> bool:
        """Return whether a message may leave at once, without taking the right to it."""
        return self._try(0) == 0

    def describe(self) -> str:
        """Say the limit, `14 messages/s`."""
        return self._words

    def _try(self, count: int) -> float:
        """Take `count` (0 or 1) out of the hand, filled if need be; returns how long to wait."""
        with self._lock:
            if not self._in_hand:
                wait = self._closed_until - time.monotonic()
                if wait <= 0:
                    wait = self._fill()
                if wait > 0:
                    return wait
            self._in_hand -= count
            return 0.0

    def _fill(self) -> float:
        """Take a chunk out of the bucket; returns 0, or in how many seconds to ask again."""
        now = time.monotonic()
        decision = self._store.check(self._algorithm, self._rates, int(now * 1000), 1)
        if decision.allowed:
            self._in_hand = self._chunk
            return 0.0
        wait = max(1, decision.retry_after_ms or 1) / 1000
        self._closed_until = now + wait
        return wait


class SharedPace(AccountPace):
    """Lets `rate_per_second` messages leave over all processes that work on one database server.

    Raises `TryAgainLater` or `StorageError` from each method when the server is away.
    """

    def __init__(self, rate_per_second: float, database: Database, account: str) -> None:
        super().__init__(
            rate_per_second,
            chunk_seconds=SHARED_CHUNK_SECONDS,
            store=_TableStore(database, account),
        )


def open_pace(delivery: DeliveryPart, database: Database) -> Pace:
    """Build the pace that the settings ask for; shared over processes where there can be several.

    An embedded database has one sender at a time, which needs no table to count in.
    """
    if delivery.rate_per_second is None:
        return Unpaced()
    if database.embedded:
        return AccountPace(delivery.rate_per_second)
    return SharedPace(delivery.rate_per_second, database, delivery.provider.value)


def _rate_of_chunks(chunks_per_second: float) -> Rate:
    """Say a rate in the library's whole numbers: so many in so many milliseconds."""
    from pyrate_limiter import Rate

    burst = max(1, math.ceil(BUCKET_SECONDS * chunks_per_second))
    if chunks_per_second < 1:
        return Rate(1, round(1000 / chunks_per_second), burst=burst)
    exact = Fraction(chunks_per_second).limit_denominator(1000)
    return Rate(exact.numerator, exact.denominator * 1000, burst=burst)


# The row is locked until the commit; all by the primary key (account).
_OPEN_ROW = text(
    "INSERT INTO account_rates (account, next_free_us) VALUES (:account, 0)"
    " ON CONFLICT (account) DO NOTHING"
)
_LOCK_ROW = text("SELECT next_free_us FROM account_rates WHERE account = :account FOR UPDATE")
# Read behind the lock: while we waited for it, others took and time passed.
_SERVER_TIME = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
_KEEP = text("UPDATE account_rates SET next_free_us = :state WHERE account = :account")


class _TableStore:
    """Keeps the state of a bucket in a row of its own, by the time of the database's server.

    The library's own bucket on PostgreSQL is no match: it makes a table behind the migrations'
    back, with a row for each message, and gives up instead of waiting for its turn.
    """

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = {"account": account}
        self._known = False

    def check(
        self, algorithm: StateAlgorithm, rates: list[Rate], now: int, weight: int
    ) -> Decision:
        """Apply one taking to the row; `now` is the server's instead of the caller's."""
        # What a power cut takes away is a tenth of a second.
        with self._database.write(durable=False) as connection:
            if not self._known:
                connection.execute(_OPEN_ROW, self._account)
            kept = connection.execute(_LOCK_ROW, self._account).scalar_one_or_none()
            if kept is None:
                raise StorageError("the count of the account's rate is gone", fix="start again")
            now = connection.execute(_SERVER_TIME).scalar_one()
            # What lies behind the latest must be written also when nothing is taken: it would move
            # on with each look.
            before = min(kept, _latest(rates[0], now))
            (after,), decision = algorithm.step(rates, (before,), now, weight)
            if after != kept:
                connection.execute(_KEEP, self._account | {"state": int(after)})
        self._known = True
        return decision


def _latest(rate: Rate, now: int) -> int:
    """Return the latest state there can be, in microseconds; behind it, the clock was set back."""
    return now * 1000 + math.ceil(rate.interval * 1000 / rate.limit) * rate.burst
