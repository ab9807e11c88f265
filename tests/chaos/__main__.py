"""`make chaos`: plays rounds against the three providers and lets what arrived judge.

    python -m tests.chaos --rounds 240
    python -m tests.chaos --provider smtp --trouble kill --minutes 5
    python -m tests.chaos --seed 123 --round 17

Ends with 1 when anybody was lost or doubled, or anything else was not as promised.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.plans import MIXED, PROVIDERS, Blow, choose_rounds, plan_round
from tests.chaos.series import Series


def main() -> int:
    """Read the words, play, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=240)
    parser.add_argument("--minutes", type=float, help="begin no round after so many")
    parser.add_argument("--provider", choices=PROVIDERS, action="append")
    parser.add_argument("--trouble", choices=[*map(str, Blow), MIXED], action="append")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--round", type=int, action="append", help="only this round of the seed")
    parser.add_argument("--jobs", type=int, default=3, help="rounds at once")
    parser.add_argument("--folder", type=Path, help="where workspaces are; failed ones stay")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="chaos-", dir=_quick_folder()))
    numbers = given.round or choose_rounds(given.rounds, given.provider or (), given.trouble or ())
    print(f"seed {given.seed}, workspaces in {folder}", flush=True)
    series = Series(folder, tell=lambda line: print(line, flush=True))
    seconds = given.minutes * 60 if given.minutes else None
    plans = [plan_round(given.seed, number) for number in numbers]
    tally = series.run(plans, jobs=given.jobs, seconds=seconds)
    print("\n".join(["", *tally.table(), ""]))
    for reason, count in tally.skipped.items():
        print(f"skipped {count} rounds: {reason}")
    for failed in tally.failures:
        print(f"failed: {failed.plan.name}: {'; '.join(failed.verdict.problems)}")
    for broken in tally.broken:
        print(f"broken: {broken}")
    print(tally.last_line())
    if tally.failures or tally.broken:
        return 1
    if not given.folder:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _quick_folder() -> Path | None:
    """Prefer memory: a killed process loses nothing there either, and no disk slows the rounds."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main())
