"""The world of the simulation: a clock, a folder of digests, two nodes, an operator, and mishaps.

Everything that happens is drawn from one seed and put on one time line beforehand; then the clock
is moved from one event to the next.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from newsletter.clock import SettableClock
from newsletter.errors import DeliveryError
from newsletter.schedule.edition_deciding import decide
from newsletter.schedule.editions import find_edition
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import EditionStatus
from newsletter.schedule.schedules import (
    get_schedule,
    pause_schedule,
    resume_schedule,
)
from newsletter.schedule.skips import skip_day
from tests.simulation.cast import Part
from tests.simulation.crashes import Crash
from tests.simulation.digests import Story, Writing, writings
from tests.simulation.nodes import Node, Post, a_fuse, look_at_once
from tests.simulation.oracle import Expected, Fate, Oracle, expected_editions
from tests.simulation.truth import WalkedZone
from tests.simulation.workspace import READERS, lay_out

SETTLING = timedelta(seconds=3)
"""A file that was written so shortly ago is left alone."""


@dataclass(frozen=True, slots=True)
class Mishaps:
    """How often something goes wrong, as shares of all looks, or as numbers for each 30 days."""

    crashes: float = 0.04
    deaths_while_sending: float = 0.02
    at_once: float = 0.03
    outages: float = 4.0
    clock_jumps: float = 2.0
    by_hand: float = 2.0
    """Of each schedule, as what follows."""
    skips: float = 0.7
    pauses: float = 0.3


class World:
    """A span of simulated time; `run` lives through it."""

    def __init__(
        self,
        folder: Path,
        parts: Iterable[Part],
        start: datetime,
        end: datetime,
        *,
        seed: int,
        mishaps: Mishaps | None = None,
    ) -> None:
        self.folder, self.start, self.end, self.seed = folder, start, end, seed
        self.parts = tuple(parts)
        self.draw = random.Random(seed)
        self.mishaps = mishaps or Mishaps()
        self.happened: Counter[str] = Counter()
        self.stories: Counter[Story] = Counter()
        self.post = Post()
        self._clock = SettableClock(start)
        self._ahead = timedelta(0)
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._written: dict[date, Writing] = {}
        self._away_until = start
        self._planned: set[tuple[str, date]] = set()
        self._paused: set[Part] = set()
        self.faults: list[str] = []
        dues = [(part, part.editions(start, end, self._walked(part))) for part in self.parts]
        self.oracle = Oracle(expected_editions(dues))
        self._settings = lay_out(folder, self.parts, self._clock)
        self.nodes = [self._open_node() for _ in range(2)]

    def run(self) -> None:
        """Let everything happen that is on the time line."""
        self._plan()
        while self._events:
            at, _, happen = heapq.heappop(self._events)
            if at > self.end:
                break
            self._set_clock(at)
            happen()
        self._ahead = timedelta(0)
        self._away_until = self.start
        self._set_clock(self.end)
        self._look()
        for node in self.nodes:
            node.close()

    def _walked(self, part: Part) -> WalkedZone:
        return WalkedZone(part.zone, self.start, self.end)

    def _set_clock(self, at: datetime) -> None:
        self._clock.advance(at + self._ahead - self._clock.now())

    def _open_node(self) -> Node:
        return Node(self.folder, self._settings, self._clock, self.post)

    # What is to come.

    def _at(self, when: datetime, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), happen))

    def _plan(self) -> None:
        for one in self.oracle.all.values():
            self._plan_edition(one)
        for number in range((self.end - self.start).days + 4):
            story, written = writings(self.start.date() + timedelta(days=number - 1), self.draw)
            self.stories[story] += 1
            for writing in written:
                self._at(writing.at, lambda writing=writing: self._write(writing))  # type: ignore[misc]
                self._at(writing.at + timedelta(seconds=10), self._look)
        months = (self.end - self.start) / timedelta(days=30)
        for _ in range(round(self.mishaps.outages * months)):
            hours = self.draw.choice((0.3, 1, 2, 4, 7))
            self._at(self._some_time(), lambda hours=hours: self._go_away(hours))  # type: ignore[misc]
        if months > 6:
            self._at(self._some_time(), lambda: self._go_away(3 * 24))
        for _ in range(round(self.mishaps.clock_jumps * months)):
            at, by = self._some_time(), timedelta(minutes=self.draw.choice((-60, -5, 10, 60)))
            self._at(at, lambda by=by: self._jump(by))  # type: ignore[misc]
            self._at(at + timedelta(minutes=self.draw.randrange(5, 300)), lambda: self._jump(None))
        for part in self.parts:
            self._plan_operator(part, months)
        for number in range((self.end - self.start).days):
            # Nobody has planned this one: it must change nothing.
            self._at(self.start + timedelta(days=number + self.draw.random()), self._look)

    def _plan_edition(self, one: Expected) -> None:
        due = one.due.at
        if one.part.approval:
            self._at(due - one.part.lead, self._look)
            self._plan_word(one)
        if self.draw.random() < 0.1:
            self._at(due - timedelta(seconds=1), self._look)
        self._at(due, self._look)

    def _plan_word(self, one: Expected) -> None:
        """Draw what the operator says to an edition, and when."""
        minutes = self.draw.choice((-110, -60, -10, 20, 90, 175, None))
        if minutes is None:
            return
        yes = self.draw.random() < 0.9
        at = one.due.at + timedelta(minutes=minutes)
        self._at(at, lambda: self._decide(one, yes=yes))
        self._at(at + timedelta(seconds=1), self._look)

    def _plan_operator(self, part: Part, months: float) -> None:
        """Draw what an operator does to a schedule without being asked."""
        mine = [one for one in self.oracle.all.values() if one.part is part]
        chances = self.draw.sample(mine, min(len(mine), round(self.mishaps.by_hand * months)))
        for one in chances:
            minutes = self.draw.choice((-20, -1, 0, 30, 240))
            at = one.due.at + timedelta(minutes=minutes)
            self._at(at, lambda one=one: self._send_by_hand(one))  # type: ignore[misc]
        left_out = self.draw.sample(mine, min(len(mine), round(self.mishaps.skips * months)))
        for one in left_out:
            self._at(self.start, lambda one=one: self._skip(one))  # type: ignore[misc]
        pauses = self.draw.sample(mine, min(len(mine), round(self.mishaps.pauses * months)))
        for one in pauses:
            days = self.draw.choice((1, 3))
            at = one.due.at + timedelta(hours=5)
            self._at(at, lambda days=days: self._pause(part, days))  # type: ignore[misc]

    def _some_time(self) -> datetime:
        return self.start + (self.end - self.start) * self.draw.random()

    # What happens.

    def _write(self, writing: Writing) -> None:
        folder = self.folder / "digests"
        writing.into(folder)
        at = writing.at.timestamp()
        os.utime(folder / f"{writing.day}.md", (at, at))
        self._written[writing.day] = writing

    def _is_written(self, day: date) -> bool:
        written = self._written.get(day)
        return written is not None and written.good

    def _good(self, day: date) -> bool:
        """Return whether the digest of a day may be sent by itself: written, and left alone."""
        if not self._is_written(day):
            return False
        return abs(self._clock.now() - self._written[day].at) >= SETTLING

    def _go_away(self, hours: float) -> None:
        """Let no process be there for a while; their return begins with a look."""
        self.happened["outages"] += 1
        back = self._clock.now() - self._ahead + timedelta(hours=hours, seconds=11)
        self._away_until = max(self._away_until, back)
        self._at(back, self._look)

    @property
    def _away(self) -> bool:
        return self._clock.now() - self._ahead < self._away_until

    def _jump(self, by: timedelta | None) -> None:
        """Set the clock forward or back, or right again."""
        self.happened["clock set"] += 1
        real = self._clock.now() - self._ahead
        self._ahead = by or timedelta(0)
        self._set_clock(real)
        self._look()

    def _decide(self, one: Expected, *, yes: bool) -> None:
        if self._away or not self.oracle.decide(one.key, self._clock.now(), yes=yes):
            return
        self.happened["approved" if yes else "refused"] += 1
        node = self.draw.choice(self.nodes)
        with node.database.read() as connection:
            schedule = get_schedule(connection, one.part.name)
            edition = find_edition(connection, schedule.id, one.due.day)
        if edition is None or edition.status is not EditionStatus.HELD:
            raise AssertionError(f"{one.key} waits for a yes, but is {edition}; seed {self.seed}")
        decide(node.database, edition.id, yes, self._clock.now(), "operator")

    def _skip(self, one: Expected) -> None:
        if one.due.day <= self.start.date() + timedelta(days=1) or one.fate is Fate.SKIPPED:
            return
        self.oracle.skip(one)
        node, now = self.draw.choice(self.nodes), self._clock.now()
        with node.database.write() as connection:
            skip_day(connection, now, one.part.name, one.due.day, actor="operator")

    def _pause(self, part: Part, days: int) -> None:
        now, until = self._clock.now(), self._clock.now() + timedelta(days=days)
        # While the clock is wrong, what is due before and what after is a matter of taste.
        if self._away or self._ahead or part in self._paused:
            return
        if not self.oracle.pause(part, now, until):
            return
        self.happened["pauses"] += 1
        self._paused.add(part)
        with self.nodes[0].database.write() as connection:
            pause_schedule(connection, now, part.name, actor="operator")
        self._at(until, lambda: self._resume(part))

    def _resume(self, part: Part) -> None:
        self._paused.discard(part)
        now = self._clock.now() - self._ahead
        with self.nodes[0].database.write() as connection:
            resume_schedule(connection, now, part.name, actor="operator")

    def _send_by_hand(self, one: Expected) -> None:
        """Let an operator send an edition at once, at times in the very moment of a look (H9)."""
        if self._away:
            return
        must = self.oracle.send_by_hand(one, good=self._is_written(one.due.day))
        by_hand, other = self.draw.sample(self.nodes, 2)
        went_well = threading.Event()

        def send() -> None:
            try:
                by_hand.keeper.run_now(one.part.name, one.due.day, "operator")
                went_well.set()
            except (ScheduleError, DeliveryError):
                pass

        if self.draw.random() < 0.5:
            self.happened["by hand and by the clock at once"] += 1
            looking = threading.Thread(target=other.look)
            looking.start()
            send()
            looking.join()
            self._expect()
        else:
            send()
            if went_well.is_set() is not must:
                self.faults.append(f"{one.key}: by hand it must {'not ' * (not must)}go well")
        self.happened["by hand"] += went_well.is_set()
        self._look()

    def _look(self) -> None:
        if self._away:
            return
        self.happened["looks"] += 1
        number = self.draw.randrange(len(self.nodes))
        luck = self.draw.random()
        if luck < self.mishaps.at_once:
            self.happened["looks at once"] += 1
            look_at_once(self.nodes)
        elif luck < self.mishaps.at_once + self.mishaps.crashes:
            self._crash_while(number, lambda node: node.fuse.set(a_fuse(self.draw)), Node.look)
        self.nodes[number].look()
        self._expect()
        if luck > 0.95:
            self._ask_when_next(self.nodes[number])
        if self.draw.random() < self.mishaps.deaths_while_sending:
            at = self.draw.randrange(READERS)
            self._crash_while(number, lambda node: self.post.kill_at(at, node.fuse.blow), Node.send)
        self.nodes[1 - number].send()

    def _ask_when_next(self, node: Node) -> None:
        """See to it that nobody sleeps through the next edition."""
        now = self._clock.now()
        true, told = self.oracle.next_due(now), node.keeper.next_due()
        if true is not None and (told is None or not now < told <= true):
            self.faults.append(f"at {now} the next look is planned for {told}, {true} is due")

    def _crash_while(
        self, number: int, arm: Callable[[Node], None], act: Callable[[Node], None]
    ) -> None:
        """Let a node die in the middle of an act, and open another in its place."""
        node = self.nodes[number]
        arm(node)
        try:
            act(node)
        except Crash:
            self.happened["crashes"] += 1
            node.close()
            self.nodes[number] = self._open_node()
        else:
            node.fuse.defuse()
        self.post.kill_at(None, node.fuse.blow)

    def _expect(self) -> None:
        """Tell the oracle of a look; plan another behind the last moment of what waits."""
        for one in self.oracle.look(self._clock.now(), self._good):
            if one.key not in self._planned:
                self._planned.add(one.key)
                self._at(one.last_moment - self._ahead + timedelta(seconds=1), self._look)
