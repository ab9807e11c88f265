"""What the pages of the archive, its feeds and the sitemap share while they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from markupsafe import Markup
from sqlalchemy import Connection

from newsletter.delivery.archive_addresses import archive_path
from newsletter.digest.model import Digest
from newsletter.digest.parser import parse
from newsletter.errors import DigestError
from newsletter.logs import get_logger, place_of, trace_of
from newsletter.rendering.page import Page, origin_of, write_page
from newsletter.web.archive.index import Indexes
from newsletter.web.archive.issues import Issue, markdown_of, text_of
from newsletter.web.archive.kept_pages import KeptPages
from newsletter.web.archive.search import Search
from newsletter.web.catalogue import Catalogue
from newsletter.web.office import Office
from newsletter.web.shown_lists import ShownList

T = TypeVar("T")


class Archive:
    """Indexes, written pages and texts to search, each kept within a bound."""

    def __init__(self, office: Office, catalogue: Catalogue) -> None:
        general = office.settings.newsletter
        self.base_url = general.base_url
        self.zone = general.timezone
        self.indexes = Indexes(office.clock, general.timezone)
        self.search = Search()
        self.pages = KeptPages()
        self._catalogue = catalogue
        self._language = general.language
        self._home = origin_of(general.base_url) or ""

    def language_of(self, shown: ShownList) -> str:
        """Return what the issues of a list are written in, unless they say so themselves."""
        return shown.language or self._language

    def page_of(self, connection: Connection, issue: Issue, shown: ShownList) -> Page | None:
        """Return an issue written as a page; None where its Markdown holds nothing readable."""
        language = self.language_of(shown)
        digest = digest_of(markdown_of(connection, issue), issue.slug)
        if digest is None:
            return None
        words = self._catalogue.words([digest.language, language])
        back = words("archive.back")
        return or_none(issue.slug, lambda: write_page(digest, language, home=self._home, back=back))

    def text_of(self, connection: Connection, issue: Issue, shown: ShownList) -> Markup:
        """Return the text part of an issue's mail, for one that has no page of its own."""
        return text_of(connection, issue, self.subscribe_url(shown))

    def subscribe_url(self, shown: ShownList) -> str:
        """Return the public address of a list's form."""
        return f"{self.base_url}/subscribe/{shown.name}"

    def issue_url(self, shown: ShownList, slug: str) -> str:
        """Return the public address of an issue that the archive names."""
        return self.base_url + archive_path(shown.name, slug)

    def list_url(self, shown: ShownList) -> str:
        """Return the public address of a list's issues."""
        return f"{self.base_url}/archive/{shown.name}"


def digest_of(markdown: str, slug: str) -> Digest | None:
    """Return a frozen digest; None for one that says nothing, as of a program of long ago."""
    digest = or_none(slug, lambda: parse(markdown, slug=slug).digest)
    return digest if digest and (digest.lede or digest.sections) else None


def or_none(slug: str, make: Callable[[], T]) -> T | None:
    """Return what is made of one issue, or None: the issues beside it are shown all the same.

    What was sent stays readable by the text of its mail, whatever a later program thinks of its
    Markdown.
    """
    try:
        return make()
    except DigestError:
        return None
    except Exception as fault:  # noqa: BLE001 - it costs this issue its page alone
        told = {"at": place_of(fault), "trace": trace_of(fault)}
        get_logger("archive").error("issue_met_a_fault", issue=slug, **told)
    return None
