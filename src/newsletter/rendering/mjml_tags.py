"""Refuses MJML that the library would pass through in silence: unknown tags and attributes."""

from __future__ import annotations

import re

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


_TAG = re.compile(
    r"<!--.*?-->|<(/?)(mj[a-z0-9-]*)((?:[^<>\"']++|\"[^\"]*\"|'[^']*')*+)>",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([^\s=\"'/<>]+)(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+))?")
_OTHER = re.compile(r"<([A-Za-z][\w-]*)")


def refuse_unknown_tags(mjml: str, *, name: str) -> None:
    """Raise `TemplateError` for a tag or attribute that MJML does not know, or a wrong nesting.

    Only MJML's own tags are read, and what stands between them where MJML takes no HTML: a digest
    is long, its skeleton is not.
    """
    _Skeleton(mjml, name).check()


class _Skeleton:
    """MJML's own tags of a filled template, one after the other."""

    def __init__(self, mjml: str, name: str) -> None:
        self._mjml = mjml
        self._name = name
        self._open: list[str] = []

    def check(self) -> None:
        behind = 0
        for found in _TAG.finditer(self._mjml):
            self._check_between(behind, found.start())
            behind = found.end()
            if found[2] is None:
                continue
            tag = found[2].lower()
            if found[1]:
                self._close(tag, found.start())
            else:
                self._begin(tag, found[3], found.start())
        self._check_between(behind, len(self._mjml))
        if self._open:
            raise self._refused(f"<{self._open[-1]}> is not closed", len(self._mjml))

    def _begin(self, tag: str, rest: str, at: int) -> None:
        inside = self._open[-1] if self._open else ""
        if inside != "mj-attributes" and tag not in ALLOWED:
            raise self._refused(f"MJML has no tag <{tag}>", at)
        allowed = ALLOWED.get(tag)
        for attribute in _ATTRIBUTE.findall(rest):
            if allowed is not None and attribute.lower() not in allowed:
                raise self._refused(f"<{tag}> has no attribute '{attribute}'", at)
        if not rest.rstrip().endswith("/"):
            self._open.append(tag)

    def _close(self, tag: str, at: int) -> None:
        if not self._open or self._open[-1] != tag:
            raise self._refused(f"</{tag}> closes what is not open", at)
        self._open.pop()

    def _check_between(self, start: int, end: int) -> None:
        inside = self._open[-1] if self._open else ""
        if inside in _FREE:
            return
        other = _OTHER.search(self._mjml, start, end)
        if other:
            raise self._refused(
                f"<{other[1].lower()}> stands where MJML takes only its own tags", other.start()
            )

    def _refused(self, problem: str, at: int) -> TemplateError:
        line = self._mjml.count("\n", 0, at) + 1
        return TemplateError(
            problem,
            where=Place(self._name),
            fix=f"correct the template (line {line} of what it renders to)",
        )
