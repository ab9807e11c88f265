"""A long time for many schedules: several worlds with a few schedules each, side by side."""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

from newsletter.logs import configure_logs
from tests.simulation.cast import CAST, Part, all_zones
from tests.simulation.judge import Verdict, judge
from tests.simulation.world import World

TOGETHER = 3
"""So many schedules share a world: a look costs as many reads as there are schedules."""


@dataclass(frozen=True, slots=True)
class Year:
    """A span of time, and who takes part in it."""

    start: datetime
    end: datetime
    seed: int
    all_zones: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everybody who takes part."""
        return all_zones(self.start, self.end) if self.all_zones else CAST

    @property
    def worlds(self) -> int:
        """How many worlds they live in."""
        return -(-len(self.parts) // TOGETHER)


def live_through(year: Year) -> Verdict:
    """Live through all worlds, one for each core at a time; returns what came of them together."""
    found = Verdict()
    # Afresh: a fork would inherit locks that threads hold.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for verdict in pool.map(_live, [year] * year.worlds, range(year.worlds)):
            found.add(verdict)
    return found


def _live(year: Year, number: int) -> Verdict:
    configure_logs(level="critical", as_json=False)
    return live_in_one_world(
        # Neighbours have much in common: each world gets some of several kinds.
        year.parts[number :: year.worlds],
        year.start,
        year.end,
        seed=1000 * year.seed + number,
    )


def live_in_one_world(
    parts: tuple[Part, ...], start: datetime, end: datetime, *, seed: int
) -> Verdict:
    """Live through one world and judge it."""
    # In memory where there is such a folder: a year is some ten thousand commits.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        world = World(Path(folder) / "world", parts, start, end, seed=seed)
        world.run()
        return judge(world)
