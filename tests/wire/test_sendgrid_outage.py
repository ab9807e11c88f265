"""SendGrid: however many calls go out side by side, an outage leaves few recipients unknown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import repeat

import pytest
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, envelopes
from tests.fakes.sendgrid_faults import Answer, Fault, Slow
from tests.fakes.sendgrid_sending import a_provider
from tests.fakes.sendgrid_server import SendgridServer
from tests.waiting import soon

from newsletter.clock import SettableClock
from newsletter.providers.base import OutcomeKind, Provider, Unavailable
from newsletter.providers.sendgrid_outage import PROBE, TRUSTED_SECONDS, OutageGuard

LANES = 4
EACH = 200
UNKNOWN = OutcomeKind.UNKNOWN


def send_by_lanes(provider: Provider) -> tuple[list[RecordingFlight], list[BaseException]]:
    """Send to 200 recipients in each of four threads, as a sender's lanes do."""
    flights = [RecordingFlight() for _ in range(LANES)]
    raised: list[BaseException] = []

    def lane(flight: RecordingFlight) -> None:
        try:
            for _ in provider.send(a_mailing(), envelopes(EACH), flight):
                pass
        except Unavailable as error:
            raised.append(error)

    threads = [threading.Thread(target=lane, args=(flight,)) for flight in flights]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return flights, raised


def unknown(flights: list[RecordingFlight]) -> int:
    return sum(o.kind is UNKNOWN for flight in flights for o in flight.outcomes.values())


@pytest.fixture
def server() -> Iterator[SendgridServer]:
    with SendgridServer() as running:
        yield running


@pytest.fixture
def provider(server: SendgridServer, clock: SettableClock) -> Iterator[Provider]:
    made = a_provider(server.url, clock, calls_in_flight=LANES, personalizations=EACH)
    yield made
    made.close()


def test_an_outage_from_the_start_costs_small_calls_alone_over_all_lanes(
    server: SendgridServer, provider: Provider
) -> None:
    server.script(repeat(Answer(503, take=True), 50))

    flights, raised = send_by_lanes(provider)

    # Two to find it out; a lane that comes later asks once for itself.
    assert 2 * PROBE <= unknown(flights) <= (1 + LANES) * PROBE
    assert len(raised) == LANES
    assert server.attempts <= 1 + LANES


def test_each_attempt_during_an_outage_costs_one_small_call(
    server: SendgridServer, provider: Provider
) -> None:
    server.script(repeat(Answer(503), 50))
    send_by_lanes(provider)
    before = server.attempts

    with pytest.raises(Unavailable):
        list(provider.send(a_mailing(), envelopes(EACH), RecordingFlight()))

    assert server.attempts == before + 1
    assert len(server.calls) == 0


def test_an_outage_in_the_middle_costs_what_was_in_flight_and_little_more(
    server: SendgridServer, provider: Provider
) -> None:
    sound: list[Fault | None] = [None]
    server.script([*sound, *repeat(Answer(503), 50)])

    flights, _ = send_by_lanes(provider)

    # One small call was answered, then the whole calls of the lanes went out side by side.
    assert unknown(flights) <= LANES * EACH - PROBE
    assert server.attempts <= 1 + LANES + 1


def test_one_lane_that_gets_through_does_not_hide_what_others_lose() -> None:
    guard = OutageGuard()
    with guard.turn(EACH) as first:
        first.answered = True
    with guard.turn(EACH) as sound, guard.turn(EACH) as lost:
        assert (sound.most, lost.most) == (EACH, EACH)
        lost.lost = True
        sound.answered = True

    with guard.turn(EACH) as following:
        assert following.most == PROBE
        following.lost = True
    assert guard.out


def test_after_an_outage_a_small_call_goes_first_and_then_whole_ones(
    server: SendgridServer, provider: Provider
) -> None:
    server.script(repeat(Answer(503), 50))
    send_by_lanes(provider)
    server.script()

    flights, raised = send_by_lanes(provider)

    assert raised == []
    assert unknown(flights) == 0
    sizes = [len(call["personalizations"]) for call in server.calls]
    assert sizes[0] == PROBE
    assert sum(sizes) == LANES * EACH


def test_an_answer_speaks_for_the_api_for_a_minute() -> None:
    now = [0.0]
    guard = OutageGuard(lambda: now[0])
    with guard.turn(EACH) as first:
        first.answered = True

    now[0] = TRUSTED_SECONDS
    with guard.turn(EACH) as soon_after:
        assert soon_after.most == EACH
        soon_after.answered = True
    now[0] += TRUSTED_SECONDS + 1
    with guard.turn(EACH) as long_after:
        assert long_after.most == PROBE


def test_lanes_that_wait_for_an_answer_go_when_they_are_interrupted(
    server: SendgridServer, provider: Provider
) -> None:
    server.script(repeat(Slow(5.0), 9))
    ended: list[RecordingFlight] = []
    thread = threading.Thread(target=lambda: ended.extend(send_by_lanes(provider)[0]))
    thread.start()
    assert soon(lambda: server.attempts == 1)

    provider.interrupt()

    thread.join(4)
    assert not thread.is_alive()
    assert unknown(ended) == PROBE
