"""SendGrid: what the body says, and what each answer or lost answer makes of a call (F1–F9)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

import pytest
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.sendgrid_server import KEY, Answer, Cut, Fault, SendgridServer, Slow

from newsletter.clock import SettableClock
from newsletter.providers.base import AccountProblem, Outcome, OutcomeKind, Provider, Unavailable
from newsletter.providers.factory import build_provider
from newsletter.settings import Settings


def a_provider(url: str, clock: SettableClock, **keys: object) -> Provider:
    sendgrid = {"host": url, "api_key": KEY, "timeout": timedelta(seconds=2), **keys}
    settings = Settings(
        delivery={"provider": "sendgrid", "sendgrid": sendgrid}  # type: ignore[arg-type]
    )
    return build_provider(settings, clock)


def send(
    clock: SettableClock,
    faults: Iterable[Fault | None] = (),
    *,
    count: int = 3,
    refuse: Iterable[str] = (),
    **keys: object,
) -> tuple[dict[int, Outcome], SendgridServer]:
    with SendgridServer(faults, refuse=refuse) as server:
        provider = a_provider(server.url, clock, **keys)
        try:
            outcomes = list(provider.send(a_mailing(), envelopes(count), RecordingFlight()))
        finally:
            provider.close()
    return {o.delivery.subscriber: o for o in outcomes}, server


def kinds(outcomes: dict[int, Outcome]) -> dict[int, OutcomeKind]:
    return {number: outcome.kind for number, outcome in outcomes.items()}


def test_the_body_keeps_the_rules_of_the_api(clock: SettableClock) -> None:
    _, server = send(clock, count=2)

    (body,) = server.calls
    assert body["tracking_settings"] == {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    }
    assert not {"send_at", "batch_id"} & set(body)
    assert "bypass_list_management" not in body.get("mail_settings", {})
    for number, person in enumerate(body["personalizations"], start=1):
        assert len(person["to"]) == 1
        assert person["custom_args"] == {"delivery": f"7-{number}", "campaign": "7"}
        assert person["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_calls_hold_no_more_than_the_setting(clock: SettableClock) -> None:
    _, server = send(clock, count=10, personalizations=4)

    assert sorted(len(body["personalizations"]) for body in server.calls) == [2, 4, 4]


def test_the_answers_name_is_kept(clock: SettableClock) -> None:
    outcomes, _ = send(clock, count=1)

    assert (outcomes[1].code, outcomes[1].provider_id) == (202, "id-1")


def test_two_recipients_with_one_address_both_get_theirs(clock: SettableClock) -> None:
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        batch = [an_envelope(n, address="shared@example.org") for n in (1, 2)]
        list(provider.send(a_mailing(), batch, RecordingFlight()))
        provider.close()

    assert sorted(m.custom_args["delivery"] for m in server.messages) == ["7-1", "7-2"]


def test_values_that_are_too_large_refuse_one_recipient(clock: SettableClock) -> None:
    large = an_envelope(2)
    link = "https://news.example.org/u/" + "t" * 12_000
    batch = [
        an_envelope(1),
        type(large)(large.delivery, large.address, large.name, {"unsubscribe_url": link}),
    ]
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        outcomes = list(provider.send(a_mailing(), batch, RecordingFlight()))
        provider.close()

    assert {o.delivery.subscriber: o.kind for o in outcomes} == {
        1: OutcomeKind.ACCEPTED,
        2: OutcomeKind.REJECTED_MESSAGE,
    }


def test_the_sandbox_is_asked_for(clock: SettableClock) -> None:
    outcomes, server = send(clock, sandbox=True)

    assert server.calls[0]["mail_settings"] == {"sandbox_mode": {"enable": True}}
    assert set(kinds(outcomes).values()) == {OutcomeKind.ACCEPTED}
    assert server.messages == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_of_the_server_is_unknown(clock: SettableClock, status: int) -> None:
    outcomes, _ = send(clock, [Answer(status)])

    assert set(kinds(outcomes).values()) == {OutcomeKind.UNKNOWN}


def test_a_failure_of_something_between_is_unknown(clock: SettableClock) -> None:
    outcomes, _ = send(clock, [Answer(520)])

    assert set(kinds(outcomes).values()) == {OutcomeKind.UNKNOWN}


@pytest.mark.parametrize("taken", [True, False])
def test_a_connection_cut_behind_the_body_is_unknown(clock: SettableClock, taken: bool) -> None:
    outcomes, server = send(clock, [Cut(after_reading=True, take=taken)])

    assert set(kinds(outcomes).values()) == {OutcomeKind.UNKNOWN}
    assert len(server.messages) == (3 if taken else 0)


def test_an_answer_that_comes_too_late_is_unknown(clock: SettableClock) -> None:
    outcomes, server = send(clock, [Slow(1.6)], timeout=timedelta(seconds=1))

    assert set(kinds(outcomes).values()) == {OutcomeKind.UNKNOWN}
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_a_problem_of_the_account(clock: SettableClock, status: int) -> None:
    with pytest.raises(AccountProblem) as raised:
        send(clock, [Answer(status)])

    assert raised.value.code == status
    assert KEY not in str(raised.value)


def test_too_many_calls_wait_until_the_reset(clock: SettableClock) -> None:
    reset = str(int(clock.now().timestamp()) + 42)

    with pytest.raises(Unavailable) as raised:
        send(clock, [Answer(429, headers={"X-RateLimit-Reset": reset})])

    assert raised.value.retry_after == pytest.approx(42)


def test_too_many_calls_wait_as_told(clock: SettableClock) -> None:
    with pytest.raises(Unavailable) as raised:
        send(clock, [Answer(429, headers={"Retry-After": "17"})])

    assert raised.value.retry_after == pytest.approx(17)


def test_a_named_recipient_is_refused_and_the_rest_is_sent(clock: SettableClock) -> None:
    outcomes, server = send(clock, count=4, refuse=["reader2@example.org", "reader4@example.org"])

    assert kinds(outcomes) == {
        1: OutcomeKind.ACCEPTED,
        2: OutcomeKind.REJECTED_RECIPIENT,
        3: OutcomeKind.ACCEPTED,
        4: OutcomeKind.REJECTED_RECIPIENT,
    }
    assert len(server.messages) == 2


def test_what_is_sent_again_was_not_landed_before(clock: SettableClock) -> None:
    flight = RecordingFlight()
    with SendgridServer(refuse=["reader2@example.org"]) as server:
        provider = a_provider(server.url, clock)
        list(provider.send(a_mailing(), envelopes(3), flight))
        provider.close()

    for delivery in set(flight.launched):
        notes = [kind for kind, noted in flight.notes if noted == delivery]
        assert notes.count("land") == 1
        assert notes[-1] == "land"


def test_a_refused_message_pauses_and_loses_nobody(clock: SettableClock) -> None:
    answer = Answer(400, {"errors": [{"message": "bad content", "field": "content"}]})

    with pytest.raises(AccountProblem, match="bad content"):
        send(clock, [answer])


def test_a_server_that_is_not_there_is_unavailable(clock: SettableClock) -> None:
    with SendgridServer() as server:
        url = server.url
    flight = RecordingFlight()

    with pytest.raises(Unavailable):
        list(a_provider(url, clock).send(a_mailing(), envelopes(2), flight))

    assert flight.launched == []


def test_connections_are_kept_between_batches(clock: SettableClock) -> None:
    with SendgridServer() as server:
        provider = a_provider(server.url, clock, calls_in_flight=1)
        for first in range(1, 7):
            list(provider.send(a_mailing(), [an_envelope(first)], RecordingFlight()))
        opened, still_open = server.connections, server.open_now
        provider.close()

    assert (opened, still_open) == (1, 1)


def test_the_key_is_in_no_log_and_no_repr(
    clock: SettableClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # What configure_logs does at start-up.
    caplog.set_level(logging.CRITICAL, logger="python_http_client")
    with SendgridServer([Answer(500)]) as server:
        provider = a_provider(server.url, clock)
        list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))
        told = repr(provider) + caplog.text
        provider.close()

    assert KEY not in told


def test_health_says_when_a_key_may_not_send(clock: SettableClock) -> None:
    with SendgridServer(scopes=["stats.read"]) as server:
        provider = a_provider(server.url, clock)
        (line,) = provider.health()
        provider.close()

    assert not line.ok
