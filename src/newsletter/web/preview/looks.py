"""What the operator has chosen to look at, and the links that choose otherwise.

A look is the query of a URL and nothing else: every view has an address, works without JavaScript
and outlives a reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

WIDTHS = (360, 390, 640, 1280)
"""CSS pixels: two phones, a tablet (the widest the email gets), a desktop."""

LONGEST_WORDS = 200
"""Characters that are taken of what somebody typed or chose."""


class View(StrEnum):
    """What of the message is shown."""

    MAIL = "mail"
    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    MESSAGE = "message"


class Scheme(StrEnum):
    """The colours a mail client asks for, or forces."""

    LIGHT = "light"
    DARK = "dark"
    INVERTED = "inverted"


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look at a digest.

    `digest` is a name of the library, empty for what the preview was started with; `mailing_list`
    likewise, and `reader` a subscriber's number or one of `readers.IMAGINED`. `line` is a line of
    the Markdown, `find` what subscribers are searched for.
    """

    digest: str = ""
    mailing_list: str = ""
    reader: str = ""
    view: View = View.MAIL
    width: int = 390
    scheme: Scheme = Scheme.LIGHT
    images: bool = True
    styles: bool = True
    line: int = 0
    find: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Look:
        """Read a look from a URL; what it does not know is as if it were not there."""
        width = query.get("width", "")
        line = query.get("line", "")
        return cls(
            digest=query.get("digest", "")[:LONGEST_WORDS],
            mailing_list=query.get("list", "")[:LONGEST_WORDS],
            reader=query.get("as", "")[:LONGEST_WORDS],
            view=_one_of(View, query.get("view")) or View.MAIL,
            width=int(width) if width in map(str, WIDTHS) else cls().width,
            scheme=_one_of(Scheme, query.get("scheme")) or Scheme.LIGHT,
            images=query.get("images") != "off",
            styles=query.get("styles") != "off",
            line=int(line) if line.isascii() and line.isdigit() and len(line) < 7 else 0,
            find=query.get("find", "")[:LONGEST_WORDS],
        )

    @property
    def query(self) -> dict[str, str]:
        """Return what the URL says; defaults are left out."""
        pairs = {_NAMES.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        usual = {_NAMES.get(f.name, f.name): f.default for f in fields(self)}
        return {name: _word(value) for name, value in pairs.items() if value != usual[name]}

    def url(self, page: str = "./", **changes: Any) -> str:
        """Return the link to this look, with changes, on the page or a part of it."""
        query = urlencode(replace(self, **changes).query)
        return f"{page}?{query}" if query else page


_Kind = TypeVar("_Kind", bound=StrEnum)
_NAMES = {"mailing_list": "list", "reader": "as"}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _one_of(kind: type[_Kind], value: str | None) -> _Kind | None:
    try:
        return kind(value or "")
    except ValueError:
        return None
