"""SMTP: what each reply and each fault at each phase makes of a message, on a real socket."""

from __future__ import annotations

from datetime import timedelta
from itertools import repeat

import pytest
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
)
from tests.fakes.smtp_sending import SendScripted, a_provider, scripted_sending
from tests.fakes.smtp_server import SmtpServer

from newsletter.clock import SettableClock
from newsletter.providers.base import OutcomeKind, Unavailable

SURELY_NOT_TAKEN = {OutcomeKind.DEFERRED, OutcomeKind.NOT_SENT}


@pytest.fixture(params=[PIPELINING, PLAIN], ids=["pipelined", "plain"])
def send_scripted(request: pytest.FixtureRequest, clock: SettableClock) -> SendScripted:
    return scripted_sending(clock, request.param)


@pytest.mark.parametrize(
    ("phase", "reply", "kind"),
    [
        ("mail", "452 4.3.1 no room", OutcomeKind.DEFERRED),
        ("mail", "550 5.7.1 not you", OutcomeKind.REJECTED_MESSAGE),
        ("rcpt", "450 4.2.0 greylisted", OutcomeKind.DEFERRED),
        ("rcpt", "550 5.1.1 no such user", OutcomeKind.REJECTED_RECIPIENT),
        ("rcpt", "554 5.7.1 blocked", OutcomeKind.REJECTED_RECIPIENT),
        ("data", "451 4.3.0 later", OutcomeKind.DEFERRED),
        ("data", "554 5.5.1 no", OutcomeKind.REJECTED_MESSAGE),
        ("dot", "452 4.2.2 full", OutcomeKind.DEFERRED),
        ("dot", "554 5.7.1 spam", OutcomeKind.REJECTED_MESSAGE),
        ("dot", "550 5.1.1 unknown after all", OutcomeKind.REJECTED_RECIPIENT),
        ("dot", "552 5.2.2 mailbox full", OutcomeKind.REJECTED_RECIPIENT),
        ("dot", "250 2.0.0 Ok: queued as ABC123", OutcomeKind.ACCEPTED),
    ],
)
def test_a_reply_means_what_its_phase_makes_of_it(
    send_scripted: SendScripted, phase: str, reply: str, kind: OutcomeKind
) -> None:
    outcomes, _, problem = send_scripted({phase: [Say(f"{reply}\r\n".encode())]})

    assert problem is None
    assert [(o.kind, o.code, o.status) for o in outcomes] == [
        (kind, int(reply[:3]), reply.split(" ")[1])
    ]


def test_the_name_in_the_servers_queue_is_kept(send_scripted: SendScripted) -> None:
    outcomes, _, _ = send_scripted({"dot": [Say(b"250 2.0.0 Ok: queued as 4XyZ12ab\r\n")]})

    assert [o.provider_id for o in outcomes] == ["4XyZ12ab"]


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
def test_a_connection_closed_before_the_dot_means_surely_not_taken(
    send_scripted: SendScripted, phase: str
) -> None:
    flight = RecordingFlight()
    outcomes, server, _ = send_scripted({phase: repeat(Close())}, flight=flight)

    assert {o.kind for o in outcomes} <= SURELY_NOT_TAKEN
    assert server.dots == []
    assert flight.launched == []


@pytest.mark.slow
def test_a_connection_closed_inside_a_large_payload_means_surely_not_taken(
    clock: SettableClock,
) -> None:
    # Larger than what the kernel buffers: the dot is never written.
    large, flight = a_mailing(text="a line of some length\n" * 400_000), RecordingFlight()
    with ScriptedSmtpServer({"payload": repeat(Close())}) as server:
        provider = a_provider(server.port, clock, timeout=timedelta(seconds=10))
        outcomes = list(provider.send(large, envelopes(1), flight))
        provider.close()

    assert {o.kind for o in outcomes} <= SURELY_NOT_TAKEN
    assert flight.launched == []


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    "nonsense",
    [b"hello there\r\n", b"999 what\r\n", b"100 so\r\n", b"\xff\xfe\x00\r\n", b"\r\n"],
)
def test_nonsense_before_the_dot_means_surely_not_taken(
    send_scripted: SendScripted, phase: str, nonsense: bytes
) -> None:
    outcomes, server, _ = send_scripted({phase: repeat(Say(nonsense, close=True))})

    assert {o.kind for o in outcomes} <= SURELY_NOT_TAKEN
    assert server.dots == []


@pytest.mark.parametrize(
    "act",
    [
        Close(),
        pytest.param(Hang(), marks=pytest.mark.slow),
        Say(b"hello there\r\n"),
        Say(b"999 what\r\n"),
        Say(b"100 so\r\n"),
        Say(b"250", close=True),
        pytest.param(Drip(b"250 2.0.0 slowly, slowly, slowly\r\n", 0.2), marks=pytest.mark.slow),
        Say(b"250-" + b"x" * 100_000, close=True),
    ],
    ids=["closed", "silent", "words", "999", "100", "cut", "drip", "endless"],
)
def test_no_answer_to_the_dot_is_unknown(send_scripted: SendScripted, act: Act) -> None:
    flight = RecordingFlight()
    outcomes, server, _ = send_scripted({"dot": [act]}, flight=flight)

    assert [o.kind for o in outcomes] == [OutcomeKind.UNKNOWN]
    assert len(server.dots) == 1
    assert flight.in_the_air == set()


def test_an_unknown_message_is_not_sent_again(send_scripted: SendScripted) -> None:
    outcomes, server, _ = send_scripted({"dot": [Close()]}, count=3)

    assert sorted(o.kind for o in outcomes) == sorted(
        [OutcomeKind.UNKNOWN, OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED]
    )
    assert len(server.dots) == 3


def test_an_8_kb_reply_line_is_a_reply(send_scripted: SendScripted) -> None:
    outcomes, _, _ = send_scripted({"dot": [Say(b"250 " + b"y" * 8000 + b"\r\n")]})

    assert [o.kind for o in outcomes] == [OutcomeKind.ACCEPTED]
    assert len(outcomes[0].detail) <= 300


def test_a_reply_of_many_lines_is_one_reply(send_scripted: SendScripted) -> None:
    reply = b"550-5.1.1 no such\r\n550-5.1.1 user\r\n550 5.1.1 here\r\n"
    outcomes, _, _ = send_scripted({"rcpt": [Say(reply)]})

    assert [(o.kind, o.status) for o in outcomes] == [(OutcomeKind.REJECTED_RECIPIENT, "5.1.1")]
    assert "here" in outcomes[0].detail


def test_refused_recipients_in_a_row_do_not_stop_the_rest(send_scripted: SendScripted) -> None:
    script = {"rcpt": [Say(b"550 5.1.1 no\r\n")] * 8}
    outcomes, server, problem = send_scripted(script, count=10)

    kinds = [o.kind for o in outcomes]
    assert problem is None
    assert kinds.count(OutcomeKind.REJECTED_RECIPIENT) == 8
    assert kinds.count(OutcomeKind.ACCEPTED) == 2
    assert server.connections == 1


def test_a_421_is_answered_with_a_new_connection(send_scripted: SendScripted) -> None:
    good, enough = Say(b"250 2.1.0 OK\r\n"), Say(b"421 4.7.0 enough\r\n", close=True)
    outcomes, server, problem = send_scripted({"mail": [good, enough]}, count=3)

    assert problem is None
    assert [o.kind for o in outcomes] == [OutcomeKind.ACCEPTED] * 3
    assert server.connections == 2


def test_a_421_before_anything_got_through_counts_against_nobody(
    send_scripted: SendScripted,
) -> None:
    script = {"mail": [Say(b"421 4.7.0 enough\r\n", close=True)]}
    outcomes, server, problem = send_scripted(script, count=3)

    assert isinstance(problem, Unavailable)
    assert outcomes == []
    assert server.connections == 1


def test_a_421_to_a_recipient_is_about_this_message_and_ends_the_connection(
    send_scripted: SendScripted,
) -> None:
    good, enough = Say(b"250 2.1.5 OK\r\n"), Say(b"421 4.7.0 not him\r\n", close=True)
    outcomes, server, problem = send_scripted({"rcpt": [good, enough]}, count=3)

    assert problem is None
    assert [(o.kind, o.code) for o in outcomes] == [
        (OutcomeKind.ACCEPTED, 250),
        (OutcomeKind.DEFERRED, 421),
        (OutcomeKind.ACCEPTED, 250),
    ]
    assert server.connections == 2


def test_a_421_to_the_dot_was_not_taken_and_ends_the_connection(
    send_scripted: SendScripted,
) -> None:
    good, enough = Say(b"250 2.0.0 OK\r\n"), Say(b"421 4.3.2 down\r\n", close=True)
    outcomes, server, problem = send_scripted({"dot": [good, enough]}, count=3)

    assert problem is None
    assert [o.kind for o in outcomes] == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.DEFERRED,
        OutcomeKind.ACCEPTED,
    ]
    assert server.connections == 2


def test_a_server_that_says_421_to_all_is_unavailable(send_scripted: SendScripted) -> None:
    script = {"mail": repeat(Say(b"421 4.7.0 enough\r\n", close=True))}
    outcomes, server, problem = send_scripted(script, count=50)

    assert isinstance(problem, Unavailable)
    assert len(outcomes) < 10
    assert {o.kind for o in outcomes} <= SURELY_NOT_TAKEN
    assert server.connections < 10


@pytest.mark.parametrize(
    "act",
    [
        Close(),
        pytest.param(Hang(), marks=pytest.mark.slow),
        Say(b"421 4.3.2 busy\r\n", close=True),
        Say(b"garbage\r\n", close=True),
    ],
    ids=["closed", "silent", "421", "garbage"],
)
@pytest.mark.parametrize("phase", ["connect", "ehlo"])
def test_a_server_that_does_not_greet_is_unavailable(
    send_scripted: SendScripted, phase: str, act: Act
) -> None:
    outcomes, _, problem = send_scripted({phase: repeat(act)}, count=3)

    assert outcomes == []
    assert isinstance(problem, Unavailable)


def test_a_server_that_is_not_there_is_unavailable(clock: SettableClock) -> None:
    with ScriptedSmtpServer() as server:
        port = server.port
    provider = a_provider(port, clock)

    with pytest.raises(Unavailable):
        list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))

    (line,) = provider.health()
    assert not line.ok


def test_a_connection_is_renewed_after_its_messages(clock: SettableClock) -> None:
    with SmtpServer() as server:
        provider = a_provider(server.port, clock, messages_per_connection=2)
        list(provider.send(a_mailing(), envelopes(5), RecordingFlight()))
        provider.close()

    assert len(server.messages) == 5
    assert server.connections == 3


def test_a_connection_is_kept_between_batches(clock: SettableClock) -> None:
    with SmtpServer() as server:
        provider = a_provider(server.port, clock)
        for first in (1, 11, 21):
            list(provider.send(a_mailing(), [an_envelope(first)], RecordingFlight()))
        provider.close()

    assert server.connections == 1


def test_a_larger_message_than_announced_does_not_leave(clock: SettableClock) -> None:
    with SmtpServer(size_limit=500) as server:
        provider = a_provider(server.port, clock)
        (outcome,) = provider.send(a_mailing(), envelopes(1), RecordingFlight())
        provider.close()

    assert outcome.kind is OutcomeKind.REJECTED_MESSAGE
    assert server.messages == []
    assert outcome.code is None, "it was put on the wire before it was refused"


def test_an_address_outside_ascii_goes_where_it_is_taken(clock: SettableClock) -> None:
    with SmtpServer(smtputf8=True) as server:
        provider = a_provider(server.port, clock)
        batch = [an_envelope(1, address="jürgen@bücher.example")]
        (outcome,) = provider.send(a_mailing(), batch, RecordingFlight())
        provider.close()

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert "SMTPUTF8" in server.messages[0].mail_options
    assert server.messages[0].recipients == ("jürgen@xn--bcher-kva.example",)


def test_an_address_outside_ascii_is_refused_where_it_is_not_taken(clock: SettableClock) -> None:
    with SmtpServer(smtputf8=False) as server:
        provider = a_provider(server.port, clock)
        batch = [an_envelope(1, address="jürgen@example.org")]
        (outcome,) = provider.send(a_mailing(), batch, RecordingFlight())
        provider.close()

    assert outcome.kind is OutcomeKind.REJECTED_RECIPIENT
    assert "SMTPUTF8" in outcome.detail
    assert server.messages == []


def test_a_domain_outside_ascii_needs_nothing_of_the_server(clock: SettableClock) -> None:
    with SmtpServer(smtputf8=False) as server:
        provider = a_provider(server.port, clock)
        batch = [an_envelope(1, address="reader@bücher.example")]
        list(provider.send(a_mailing(), batch, RecordingFlight()))
        provider.close()

    assert [m.recipients for m in server.messages] == [("reader@xn--bcher-kva.example",)]


def test_no_bare_line_end_leaves_and_no_line_starts_with_a_dot(
    send_scripted: SendScripted,
) -> None:
    _, server, _ = send_scripted({})

    (payload,) = server.dots
    without = payload.replace(b"\r\n", b"")
    assert b"\r" not in without
    assert b"\n" not in without
    assert b"\r\n." not in payload
    assert b"\r\n=2Ea line that starts" in payload
