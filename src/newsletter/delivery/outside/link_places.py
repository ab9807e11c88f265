"""Finds every link and image of a digest with the line it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from newsletter.digest.model import Digest, Image, Link
from newsletter.digest.walking import texts, walk


@dataclass(frozen=True, slots=True)
class LinkPlace:
    """An address of a digest; `line` is that of the block that holds it."""

    url: str
    line: int
    image: bool = False


def link_places(digest: Digest) -> tuple[LinkPlace, ...]:
    """Return the http and https addresses of a digest, each once, where it first stands."""
    found: dict[str, LinkPlace] = {}
    for place in _all(digest):
        if place.url.lower().startswith(("http://", "https://")):
            found.setdefault(place.url.partition("#")[0], place)
    return tuple(found.values())


def _all(digest: Digest) -> Iterator[LinkPlace]:
    for inlines, line in texts(digest):
        for node in walk(inlines, whole=True):
            match node:
                case Link(url=url):
                    yield LinkPlace(url, line)
                case Image(url=url):
                    yield LinkPlace(url, node.line or line, image=True)
    for source in digest.sources:
        if source.url is not None:
            yield LinkPlace(source.url, source.line)
