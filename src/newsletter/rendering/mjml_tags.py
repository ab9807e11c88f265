"""Refuses MJML that the library would pass through in silence: unknown tags and attributes."""

from __future__ import annotations

from html.parser import HTMLParser

from newsletter.errors import Place, TemplateError

_BOX = frozenset(
    {"padding", "padding-top", "padding-right", "padding-bottom", "padding-left", "css-class"}
    | {"mj-class"}
)
_TYPE = frozenset(
    {"color", "font-family", "font-size", "font-style", "font-weight", "line-height"}
    | {"letter-spacing", "align", "text-decoration", "text-transform", "height"}
)
_GROUND = frozenset(
    {"background-color", "background-url", "background-repeat", "background-size"}
    | {"background-position", "border", "border-radius", "direction", "text-align"}
    | {"border-top", "border-right", "border-bottom", "border-left", "full-width"}
)

# Tag → attributes; None takes any (their content or meaning is free).
ALLOWED: dict[str, frozenset[str] | None] = {
    "mjml": frozenset({"lang", "dir", "owa"}),
    "mj-head": frozenset(),
    "mj-title": frozenset(),
    "mj-preview": frozenset(),
    "mj-attributes": frozenset(),
    "mj-all": None,
    "mj-class": None,
    "mj-breakpoint": frozenset({"width"}),
    "mj-font": frozenset({"name", "href"}),
    "mj-style": frozenset(),
    "mj-raw": frozenset({"position"}),
    "mj-body": frozenset({"width", "background-color", "css-class"}),
    "mj-section": _BOX | _GROUND,
    "mj-wrapper": _BOX | _GROUND,
    "mj-group": frozenset({"width", "vertical-align", "background-color", "direction"}) | _BOX,
    "mj-column": _BOX
    | _GROUND
    | frozenset({"width", "vertical-align", "inner-border", "inner-background-color"}),
    "mj-text": _BOX | _TYPE | frozenset({"container-background-color", "vertical-align"}),
    "mj-button": _BOX
    | _TYPE
    | _GROUND
    | frozenset({"href", "inner-padding", "rel", "target", "title", "width", "vertical-align"}),
    "mj-image": _BOX
    | _GROUND
    | frozenset({"src", "alt", "href", "width", "height", "title", "align", "target", "rel"})
    | frozenset({"container-background-color", "fluid-on-mobile", "max-height"}),
    "mj-divider": _BOX
    | frozenset({"border-color", "border-style", "border-width", "width", "align"})
    | frozenset({"container-background-color"}),
    "mj-spacer": _BOX | frozenset({"height", "container-background-color"}),
    "mj-table": _BOX | _TYPE | frozenset({"cellpadding", "cellspacing", "width", "border"}),
}

_FREE = frozenset({"mj-text", "mj-raw", "mj-button", "mj-table", "mj-style", "mj-title"})
"""Inside these stands HTML."""


class _TagReader(HTMLParser):
    def __init__(self, name: str) -> None:
        super().__init__(convert_charrefs=True)
        self._name = name
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = next((t for t in reversed(self._open) if t.startswith("mj")), "")
        if tag.startswith("mj"):
            self._check(tag, [name for name, _ in attrs], inside)
            self._open.append(tag)
        elif inside not in _FREE:
            raise self._refused(f"<{tag}> stands where MJML takes only its own tags")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag.startswith("mj"):
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag.startswith("mj"):
            if not self._open or self._open[-1] != tag:
                raise self._refused(f"</{tag}> closes what is not open")
            self._open.pop()

    def _check(self, tag: str, attributes: list[str], inside: str) -> None:
        if inside != "mj-attributes" and tag not in ALLOWED:
            raise self._refused(f"MJML has no tag <{tag}>")
        allowed = ALLOWED.get(tag)
        for attribute in attributes:
            if allowed is not None and attribute not in allowed:
                raise self._refused(f"<{tag}> has no attribute '{attribute}'")

    def _refused(self, problem: str) -> TemplateError:
        return TemplateError(
            problem,
            where=Place(self._name),
            fix=f"correct the template (line {self.getpos()[0]} of what it renders to)",
        )


def refuse_unknown_tags(mjml: str, *, name: str) -> None:
    """Raise `TemplateError` for a tag or attribute that MJML does not know, or a wrong nesting."""
    reader = _TagReader(name)
    reader.feed(mjml)
    reader.close()
