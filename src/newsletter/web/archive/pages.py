"""Past issues: by list, by month and by search; each as a page without anybody's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.delivery.archive_addresses import list_of_token
from newsletter.web.archive.groups import Archive
from newsletter.web.archive.index import ArchiveIndex, IssueLine, Month
from newsletter.web.archive.issue_view import FoundIssue, find_hidden, find_named, view_of
from newsletter.web.archive.kept_pages import KeptPage
from newsletter.web.archive.search import LONGEST_QUERY, Found, shown_found, terms_of
from newsletter.web.catalogue import Words
from newsletter.web.front_pages import PUBLIC_HEADERS
from newsletter.web.joining_pages import consent_wording
from newsletter.web.shown_lists import ShownList, public_list, public_lists
from newsletter.web.site import Site

PAGE = 50
"""Issues on one page of a list."""
FOUND_PAGE = 20
"""Issues on one page of what a search found."""
_LAST_PAGE = 10_000
_NOINDEX = {"X-Robots-Tag": "noindex"}
_HIDDEN_HEADERS = {"Cache-Control": "private, max-age=300", "Vary": "Accept-Language", **_NOINDEX}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of a list's issues somebody wants to see."""

    page: int
    month: str
    query: str
    terms: tuple[str, ...]

    @classmethod
    def read(cls, params: QueryParams) -> Asked:
        """Read a query; a page that is no number is none of ours (404)."""
        text = params.get("page", "1")
        known = text.isascii() and text.isdigit() and len(text) <= 5
        if not known or not 1 <= int(text) <= _LAST_PAGE:
            raise HTTPException(404)
        query = " ".join(params.get("q", "").split())[:LONGEST_QUERY]
        terms = tuple(terms_of(query))
        # What holds a control or the like is no word: nothing is searched, nothing said again.
        return cls(int(text), params.get("month", ""), query if terms else "", terms)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a list's issues, before it is looked up."""

    list: ShownList
    index: ArchiveIndex
    month: Month | None
    asked: Asked


@dataclass(frozen=True, slots=True)
class ListView:
    """What a page of a list shows; `found` is None where nothing is searched for."""

    list: ShownList
    index: ArchiveIndex
    month: Month | None
    count: int
    issues: Sequence[IssueLine]
    found: Sequence[Found] | None
    more: bool


def router(site: Site, archive: Archive) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()
    writer = _Writer(site, archive)

    @routes.get("/archive")
    async def all_lists(request: Request) -> Response:
        return await answer(request, writer.lists(request))

    @routes.get("/archive/{list_name}")
    async def one_list(request: Request, list_name: str) -> Response:
        asked = Asked.read(request.query_params)
        return await answer(request, writer.list(request, list_name, asked))

    @routes.get("/archive/{list_name}/{slug}")
    async def one_issue(request: Request, list_name: str, slug: str) -> Response:
        return await answer(
            request,
            writer.issue(request, lambda one: find_named(one, archive, list_name, slug)),
        )

    # For digests that are called as a feed is.
    routes.get("/archive/{list_name}/issue/{slug}")(one_issue)

    @routes.get("/issue/{token}/{slug}")
    async def hidden_issue(request: Request, token: str, slug: str) -> Response:
        number = list_of_token(site.office.keys, token, slug)
        if number is None:
            raise HTTPException(404)
        find = writer.issue(
            request, lambda one: find_hidden(one, archive, number, slug), hidden=True
        )
        return await answer(request, find)

    async def answer(request: Request, find: Callable[[Connection], KeptPage | None]) -> Response:
        page = await site.transactions.read(find)
        if page is None:
            raise HTTPException(404)
        return page.answer(request)

    return routes


class _Writer:
    """Writes the pages of this group, unless they are kept; runs beside the event loop."""

    def __init__(self, site: Site, archive: Archive) -> None:
        self._site = site
        self._archive = archive

    def lists(self, request: Request) -> Callable[[Connection], KeptPage]:
        """Return what finds the page of all lists."""
        pages, kept = self._site.pages, self._archive.pages

        def find(connection: Connection) -> KeptPage:
            shown = _lists(connection, self._archive)
            words = pages.words(request)
            return kept.get_or_make(
                ("lists", words.language),
                shown,
                lambda: pages.render("archive.html", words, headers=PUBLIC_HEADERS, lists=shown),
            )

        return find

    def list(
        self, request: Request, name: str, asked: Asked
    ) -> Callable[[Connection], KeptPage | None]:
        """Return what finds a page of a list; None: there is none."""

        def find(connection: Connection) -> KeptPage | None:
            shown = public_list(connection, name)
            if shown is None:
                return None
            index = self._archive.indexes.of(connection, shown)
            month = index.of_month(asked.month) if asked.month else None
            if asked.month and month is None and not asked.query:
                return None
            words = self._site.pages.words(request, shown.language)
            return self._archive.pages.get_or_make(
                ("list", shown.id, words.language, asked),
                index,
                lambda: self._list_page(connection, _Part(shown, index, month, asked), words),
                changed=index.seen,
            )

        return find

    def _list_page(self, connection: Connection, part: _Part, words: Words) -> Response:
        view = _list_view(connection, self._archive, part)
        asked = part.asked
        return self._site.pages.render(
            "archive_list.html",
            words,
            headers=PUBLIC_HEADERS | (_NOINDEX if asked.query else {}),
            view=view,
            asked=asked,
            canonical=None if asked.query else _canonical(self._archive, view, asked),
            base_url=self._archive.base_url,
        )

    def issue(
        self,
        request: Request,
        find_issue: Callable[[Connection], FoundIssue | None],
        *,
        hidden: bool = False,
    ) -> Callable[[Connection], KeptPage | None]:
        """Return what finds the page of an issue; None: there is none."""

        def find(connection: Connection) -> KeptPage | None:
            found = find_issue(connection)
            if found is None:
                return None
            words = self._site.pages.words(request, found.list.language)
            return self._archive.pages.get_or_make(
                ("issue", hidden, found.list.id, found.issue.slug, words.language),
                (found.issue, found.index),
                lambda: self._issue_page(connection, found, words, hidden=hidden),
                changed=found.changed,
            )

        return find

    def _issue_page(
        self, connection: Connection, found: FoundIssue, words: Words, *, hidden: bool
    ) -> Response:
        headers = PUBLIC_HEADERS | ({} if found.issue.named else _NOINDEX)
        return self._site.pages.render(
            "issue.html",
            words,
            headers=_HIDDEN_HEADERS if hidden else headers,
            view=view_of(connection, self._archive, found),
            consent=consent_wording(self._site, words, found.list),
            base_url=self._archive.base_url,
        )


def _lists(connection: Connection, archive: Archive) -> list[tuple[ShownList, ArchiveIndex]]:
    """Return the public lists that something was sent to."""
    found = [(shown, archive.indexes.of(connection, shown)) for shown in public_lists(connection)]
    return [(shown, index) for shown, index in found if index.issues]


def _list_view(connection: Connection, archive: Archive, part: _Part) -> ListView:
    shown, index, asked = part.list, part.index, part.asked
    if asked.query:
        hits = archive.search.find(connection, index, asked.terms)
        some = _page_of(hits, asked.page, FOUND_PAGE)
        found = shown_found(connection, some, asked.terms) if some else []
        more = len(hits) > asked.page * FOUND_PAGE
        return ListView(shown, index, None, len(hits), (), found, more)
    lines, month = index.issues, part.month
    if month is not None:
        lines = lines[month.first : month.first + month.count]
    more = len(lines) > asked.page * PAGE
    some = _page_of(lines, asked.page, PAGE)
    return ListView(shown, index, month, len(lines), some, None, more)


def _page_of(lines: Sequence[IssueLine], page: int, size: int) -> Sequence[IssueLine]:
    return lines[(page - 1) * size : page * size]


def _canonical(archive: Archive, view: ListView, asked: Asked) -> str:
    parts = [f"month={view.month.name}"] if view.month else []
    parts += [f"page={asked.page}"] if asked.page > 1 else []
    return archive.list_url(view.list) + ("?" + "&".join(parts) if parts else "")
