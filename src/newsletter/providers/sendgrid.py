"""Sending through SendGrid's API: up to 1,000 personal messages a call, several calls in flight.

The API has no idempotency key: a call whose answer was lost is unknown, never simply repeated
(F6). SendGrid sets its own Message-ID; our delivery id travels as a custom argument.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from typing import Any

from sendgrid import SendGridAPIClient

from newsletter.clock import Clock
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
from newsletter.providers.sendgrid_body import (
    Personal,
    TooLarge,
    common_body,
    personal_part,
    split_calls,
)
from newsletter.providers.sendgrid_http import AnswerLost, NotSent, PhasedClient, Transport
from newsletter.rendering.headers import NeedsSmtputf8
from newsletter.rendering.mime import MessageTemplate
from newsletter.settings import SendgridPart

HOSTS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
_GUILTY = re.compile(r"personalizations[.\[](\d+)")


class SendgridProvider:
    """Hands batches to `POST /v3/mail/send`."""

    name = "sendgrid"

    def __init__(self, settings: SendgridPart, clock: Clock, *, api_key: str) -> None:
        self._settings = settings
        self._clock = clock
        host = settings.host or HOSTS[settings.region]
        self._transport = Transport(host, settings.timeout.total_seconds())
        official = SendGridAPIClient(api_key, host=host)
        # Its own defaults (authorization, user agent) on our transport.
        self._client = PhasedClient(
            self._transport, host=host, request_headers=official.client.request_headers, version=3
        )
        # One pool for all batches: connections are kept by thread.
        self._pool = ThreadPoolExecutor(settings.calls_in_flight, "sendgrid")
        self.batch_limit = settings.personalizations * settings.calls_in_flight

    def send(
        self, mailing: Mailing, envelopes: Sequence[Envelope], flight: Flight
    ) -> Iterator[Outcome]:
        """Send a batch in as few calls as the limits allow."""
        common = common_body(mailing, sandbox=self._settings.sandbox)
        parts, refused = self._parts(mailing, envelopes)
        for outcome in refused:
            flight.land(outcome)
            yield outcome
        calls = list(split_calls(common, parts, self._settings.personalizations))
        stop = threading.Event()
        futures: list[Future[list[Outcome]]] = [
            self._pool.submit(self._call, common, call, flight, stop) for call in calls
        ]
        problem: AccountProblem | Unavailable | None = None
        try:
            for future in as_completed(futures):
                try:
                    yield from future.result()
                except (AccountProblem, Unavailable) as raised:
                    stop.set()
                    problem = problem if isinstance(problem, AccountProblem) else raised
        finally:
            # Calls on the wire are waited for: their answers belong to this batch.
            stop.set()
            wait(futures)
        if problem is not None:
            raise problem

    def _parts(
        self, mailing: Mailing, envelopes: Sequence[Envelope]
    ) -> tuple[list[Personal], list[Outcome]]:
        template = MessageTemplate(
            mailing.content,
            mailing.identity,
            campaign=mailing.campaign,
            salt=mailing.message_id_salt,
        )
        parts: list[Personal] = []
        refused: list[Outcome] = []
        for envelope in envelopes:
            try:
                parts.append(personal_part(mailing, template, envelope))
            except NeedsSmtputf8:
                refused.append(
                    _refusal(
                        envelope, OutcomeKind.REJECTED_RECIPIENT, "SendGrid takes no such address"
                    )
                )
            except TooLarge as error:
                refused.append(_refusal(envelope, OutcomeKind.REJECTED_MESSAGE, str(error)))
            except ValueError as error:
                refused.append(_refusal(envelope, OutcomeKind.REJECTED_RECIPIENT, str(error)))
        return parts, refused

    def _call(
        self,
        common: dict[str, Any],
        call: list[Personal],
        flight: Flight,
        stop: threading.Event,
    ) -> list[Outcome]:
        """Make one call, again without each recipient that the API names as wrong."""
        outcomes: list[Outcome] = []
        left = list(call)
        while left and not stop.is_set():
            deliveries = [personal.envelope.delivery for personal in left]
            self._transport.before_body(lambda d=deliveries: flight.launch(d))  # type: ignore[misc]
            body = {**common, "personalizations": [personal.part for personal in left]}
            try:
                response = self._client.mail.send.post(request_body=body)
            except NotSent as error:
                _land_all(flight, deliveries, OutcomeKind.NOT_SENT, str(error))
                raise Unavailable(f"SendGrid cannot be reached: {error}") from None
            except AnswerLost as error:
                detail = f"the answer was lost: {error}"
                return outcomes + _land_all(flight, deliveries, OutcomeKind.UNKNOWN, detail)
            finally:
                self._transport.before_body(None)
            guilty = self._judge(response, left, flight, outcomes)
            if guilty is None:
                return outcomes
            left.pop(guilty)
        return outcomes

    def _judge(
        self, response: Any, left: list[Personal], flight: Flight, outcomes: list[Outcome]
    ) -> int | None:
        """Act on an answer (F6): returns which recipient to leave out, or None when all is said.

        Raises `AccountProblem` and `Unavailable`; before that, everybody of the call is noted as
        not sent.
        """
        status, deliveries = response.status_code, [p.envelope.delivery for p in left]
        words = _words(response.body)
        if status == 202 or (status == 200 and self._settings.sandbox):
            message_id = response.headers.get("X-Message-Id")
            outcomes += _land_all(
                flight, deliveries, OutcomeKind.ACCEPTED, "", code=202, provider_id=message_id
            )
            return None
        if status >= 500 or 200 <= status < 300:
            # No idempotency key: what is not a plain no may have been a yes.
            outcomes += _land_all(flight, deliveries, OutcomeKind.UNKNOWN, words, code=status)
            return None
        if status == 400 and (guilty := _guilty(response.body, len(left))) is not None:
            about_address, index = guilty
            kind = OutcomeKind.REJECTED_RECIPIENT if about_address else OutcomeKind.REJECTED_MESSAGE
            outcomes += _land_all(flight, [deliveries[index]], kind, words, code=status)
            return index
        _land_all(flight, deliveries, OutcomeKind.NOT_SENT, words)
        if status == 429:
            raise Unavailable(
                "SendGrid asks us to slow down (429)", retry_after=self._retry_after(response)
            )
        if status in (401, 403):
            raise AccountProblem(
                f"SendGrid refuses this key ({status}): {words}",
                fix="check the key and its 'Mail Send' permission",
                code=status,
            )
        raise AccountProblem(
            f"SendGrid refuses the message ({status}): {words}", fix="correct it", code=status
        )

    def _retry_after(self, response: Any) -> float:
        reset = response.headers.get("X-RateLimit-Reset") or ""
        if reset.isdigit():
            return max(1.0, int(reset) - self._clock.now().timestamp())
        after = response.headers.get("Retry-After") or ""
        return float(after) if after.isdigit() else 30.0

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """The send API tells nothing afterwards; its events do."""
        del mailing, delivery
        return None

    def health(self) -> list[Health]:
        """Ask what the key may do."""
        fix = "make a key with the 'Mail Send' permission"
        try:
            response = self._client.scopes.get()
        except (NotSent, AnswerLost) as error:
            return [Health("sendgrid", ok=False, detail=f"not reached: {error}", fix="network?")]
        if response.status_code != 200:
            return [Health("sendgrid", ok=False, detail=f"{response.status_code}", fix=fix)]
        may = b'"mail.send"' in response.body
        return [Health("sendgrid", may, "the key may send" if may else "it may not send", fix)]

    def close(self) -> None:
        """End the threads and close their connections."""
        self._pool.shutdown()
        self._transport.close()


def _refusal(envelope: Envelope, kind: OutcomeKind, detail: str) -> Outcome:
    return Outcome(envelope.delivery, kind, detail=detail)


def _land_all(
    flight: Flight,
    deliveries: Sequence[DeliveryId],
    kind: OutcomeKind,
    detail: str,
    *,
    code: int | None = None,
    provider_id: str | None = None,
) -> list[Outcome]:
    outcomes = [
        Outcome(d, kind, code=code, detail=detail[:300], provider_id=provider_id)
        for d in deliveries
    ]
    for outcome in outcomes:
        flight.land(outcome)
    return outcomes


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return []
    return [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []


def _words(body: bytes) -> str:
    told = "; ".join(str(error.get("message", "")) for error in _errors(body))
    return (told or body.decode("utf-8", "replace"))[:300]


def _guilty(body: bytes, count: int) -> tuple[bool, int] | None:
    """Return whether the fault is the address's, and whose it is; None when nobody is named."""
    for error in _errors(body):
        field = str(error.get("field") or "")
        match = _GUILTY.search(field)
        if match and int(match[1]) < count:
            return ".to" in field or "email" in field, int(match[1])
    return None
