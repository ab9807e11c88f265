"""How everything here is measured: seconds of an act, medians with their spread, ratios."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median


def seconds(act: Callable[[], object]) -> float:
    """Return how long an act takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Spread:
    """The median of several rounds, with the least and the most."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.least:.2f}–{self.most:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of several measures."""
    return Spread(median(values), min(values), max(values))


def interleaved(rounds: int, acts: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run each act once a round, in turn, so that a busy moment hits all alike.

    Acts return what they measured (a rate); the first round warms up and does not count.
    """
    rates: dict[str, list[float]] = {name: [] for name in acts}
    for number in range(rounds + 1):
        for name, act in acts.items():
            rate = act()
            if number:
                rates[name].append(rate)
    return rates


def say(what: str, value: str) -> None:
    """Print one line of the table."""
    print(f"{what:<58} {value}", flush=True)


@contextmanager
def server(module: str, *words: str) -> Iterator[int]:
    """Run a module's server in a process of its own; gives the port that it prints."""
    command = [sys.executable, "-m", module, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()
