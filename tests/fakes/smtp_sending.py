"""Sends to a scripted SMTP server and tells everything that came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Protocol

from newsletter.clock import SettableClock
from newsletter.providers.base import (
    AccountProblem,
    Envelope,
    Mailing,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)
from newsletter.providers.factory import build_provider
from newsletter.settings import Settings
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, envelopes
from tests.fakes.smtp_scripted import Act, ScriptedSmtpServer

Sent = tuple[list[Outcome], ScriptedSmtpServer, Exception | None]
"""The outcomes, the server, and what was raised at the end."""


def a_provider(port: int, clock: SettableClock, **keys: object) -> Provider:
    """Return a provider of one lane for a server on loopback; `keys` are settings."""
    smtp = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "connections": 1,
        "timeout": timedelta(seconds=2),
        "answer_timeout": keys.get("timeout", timedelta(seconds=2)),
        "local_hostname": "client.example",
        **keys,
    }
    settings = Settings(delivery={"provider": "smtp", "smtp": smtp})  # type: ignore[arg-type]
    return build_provider(settings, clock)


class SendScripted(Protocol):
    """Sends `count` messages, or `given`, to a server with a script."""

    def __call__(
        self,
        script: Mapping[str, Iterable[Act]],
        *,
        count: int = 1,
        given: Iterable[Envelope | None] | None = None,
        flight: RecordingFlight | None = None,
        mailing: Mailing | None = None,
        watch: Callable[[ScriptedSmtpServer, Outcome], None] | None = None,
        **keys: object,
    ) -> Sent:
        """Return what came of it; `watch` looks at the server at each outcome."""
        ...


def scripted_sending(clock: SettableClock, extensions: Iterable[str]) -> SendScripted:
    """Return a way to send to servers that offer these extensions."""

    def send(
        script: Mapping[str, Iterable[Act]],
        *,
        count: int = 1,
        given: Iterable[Envelope | None] | None = None,
        flight: RecordingFlight | None = None,
        mailing: Mailing | None = None,
        watch: Callable[[ScriptedSmtpServer, Outcome], None] | None = None,
        **keys: object,
    ) -> Sent:
        outcomes: list[Outcome] = []
        problem: Exception | None = None
        batch = envelopes(count) if given is None else given
        with ScriptedSmtpServer(script, extensions=extensions) as server:
            provider = a_provider(server.port, clock, **keys)
            sending = provider.send(mailing or a_mailing(), batch, flight or RecordingFlight())
            try:
                for outcome in sending:
                    outcomes.append(outcome)
                    if watch is not None:
                        watch(server, outcome)
            except (AccountProblem, Unavailable) as raised:
                problem = raised
            provider.close()
        return outcomes, server, problem

    return send


def kinds(outcomes: list[Outcome]) -> dict[int, OutcomeKind]:
    """Return what became of each subscriber's message; two outcomes for one are an error."""
    assert len({o.delivery for o in outcomes}) == len(outcomes), "a delivery had two outcomes"
    return {o.delivery.subscriber: o.kind for o in outcomes}
