"""The page where an operator approves an edition, or says no: GET shows, POST acts (H7, C3).

Who holds the link may decide, as with all personal links; it works for one revision of the digest
and until the edition's deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fastapi import APIRouter
from markupsafe import Markup
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.audience.tokens import Purpose, TokenClaims
from newsletter.delivery.proofs import render_proof
from newsletter.digest.model import Finding
from newsletter.errors import DeliveryError
from newsletter.rendering.theme import direction_of
from newsletter.schedule.edition_deciding import decide
from newsletter.schedule.model import Edition, EditionStatus
from newsletter.schedule.proof_mail import (
    Question,
    edition_behind,
    look_at_question,
    revision_number,
)
from newsletter.web.archive.readable import readable
from newsletter.web.forms import form_body, one_of, read_form
from newsletter.web.site import BadLink, Site

ACTOR = "operator:mail"
"""Who decided, for the audit log: somebody who had the link."""
_ANSWERS = {"approve": True, "cancel": False}


class _Stand(StrEnum):
    """What the page has to say."""

    OPEN = "open"
    CHANGED = "changed"
    """The link is for another revision than the one that waits now."""
    APPROVED = "approved"
    CANCELLED = "cancelled"
    SENT = "sent"
    OVER = "over"
    """Nothing can be decided any more, and nothing was sent."""


_BY_STATUS = {
    EditionStatus.APPROVED: _Stand.APPROVED,
    EditionStatus.CANCELLED: _Stand.CANCELLED,
    EditionStatus.FIRED: _Stand.SENT,
    EditionStatus.MISSED: _Stand.OVER,
    EditionStatus.SKIPPED: _Stand.OVER,
}
_HTTP = {_Stand.CHANGED: 410, _Stand.OVER: 410}


@dataclass(frozen=True, slots=True)
class _Shown:
    """An edition as the page shows it; `preview` is the digest's text as safe HTML."""

    question: Question
    stand: _Stand
    subject: str
    preview: Markup | None

    @property
    def edition(self) -> Edition:
        """The edition itself."""
        return self.question.edition

    @property
    def language(self) -> str:
        """The digest's own, as is its direction."""
        content = self.question.prepared.content if self.question.prepared else None
        return content.language if content else ""

    @property
    def direction(self) -> str:
        """Which way the digest is written."""
        return direction_of(self.language)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks have to say about the digest."""
        return self.question.prepared.findings if self.question.prepared else ()

    @property
    def by_link(self) -> bool:
        """Whether it was decided on this page."""
        return self.edition.decided_by == ACTOR

    @property
    def decider(self) -> str:
        """Who decided elsewhere: `maria` on the command line."""
        return (self.edition.decided_by or "").partition(":")[2] or "?"


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()

    async def shown(token: str) -> _Shown:
        claims = site.claims(Purpose.EDITION, token)
        now = site.office.clock.now()
        return await site.transactions.read(lambda connection: _look(site, connection, claims, now))

    @routes.get("/e/{token}")
    async def edition_page(request: Request, token: str) -> Response:
        return _page(site, request, await shown(token))

    @routes.post(
        "/e/{token}", openapi_extra=form_body(("decision",), decision=one_of("approve", "cancel"))
    )
    async def decide_edition(request: Request, token: str) -> Response:
        filled = await read_form(request)
        before = await shown(token)
        if (answer := _ANSWERS.get(filled.text("decision"))) is None:
            raise HTTPException(400)
        if before.stand is not _Stand.OPEN:
            return _page(site, request, before)
        decided = await site.transactions.run(lambda: _decide(site, before.edition, yes=answer))
        return _page(site, request, await shown(token), decided=decided)

    return routes


def _decide(site: Site, edition: Edition, *, yes: bool) -> bool:
    """Write the decision down; returns False where somebody else was first."""
    office = site.office
    seen = edition.content_hash
    try:
        decide(office.database, edition.id, yes, office.clock.now(), ACTOR, revision=seen)
    except DeliveryError:
        # Decided, changed or over in the meantime: the page says which.
        return False
    return True


def _look(site: Site, connection: Connection, claims: TokenClaims, now: datetime) -> _Shown:
    edition = edition_behind(connection, claims)
    if edition is None:
        raise BadLink
    question = look_at_question(connection, edition, site.office.settings, now)
    stand = _stand(question, claims, now)
    if question.prepared is None or stand is _Stand.CHANGED:
        return _Shown(question, stand, "", None)
    proof = render_proof(question.prepared, name="", at=now)
    return _Shown(question, stand, proof.subject, readable(proof.text, question.title))


def _stand(question: Question, claims: TokenClaims, now: datetime) -> _Stand:
    edition = question.edition
    if (known := _BY_STATUS.get(edition.status)) is not None:
        return known
    if now >= edition.deadline_at:
        return _Stand.OVER
    # Also when the file has changed and nobody looked yet: what is not seen is not approved.
    same = edition.status is EditionStatus.HELD and revision_number(edition) == claims.number
    return _Stand.OPEN if same and question.prepared is not None else _Stand.CHANGED


def _page(site: Site, request: Request, shown: _Shown, *, decided: bool = False) -> Response:
    return site.pages.render(
        "edition.html",
        site.pages.words(request),
        status=_HTTP.get(shown.stand, 200),
        shown=shown,
        question=shown.question,
        edition=shown.edition,
        decided=decided,
        now=site.office.clock.now(),
    )
