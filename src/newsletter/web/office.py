"""What the pages are given to work with; built by the composition root and by tests alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from newsletter.audience.keys import Keys
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import Clock
from newsletter.delivery.bounce_classes import bounce_class
from newsletter.feedback.sendgrid_events import Classify
from newsletter.settings import Settings
from newsletter.storage.database import Database


def do_nothing() -> None:
    """Do nothing: where a test or a command has no use for a callable of the office."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """How what runs behind the pages does at this moment.

    `problems` names each part that runs in the background, with what is wrong or None. `sending`
    is the number of campaigns that this process is sending.
    """

    problems: Mapping[str, str | None] = field(default_factory=dict)
    sending: int = 0
    seconds_since_look: float | None = None
    """Of the scheduler; None where none runs."""
    next_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """The database and keys behind the pages, and what lies outside of this room.

    `wake_letters` tells that a letter waits to be sent. `erase` forgets a subscriber by number,
    durably, in a transaction of its own. `housekeeping` is called every few minutes.
    `wake_feedback` tells that events wait to be applied; `classify` says what a bounce means (D3).
    `vitals` is asked by /readyz and /metrics; it is cheap.
    """

    settings: Settings
    database: Database
    keys: Keys
    signer: TokenSigner
    clock: Clock
    erase: Callable[[int], None]
    wake_letters: Callable[[], None] = do_nothing
    housekeeping: Callable[[], None] = do_nothing
    wake_feedback: Callable[[], None] = do_nothing
    classify: Classify = bounce_class
    vitals: Callable[[], Vitals] = Vitals
