"""The table that a simulation prints."""

from __future__ import annotations

from tests.simulation.judge import Line, Verdict
from tests.simulation.oracle import Fate

_HEAD = (
    *("schedule", "zone", "when", "editions", "fired", "missed", "skipped", "refused", "waiting"),
    *("campaigns", "messages", "unknown", "twice", "lost", "clocks turned"),
)
_FATES = (Fate.FIRED, Fate.MISSED, Fate.SKIPPED, Fate.CANCELLED, Fate.WAITING)
_WORDS = 3
"""So many columns from the left hold words, and so does the last."""
MOST_FAULTS = 40


def printed(verdict: Verdict) -> str:
    """Return what came of it as a table, with what happened meanwhile and what is wrong."""
    rows = [_HEAD, *(_cells(line) for line in verdict.lines)]
    numbers = range(_WORDS, len(_HEAD) - 1)
    sums = [str(sum(int(row[column]) for row in rows[1:])) for column in numbers]
    rows.append(("in all", "", "", *sums, ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    told = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    told += [
        "",
        f"digests: {_counted(verdict.stories)}",
        f"it happened: {_counted(verdict.happened)}",
        "",
    ]
    if not verdict.faults:
        told.append("one campaign for each edition that could be sent, none else; nobody twice")
        return "\n".join(told)
    told.append(f"NOT AS IT MUST BE: {len(verdict.faults)}")
    told += [f"  {fault}" for fault in verdict.faults[:MOST_FAULTS]]
    return "\n".join(told)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def _cells(line: Line) -> tuple[str, ...]:
    fates = [line.fates[fate] for fate in _FATES]
    numbers = (*fates, line.campaigns, line.messages, line.unknown, line.duplicated, line.lost)
    words = (line.name, line.zone, line.when, str(sum(fates)))
    return (*words, *map(str, numbers), ", ".join(line.oddities))


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    return [
        cell.rjust(width) if _WORDS <= column < len(row) - 1 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
