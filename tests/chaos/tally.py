"""Adds rounds up and prints them: a table by provider and trouble, and the line that counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.chaos.rounds import Played

_COLUMNS = (
    *("provider", "trouble", "rounds", "messages", "blows", "kills", "lost", "doubled", "unknown"),
    *("twice by retry", "resumes", "drain s"),
)


@dataclass
class Tally:
    """What was played so far."""

    played: list[Played] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """Rounds that the harness itself could not play to their end."""

    @property
    def failures(self) -> list[Played]:
        """Return the rounds in which something was not as promised."""
        return [round_ for round_ in self.played if not round_.verdict.good]

    def table(self) -> list[str]:
        """Return the table's lines."""
        groups: dict[tuple[str, str], list[Played]] = {}
        for played in self.played:
            groups.setdefault((played.plan.provider, played.plan.trouble), []).append(played)
        rows = [(*key, *_sums(rounds)) for key, rounds in sorted(groups.items())]
        cells = [_COLUMNS, *([str(cell) for cell in row] for row in rows)]
        widths = [max(len(row[place]) for row in cells) for place in range(len(_COLUMNS))]
        return [_line(row, widths) for row in cells]

    def last_line(self) -> str:
        """Return the sums over everything."""
        hold = [p for p in self.played if p.plan.policy == "hold"]
        lost = sum(p.verdict.lost for p in self.played)
        doubled = sum(p.verdict.doubled for p in self.played)
        held = sum(p.verdict.doubled for p in hold)
        excused = sum(p.verdict.excused for p in self.played)
        return (
            f"rounds {len(self.played)}, messages {sum(p.messages for p in self.played):,}, "
            f"kills {sum(p.kills for p in self.played)}, lost {lost}, doubled {held} (hold), "
            f"doubled {doubled - held} without and {excused} with a lost answer (retry), "
            f"unknown {sum(p.verdict.unknown for p in self.played)}"
        )


def _sums(rounds: Sequence[Played]) -> tuple[object, ...]:
    return (
        len(rounds),
        sum(p.messages for p in rounds),
        sum(p.struck for p in rounds),
        sum(p.kills for p in rounds),
        sum(p.verdict.lost for p in rounds),
        sum(p.verdict.doubled for p in rounds),
        sum(p.verdict.unknown for p in rounds),
        sum(p.verdict.excused for p in rounds),
        sum(p.resumes for p in rounds),
        f"{max(p.drain for p in rounds):.1f}",
    )


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    parts = [
        cell.ljust(width) if place < 2 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(parts).rstrip()
