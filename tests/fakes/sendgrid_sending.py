"""Sends with the real provider to the fake SendGrid, in one line of a test."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from newsletter.clock import SettableClock
from newsletter.providers.base import Outcome, OutcomeKind, Provider
from newsletter.providers.factory import build_provider
from newsletter.settings import Settings
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, envelopes
from tests.fakes.sendgrid_faults import Fault
from tests.fakes.sendgrid_server import KEY, SendgridServer


def a_provider(url: str, clock: SettableClock, **keys: object) -> Provider:
    sendgrid = {"host": url, "api_key": KEY, "timeout": timedelta(seconds=10), **keys}
    settings = Settings(
        delivery={"provider": "sendgrid", "sendgrid": sendgrid}  # type: ignore[arg-type]
    )
    return build_provider(settings, clock)


def send(
    clock: SettableClock,
    faults: Iterable[Fault | None] = (),
    *,
    count: int = 3,
    flight: RecordingFlight | None = None,
    refuse: Iterable[str] = (),
    dislike: Iterable[str] = (),
    most: int = 1000,
    **keys: object,
) -> tuple[dict[int, Outcome], SendgridServer]:
    with SendgridServer(faults, refuse=refuse, dislike=dislike, most=most) as server:
        provider = a_provider(server.url, clock, **keys)
        try:
            outcomes = list(
                provider.send(a_mailing(), envelopes(count), flight or RecordingFlight())
            )
        finally:
            provider.close()
    return {o.delivery.subscriber: o for o in outcomes}, server


def kinds(outcomes: dict[int, Outcome]) -> dict[int, OutcomeKind]:
    return {number: outcome.kind for number, outcome in outcomes.items()}


def a_moment() -> datetime:
    return datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def readers(*numbers: int) -> list[str]:
    return [f"reader{number}@example.org" for number in numbers]
