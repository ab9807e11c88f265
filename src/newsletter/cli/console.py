"""What people see: answers on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from newsletter.digest.model import Finding

LINE_SECONDS = 5.0
"""How often progress is told where there is no terminal."""


def say(text: str) -> None:
    """Tell something that is not the answer."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def answer(text: str) -> None:
    """Print (part of) the answer."""
    print(text)  # noqa: T201


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def answer_json(document: Any) -> None:
    """Print the answer as one JSON document."""
    answer(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def answer_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; numbers to the right, cut to nothing, safe to grep."""
    table = [[_cell(value) for value in row] for row in rows]
    numeric = [
        bool(table) and all(row[i].replace(".", "").isdigit() or row[i] == "-" for row in table)
        for i in range(len(columns))
    ]
    widths = [max(len(c), *(len(row[i]) for row in table), 0) for i, c in enumerate(columns)]
    for row in [list(columns), *table]:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        answer("  ".join(cells).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return " ".join(str(value).split())


def answer_findings(path: object, findings: Iterable[Finding]) -> None:
    """Print findings, errors first, each in two or three lines; see `finding_lines`."""
    for finding in by_severity(findings):
        answer("\n".join(finding_lines(path, finding)))


def say_findings(path: object, findings: Iterable[Finding]) -> None:
    """Tell findings beside an answer, in the same words."""
    for finding in by_severity(findings):
        say("\n".join(finding_lines(path, finding)))


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with the errors first, else in their order."""
    from newsletter.digest.model import Severity

    return sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)


def finding_lines(path: object, finding: Finding) -> list[str]:
    """Return `file:line: severity: problem [code]`, below it what comes of it and what mends it.

    What is not a line of the digest stands before the problem: `HTML part: …`.
    """
    where = f"{path}:{finding.line}" if finding.line else str(path)
    place = f"{finding.place}: " if finding.place else ""
    lines = [f"{where}: {finding.severity}: {place}{finding.problem} [{finding.code}]"]
    lines += [f"    {finding.why}"] if finding.why else []
    return [*lines, f"    fix: {finding.fix}"]


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON data: severity, code, line or place, problem, why, fix."""
    return asdict(finding)


class Progress(AbstractContextManager["Progress"]):
    """A bar on a terminal, a line every few seconds elsewhere; always on standard error."""

    def __init__(self, what: str, *, total: int | None = None) -> None:
        self._what = what
        self._total = total
        self._last = time.monotonic()
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total, note="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int | None, note: str = "") -> None:
        """Tell how far it is."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, note=note)
        elif time.monotonic() - self._last >= LINE_SECONDS:
            self._last = time.monotonic()
            share = f" ({100 * done // total} %)" if total else ""
            say(f"{self._what}: {done}{f' of {total}' if total else ''}{share} {note}".rstrip())
