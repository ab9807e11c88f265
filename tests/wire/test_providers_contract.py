"""What every provider promises, held against what arrives at the other end."""

from __future__ import annotations

import email
import email.policy
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.sendgrid_server import KEY, SendgridServer
from tests.fakes.smtp_server import SmtpServer

from newsletter.clock import SettableClock
from newsletter.errors import StorageError
from newsletter.providers.base import (
    DeliveryId,
    Envelope,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)
from newsletter.providers.factory import build_provider
from newsletter.settings import Settings


@dataclass(frozen=True)
class Received:
    """One message at the other end; `html` and `text` are decoded."""

    address: str
    subject: str
    html: str
    text: str
    unsubscribe: str


@dataclass(frozen=True)
class World:
    """A provider and a look at what arrived."""

    provider: Provider
    received: Callable[[], list[Received]]


def _parsed(raw: bytes) -> Received:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None
    assert text is not None
    return Received(
        message["To"].addresses[0].addr_spec,
        message["Subject"],
        html.get_content(),
        text.get_content(),
        message["List-Unsubscribe"],
    )


@pytest.fixture(params=["outbox", "smtp", "sendgrid"])
def world(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[World]:
    with ExitStack() as stack:
        delivery: dict[str, object] = {"provider": request.param}
        if request.param == "outbox":
            delivery["outbox"] = {"directory": tmp_path / "outbox"}
            received = lambda: [  # noqa: E731 - three small views side by side
                _parsed(path.read_bytes()) for path in sorted(tmp_path.rglob("*.eml"))
            ]
        elif request.param == "smtp":
            server = stack.enter_context(SmtpServer())
            delivery["smtp"] = {
                "host": "127.0.0.1",
                "port": server.port,
                "security": "none",
                "connections": 3,
                "timeout": timedelta(seconds=5),
            }
            received = lambda: [_parsed(message.data) for message in server.messages]  # noqa: E731
        else:
            api = stack.enter_context(SendgridServer())
            delivery["sendgrid"] = {
                "host": api.url,
                "api_key": KEY,
                "personalizations": 4,
                "timeout": timedelta(seconds=5),
            }
            received = lambda: [  # noqa: E731
                Received(m.address, m.subject, m.html, m.text, m.headers["List-Unsubscribe"])
                for m in api.messages
            ]
        provider = build_provider(Settings(delivery=delivery), clock)  # type: ignore[arg-type]
        yield World(provider, received)
        provider.close()


def test_each_envelope_has_exactly_one_outcome(world: World) -> None:
    outcomes = list(world.provider.send(a_mailing(), envelopes(17), RecordingFlight()))

    assert sorted(o.delivery.subscriber for o in outcomes) == list(range(1, 18))
    assert {o.kind for o in outcomes} == {OutcomeKind.ACCEPTED}


def test_each_recipient_gets_exactly_one_message(world: World) -> None:
    list(world.provider.send(a_mailing(), envelopes(17), RecordingFlight()))

    addresses = sorted(message.address for message in world.received())
    assert addresses == sorted(f"reader{n}@example.org" for n in range(1, 18))


def test_nothing_arrives_before_its_launch_was_noted(world: World) -> None:
    early: list[str] = []

    def look(deliveries: object) -> None:
        assert isinstance(deliveries, list)
        wanted = {f"reader{d.subscriber}@example.org" for d in deliveries}
        early.extend(m.address for m in world.received() if m.address in wanted)

    flight = RecordingFlight(on_launch=look)
    list(world.provider.send(a_mailing(), envelopes(9), flight))

    assert early == []
    assert sorted(flight.launched) == [DeliveryId(7, n) for n in range(1, 10)]


def test_each_outcome_is_noted_before_it_is_yielded(world: World) -> None:
    flight = RecordingFlight()

    for outcome in world.provider.send(a_mailing(), envelopes(9), flight):
        assert flight.outcomes[outcome.delivery] == outcome


def test_the_way_to_leave_is_personal(world: World) -> None:
    list(world.provider.send(a_mailing(), envelopes(5), RecordingFlight()))

    for message in world.received():
        number = message.address.removeprefix("reader").partition("@")[0]
        link = f"https://news.example.org/u/token-of-{number}"
        assert f"<{link}>" in message.unsubscribe
        assert f"href='{link}'" in message.html
        assert f"Leave: {link}\n" in message.text.replace("\r\n", "\n") + "\n"


def test_a_value_is_escaped_in_html_and_plain_elsewhere(world: World) -> None:
    envelope = an_envelope(1, first_name="{{7*7}}<b>&")

    list(world.provider.send(a_mailing(), [envelope], RecordingFlight()))

    (message,) = world.received()
    assert "Dear {{7*7}}&lt;b&gt;&amp;, ≥ 𝕏" in message.html
    assert "Dear {{7*7}}<b>&, ≥ 𝕏" in message.text
    assert message.subject == "News for {{7*7}}<b>& – Ω"


def test_a_name_cannot_bring_a_header_field_of_its_own(world: World) -> None:
    envelope = an_envelope(1, first_name="Ann\r\nBcc: spy@example.net\r\n\r\nbody")

    outcomes = list(world.provider.send(a_mailing(), [envelope], RecordingFlight()))

    assert [o.kind for o in outcomes] == [OutcomeKind.ACCEPTED]
    assert [m.address for m in world.received()] == ["reader1@example.org"]
    assert "\n" not in world.received()[0].subject


def test_a_line_that_starts_with_a_dot_keeps_it(world: World) -> None:
    list(world.provider.send(a_mailing(), envelopes(1), RecordingFlight()))

    (message,) = world.received()
    assert "\n.a line that starts with a dot" in message.text.replace("\r\n", "\n")


def test_what_is_no_address_is_refused_alone(world: World) -> None:
    batch = [an_envelope(1), an_envelope(2, address="nobody"), an_envelope(3)]

    outcomes = list(world.provider.send(a_mailing(), batch, RecordingFlight()))

    kinds = {o.delivery.subscriber: o.kind for o in outcomes}
    assert kinds == {
        1: OutcomeKind.ACCEPTED,
        2: OutcomeKind.REJECTED_RECIPIENT,
        3: OutcomeKind.ACCEPTED,
    }


def test_a_consumer_that_stops_leaves_nothing_in_the_air(world: World) -> None:
    flight = RecordingFlight()
    outcomes = world.provider.send(a_mailing(), envelopes(40), flight)

    first = next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]

    assert isinstance(first, Outcome)
    assert flight.in_the_air == set()
    accepted = {o.delivery for o in flight.outcomes.values() if o.kind is OutcomeKind.ACCEPTED}
    assert len(world.received()) == len(accepted)


def test_what_cannot_be_noted_does_not_leave(world: World) -> None:
    flight = RecordingFlight(full_after=0)

    with pytest.raises(StorageError):
        list(world.provider.send(a_mailing(), envelopes(6), flight))

    assert world.received() == []


def test_a_second_batch_goes_like_the_first(world: World) -> None:
    list(world.provider.send(a_mailing(), envelopes(3), RecordingFlight()))
    more = [an_envelope(number) for number in range(11, 14)]

    outcomes = list(world.provider.send(a_mailing(), more, RecordingFlight()))

    assert {o.kind for o in outcomes} == {OutcomeKind.ACCEPTED}
    assert len(world.received()) == 6


def test_health_sends_nothing(world: World) -> None:
    assert all(line.ok for line in world.provider.health())
    assert world.received() == []


def test_an_empty_batch_is_no_work(world: World) -> None:
    assert list(world.provider.send(a_mailing(), [], RecordingFlight())) == []


def test_envelopes_may_come_one_by_one(world: World) -> None:
    lazy = (an_envelope(number) for number in range(1, 14))

    outcomes = list(world.provider.send(a_mailing(), lazy, RecordingFlight()))

    assert sorted(o.delivery.subscriber for o in outcomes) == list(range(1, 14))
    assert len(world.received()) == 13


def test_no_more_envelopes_are_pulled_than_a_batch_ahead(world: World) -> None:
    pulled = 0

    def endless() -> Iterator[Envelope]:
        nonlocal pulled
        for pulled in itertools.count(1):
            yield an_envelope(pulled)

    outcomes = world.provider.send(a_mailing(), endless(), RecordingFlight())
    taken = list(itertools.islice(outcomes, 30))
    outcomes.close()  # type: ignore[attr-defined]

    assert len(taken) == 30
    assert pulled <= 30 + world.provider.batch_limit


def test_an_announced_wait_brings_what_is_under_way_to_its_end_first(world: World) -> None:
    flight = RecordingFlight()
    seen: list[tuple[int, int]] = []

    def paced() -> Iterator[Envelope | None]:
        for number in range(1, 7):
            if number in (3, 4, 6):
                yield None
                seen.append((len(world.received()), len(flight.landed)))
            yield an_envelope(number)
        yield None
        yield None

    outcomes = list(world.provider.send(a_mailing(), paced(), flight))

    assert len(outcomes) == 6
    assert seen == [(2, 2), (3, 3), (5, 5)]


def test_nothing_but_announced_waits_is_no_work(world: World) -> None:
    assert list(world.provider.send(a_mailing(), [None, None], RecordingFlight())) == []


def test_batches_go_at_once_in_as_many_threads_as_there_are_lanes(world: World) -> None:
    lanes = world.provider.lanes
    flights = [RecordingFlight() for _ in range(lanes)]
    mailing, found = a_mailing(), [0] * lanes

    def work(lane: int) -> None:
        for batch in range(3):
            first = 1000 * lane + 100 * batch
            lazy = (an_envelope(first + number) for number in range(9))
            found[lane] += sum(1 for _ in world.provider.send(mailing, lazy, flights[lane]))

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == [27] * lanes
    assert len({message.address for message in world.received()}) == 27 * lanes
    assert len(world.received()) == 27 * lanes
    for lane, flight in enumerate(flights):
        assert {d.subscriber // 1000 for d in flight.launched} == {lane}
        assert {o.kind for o in flight.outcomes.values()} == {OutcomeKind.ACCEPTED}


def test_an_interruption_ends_a_batch_with_nothing_in_the_air(world: World) -> None:
    flight, begun, end = RecordingFlight(), threading.Event(), threading.Event()
    outcomes: list[Outcome] = []

    def endless() -> Iterator[Envelope | None]:
        for number in itertools.count(1):
            if end.is_set():
                return
            yield an_envelope(number)

    def work() -> None:
        try:
            for outcome in world.provider.send(a_mailing(), endless(), flight):
                outcomes.append(outcome)
                begun.set()
        except Unavailable:
            pass

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    end.set()
    world.provider.interrupt()
    thread.join(5)

    assert not thread.is_alive()
    assert flight.in_the_air == set()
    landed = {kind: set[str]() for kind in OutcomeKind}
    for delivery, outcome in flight.outcomes.items():
        landed[outcome.kind].add(f"reader{delivery.subscriber}@example.org")
    there = [message.address for message in world.received()]
    assert len(there) == len(set(there))
    assert landed[OutcomeKind.ACCEPTED] <= set(there)
    assert set(there) <= landed[OutcomeKind.ACCEPTED] | landed[OutcomeKind.UNKNOWN]


def test_a_source_that_breaks_leaves_nothing_in_the_air(world: World) -> None:
    flight = RecordingFlight()

    def breaking() -> Iterator[Envelope]:
        yield from envelopes(6)
        raise StorageError("the source broke")

    with pytest.raises(StorageError):
        list(world.provider.send(a_mailing(), breaking(), flight))

    assert flight.in_the_air == set()
    assert len(world.received()) == len(flight.landed)
