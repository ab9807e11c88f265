"""One process of the program, as far as mornings need it: an edition keeper and a sender."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from newsletter.clock import Clock
from newsletter.delivery.due_work import open_claims, sending, start_due, wants_hands
from newsletter.delivery.faults import Faults
from newsletter.delivery.limits import Limits
from newsletter.delivery.sender import Sender
from newsletter.errors import TryAgainLater
from newsletter.providers.base import Envelope, Outcome, OutcomeKind
from newsletter.schedule.keeping import EditionKeeper
from newsletter.settings import Settings
from newsletter.storage.database import open_database
from tests.builders import KEYS
from tests.fakes.provider import ScriptedProvider
from tests.simulation.crashes import Crash, Fuse

LEASE = timedelta(minutes=10)
URL = "sqlite:///newsletter.db"


class Post(ScriptedProvider):
    """Takes everything and remembers whom it was for; a process can die before it hears so."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)
        self._dies_at: int | None = None
        self._kill: Callable[[], None] = lambda: None
        self.answers_lost = 0

    def kill_at(self, message: int | None, kill: Callable[[], None]) -> None:
        """Let the sending process die with the so-many-th message; None: not at all."""
        self._dies_at, self._kill = message, kill

    def _answer(self, envelope: Envelope, kind: OutcomeKind) -> Outcome:
        if self._dies_at is not None:
            self._dies_at -= 1
            if self._dies_at < 0:
                self._dies_at = None
                self.answers_lost += 1
                self._kill()
                raise Crash
        return Outcome(envelope.delivery, kind, code=250)


class Node:
    """A process that lives until it crashes; another is opened in its place then."""

    _numbers = itertools.count(1)

    def __init__(self, folder: Path, settings: Settings, clock: Clock, post: Post) -> None:
        self.name = f"node {next(self._numbers)}"
        self.database = open_database(URL, root=folder)
        self.fuse = Fuse(self.database)
        self.keeper = EditionKeeper(self.database, settings, clock)
        self._clock = clock
        self._faults = Faults(self.database, clock)
        self._post = post
        self._done_with: set[int] = set()
        self._sender = Sender(
            database=self.database,
            provider=post,
            keys=KEYS,
            clock=clock,
            links=lambda identity, recipient: {
                "unsubscribe_url": f"{identity.base_url}/u/{recipient.subscriber}",
                "preferences_url": f"{identity.base_url}/p/{recipient.subscriber}",
            },
            flights=folder / "flights",
            batch_size=None,
            lease=LEASE,
            limits=Limits(),
            wait=lambda _seconds: None,
        )

    def look(self) -> None:
        """Bring the editions up to date."""
        self.keeper.look()

    def send(self) -> None:
        """Send what is due, as far as it goes now."""
        now = self._clock.now()
        start_due(self.database, self._post.name, self._faults, now)
        with self.database.read() as connection:
            # Nobody else sends: whoever claimed something is dead.
            dead = open_claims(connection, self._post.name)
            mine = set(sending(connection, self._post.name)) - self._done_with
            found = {
                campaign
                for campaign in mine
                if campaign in dead or wants_hands(connection, campaign, now, LEASE)
            }
        # Only unknown is left in them, for the operator: each look at all of those would take long.
        self._done_with |= mine - found
        for campaign in sorted(found):
            self._sender.run(campaign)

    def close(self) -> None:
        """Let go of its connections, as the end of a process does."""
        self.fuse.defuse()
        self.database.close()


def look_at_once(nodes: list[Node]) -> None:
    """Let nodes look at the same moment, each in a thread of its own (H9)."""
    problems: list[BaseException] = []
    start = threading.Barrier(len(nodes))

    def look(node: Node) -> None:
        start.wait()
        try:
            node.look()
        except TryAgainLater:
            node.look()
        except BaseException as problem:  # noqa: BLE001 - raised below, in the thread that asked
            problems.append(problem)

    threads = [threading.Thread(target=look, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def a_fuse(draw: random.Random) -> int:
    """Draw after how many statements a process dies."""
    return draw.choice((draw.randrange(12), draw.randrange(120)))
