"""The codes of everything that can be wrong with a digest, and the collector of findings.

No rule lives here: the parser and the checks decide, this module only names and counts.
"""

from __future__ import annotations

from newsletter.digest.model import Finding, Severity

_ERRORS = {
    "ambiguous-date": "the date is all numbers and could be two different days",
    "duplicate-source": "two sources have the same number",
    "empty-source": "a source says nothing",
    "front-matter-duplicate-key": "a key stands twice in the front matter",
    "front-matter-invalid": "the front matter is not valid YAML of the form 'key: value'",
    "front-matter-unclosed": "the front matter has no closing '---'",
    "front-matter-value": "a front matter value cannot be used",
    "invalid-link": "a link's address is malformed",
    "merge-field-in-link": "a merge field stands in a link's or image's address",
    "merge-field-in-source": "a merge field stands in a source",
    "merge-field-syntax": "something in '{{ }}' is not a merge field",
    "merge-field-unclosed": "a '{{' has no '}}'",
    "no-date": "the digest says no date",
    "no-title": "the digest has no title",
    "relative-link": "a link's address does not start with https://",
    "source-label": "a source's label holds a space, so nothing can cite it",
    "template-tag": "a template tag '{% %}' or '{# #}' stands in the text",
    "text-under-sources": "something under the sources' heading is not a source",
    "too-deep": "lists, quotes, brackets or emphasis are nested too deeply",
    "unknown-citation": "a citation points to a source that does not exist",
    "unknown-merge-field": "a merge field's name is not known",
    "unreadable-date": "the date is not a day of the calendar",
    "unsafe-link": "a link's scheme is neither https, http nor mailto",
}
_WARNINGS = {
    "accidental-heading": "a paragraph became a heading because '---' or '===' stands right below",
    "control-character": "an invisible control character was taken out",
    "date-differs-from-name": "the digest's date is not the date in its name",
    "duplicate-story-title": "two stories have the same title",
    "empty-heading": "a heading has no words",
    "empty-link-text": "a link has no words to press on",
    "empty-section": "a section holds nothing",
    "empty-story": "a story has a title only",
    "front-matter-unknown-key": "a front matter key is not known",
    "heading-level-jump": "a heading is more than one level below the heading before it",
    "image-without-alt": "an image has no words for those who do not see it",
    "long-digest": "the digest is so long that mail readers will clip it",
    "long-word": "a word is so long that it makes phones scroll sideways",
    "merge-field-without-default": "a merge field leaves a gap for subscribers who lack the value",
    "no-stories": "the digest has no story",
    "raw-html": "HTML in a digest is shown as it is typed",
    "second-title": "there is more than one first-level heading",
    "source-without-url": "a source has no link",
    "story-without-why-it-matters": "a story does not say why it matters",
    "table-row-too-long": "a table row has more cells than its header; they are left out",
    "uncited-source": "no citation points to a source",
    "weekday-mismatch": "the weekday does not fit the date",
}

SEVERITIES: dict[str, Severity] = {
    **dict.fromkeys(_ERRORS, Severity.ERROR),
    **dict.fromkeys(_WARNINGS, Severity.WARNING),
}
"""How grave each code is."""

CODES: dict[str, str] = dict(sorted({**_ERRORS, **_WARNINGS}.items()))
"""Every code a `Finding` can carry, with what it means; the reference page is made from it."""

MOST_OF_ONE_CODE = 50
"""How many findings of one code are told before the rest is only counted."""


class Findings:
    """Collects findings: each once for a line, and of each code only so many (bounded)."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._seen: set[tuple[str, str, int | None]] = set()
        self._counts: dict[str, int] = {}

    def add(self, code: str, problem: str, fix: str, line: int | None = None) -> None:
        """Add a finding of a code of `CODES`; the code decides the severity."""
        self.keep(Finding(SEVERITIES[code], code, problem, fix, line))

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
            Finding(
                SEVERITIES[code],
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
