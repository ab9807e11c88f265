"""Sending through SendGrid's API: up to 1,000 personal messages a call, several calls in flight.

The API has no idempotency key: a call whose answer was lost is unknown, never simply repeated
(F6). SendGrid sets its own Message-ID; our delivery id travels as a custom argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from sendgrid import SendGridAPIClient

from newsletter.clock import Clock
from newsletter.errors import ConfigurationError
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Flight,
    Health,
    Mailing,
    Outcome,
    OutcomeKind,
    Unavailable,
)
from newsletter.providers.sendgrid_answers import (
    Answer,
    Refused,
    Settled,
    account_refusal,
    judge,
    told_words,
)
from newsletter.providers.sendgrid_body import CALL_BYTES, CallForm, Personal, Unsendable
from newsletter.providers.sendgrid_calls import Call
from newsletter.providers.sendgrid_http import (
    AnswerLost,
    NotSent,
    NotTrusted,
    PhasedClient,
    Transport,
)
from newsletter.providers.sendgrid_outage import OutageGuard, Turn, unanswered
from newsletter.rendering.headers import NeedsSmtputf8
from newsletter.settings import SendgridPart

HOSTS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}


class SendgridProvider:
    """Hands batches to `POST /v3/mail/send`; one batch is one call, unless it exceeds 30 MB."""

    name = "sendgrid"
    gathers = True

    def __init__(self, settings: SendgridPart, clock: Clock, *, api_key: str) -> None:
        if not (api_key.isascii() and api_key.isprintable()):
            raise ConfigurationError(
                "SendGrid's key holds characters that no header takes", fix="copy the key anew"
            )
        self._settings = settings
        self._clock = clock
        host = settings.host or HOSTS[settings.region]
        self._transport = Transport(host, settings.timeout.total_seconds())
        official = SendGridAPIClient(api_key, host=host)
        # Its own defaults (authorization, user agent) on our transport.
        self._client = PhasedClient(
            self._transport, host=host, request_headers=official.client.request_headers, version=3
        )
        self._form: CallForm | None = None
        self._outage = OutageGuard()
        self.batch_limit = settings.personalizations
        self.lanes = settings.calls_in_flight

    def send(
        self, mailing: Mailing, envelopes: Iterable[Envelope | None], flight: Flight
    ) -> Iterator[Outcome]:
        """Gather envelopes into a call and make it when it is full, or a wait is announced.

        After an answer was lost it goes on with a small call (`OutageGuard`); when that one is
        lost too, it yields the outcomes and raises `Unavailable`.
        """
        form = self._form_of(mailing)
        call: list[Personal] = []
        size = form.size
        for envelope in envelopes:
            if envelope is None:
                yield from self._make(form, call, flight)
                call, size = [], form.size
                continue
            personal = _personal(form, envelope)
            if isinstance(personal, Outcome):
                flight.land(personal)
                yield personal
                continue
            added = len(personal.part) + 1
            if size + added > CALL_BYTES:
                yield from self._make(form, call, flight)
                call, size = [], form.size
            call.append(personal)
            size += added
            if len(call) == self.batch_limit:
                yield from self._make(form, call, flight)
                call, size = [], form.size
        yield from self._make(form, call, flight)

    def interrupt(self) -> None:
        """Break off the calls on the wire; one whose body was out whole ends as unknown."""
        self._outage.interrupt()
        self._transport.interrupt()

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """The send API tells nothing afterwards; its events do."""
        del mailing, delivery
        return None

    def health(self) -> list[Health]:
        """Ask what the key may do."""
        fix = "make a key with the 'Mail Send' permission"
        try:
            response = self._client.scopes.get()
        except (NotSent, AnswerLost, NotTrusted) as error:
            return [Health("sendgrid", ok=False, detail=f"not reached: {error}", fix="network?")]
        if response.status_code in (401, 403):
            problem, fix = account_refusal(told_words(response.body))
            detail = f"{problem} ({response.status_code})"
            return [Health("sendgrid", ok=False, detail=detail, fix=fix)]
        if response.status_code != 200:
            return [Health("sendgrid", ok=False, detail=f"{response.status_code}", fix=fix)]
        may = b'"mail.send"' in response.body
        return [Health("sendgrid", may, "the key may send" if may else "it may not send", fix)]

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _form_of(self, mailing: Mailing) -> CallForm:
        """Return the form of a mailing, made once for all its batches."""
        form = self._form
        if form is None or form.mailing is not mailing:
            form = self._form = CallForm(mailing, sandbox=self._settings.sandbox)
        return form

    def _make(self, form: CallForm, people: list[Personal], flight: Flight) -> Iterator[Outcome]:
        while people:
            with self._outage.turn(len(people)) as turn:
                called, people = people[: turn.most], people[turn.most :]
                yield from Call(form, called, partial(self._post, form, turn)).run(flight)
            if turn.lost and self._outage.out:
                raise unanswered()

    def _post(
        self, form: CallForm, turn: Turn, people: Sequence[Personal], launch: Callable[[], None]
    ) -> Settled | Refused:
        if turn.lost:
            # Another part of the same call: one lost answer is enough.
            raise unanswered()
        try:
            response = self._client.mail.send.post_bytes(form.body(people), launch)
        except NotSent as error:
            raise Unavailable(f"SendGrid cannot be reached: {error}") from None
        except NotTrusted as error:
            raise AccountProblem(
                f"the TLS certificate of SendGrid's host does not verify: {error}",
                fix="correct 'delivery.sendgrid.host', or what stands between us and it",
            ) from None
        except AnswerLost as error:
            turn.lost = True
            return Settled(OutcomeKind.UNKNOWN, detail=f"the answer was lost: {error}")
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = Answer(response.status_code, headers, response.body)
        verdict = judge(answer, len(people), sandbox=self._settings.sandbox, now=self._clock.now())
        turn.answered = True
        turn.lost = isinstance(verdict, Settled) and verdict.kind is OutcomeKind.UNKNOWN
        return verdict


def _personal(form: CallForm, envelope: Envelope) -> Personal | Outcome:
    """Return a recipient's part of a call, or the outcome of one that can have none."""
    try:
        return form.personal(envelope)
    except NeedsSmtputf8:
        kind, detail = OutcomeKind.REJECTED_RECIPIENT, "SendGrid takes no such address"
    except Unsendable as error:
        kind, detail = OutcomeKind.REJECTED_MESSAGE, str(error)
    except ValueError as error:
        kind, detail = OutcomeKind.REJECTED_RECIPIENT, str(error)
    return Outcome(envelope.delivery, kind, detail=detail)
