"""The collector of findings about a digest: each once, and of each code only so many.

No rule lives here: the parser and the checks decide; what a code means stands in `codes`.
"""

from __future__ import annotations

from newsletter.digest.codes import CODES, make_finding
from newsletter.digest.model import Finding

__all__ = ["CODES", "MOST_OF_ONE_CODE", "Findings", "excerpt"]

MOST_OF_ONE_CODE = 50
"""How many findings of one code are told before the rest is only counted."""


class Findings:
    """Collects findings: each once for a line, and of each code only so many (bounded)."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._seen: set[tuple[str, str, int | None]] = set()
        self._counts: dict[str, int] = {}

    def add(self, code: str, problem: str, fix: str, line: int | None = None) -> None:
        """Add a finding of a code of `CODES`; the code decides the severity and the why."""
        self.keep(make_finding(CODES, code, problem, fix, line=line))

    def keep(self, finding: Finding) -> None:
        """Add a finding that was made before."""
        code = finding.code
        key = (code, finding.problem, finding.line)
        if key in self._seen:
            return
        count = self._counts[code] = self._counts.get(code, 0) + 1
        if count <= MOST_OF_ONE_CODE:
            self._seen.add(key)
            self._kept.append(finding)

    def has(self, *codes: str) -> bool:
        """Tell whether any of the codes was found."""
        return any(code in self._counts for code in codes)

    def sorted(self) -> tuple[Finding, ...]:
        """Return the findings by line, those about the whole digest first."""
        more = [
            make_finding(
                CODES,
                code,
                f"and {count - MOST_OF_ONE_CODE} more of the same kind",
                "mend the ones named here, then check again",
            )
            for code, count in self._counts.items()
            if count > MOST_OF_ONE_CODE
        ]
        return tuple(sorted([*self._kept, *more], key=lambda f: (f.line or 0, f.code)))


def excerpt(text: str, most: int = 60) -> str:
    """Return text on one line, cut to `most` characters, to be quoted in a message."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
