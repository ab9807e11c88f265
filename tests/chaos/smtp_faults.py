"""What an SMTP server can do wrong with one message or one connection, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where in the dialogue something goes wrong."""

    GREETING = "greeting"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    INSIDE = "inside"
    """In the middle of the payload."""
    BEFORE_DOT = "before-dot"
    """The payload was read, the final dot was not."""
    DOT = "dot"


class Act(StrEnum):
    """What the server does there."""

    DROP = "drop"
    """It closes in good order: what it said before arrives."""
    RESET = "reset"
    """It tears the connection down: what it said last may never be read."""
    REPLY = "reply"
    GARBAGE = "garbage"
    DRIP = "drip"
    SLOW = "slow"
    HANG = "hang"
    """It says nothing for longer than the client waits, then closes."""


@dataclass(frozen=True)
class Fault:
    """One fault. `kept`: the message is kept all the same (behind the dot only)."""

    phase: Phase
    act: Act
    reply: str = ""
    kept: bool = False

    @property
    def name(self) -> str:
        """Name it in a log, in one word."""
        words = [self.phase.value, self.act.value]
        if self.reply:
            words.append(self.reply[:3])
        if self.kept:
            words.append("kept")
        return "-".join(words)


LATER = ("451 4.3.0 try again later", "450 4.2.1 mailbox busy", "452 4.3.1 no room just now")
GONE = ("550 5.1.1 no such user", "552 5.2.2 mailbox full", "553 5.1.3 bad address")
BLOCKED = ("550 5.7.1 blocked by policy",)
NEVER = ("554 5.6.0 not this message", "554 5.3.0 refused")
CLOSING = ("421 4.3.2 closing",)
AWAY = ("421 4.7.0 too many connections", "554 5.3.2 no mail here")

_ACTS: Mapping[Phase, Sequence[Act]] = {
    Phase.GREETING: (Act.DROP, Act.REPLY, Act.SLOW),
    Phase.MAIL: (Act.DROP, Act.RESET, Act.REPLY, Act.REPLY, Act.GARBAGE, Act.DRIP, Act.HANG),
    Phase.RCPT: (Act.DROP, Act.RESET, Act.REPLY, Act.REPLY, Act.GARBAGE, Act.DRIP, Act.HANG),
    Phase.DATA: (Act.DROP, Act.RESET, Act.REPLY, Act.REPLY, Act.GARBAGE, Act.DRIP, Act.HANG),
    Phase.INSIDE: (Act.DROP, Act.RESET),
    Phase.BEFORE_DOT: (Act.DROP, Act.RESET),
    Phase.DOT: (
        *(Act.DROP, Act.DROP, Act.RESET, Act.REPLY, Act.REPLY, Act.GARBAGE),
        *(Act.DRIP, Act.SLOW, Act.HANG),
    ),
}
_REPLIES: Mapping[Phase, Sequence[str]] = {
    Phase.GREETING: AWAY,
    Phase.MAIL: (*LATER, *CLOSING, *NEVER),
    Phase.RCPT: (*LATER, *CLOSING, *GONE, *BLOCKED),
    Phase.DATA: (*LATER, *CLOSING, *NEVER),
    Phase.DOT: (*LATER, *CLOSING, *NEVER, "550 5.1.1 no such user"),
}
# A hang costs the client's whole patience, so it is rarer than the rest.
_HANGS = 0.3


def draw_message_fault(chance: random.Random, rate: float) -> Fault | None:
    """Say what goes wrong with the next message; `rate` is the share of messages."""
    if chance.random() >= rate:
        return None
    # The dot is where answers are lost: as often as all other places together.
    early = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.INSIDE, Phase.BEFORE_DOT)
    phase = Phase.DOT if chance.random() < 0.5 else chance.choice(early)
    return _draw(chance, phase)


def draw_connection_fault(chance: random.Random, rate: float) -> Fault | None:
    """Say what goes wrong with the greeting of a connection, half as often as with a message."""
    return _draw(chance, Phase.GREETING) if chance.random() < rate / 2 else None


def _draw(chance: random.Random, phase: Phase) -> Fault:
    act = chance.choice(_ACTS[phase])
    if act is Act.HANG and chance.random() > _HANGS:
        act = Act.DROP
    reply = chance.choice(_REPLIES[phase]) if act is Act.REPLY else ""
    loses = act in (Act.DROP, Act.RESET, Act.GARBAGE, Act.HANG)
    kept = phase is Phase.DOT and (act in (Act.DRIP, Act.SLOW) or (loses and chance.random() < 0.5))
    return Fault(phase, act, reply, kept)
