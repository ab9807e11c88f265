"""Public pages as they were last written: written anew only when what they show has changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from newsletter.web.archive.conditional import tag_of, unless_known
from newsletter.web.archive.shelf import Shelf

KEPT_BYTES = 48 * 1024 * 1024
"""Of written pages and feeds that are kept in memory."""


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page as it is sent; `state` is what it was made of, `changed` since when it is so."""

    state: object
    body: bytes
    tag: str
    headers: Mapping[str, str]
    changed: datetime | None

    def answer(self, request: Request) -> Response:
        """Return it, or 304 where who asks has it already."""
        made = Response(self.body, headers=dict(self.headers))
        return unless_known(request, made, self.changed, tag=self.tag)


class KeptPages:
    """Keeps pages by what asks for them; used from many threads."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._pages: Shelf[Hashable, KeptPage] = Shelf(most, lambda page: len(page.body))

    def get_or_make(
        self,
        key: Hashable,
        state: object,
        make: Callable[[], Response],
        *,
        changed: datetime | None = None,
    ) -> KeptPage:
        """Return a page of this state: the kept one, or the one that `make` writes."""
        kept = self._pages.get(key)
        if kept is None or kept.state != state:
            made = make()
            body = bytes(made.body)
            headers = {
                name: value for name, value in made.headers.items() if name != "content-length"
            }
            kept = KeptPage(state, body, tag_of(body), headers, changed)
            self._pages.put(key, kept)
        return kept
