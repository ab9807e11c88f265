"""Makes the page out of what is shown: the words and links of each control, and the template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from newsletter.digest.model import Finding, Severity
from newsletter.rendering.checks.email import CLIPPED, NEARLY_CLIPPED, merged_sizes
from newsletter.web.preview.looks import WIDTHS, Look, Scheme, View
from newsletter.web.preview.readers import IMAGINED, MOST_FOUND, NOBODY
from newsletter.web.preview.showing import Shown

HERE = Path(__file__).resolve().parent
COLUMNS = 76
"""Where the text part wraps (A8)."""

_VIEWS = {
    View.MAIL: "Mail",
    View.TEXT: "Text",
    View.MARKDOWN: "Markdown",
    View.HTML: "HTML",
    View.MESSAGE: "Source",
}
_WIDTHS = {360: "small phone", 390: "phone", 640: "tablet", 1280: "desktop"}
_SCHEMES = {Scheme.LIGHT: "Light", Scheme.DARK: "Dark", Scheme.INVERTED: "Inverted"}
_WITHOUT_PAGE: dict[str, Any] = {"view": View.MAIL, "width": Look().width, "line": 0, "find": ""}


@dataclass(frozen=True, slots=True)
class Choice:
    """One link of a control."""

    label: str
    url: str
    chosen: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A finding as the page tells it: where it is, and the link to that line."""

    finding: Finding
    place: str
    url: str | None

    @property
    def is_error(self) -> bool:
        """Whether it keeps the digest from being sent."""
        return self.finding.severity is Severity.ERROR


class Page:
    """The template of the page, with all that is the same for each look."""

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(
            clipped=CLIPPED,
            nearly_clipped=NEARLY_CLIPPED,
            columns=COLUMNS,
            most_found=MOST_FOUND,
        )
        return environment

    def write(self, shown: Shown, *, revision: int, now: str, root: Path) -> str:
        """Return the page; `now` is the time of day that the line of the inbox shows.

        Places below `root`, the workspace, are told without it.
        """
        look = shown.look

        def within(place: str) -> str:
            return place.removeprefix(f"{root}/")

        return self._templates.get_template("preview.html").render(
            shown=shown,
            look=look,
            revision=revision,
            now=now,
            within=within,
            views=list(_views(look)),
            controls=dict(_controls(look)),
            frame_url=look.url("mail", **_WITHOUT_PAGE),
            frame_title=_frame_title(look),
            message_url=look.url("message.eml", **_WITHOUT_PAGE),
            readers=list(_readers(shown)),
            subscriber=_subscriber(shown),
            matches=list(_matches(shown)),
            errors=sum(finding.severity is Severity.ERROR for finding in shown.findings),
            warnings=sum(finding.severity is not Severity.ERROR for finding in shown.findings),
            findings=[_told(shown, finding) for finding in shown.findings],
            lines_found=_lines_found(shown.findings),
            size=_size(shown),
            ruler=_ruler(),
        )


def _views(look: Look) -> Iterator[Choice]:
    for view, label in _VIEWS.items():
        yield Choice(label, look.url(view=view, line=0), look.view is view)


def _controls(look: Look) -> Iterator[tuple[str, list[Choice]]]:
    def chosen(name: str, values: dict[Any, str], notes: dict[Any, str]) -> list[Choice]:
        now = getattr(look, name)
        return [
            Choice(label, look.url(**{name: value}), now == value, notes.get(value, ""))
            for value, label in values.items()
        ]

    switch = {True: "On", False: "Off"}
    yield "Width", chosen("width", {width: str(width) for width in WIDTHS}, _WIDTHS)
    yield "Colours", chosen("scheme", _SCHEMES, {})
    yield "Images", chosen("images", switch, {})
    yield "Styles", chosen("styles", switch, {})


def _frame_title(look: Look) -> str:
    parts = [f"The mail, {look.width} pixels wide", f"{_SCHEMES[look.scheme].lower()} colours"]
    parts += [] if look.images else ["images off"]
    parts += [] if look.styles else ["styles off"]
    return ", ".join(parts)


def _readers(shown: Shown) -> Iterator[Choice]:
    key = shown.message.reader.key if shown.message else shown.look.reader or NOBODY
    for name, label in IMAGINED.items():
        yield Choice(label, shown.look.url(reader=name, find=""), key == name)


def _subscriber(shown: Shown) -> Choice | None:
    """Return the subscriber whom the message is merged for; None: somebody imagined."""
    reader = shown.message.reader if shown.message else None
    if reader is None or reader.key in IMAGINED:
        return None
    url = shown.look.url(reader=reader.key)
    note = reader.address if reader.name else ""
    return Choice(reader.name or reader.address, url, True, note)


def _matches(shown: Shown) -> Iterator[Choice]:
    key = shown.message.reader.key if shown.message else shown.look.reader
    for match in shown.matches[:MOST_FOUND]:
        number = str(match.number)
        note = match.address if match.name else ""
        if match.status != "active":
            note = f"{note} · {match.status}" if note else match.status
        yield Choice(
            match.name or match.address, shown.look.url(reader=number), key == number, note
        )


def _told(shown: Shown, finding: Finding) -> Told:
    if finding.line is None:
        return Told(finding, finding.place or "the whole digest", None)
    url = shown.look.url(view=View.MARKDOWN, line=finding.line) + f"#line-{finding.line}"
    return Told(finding, f"line {finding.line}", url)


def _lines_found(findings: Sequence[Finding]) -> dict[int, str]:
    """Return which lines have findings, with the worst severity of each."""
    found: dict[int, str] = {}
    for finding in findings:
        if finding.line is not None and found.get(finding.line) != Severity.ERROR:
            found[finding.line] = finding.severity.value
    return found


def _size(shown: Shown) -> dict[str, int] | None:
    if shown.message is None or shown.prepared is None or shown.prepared.content is None:
        return None
    return {
        "html": len(shown.message.proof.html.encode()),
        "longest": merged_sizes(shown.prepared.content, shown.prepared.longest).html,
        "text": len(shown.message.proof.text.encode()),
        "message": len(shown.message.proof.message),
    }


def _ruler() -> str:
    """Return a ruler of columns: a digit at each tenth, a cross at each fifth."""
    marks = (
        str(at // 10 % 10) if at % 10 == 0 else "+" if at % 5 == 0 else "·"
        for at in range(1, COLUMNS + 1)
    )
    return "".join(marks)
