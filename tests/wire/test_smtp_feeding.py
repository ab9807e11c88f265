"""How the SMTP sender takes its envelopes: one ahead, pauses, stops, and what fails on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.smtp_scripted import PIPELINING, ScriptedSmtpServer
from tests.fakes.smtp_sending import SendScripted, a_provider, kinds, scripted_sending

from newsletter.clock import SettableClock
from newsletter.errors import StorageError
from newsletter.providers.base import DeliveryId, Envelope, OutcomeKind

ACCEPTED = OutcomeKind.ACCEPTED


@pytest.fixture
def send_scripted(clock: SettableClock) -> SendScripted:
    return scripted_sending(clock, PIPELINING)


def test_a_pause_lets_the_message_on_the_wire_come_to_its_end_first(
    send_scripted: SendScripted,
) -> None:
    known: list[int] = []
    at_pause: list[int] = []

    def paced() -> Iterator[Envelope | None]:
        for number in range(1, 4):
            yield an_envelope(number)
            yield None
            yield None
            at_pause.append(len(known))
            time.sleep(0.05)

    outcomes, server, _ = send_scripted(
        {}, given=paced(), watch=lambda _server, outcome: known.append(outcome.delivery.subscriber)
    )

    assert kinds(outcomes) == {1: ACCEPTED, 2: ACCEPTED, 3: ACCEPTED}
    assert at_pause == [1, 2, 3]
    assert server.connections == 1


def test_envelopes_are_pulled_one_ahead_and_no_earlier(send_scripted: SendScripted) -> None:
    pulled: list[int] = []
    distance: list[int] = []

    def counted() -> Iterator[Envelope]:
        for number in range(1, 21):
            pulled.append(number)
            yield an_envelope(number)

    send_scripted(
        {},
        given=counted(),
        watch=lambda _server, outcome: distance.append(len(pulled) - outcome.delivery.subscriber),
    )

    assert max(distance) == 1


def test_a_consumer_that_stops_makes_no_message_of_the_one_ahead(clock: SettableClock) -> None:
    flight = RecordingFlight()
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        provider = a_provider(server.port, clock)
        outcomes = provider.send(a_mailing(), envelopes(9), flight)
        first = next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]
        # The connection was left in a state that takes the next batch.
        (second,) = provider.send(a_mailing(), [an_envelope(100)], RecordingFlight())
        provider.close()

    assert (first.kind, second.kind) == (ACCEPTED, ACCEPTED)
    assert flight.launched == flight.landed == [DeliveryId(7, 1)]
    assert server.recipients == ["reader1@example.org", "reader100@example.org"]


def test_a_launch_that_cannot_be_noted_keeps_the_dot_back(clock: SettableClock) -> None:
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        provider = a_provider(server.port, clock)
        with pytest.raises(StorageError):
            list(provider.send(a_mailing(), envelopes(5), RecordingFlight(full_after=2)))
        provider.close()

    assert len(server.dots) == 2


def test_what_is_refused_here_does_not_disturb_the_message_on_the_wire(
    send_scripted: SendScripted,
) -> None:
    batch = [an_envelope(1), *(an_envelope(n, address="nobody") for n in (2, 3)), an_envelope(4)]
    outcomes, server, _ = send_scripted({}, given=batch)

    refused = OutcomeKind.REJECTED_RECIPIENT
    assert kinds(outcomes) == {1: ACCEPTED, 2: refused, 3: refused, 4: ACCEPTED}
    assert server.connections == 1


def test_a_refusal_here_is_told_before_the_next_one_is_waited_for(
    send_scripted: SendScripted,
) -> None:
    known: set[int] = set()

    def one_at_a_time() -> Iterator[Envelope | None]:
        """As a limit of one message for each domain does it."""
        for number in range(1, 7):
            yield an_envelope(number, address="nobody" if number % 3 else None)
            looks = 0
            while number not in known:
                looks += 1
                assert looks < 100, "its outcome never came"
                yield None

    outcomes, _, _ = send_scripted(
        {}, given=one_at_a_time(), watch=lambda _server, o: known.add(o.delivery.subscriber)
    )

    refused = OutcomeKind.REJECTED_RECIPIENT
    assert list(kinds(outcomes).values()) == [refused, refused, ACCEPTED] * 2


def test_a_source_that_fails_is_told_after_the_message_on_the_wire(
    clock: SettableClock,
) -> None:
    def failing() -> Iterator[Envelope]:
        yield an_envelope(1)
        raise StorageError("the ledger is gone")

    flight = RecordingFlight()
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        provider = a_provider(server.port, clock)
        with pytest.raises(StorageError):
            list(provider.send(a_mailing(), failing(), flight))
        provider.close()

    assert flight.landed == [DeliveryId(7, 1)]
    assert len(server.dots) == 1


def returning(envelope: Envelope, path: str) -> Envelope:
    return Envelope(envelope.delivery, envelope.address, envelope.name, envelope.values, path)


def test_a_bounce_goes_where_the_envelope_says(send_scripted: SendScripted) -> None:
    batch = [
        returning(an_envelope(1), "bounce+7-1@back.example.org"),
        returning(an_envelope(2), "bounce@x>\r\nRCPT TO:<spy@example.org"),
        an_envelope(3),
    ]
    outcomes, server, _ = send_scripted({}, given=batch)

    assert kinds(outcomes) == {1: ACCEPTED, 2: OutcomeKind.REJECTED_MESSAGE, 3: ACCEPTED}
    senders = [c.split("<")[1].split(">")[0] for c in server.commands if c.startswith("MAIL")]
    assert senders == ["bounce+7-1@back.example.org", "daily@news.example.org"]
