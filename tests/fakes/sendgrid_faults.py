"""What can go wrong with a call of `mail/send` at the fake SendGrid, scripted or by chance."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """Answer a call with this instead of looking at it; `take` its mail first, or not.

    `early`: before the body was read.
    """

    status: int
    body: Mapping[str, Any] = field(default_factory=lambda: {"errors": [{"message": "scripted"}]})
    headers: Mapping[str, str] = field(default_factory=dict)
    take: bool = False
    early: bool = False

    @property
    def kind(self) -> str:
        return f"{self.status}-taken" if self.take else f"{self.status}"


@dataclass(frozen=True)
class Cut:
    """Break the connection: before the body is read, or behind it, the mail taken or not."""

    after_reading: bool
    take: bool = False

    @property
    def kind(self) -> str:
        return f"cut-{'taken' if self.take else 'behind' if self.after_reading else 'before'}"


@dataclass(frozen=True)
class Slow:
    """Take the mail, but answer only after so many seconds."""

    seconds: float
    take: bool = True
    kind: str = "slow-taken"


@dataclass(frozen=True)
class Drip:
    """Take the mail, and answer a byte at a time with so many seconds between them."""

    seconds: float
    take: bool = True
    kind: str = "drip-taken"


@dataclass(frozen=True)
class Raw:
    """Take the mail, answer with these bytes, and hang up."""

    data: bytes
    take: bool = True
    kind: str = "raw-taken"


Fault = Answer | Cut | Slow | Drip | Raw


def random_faults(seed: int, rate: float, *, slow: float = 0.3) -> Iterator[Fault | None]:
    """Yield one fault or None for each call, without end; `rate` is the share of faults.

    `slow`: seconds until a slow answer. The same seed gives the same faults.
    """
    chance = random.Random(seed)
    while True:
        if chance.random() >= rate:
            yield None
            continue
        number = chance.randrange(7)
        taken = chance.random() < 0.5
        if number == 0:
            reset = str(int(time.time()) + 1)
            yield Answer(429, headers={"X-RateLimit-Reset": reset})
        elif number in (1, 2):
            yield Answer(500 if number == 1 else 503, take=taken)
        elif number == 3:
            yield Cut(after_reading=False)
        elif number in (4, 5):
            yield Cut(after_reading=True, take=number == 4)
        else:
            yield Slow(slow)
