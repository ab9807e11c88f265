"""What the lanes of one run share: how far the claims are, the counts, and what ends the run.

It holds no thread and no statement; `lanes` works on it, `sender` watches it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from newsletter.audience.eligibility import Recipient
from newsletter.audience.keys import Keys
from newsletter.clock import Clock
from newsletter.delivery.campaigns import Campaign
from newsletter.delivery.limits import Limits
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Mailing,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)
from newsletter.rendering.content import ListIdentity
from newsletter.storage.database import Database

Links = Callable[[ListIdentity, Recipient], dict[str, str]]
"""Makes the personal links (`unsubscribe_url`, `preferences_url`) of a recipient."""
ReturnPath = Callable[[DeliveryId], str]
"""Makes the return path of a delivery (A15); empty where bounces go to the sender."""

REFUSALS_IN_A_ROW = 5
"""So many refusals of the message itself, one after the other, pause the campaign (G10)."""
BLOCKS_IN_A_ROW = 20
"""So many when one remote domain alone blocks us: it is held long before that (D6)."""


@dataclass(frozen=True, slots=True)
class Outfit:
    """What every lane works with, brought in from outside."""

    database: Database
    provider: Provider
    keys: Keys
    clock: Clock
    links: Links
    return_path: ReturnPath
    limits: Limits
    batch_size: int
    wait: Callable[[float], object] | None
    """How to wait for a provider, in seconds; None: until then or the end of the run."""
    claimed: Callable[[int], None]
    """Told the number of each attempt, once its claim is durable."""


@dataclass(slots=True)
class Refusals:
    """Counts refusals of the message itself in a row; anything accepted starts anew."""

    count: int = 0
    words: str = ""
    _blocking: set[str] = field(default_factory=set)
    _others: bool = False

    def note(self, outcome: Outcome, domain: str, *, blocked: bool) -> None:
        """Look at one outcome; `blocked`: it is a matter of policy or reputation (D3)."""
        if outcome.kind is OutcomeKind.REJECTED_MESSAGE:
            self.count += 1
            self.words = f"{outcome.code or ''} {outcome.detail}".strip()[:200]
            if blocked:
                self._blocking.add(domain)
            else:
                self._others = True
        elif outcome.kind is OutcomeKind.ACCEPTED and self.count:
            self.count, self._others = 0, False
            self._blocking.clear()

    @property
    def too_many(self) -> bool:
        """Whether it is the message that is refused, and not one domain that refuses us."""
        alone = not self._others and len(self._blocking) <= 1
        return self.count >= (BLOCKS_IN_A_ROW if alone else REFUSALS_IN_A_ROW)


@dataclass(slots=True)
class Course:
    """One run over one campaign, as its lanes see it.

    `end` asks every lane to bring what is on the wire to its end and stop. `claiming` is held
    around a claim, so that claims go forward through the ledger.
    """

    campaign: Campaign
    mailing: Mailing
    settled: int
    """Recipients with an outcome so far, for the brake (D7)."""
    hard: int
    """Those of them that bounced hard."""
    judged: bool
    """Whether the brake has looked at this campaign and let it go on."""
    stop: threading.Event
    """Set when the process is to end."""
    held: dict[str, datetime] = field(default_factory=dict)
    """Remote domains that are left alone, with the end of their hold (D6)."""
    end: threading.Event = field(default_factory=threading.Event)
    claiming: threading.Lock = field(default_factory=threading.Lock)
    cursor: int = -1
    left: int = 0
    """About how many could still be claimed: batches grow smaller towards the end."""
    accepted: int = 0
    refusals: Refusals = field(default_factory=Refusals)
    brake: str | None = None
    waits_for: str | None = None
    """What a lane waits for just now, where the provider is away."""
    quota_used: bool = False
    """Whether today's share of the warm-up plan is used up."""
    account: AccountProblem | None = None
    unavailable: Unavailable | None = None
    crash: BaseException | None = None
    _writing: threading.RLock = field(default_factory=threading.RLock)

    @property
    def over(self) -> bool:
        """Whether nothing new is to be begun."""
        return self.end.is_set() or self.stop.is_set()

    def fail(self, error: BaseException) -> None:
        """End the run for a reason that the operator must know; the first one counts."""
        if isinstance(error, AccountProblem):
            self.account = self.account or error
        else:
            self.crash = self.crash or error
        self.end.set()

    def look_again(self) -> None:
        """Let the next claim begin at the front: rows were given back."""
        self.cursor = -1

    @contextmanager
    def write(self, database: Database, *, durable: bool) -> Iterator[Connection]:
        """Give a write transaction; on an embedded database the lanes take turns.

        It has one writer at a time anyway, and those who wait would poll for it.
        """
        if not database.embedded:
            with database.write(durable=durable) as connection:
                yield connection
            return
        with self._writing, database.write(durable=durable) as connection:
            yield connection
