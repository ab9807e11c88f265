"""Makes a page out of a template, the reader's language and what the page shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from newsletter.delivery.archive_addresses import archive_path
from newsletter.rendering.words import format_date, words_of
from newsletter.settings import Settings
from newsletter.web.archive.feed_formats import FORMATS
from newsletter.web.catalogue import Catalogue, Words, accepted_languages
from newsletter.web.forms import TRAP

_HERE = Path(__file__).resolve().parent
STATIC_TYPES = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


def format_month(year: int, month: int, language: str) -> str:
    """Return a month as readers of a language write it; `2026-11` where we do not know."""
    words = words_of(language)
    if words.language != language.lower().partition("-")[0]:
        return f"{year:04}-{month:02}"
    return f"{words.months[month - 1]} {year}"


@dataclass(frozen=True)
class Asset:
    """A file that pages refer to, under a name that changes with its content."""

    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True)
class Pages:
    """The templates with all that is the same on each page."""

    settings: Settings
    catalogue: Catalogue = field(default_factory=Catalogue)

    @cached_property
    def prefix(self) -> str:
        """The path of the public address: every link of ours begins with it (E6)."""
        return urlsplit(self.settings.newsletter.base_url).path.rstrip("/")

    @cached_property
    def assets(self) -> Mapping[str, Asset]:
        """The static files by the name in their URL."""
        found: dict[str, Asset] = {}
        for file, media_type in STATIC_TYPES.items():
            content = (_HERE / "static" / file).read_bytes()
            stem, _, suffix = file.partition(".")
            name = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
            found[name] = Asset(name, content, media_type)
        return found

    def url(self, path: str) -> str:
        """Return a link to a page of ours, on whatever host it is read."""
        return self.prefix + path

    def asset_url(self, file: str) -> str:
        """Return the link to a static file."""
        stem = file.partition(".")[0]
        name = next(name for name in self.assets if name.startswith(stem + "."))
        return self.url(f"/static/{name}")

    def words(self, request: Request, *languages: str | None) -> Words:
        """Return the words for a reader: the languages in their order, then what the browser asks.

        Last comes the newsletter's own language.
        """
        asked = accepted_languages(request.headers.get("accept-language", ""))
        return self.catalogue.words([*languages, *asked, self.settings.newsletter.language])

    def render(
        self,
        template: str,
        words: Words,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **shown: Any,
    ) -> Response:
        """Return a page; `shown` is what the template names."""
        html = self._templates.get_template(template).render(
            t=words, language=words.language, direction=words.direction, **shown
        )
        return HTMLResponse(html, status_code=status, headers=dict(headers or {}))

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # They are the program's own: nobody changes them while it runs.
            auto_reload=False,
        )
        environment.globals.update(
            newsletter=self.settings.newsletter,
            privacy_url=self.settings.web.privacy_url,
            url=self.url,
            asset_url=self.asset_url,
            format_date=format_date,
            format_month=format_month,
            issue_url=lambda list_name, slug: self.url(archive_path(list_name, slug)),
            feeds=tuple(FORMATS.items()),
            trap=TRAP,
        )
        return environment
