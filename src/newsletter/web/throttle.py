"""How often the public forms may be used: by network and by everybody together (C17).

The buckets are pyrate-limiter's; what is kept of a network is forgotten with the process.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from newsletter.clock import Clock
from newsletter.errors import TryAgainLater
from newsletter.settings.parts import SignupLimitsPart

if TYPE_CHECKING:
    from pyrate_limiter import Decision, Rate, StateAlgorithm

NETWORKS_KNOWN = 10_000
"""Networks counted at once; the one unseen for longest is forgotten first."""
_HOUR_MS = 3_600_000


class TooManyForms(TryAgainLater):
    """The limit is reached; `wait` says in how many seconds there is room again."""

    def __init__(self, wait: int) -> None:
        super().__init__("too many forms were sent", fix="try again later")
        self.wait = wait


class _Bucket(Protocol):
    """Where the state of a bucket is kept: pyrate-limiter's store, as far as we need it."""

    def check(
        self, algorithm: StateAlgorithm, rates: list[Rate], now: int, weight: int
    ) -> Decision:
        """Apply one taking of `weight` units; `now` in milliseconds."""
        ...


class Throttle:
    """Counts forms in buckets that refill over an hour."""

    def __init__(self, limits: SignupLimitsPart, clock: Clock) -> None:
        from pyrate_limiter import InMemoryStateStore, Rate, TokenBucket

        self._clock = clock
        self._lock = threading.Lock()
        self._algorithm = TokenBucket()
        self._of_network = [Rate(limits.per_network, _HOUR_MS)]
        self._of_all = [Rate(limits.overall, _HOUR_MS)]
        self._make_bucket: Callable[[], _Bucket] = InMemoryStateStore
        self._all = self._make_bucket()
        self._networks: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, network: str | None) -> None:
        """Count one form; raises `TooManyForms`. Requests without a network share one bucket."""
        with self._lock:
            self._take(self._bucket(network or ""), self._of_network)
            self._take(self._all, self._of_all)

    def _bucket(self, network: str) -> _Bucket:
        bucket = self._networks.pop(network, None) or self._make_bucket()
        self._networks[network] = bucket
        if len(self._networks) > NETWORKS_KNOWN:
            self._networks.popitem(last=False)
        return bucket

    def _take(self, bucket: _Bucket, rates: list[Rate]) -> None:
        now = int(self._clock.now().timestamp() * 1000)
        decision = bucket.check(self._algorithm, rates, now, 1)
        if not decision.allowed:
            # More than an hour is only said where the clock was set back.
            wait = min(decision.retry_after_ms or _HOUR_MS, _HOUR_MS)
            raise TooManyForms(max(1, math.ceil(wait / 1000)))
