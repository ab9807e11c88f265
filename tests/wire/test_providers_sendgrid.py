"""SendGrid: what the body says, and what each answer makes of a call (F1–F6, F8, F9)."""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.sendgrid_faults import Answer
from tests.fakes.sendgrid_sending import a_moment, a_provider, kinds, send
from tests.fakes.sendgrid_server import KEY, SendgridServer

from newsletter.clock import SettableClock
from newsletter.errors import ConfigurationError
from newsletter.providers.base import AccountProblem, OutcomeKind, Unavailable

ACCEPTED, NOT_SENT, UNKNOWN = OutcomeKind.ACCEPTED, OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN
REJECTED_MESSAGE = OutcomeKind.REJECTED_MESSAGE
REJECTED_RECIPIENT = OutcomeKind.REJECTED_RECIPIENT


@pytest.fixture(scope="module")
def api() -> Iterator[SendgridServer]:
    with SendgridServer() as server:
        yield server


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
        assert person["custom_args"] == {
            "delivery": f"7-{number}",
            "campaign": "7",
            "salt": a_mailing().message_id_salt,
        }
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


def test_one_batch_is_one_call_and_calls_go_at_once(clock: SettableClock) -> None:
    provider = a_provider("http://127.0.0.1:9", clock, personalizations=250, calls_in_flight=7)

    assert (provider.batch_limit, provider.lanes) == (250, 7)


NASTY = "<b>&\"quoted' \\ %s {0} Ω 𝕏 你好 👩‍👩‍👧"


def test_values_are_escaped_in_html_and_whole_everywhere(clock: SettableClock) -> None:
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        batch = [an_envelope(1, first_name=NASTY), an_envelope(2, first_name="Ann")]
        list(provider.send(a_mailing(), batch, RecordingFlight()))
        provider.close()

    nasty, plain = server.messages
    assert f"Dear {html.escape(NASTY)}," in nasty.html
    assert f"Dear {NASTY}," in nasty.text
    assert nasty.subject == f"News for {NASTY} – Ω"
    assert "Dear Ann," in plain.html


@given(st.text(max_size=60))
def test_whatever_a_name_is_the_body_holds_it(api: SendgridServer, name: str) -> None:
    api.script()
    provider = a_provider(api.url, SettableClock(a_moment()))
    (outcome,) = provider.send(a_mailing(), [an_envelope(1, first_name=name)], RecordingFlight())
    provider.close()

    assert outcome.kind is ACCEPTED
    (message,) = api.messages
    assert "\n" not in message.subject
    assert "slotfeed" not in message.html + message.text + message.subject


def test_many_short_values_beyond_latin_are_not_too_large(clock: SettableClock) -> None:
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        batch = [an_envelope(1, first_name="𝕏" * 199)]
        outcomes = list(provider.send(a_mailing(), batch, RecordingFlight()))
        provider.close()

    assert [o.kind for o in outcomes] == [ACCEPTED]
    assert "𝕏" * 199 in server.messages[0].text


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 103, 200, 204, 302, 700])
def test_what_is_no_plain_no_is_unknown(clock: SettableClock, status: int) -> None:
    outcomes, server = send(clock, [Answer(status)])

    assert set(kinds(outcomes).values()) == {UNKNOWN}
    assert {o.code for o in outcomes.values()} == {status}
    assert server.attempts == 1


def test_lost_answers_one_after_the_other_stop_the_calls(clock: SettableClock) -> None:
    flight = RecordingFlight()

    with pytest.raises(Unavailable):
        send(clock, [Answer(503)] * 3, count=6, personalizations=2, flight=flight)

    assert {o.kind for o in flight.outcomes.values()} == {UNKNOWN}
    assert len(flight.outcomes) == 4


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415, 422])
def test_a_refused_key_or_call_is_a_problem_of_the_account(
    clock: SettableClock, status: int
) -> None:
    flight = RecordingFlight()

    with pytest.raises(AccountProblem) as raised:
        send(clock, [Answer(status)], flight=flight)

    assert raised.value.code == status
    assert KEY not in str(raised.value)
    assert {o.kind for o in flight.outcomes.values()} == {NOT_SENT}
    assert flight.in_the_air == set()


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X-RateLimit-Reset": "+42"}, 42),
        ({"X-RateLimit-Reset": "-7"}, 1),
        ({"X-RateLimit-Reset": "+42", "Retry-After": "17"}, 42),
        ({"Retry-After": "17"}, 17),
        ({"X-RateLimit-Reset": "²"}, 30),
        ({}, 30),
    ],
)
def test_too_many_calls_wait_until_the_reset(
    clock: SettableClock, headers: dict[str, str], wait: float
) -> None:
    reset = headers.get("X-RateLimit-Reset", "")
    if reset[:1] in ("+", "-"):
        headers = {**headers, "X-RateLimit-Reset": str(int(clock.now().timestamp()) + int(reset))}
    flight = RecordingFlight()

    with pytest.raises(Unavailable) as raised:
        send(clock, [Answer(429, headers=headers)], flight=flight)

    assert raised.value.retry_after == pytest.approx(wait)
    assert {o.kind for o in flight.outcomes.values()} == {NOT_SENT}


def test_nothing_a_person_sets_brings_a_line_into_a_header(clock: SettableClock) -> None:
    line = "x\r\nBcc: spy@example.net"
    mailing = a_mailing()
    mailing = replace(
        mailing,
        content=replace(mailing.content, subject=line),
        identity=replace(mailing.identity, from_name=line, title=line),
    )
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        list(provider.send(mailing, [an_envelope(1, first_name=line)], RecordingFlight()))
        provider.close()

    (body,) = server.calls
    (person,) = body["personalizations"]
    said = [body["subject"], body["from"]["name"], person["to"][0]["name"]]
    assert said == ["x Bcc: spy@example.net"] * 3
    assert not any("\n" in value or "\r" in value for value in person["headers"].values())


def test_a_link_that_no_header_takes_is_not_the_address_fault(clock: SettableClock) -> None:
    envelope = an_envelope(1)
    envelope = envelope._replace(values={**envelope.values, "unsubscribe_url": "not a link"})
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        (outcome,) = provider.send(a_mailing(), [envelope], RecordingFlight())
        provider.close()

    assert outcome.kind is REJECTED_MESSAGE


def test_a_key_that_no_header_takes_is_said_at_once(clock: SettableClock) -> None:
    with pytest.raises(ConfigurationError, match="key"):
        a_provider("http://127.0.0.1:9", clock, api_key="SG.two\nlines")
