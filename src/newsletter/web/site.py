"""What every group of pages is given: the office, the transactions, the throttle, the templates."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from newsletter.audience.consent import Origin
from newsletter.audience.letters import LetterLimits
from newsletter.audience.preferences import ask_for_link, may_manage
from newsletter.audience.tokens import Purpose, TokenClaims
from newsletter.web.catalogue import Words
from newsletter.web.network import network_of, shorten_ip
from newsletter.web.office import Office
from newsletter.web.pages import Pages
from newsletter.web.shown_lists import Reader, ShownList, list_by_id, reader_of, statuses_of
from newsletter.web.throttle import Throttle
from newsletter.web.transactions import Transactions

LONGEST_TOKEN = 400
EVEN_SECONDS = 0.1
"""Answers about an address come at whole steps of this: time tells nothing of who reads."""


class BadLink(Exception):  # noqa: N818 - says what it is
    """A personal link that is forged, cut, or for another purpose (C5)."""


class ReaderGone(Exception):  # noqa: N818 - says what became of them
    """A sound link of somebody who was erased."""


class OldLink(Exception):  # noqa: N818 - says what it is
    """A sound link that does no more than it may: of an earlier address, or past its day."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Who came by a personal link, and for which list."""

    claims: TokenClaims
    reader: Reader
    list: ShownList

    @property
    def outdated(self) -> bool:
        """Whether the reader has another address since the mail that the link stood in."""
        return self.claims.epoch != self.reader.epoch


@dataclass(frozen=True, slots=True)
class Site:
    """The office with what the pages share while they run."""

    office: Office
    pages: Pages
    transactions: Transactions
    throttle: Throttle

    @property
    def letter_limits(self) -> LetterLimits:
        """How many letters a form can cause."""
        limits = self.office.settings.web.limits
        return LetterLimits(
            limits.letters_per_hour, limits.letters_per_window, limits.letters_window
        )

    def claims(self, purpose: Purpose, token: str) -> TokenClaims:
        """Return whom a token speaks of; raises `BadLink`."""
        claims = self.office.signer.read(purpose, token) if len(token) <= LONGEST_TOKEN else None
        if claims is None:
            raise BadLink
        return claims

    async def visit(self, purpose: Purpose, token: str) -> Visit:
        """Return who came by a link in mail to their address.

        Raises `BadLink`, `ReaderGone`, and `OldLink` where they have another address since.
        """
        claims = self.claims(purpose, token)
        return await self.transactions.read(lambda connection: find_visit(connection, claims))

    async def managing(self, token: str) -> Visit:
        """Return who came by a fresh link; raises `BadLink`, and `OldLink` once it is over."""
        claims, now = self.claims(Purpose.MANAGE, token), self.office.clock.now()
        return await self.transactions.read(
            lambda connection: find_managing(connection, claims, now)
        )

    def zone(self, visit: Visit) -> str:
        """Return the zone in which a reader names days."""
        default = self.office.settings.newsletter.timezone
        return visit.reader.timezone or visit.list.timezone or default

    def preferences(self, visit: Visit) -> str:
        """Return the path of a reader's preferences, as it stands at the foot of their mail."""
        reader = visit.reader
        token = self.office.signer.sign(
            Purpose.PREFERENCES, reader.id, visit.list.id, epoch=reader.epoch
        )
        return self.pages.url(f"/p/{token}")

    async def send_link(self, request: Request, visit: Visit) -> None:
        """Write to a reader's own address with a link to see and change everything.

        What is answered is the same whether or not a letter is sent.
        """
        began = time.monotonic()
        self.count_form(request)
        now, keys, limits = self.office.clock.now(), self.office.keys, self.letter_limits

        def ask(connection: Connection) -> None:
            reader = find_visit(connection, visit.claims).reader.id
            ask_for_link(connection, reader, visit.list.id, keys, now=now, limits=limits)

        await self.transactions.write(ask)
        self.office.wake_letters()
        await evenly(began)

    def words(self, request: Request, visit: Visit) -> Words:
        """Return the words for who came by a link: their language, else the list's (C14)."""
        return self.pages.words(request, visit.reader.language, visit.list.language)

    def origin(
        self,
        request: Request,
        how: str,
        source: str,
        wording: str | None = None,
        language: str = "",
    ) -> Origin:
        """Say where an act came from, as far as the operator keeps it (C12)."""
        web, key = self.office.settings.web, self.office.keys.suppression
        return Origin(
            how,
            source=source,
            wording=wording,
            version=wording_version(wording, language) if wording else None,
            network=network_of(client_ip(request), web.keep_network, key),
        )

    def count_form(self, request: Request) -> None:
        """Count a form that makes us write to an address; raises `TooManyForms` (C17)."""
        self.throttle.take(shorten_ip(client_ip(request)))

    def redirect(self, path: str) -> Response:
        """Send the browser to another page of ours with a GET (RFC 9110 §15.4.4)."""
        return RedirectResponse(self.pages.url(path), status_code=303)


def find_visit(connection: Connection, claims: TokenClaims) -> Visit:
    """Return who a token speaks of; raises `ReaderGone`, and `OldLink` for an earlier address."""
    visit = find_leaving(connection, claims)
    if visit.outdated:
        raise OldLink
    return visit


def find_leaving(connection: Connection, claims: TokenClaims) -> Visit:
    """Return who a token speaks of, also one of an earlier address; raises `ReaderGone`."""
    reader = reader_of(connection, claims.subscriber)
    shown = list_by_id(connection, claims.list_id)
    if reader is None or shown is None:
        raise ReaderGone
    return Visit(claims, reader, shown)


def find_managing(connection: Connection, claims: TokenClaims, now: datetime) -> Visit:
    """Return who came by a fresh link; raises `OldLink` once it is over, and for who is gone."""
    if not may_manage(connection, claims, now, to_act=False):
        raise OldLink
    return find_leaving(connection, claims)


def find_returning(connection: Connection, claims: TokenClaims) -> Visit:
    """Return who undoes a leaving; raises `ReaderGone`.

    A leaving of everything names no list: the page is then shown for one of theirs.
    """
    number = claims.list_id or next(iter(statuses_of(connection, claims.subscriber)), 0)
    visit = find_leaving(connection, replace(claims, list_id=number))
    return replace(visit, claims=claims)


async def evenly(began: float) -> None:
    """Wait until a whole number of steps has passed since a request began."""
    passed = time.monotonic() - began
    await asyncio.sleep(max(1, math.ceil(passed / EVEN_SECONDS)) * EVEN_SECONDS - passed)


def client_ip(request: Request) -> str | None:
    """Return the address of the client, behind trusted proxies that of who asked them."""
    return request.client.host if request.client else None


def wording_version(wording: str, language: str) -> str:
    """Name a wording, so that consents to the same words are found together: `en-1f0c…`."""
    digest = hashlib.sha256(wording.encode()).hexdigest()[:12]
    return f"{language or 'und'}-{digest}"
