"""`make fuzz`: digests that nobody would write go the whole way, and only our own errors come back.

    python -m tests.fuzz --inputs 20000
    python -m tests.fuzz --inputs 2000 --seed 7

Ends with 1 when anything else was raised; prints one input of each kind, and the slowest one.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.series import Tally, run


def main() -> int:
    """Read the words, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--slowest", type=float, default=10.0, help="seconds an input may take")
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.inputs:,} inputs", flush=True)
    began, tally = time.perf_counter(), Tally()
    for piece in run(given.inputs, given.seed, given.jobs):
        tally.add(piece)
    folder = Path(tempfile.mkdtemp(prefix="fuzzed-"))
    (folder / "slowest.md").write_text(tally.slowest_input, "utf-8", errors="replace")
    for number, (kind, text) in enumerate(sorted(tally.raised.items()), 1):
        path = folder / f"raised-{number}.md"
        path.write_text(text, "utf-8", errors="replace")
        print(f"{kind}\n  {path}")
    print(
        f"{tally.inputs:,} inputs in {time.perf_counter() - began:.0f} s: "
        f"{tally.messages:,} became a message, {len(tally.raised)} kinds of exceptions that are "
        f"none of ours; the slowest took {tally.slowest:.2f} s ({folder}/slowest.md, "
        f"{len(tally.slowest_input):,} characters)"
    )
    return 1 if tally.raised or tally.slowest > given.slowest else 0


if __name__ == "__main__":
    sys.exit(main())
