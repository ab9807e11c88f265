"""Lays out a workspace by several commands of `newsletter` in one process: run with -m.

Each command for itself would load the whole program again, which the many tests that begin with
such a workspace would wait for.
"""

from __future__ import annotations

import sys
from pathlib import Path

from newsletter.cli.app import app
from newsletter.clock import use_packaged_zones

LIST = ("lists", "create", "daily", "--title", "The Daily")
IMPORT = ("subscribers", "import", "readers.csv", "--list", "daily", "--consent", "by a test")


def lay_out(readers: int) -> None:
    """Make a workspace here, a list `daily`, and so many readers on it."""
    commands = [("init", "."), LIST]
    if readers:
        rows = "\n".join(f"reader{n}@example.org,Reader {n}" for n in range(1, readers + 1))
        Path("readers.csv").write_text(f"email,name\n{rows}\n", encoding="utf-8")
        commands.append(IMPORT)
    for words in commands:
        ended = app(list(words), standalone_mode=False)
        if ended:
            sys.exit(f"{' '.join(words)} ended with {ended}")


if __name__ == "__main__":
    use_packaged_zones()
    lay_out(int(sys.argv[1]))
