"""A year of mornings: lived through, judged, and printed as a table.

    python -m tests.simulation [--year 2028] [--seed 1] [--zones cast|all]

The same seed brings the same events; where two processes race, either may win.
Exit code 1 when anything is not as it must be.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime

from tests.simulation.table import printed
from tests.simulation.years import Year, live_through


def main() -> int:
    """Live through it, print the table, say what is wrong."""
    parser = argparse.ArgumentParser(description="a year of mornings, judged")
    parser.add_argument("--year", type=int, default=2028, help="2028 has a leap day (default)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--zones", choices=("cast", "all"), default="cast", help="all: each that turns its clocks"
    )
    given = parser.parse_args()
    start, end = datetime(given.year, 1, 1, tzinfo=UTC), datetime(given.year + 1, 1, 1, tzinfo=UTC)
    begun = time.monotonic()
    verdict = live_through(Year(start, end, given.seed, given.zones == "all"))
    print(printed(verdict))
    print(f"\n{start:%Y-%m-%d} to {end:%Y-%m-%d} in {time.monotonic() - begun:.0f} s, ", end="")
    print(f"seed {given.seed}")
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
