"""Breaking off: what `interrupt` from another thread makes of every message under way."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fakes.certificates import make_certificates
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.smtp_scripted import PIPELINING, Act, Close, Hang, Say, ScriptedSmtpServer
from tests.fakes.smtp_sending import a_provider
from tests.fakes.smtp_server import SmtpServer

from newsletter.clock import SettableClock
from newsletter.providers.base import AccountProblem, Outcome, OutcomeKind, Provider, Unavailable

PATIENT = timedelta(seconds=30)


class Sending:
    """A send in a thread of its own; `seconds` is how long it went on behind the interrupt."""

    def __init__(self, provider: Provider, count: int = 5) -> None:
        self.outcomes: list[Outcome] = []
        self.problem: Exception | None = None
        self.flight = RecordingFlight()
        self._provider, self._count = provider, count
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        try:
            for outcome in self._provider.send(a_mailing(), envelopes(self._count), self.flight):
                self.outcomes.append(outcome)
        except (AccountProblem, Unavailable) as problem:
            self.problem = problem

    def interrupted(self) -> float:
        begun = time.monotonic()
        self._provider.interrupt()
        self._thread.join(10)
        assert not self._thread.is_alive()
        return time.monotonic() - begun


def wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("phase", "acts", "wanted"),
    [
        ("dot", [Hang()], {1: OutcomeKind.UNKNOWN, 2: OutcomeKind.NOT_SENT}),
        ("rcpt", [Hang()], {1: OutcomeKind.NOT_SENT}),
        (
            "mail",
            [Say(b"250 OK\r\n"), Hang()],
            {1: OutcomeKind.ACCEPTED, 2: OutcomeKind.NOT_SENT},
        ),
    ],
)
def test_what_is_behind_its_dot_is_unknown_and_the_rest_is_not_sent(
    clock: SettableClock, phase: str, acts: list[Act], wanted: dict[int, OutcomeKind]
) -> None:
    with ScriptedSmtpServer({phase: acts}, extensions=PIPELINING) as server:
        provider = a_provider(server.port, clock, timeout=PATIENT)
        sending = Sending(provider)
        reached = f"{phase.upper()}"
        wait_until(
            lambda: (
                server.dots
                if phase == "dot"
                else sum(c.startswith(reached) for c in server.commands) == len(acts)
            )
        )
        seconds = sending.interrupted()
        provider.close()

    assert seconds < 15
    assert {o.delivery.subscriber: o.kind for o in sending.outcomes} == wanted
    assert sending.flight.in_the_air == set()


def test_a_greeting_that_is_waited_for_is_broken_off(clock: SettableClock) -> None:
    with ScriptedSmtpServer({"connect": [Hang()]}) as server:
        provider = a_provider(server.port, clock, timeout=PATIENT)
        sending = Sending(provider)
        wait_until(lambda: server.connections)
        seconds = sending.interrupted()
        provider.close()

    assert seconds < 15
    assert {o.kind for o in sending.outcomes} <= {OutcomeKind.NOT_SENT}


def test_a_connection_that_nobody_accepts_is_broken_off(clock: SettableClock) -> None:
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        provider = a_provider(full.getsockname()[1], clock, timeout=PATIENT)
        sending = Sending(provider)
        time.sleep(0.2)
        seconds = sending.interrupted()
        provider.close()

    assert seconds < 15
    assert {o.kind for o in sending.outcomes} <= {OutcomeKind.NOT_SENT}


def test_a_message_under_tls_is_broken_off_as_well(clock: SettableClock, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with SmtpServer(tls="tls", context=certificates.context, delay=5) as server:
        provider = a_provider(
            server.port, clock, security="tls", ca_file=certificates.ca_file, timeout=PATIENT
        )
        sending = Sending(provider, count=1)
        wait_until(lambda: sending.flight.launched)
        time.sleep(0.1)
        seconds = sending.interrupted()
        provider.close()

    assert seconds < 15
    assert [o.kind for o in sending.outcomes] == [OutcomeKind.UNKNOWN]


def test_nothing_can_be_sent_afterwards(clock: SettableClock) -> None:
    with ScriptedSmtpServer({"quit": [Close()]}, extensions=PIPELINING) as server:
        provider = a_provider(server.port, clock)
        list(provider.send(a_mailing(), [an_envelope(1)], RecordingFlight()))
        provider.interrupt()
        flight = RecordingFlight()
        outcomes = list(provider.send(a_mailing(), [an_envelope(2)], flight))
        provider.close()

    assert flight.launched == []
    assert {o.kind for o in outcomes} <= {OutcomeKind.NOT_SENT}
    assert len(server.dots) == 1
