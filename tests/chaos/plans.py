"""What happens in a round, drawn from a seed and a number alone, so that it can be repeated."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

PROVIDERS = ("outbox", "smtp", "sendgrid")


class Blow(StrEnum):
    """One thing that is done to a sender at work."""

    KILL = "kill"
    """SIGKILL."""
    STOP = "stop"
    """SIGTERM; where the sender is patient, to one whose server has just gone silent."""
    RIVAL = "rival"
    """A second sender is started beside it."""
    PAUSE = "pause"
    CANCEL = "cancel"
    LEAVE = "leave"
    """Readers unsubscribe."""
    SERVER = "server"
    """The provider is killed and comes back."""
    DISK = "disk"
    """The disk is full for a while."""
    LOCK = "lock"
    """Another process holds the database."""
    CLOCK = "clock"
    """The clock jumps."""
    FAULTS = "faults"
    """Nothing but the faults of the server."""


MIXED = "mixed"
"""The trouble of several blows one after the other."""

_ALONE = (Blow.SERVER, Blow.FAULTS)
"""Blows that need a server."""
_ANSWERED = (Blow.RIVAL, Blow.PAUSE, Blow.CANCEL, Blow.LEAVE)
"""Blows by a second command, which takes a moment to start: the send must last longer."""
_FIRST = (Blow.KILL, MIXED, Blow.FAULTS)
"""Troubles that come twice as often: most faults of a sender are found by them."""


@dataclass(frozen=True)
class Moment:
    """When a blow falls: behind a share of the messages, or of the usual time; then a little on."""

    by_messages: bool
    share: float
    jitter: float


@dataclass(frozen=True)
class Strike:
    """A blow, its moment, and its strength from 0 to 1 (how long, how far, how many).

    `deadly`: soon behind it the sender is killed, while it still works on what befell it.
    """

    blow: Blow
    moment: Moment
    strength: float
    deadly: bool = False


@dataclass(frozen=True)
class Plan:
    """One round. `rate`: share of the server's messages or calls with a fault."""

    seed: int
    number: int
    provider: str
    trouble: str
    policy: str
    readers: int
    strikes: tuple[Strike, ...]
    rate: float = 0.0
    pipelining: bool = True
    personalizations: int = 20
    slow: float = 0.3
    clock_returns: bool = False
    patient: bool = False
    """Whether the sender waits a minute for an answer, longer than a stop may last (G6)."""
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name the round for a person who wants to repeat it."""
        return f"--seed {self.seed} --round {self.number}"

    def has(self, blow: Blow) -> bool:
        """Tell whether a blow is part of the round."""
        return any(strike.blow is blow for strike in self.strikes)


def courses() -> list[tuple[str, str]]:
    """List every provider with every trouble it can have, in the order rounds go through them."""
    return [
        (provider, str(trouble))
        for trouble in (*_FIRST, *Blow, MIXED)
        for provider in PROVIDERS
        if provider != "outbox" or trouble not in _ALONE
    ]


def choose_rounds(
    count: int, providers: Collection[str] = (), troubles: Collection[str] = ()
) -> list[int]:
    """Return the numbers of the first `count` rounds with these providers and troubles.

    A number means the same round whatever was asked for.
    """
    course = courses()
    places = [
        place
        for place, (provider, trouble) in enumerate(course, start=1)
        if (not providers or provider in providers) and (not troubles or trouble in troubles)
    ]
    if not places:
        return []
    turns = range(0, count * len(course), len(course))
    return [turn + place for turn in turns for place in places][:count]


def plan_round(seed: int, number: int) -> Plan:
    """Draw round `number` (from 1) of a seed."""
    chance = random.Random(f"{seed}:{number}")
    course = courses()
    provider, trouble = course[(number - 1) % len(course)]
    blows = _blows(chance, provider, trouble)
    policy = "retry" if chance.random() < 0.4 else "hold"
    if Blow.CLOCK in blows:
        # With a clock ahead, who was found unknown goes out again at once, unseen by the judge.
        policy = "hold"
    served = provider != "outbox"
    if trouble == Blow.FAULTS:
        rate = chance.uniform(0.05, 0.25)
    else:
        rate = chance.uniform(0.01, 0.06) if served and chance.random() < 0.5 else 0.0
    # Files are written so fast that a blow needs more of them to fall in between.
    few = served or Blow.DISK in blows
    readers = chance.choice((60, 150, 250, 400)) if few else chance.choice((800, 2000))
    return Plan(
        seed,
        number,
        provider,
        trouble,
        policy,
        readers=readers,
        strikes=tuple(_strike(chance, blow) for blow in blows),
        rate=round(rate, 4),
        pipelining=chance.random() < 0.8,
        personalizations=chance.choice((1, 7, 20, 50)),
        slow=3.0 if chance.random() < 0.2 else 0.3,
        clock_returns=chance.random() < 0.5,
        patient=Blow.STOP in blows and chance.random() < 0.6,
        settings=_settings(chance, readers, slowly=any(blow in _ANSWERED for blow in blows)),
    )


def _blows(chance: random.Random, provider: str, trouble: str) -> list[Blow]:
    if trouble == MIXED:
        among = [b for b in Blow if b is not Blow.CANCEL]
        if provider == "outbox":
            among = [b for b in among if b not in _ALONE]
        return [Blow.KILL, *(chance.choice(among) for _ in range(chance.randint(1, 3)))]
    blow = Blow(trouble)
    if blow is Blow.KILL:
        return [blow] * chance.randint(1, 4)
    if blow in (Blow.FAULTS, Blow.STOP, Blow.PAUSE):
        return [blow] * chance.randint(1, 2)
    # A process that had to end by itself is followed, half of the time, by one that is killed.
    return [blow, Blow.KILL] if chance.random() < 0.5 else [blow]


def _strike(chance: random.Random, blow: Blow) -> Strike:
    kind = chance.random()
    if kind < 0.2:
        moment = Moment(by_messages=False, share=chance.random(), jitter=0.0)
    else:
        # Right behind the first message, near the end, or anywhere in between.
        share = chance.choice((0.0, 0.95)) if kind < 0.4 else chance.random()
        moment = Moment(by_messages=True, share=share, jitter=chance.random() * 0.02)
    return Strike(blow, moment, chance.random(), deadly=chance.random() < 0.3)


def _settings(chance: random.Random, readers: int, *, slowly: bool) -> dict[str, str]:
    """Vary what an operator may set, where it changes the path a message takes."""
    chosen = {}
    if slowly or chance.random() < 0.3:
        pace = readers / (chance.uniform(2.5, 5.0) if slowly else chance.uniform(0.5, 2.0))
        chosen["NEWSLETTER_DELIVERY__RATE_PER_SECOND"] = f"{pace:.0f}"
    if chance.random() < (0.7 if slowly else 0.3):
        chosen["NEWSLETTER_DELIVERY__BATCH_SIZE"] = str(chance.choice((7, 25, 60)))
    if chance.random() < 0.2:
        chosen["NEWSLETTER_DELIVERY__SMTP__MESSAGES_PER_CONNECTION"] = str(chance.choice((1, 10)))
    return chosen
