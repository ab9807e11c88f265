"""Pipelining (RFC 2920): what goes out ahead, and what each fault makes of two messages at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import repeat
from pathlib import Path

import pytest
from tests.fakes.certificates import make_certificates
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.smtp_scripted import (
    PIPELINING,
    PLAIN,
    Act,
    Close,
    Drip,
    Hang,
    Say,
    ScriptedSmtpServer,
    Wait,
)
from tests.fakes.smtp_sending import SendScripted, a_provider, kinds, scripted_sending
from tests.fakes.smtp_server import SmtpServer

from newsletter.clock import SettableClock
from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind, Unavailable

ACCEPTED, UNKNOWN = OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN
GOOD_MAIL = Say(b"250 2.1.0 OK\r\n")
GOOD_RCPT = Say(b"250 2.1.5 OK\r\n")
GOOD_DATA = Say(b"354 go on\r\n")
GOOD_DOT = Say(b"250 2.0.0 OK\r\n")


@pytest.fixture
def send_scripted(clock: SettableClock) -> SendScripted:
    return scripted_sending(clock, PIPELINING)


def test_the_next_envelope_is_on_its_way_before_the_dot_is_answered(
    send_scripted: SendScripted,
) -> None:
    outcomes, server, _ = send_scripted({"dot": [Wait(0.1), Wait(0.1)]}, count=2)

    assert kinds(outcomes) == {1: ACCEPTED, 2: ACCEPTED}
    first, last = server.ahead
    assert first.startswith(b"MAIL FROM:<daily@news.example.org> SIZE=")
    assert first.endswith(b"\r\nRCPT TO:<reader2@example.org>\r\nDATA\r\n")
    assert last == b""


def test_a_server_without_pipelining_is_told_nothing_ahead(clock: SettableClock) -> None:
    outcomes, server, _ = scripted_sending(clock, PLAIN)({"dot": repeat(Wait(0.05))}, count=3)

    assert kinds(outcomes) == {1: ACCEPTED, 2: ACCEPTED, 3: ACCEPTED}
    assert server.ahead == [b"", b"", b""]


def test_pipelining_can_be_turned_off(send_scripted: SendScripted) -> None:
    _, server, _ = send_scripted({"dot": repeat(Wait(0.05))}, count=2, pipelining=False)

    assert server.ahead == [b"", b""]


def test_a_launch_is_noted_before_the_dot_and_behind_the_rest(clock: SettableClock) -> None:
    arrived: list[int] = []
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        flight = RecordingFlight(on_launch=lambda _deliveries: arrived.append(len(server.dots)))
        provider = a_provider(server.port, clock)
        list(provider.send(a_mailing(), envelopes(4), flight))
        provider.close()

    assert arrived == [0, 1, 2, 3]


FAULTS = [
    ("mail", GOOD_MAIL, Close()),
    ("mail", GOOD_MAIL, Say(b"gar\xffbage\r\n")),
    ("mail", GOOD_MAIL, Say(b"999 what\r\n")),
    ("mail", GOOD_MAIL, Say(b"421 4.3.2 closing\r\n", close=True)),
    ("mail", GOOD_MAIL, Say(b"250 OK\r\n250 OK again\r\n")),
    ("rcpt", GOOD_RCPT, Close()),
    ("rcpt", GOOD_RCPT, Say(b"100 what\r\n")),
    ("data", GOOD_DATA, Close()),
    ("data", GOOD_DATA, Say(b"250 what\r\n")),
]


@pytest.mark.parametrize(("phase", "good", "fault"), FAULTS)
def test_a_fault_before_the_dot_of_the_next_message_costs_nobody_anything(
    send_scripted: SendScripted, phase: str, good: Act, fault: Act
) -> None:
    flight = RecordingFlight()
    outcomes, server, problem = send_scripted({phase: [good, fault]}, count=4, flight=flight)

    assert problem is None
    assert kinds(outcomes) == dict.fromkeys(range(1, 5), ACCEPTED)
    assert server.recipients == [f"reader{n}@example.org" for n in range(1, 5)]
    assert server.connections == 2
    assert flight.in_the_air == set()


@pytest.mark.slow
def test_a_connection_lost_inside_a_large_message_is_no_launch(
    send_scripted: SendScripted,
) -> None:
    large = a_mailing(text="a line of some length\n" * 400_000)
    flight = RecordingFlight()
    outcomes, server, _ = send_scripted(
        {"payload": [Wait(0), Close()]},
        count=2,
        mailing=large,
        flight=flight,
        timeout=timedelta(seconds=10),
    )

    assert kinds(outcomes) == {1: ACCEPTED, 2: ACCEPTED}
    assert flight.launched == [DeliveryId(7, 1), DeliveryId(7, 2)]
    assert server.recipients == ["reader1@example.org", "reader2@example.org"]


@pytest.mark.parametrize(
    "fault",
    [
        Close(),
        pytest.param(Hang(), marks=pytest.mark.slow),
        Say(b"gar\xffbage\r\n"),
        Say(b"354 what\r\n"),
        Say(b"250", close=True),
        Say(b"250-first\r\n550 second\r\n"),
    ],
    ids=["closed", "silent", "garbage", "354", "cut", "contradiction"],
)
def test_a_lost_answer_to_a_dot_leaves_exactly_one_unknown(
    send_scripted: SendScripted, fault: Act
) -> None:
    flight = RecordingFlight()
    outcomes, server, problem = send_scripted({"dot": [GOOD_DOT, fault]}, count=5, flight=flight)

    assert problem is None
    assert kinds(outcomes) == {1: ACCEPTED, 2: UNKNOWN, 3: ACCEPTED, 4: ACCEPTED, 5: ACCEPTED}
    # Nobody got it twice, the unknown one included.
    assert server.recipients == [f"reader{n}@example.org" for n in range(1, 6)]
    assert flight.in_the_air == set()


def test_a_refused_recipient_behind_a_good_message_is_alone_refused(
    send_scripted: SendScripted,
) -> None:
    script = {"rcpt": [GOOD_RCPT, Say(b"550 5.1.1 no such user\r\n")]}
    outcomes, server, _ = send_scripted(script, count=4)

    refused = OutcomeKind.REJECTED_RECIPIENT
    assert kinds(outcomes) == {1: ACCEPTED, 2: refused, 3: ACCEPTED, 4: ACCEPTED}
    assert server.connections == 1
    assert server.recipients == [f"reader{n}@example.org" for n in (1, 3, 4)]
    # The refused transaction is ended before another one begins.
    after = server.commands[server.commands.index("RCPT TO:<reader2@example.org>") + 1 :]
    assert after[:2] == ["DATA", "RSET"]


@pytest.mark.parametrize("phase", ["mail", "rcpt"])
def test_a_354_to_a_refused_envelope_never_becomes_a_message(
    send_scripted: SendScripted, phase: str
) -> None:
    good = GOOD_MAIL if phase == "mail" else GOOD_RCPT
    script = {phase: [good, Say(b"550 5.7.1 no\r\n")], "data": repeat(GOOD_DATA)}
    outcomes, server, problem = send_scripted(script, count=3)

    assert problem is None
    assert list(kinds(outcomes).values()).count(ACCEPTED) == 2
    assert outcomes[1].code == 550
    assert server.recipients == ["reader1@example.org", "reader3@example.org"]
    assert server.connections == 2


def test_a_connection_lost_right_behind_a_refusal_keeps_the_refusal(
    send_scripted: SendScripted,
) -> None:
    script = {"rcpt": [GOOD_RCPT, Say(b"550 5.1.1 no\r\n", close=True)]}
    outcomes, _, problem = send_scripted(script, count=3)

    assert problem is None
    assert kinds(outcomes) == {1: ACCEPTED, 2: OutcomeKind.REJECTED_RECIPIENT, 3: ACCEPTED}


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "dot"])
def test_replies_in_small_pieces_are_the_same_replies(
    send_scripted: SendScripted, phase: str
) -> None:
    text = b"354-go\r\n354 on\r\n" if phase == "data" else b"250-2.0.0 so\r\n250 2.0.0 OK\r\n"
    outcomes, server, _ = send_scripted({phase: repeat(Drip(text, 0.001))}, count=3)

    assert kinds(outcomes) == {1: ACCEPTED, 2: ACCEPTED, 3: ACCEPTED}
    assert server.connections == 1


def test_a_server_that_breaks_at_every_message_is_unavailable_in_the_end(
    send_scripted: SendScripted,
) -> None:
    outcomes, server, problem = send_scripted({"rcpt": repeat(Close())}, count=50)

    assert isinstance(problem, Unavailable)
    assert len(outcomes) <= 2
    assert {o.kind for o in outcomes} <= {OutcomeKind.DEFERRED}
    assert server.connections <= 4


def test_a_message_that_breaks_every_connection_is_put_off_and_the_others_go(
    clock: SettableClock,
) -> None:
    # Each connection ends at the message of reader 2, after its recipient was taken.
    script = {"data": [GOOD_DATA, Close(), Close(), *repeat(GOOD_DATA, 3)]}
    outcomes, _, problem = scripted_sending(clock, PIPELINING)(script, count=4)

    assert problem is None
    assert kinds(outcomes) == {1: ACCEPTED, 2: OutcomeKind.DEFERRED, 3: ACCEPTED, 4: ACCEPTED}


def test_an_unread_word_before_the_dot_ends_the_connection_and_not_the_message(
    send_scripted: SendScripted,
) -> None:
    script = {"data": [Say(b"354 go on\r\n250 what\r\n")]}
    outcomes, server, _ = send_scripted(script, count=2)

    assert kinds(outcomes) == {1: ACCEPTED, 2: ACCEPTED}
    assert len(server.dots) == 2
    assert server.connections == 2


def test_the_size_is_announced_where_it_is_asked_for(send_scripted: SendScripted) -> None:
    _, server, _ = send_scripted({}, count=3)

    announced = [c.rpartition("SIZE=")[2] for c in server.commands if c.startswith("MAIL")]
    # The captured payload is the message as it was built: nothing in it had to be doubled.
    assert announced == [str(len(payload)) for payload in server.dots]


def test_a_large_message_arrives_as_it_was_built(send_scripted: SendScripted) -> None:
    large = a_mailing(text="a line of some length, and one more of them\n.dot\n" * 40_000)
    outcomes, server, _ = send_scripted({}, count=2, mailing=large, timeout=timedelta(seconds=10))

    assert kinds(outcomes) == {1: ACCEPTED, 2: ACCEPTED}
    assert [len(payload) > 1_900_000 for payload in server.dots] == [True, True]
    assert all(payload.count(b"\r\n=2Edot") == 40_000 for payload in server.dots)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_pipelining_goes_over_tls_as_well(
    clock: SettableClock, tmp_path: Path, security: str
) -> None:
    certificates = make_certificates(tmp_path)
    text = "a line of some length\n" * 10_000
    with SmtpServer(tls=security, context=certificates.context) as server:
        provider = a_provider(
            server.port,
            clock,
            security=security,
            ca_file=certificates.ca_file,
            timeout=timedelta(seconds=5),
        )
        outcomes = list(provider.send(a_mailing(text=text), envelopes(12), RecordingFlight()))
        provider.close()

    assert [o.kind for o in outcomes] == [ACCEPTED] * 12
    assert [m.recipients[0] for m in server.messages] == [
        f"reader{n}@example.org" for n in range(1, 13)
    ]
    assert server.connections == 1
    assert all(m.protected for m in server.messages)


def test_a_connection_used_just_now_is_not_asked_whether_it_is_there(
    clock: SettableClock,
) -> None:
    # The second one is closed behind its message, which only the next send can find out.
    script = {"dot": [GOOD_DOT, Say(b"250 2.0.0 OK\r\n", close=True)]}
    with ScriptedSmtpServer(script, extensions=PIPELINING) as server:
        provider = a_provider(server.port, clock)
        outcomes = [
            outcome
            for number in (1, 2, 3)
            for outcome in provider.send(a_mailing(), [an_envelope(number)], RecordingFlight())
        ]
        provider.close()

    assert [o.kind for o in outcomes] == [ACCEPTED] * 3
    assert server.connections == 2
    assert "NOOP" not in server.commands


def test_lanes_share_the_idle_connections(clock: SettableClock) -> None:
    with SmtpServer() as server:
        provider = a_provider(server.port, clock, connections=4, timeout=timedelta(seconds=10))
        found: list[Outcome] = []

        def work(lane: int) -> None:
            for first in (lane * 100, lane * 100 + 10, lane * 100 + 20):
                given = [an_envelope(number) for number in range(first, first + 10)]
                found.extend(provider.send(a_mailing(), given, RecordingFlight()))

        threads = [threading.Thread(target=work, args=(lane,)) for lane in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        provider.close()

    assert provider.lanes == 4
    assert {o.kind for o in found} == {ACCEPTED}
    assert len({o.delivery for o in found}) == len(server.messages) == 120
    assert server.connections <= 4
