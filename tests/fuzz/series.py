"""Many inputs, one after another: what was raised where, and which took the longest."""

from __future__ import annotations

import random
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.digests.samples import DIGESTS, SAMPLES, sample
from tests.fuzz.digests import whole_way
from tests.fuzz.fragments import digests_of_fragments
from tests.fuzz.mutations import mutate

_SHARE = 250
"""Inputs of one piece of work: small, that processes end together."""


@dataclass
class Tally:
    """What came of a number of inputs; `raised` has a first input for each kind and place."""

    inputs: int = 0
    messages: int = 0
    raised: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0
    slowest_input: str = ""

    def run(self, text: str, folder: Path) -> None:
        """Take one input the whole way and note what came of it."""
        began = time.perf_counter()
        try:
            self.messages += whole_way(text, folder)
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            self.raised.setdefault(f"{place}: {error}"[:200], text)
        taken = time.perf_counter() - began
        self.inputs += 1
        if taken > self.slowest:
            self.slowest, self.slowest_input = taken, text

    def add(self, other: Tally) -> None:
        """Take in what came of other inputs."""
        self.inputs += other.inputs
        self.messages += other.messages
        for kind, text in other.raised.items():
            self.raised.setdefault(kind, text)
        if other.slowest > self.slowest:
            self.slowest, self.slowest_input = other.slowest, other.slowest_input


def of_fragments(number: int, start: int) -> Tally:
    """Run digests that hypothesis puts together of fragments."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as made:

        @seed(start)
        @settings(
            max_examples=number,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(digests_of_fragments)
        def each(text: str) -> None:
            tally.run(text, Path(made))

        each()
    return tally


def of_mutations(number: int, start: int) -> Tally:
    """Run sound digests with a few changes each."""
    tally, chance = Tally(), random.Random(start)
    sound = [path.read_text("utf-8") for path in _sound()]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as made:
        for _ in range(number):
            tally.run(mutate(chance.choice(sound), chance), Path(made))
    return tally


def _sound() -> Iterator[Path]:
    yield from (sample(name) for name in SAMPLES)
    yield from sorted((DIGESTS / "broken").glob("*.md"))
    yield from sorted((DIGESTS.parents[1] / "digests").glob("*.md"))


def run(inputs: int, start: int, jobs: int) -> Iterator[Tally]:
    """Run so many inputs, half of each kind, in several processes; yield each piece of work."""
    pieces = [
        (kind, min(_SHARE, inputs // 2 - done), start + 2 * done + odd)
        for done in range(0, inputs // 2, _SHARE)
        for odd, kind in enumerate((of_fragments, of_mutations))
    ]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for future in [pool.submit(kind, number, begin) for kind, number, begin in pieces]:
            yield future.result()
