"""SendGrid: connections that are kept, lost answers, and calls that are broken off (F6, F7)."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.command import ROOT
from tests.fakes.certificates import make_certificates
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.sendgrid_faults import Answer, Cut, Drip, Fault, Raw, Slow
from tests.fakes.sendgrid_sending import a_provider, kinds, send
from tests.fakes.sendgrid_server import SendgridServer

from newsletter.clock import SettableClock
from newsletter.providers import sendgrid_http
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)

ACCEPTED, NOT_SENT, UNKNOWN = OutcomeKind.ACCEPTED, OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN
LARGE = "x" * 8_000_000
"""A text that no socket buffer holds."""


class Sending(threading.Thread):
    """A batch under way in a thread of its own."""

    def __init__(self, provider: Provider, text: str = "") -> None:
        super().__init__()
        self.flight = RecordingFlight()
        self.outcomes: list[Outcome] = []
        self.problem: Exception | None = None
        self._provider, self._text = provider, text

    def run(self) -> None:
        mailing = a_mailing(text=self._text)
        try:
            self.outcomes += self._provider.send(mailing, envelopes(2), self.flight)
        except (AccountProblem, Unavailable) as problem:
            self.problem = problem


def until(condition: object) -> None:
    """Wait until a condition holds."""
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def a_listener_that_never_reads() -> Iterator[tuple[str, list[socket.socket]]]:
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=lambda: taken.append(listener.accept()[0]))
        thread.start()
        yield url, taken
        thread.join(10)
        for connection in taken:
            connection.close()


@pytest.mark.parametrize("taken", [True, False])
def test_a_connection_cut_behind_the_body_is_unknown(clock: SettableClock, taken: bool) -> None:
    outcomes, server = send(clock, [Cut(after_reading=True, take=taken)])

    assert set(kinds(outcomes).values()) == {UNKNOWN}
    assert len(server.messages) == (3 if taken else 0)


@pytest.mark.parametrize(
    "fault",
    [
        Raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        Raw(b"HTTP/1.1 2O2 Accepted\r\n\r\n"),
        Raw(b"HTTP/1.1 20"),
        Raw(b"HTTP/1.1 202 Accepted\r\n" + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n"),
        Raw(b"HTTP/1.1 202 Accepted\r\n" + b"X-Many: 1\r\n" * 200 + b"\r\n"),
        Raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
        Raw(b"\x00\xff\xfe" * 100),
    ],
)
def test_an_answer_that_is_none_is_unknown(clock: SettableClock, fault: Fault) -> None:
    outcomes, _ = send(clock, [fault])

    assert set(kinds(outcomes).values()) == {UNKNOWN}


@pytest.mark.parametrize("fault", [Slow(0.8), Drip(0.1)])
def test_an_answer_that_comes_too_late_or_too_slowly_is_unknown(
    clock: SettableClock, fault: Fault
) -> None:
    start = time.monotonic()

    outcomes, server = send(clock, [fault], timeout=timedelta(seconds=0.4))

    assert set(kinds(outcomes).values()) == {UNKNOWN}
    assert server.attempts == 1
    assert time.monotonic() - start < 15


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 900\r\n\r\ncut short",
        b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000,
        b"Transfer-Encoding: chunked\r\n\r\n9000000\r\n" + b"x" * 3_000_000,
        b"Transfer-Encoding: chunked\r\n\r\nno number\r\n",
    ],
)
def test_behind_its_head_an_answer_counts_whatever_its_body_is(
    clock: SettableClock, rest: bytes
) -> None:
    outcomes, _ = send(clock, [Raw(b"HTTP/1.1 202 Accepted\r\nX-Message-Id: m1\r\n" + rest)])

    assert set(kinds(outcomes).values()) == {ACCEPTED}
    assert outcomes[1].provider_id == "m1"


def test_a_server_that_is_not_there_is_unavailable(clock: SettableClock) -> None:
    with SendgridServer() as server:
        url = server.url
    flight = RecordingFlight()

    with pytest.raises(Unavailable):
        list(a_provider(url, clock).send(a_mailing(), envelopes(2), flight))

    assert flight.launched == []


def test_a_connection_cut_before_the_whole_body_went_out_is_not_sent(clock: SettableClock) -> None:
    with SendgridServer([Cut(after_reading=False)]) as server:
        provider = a_provider(server.url, clock)
        sending = Sending(provider, LARGE)
        sending.run()
        provider.close()

    assert isinstance(sending.problem, Unavailable)
    assert {o.kind for o in sending.flight.outcomes.values()} == {NOT_SENT}
    assert sending.flight.in_the_air == set()


@pytest.mark.slow
def test_a_server_that_does_not_take_the_body_in_time_is_unavailable(
    clock: SettableClock,
) -> None:
    with a_listener_that_never_reads() as (url, _):
        provider = a_provider(url, clock, timeout=timedelta(seconds=0.3))
        sending = Sending(provider, LARGE)
        sending.run()
        provider.close()

    assert isinstance(sending.problem, Unavailable)
    assert {o.kind for o in sending.flight.outcomes.values()} == {NOT_SENT}


def test_a_refusal_that_comes_before_the_whole_body_went_out_is_read(
    clock: SettableClock,
) -> None:
    with SendgridServer([Answer(401, early=True)]) as server:
        provider = a_provider(server.url, clock)
        sending = Sending(provider, LARGE)
        sending.run()
        provider.close()

    assert isinstance(sending.problem, AccountProblem)
    assert sending.problem.code == 401


def test_connections_are_kept_between_batches_and_threads(clock: SettableClock) -> None:
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        for _ in range(6):
            sending = Sending(provider)
            sending.start()
            sending.join()
        opened, still_open = server.connections, server.open_now
        provider.close()

    assert (opened, still_open) == (1, 1)


def test_a_connection_that_lay_idle_for_long_is_not_used_again(
    clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sendgrid_http, "IDLE_SECONDS", -1.0)
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        for number in (1, 2):
            list(provider.send(a_mailing(), [an_envelope(number)], RecordingFlight()))
        provider.close()

    assert server.connections == 2


def test_an_interim_answer_is_never_taken_for_the_next_calls_own(clock: SettableClock) -> None:
    with SendgridServer([Answer(103)]) as server:
        provider = a_provider(server.url, clock)
        found = [
            outcome.kind
            for number in (1, 2)
            for outcome in provider.send(a_mailing(), [an_envelope(number)], RecordingFlight())
        ]
        provider.close()

    assert found == [UNKNOWN, ACCEPTED]
    assert server.connections == 2


def test_a_kept_connection_that_the_server_closed_costs_nobody(clock: SettableClock) -> None:
    closing = Raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    with SendgridServer([closing]) as server:
        provider = a_provider(server.url, clock)
        first = list(provider.send(a_mailing(), [an_envelope(1)], RecordingFlight()))
        until(lambda: server.open_now == 0)
        second = list(provider.send(a_mailing(), [an_envelope(2)], RecordingFlight()))
        provider.close()

    assert {o.kind for o in first + second} == {ACCEPTED}


def test_an_interrupted_call_whose_body_is_out_is_unknown(clock: SettableClock) -> None:
    with SendgridServer([Slow(10)]) as server:
        provider = a_provider(server.url, clock, timeout=timedelta(seconds=30))
        sending = Sending(provider)
        sending.start()
        until(lambda: server.calls)
        start = time.monotonic()
        provider.interrupt()
        sending.join()
        took = time.monotonic() - start
        provider.close()

    assert took < 9
    assert {o.kind for o in sending.outcomes} == {UNKNOWN}


def test_an_interrupted_call_whose_body_is_not_out_is_not_sent(clock: SettableClock) -> None:
    with a_listener_that_never_reads() as (url, taken):
        provider = a_provider(url, clock, timeout=timedelta(seconds=30))
        sending = Sending(provider, LARGE)
        sending.start()
        until(lambda: taken and sending.flight.launched)
        start = time.monotonic()
        provider.interrupt()
        sending.join()
        took = time.monotonic() - start
        provider.close()

    assert took < 20
    assert isinstance(sending.problem, Unavailable)
    assert {o.kind for o in sending.flight.outcomes.values()} == {NOT_SENT}


def test_nothing_can_be_sent_behind_an_interruption(clock: SettableClock) -> None:
    with SendgridServer() as server:
        provider = a_provider(server.url, clock)
        list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))
        provider.interrupt()

        with pytest.raises(Unavailable):
            list(provider.send(a_mailing(), [an_envelope(2)], RecordingFlight()))
        provider.close()

    assert [m.address for m in server.messages] == ["reader1@example.org"]


def test_a_host_that_is_not_to_be_trusted_is_a_problem_of_the_account(
    clock: SettableClock, tmp_path: Path
) -> None:
    certificates = make_certificates(tmp_path)
    with SendgridServer(tls=certificates.context) as server:
        provider = a_provider(server.url, clock)
        flight = RecordingFlight()

        with pytest.raises(AccountProblem, match="certificate"):
            list(provider.send(a_mailing(), envelopes(2), flight))
        provider.close()

    assert flight.launched == []
    assert server.attempts == 0


def test_calls_are_protected_kept_and_interrupted_over_tls(
    clock: SettableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = make_certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    with SendgridServer([None, None, Slow(10)], tls=certificates.context) as server:
        provider = a_provider(server.url, clock, timeout=timedelta(seconds=30))
        for number in (1, 2):
            (outcome,) = provider.send(a_mailing(), [an_envelope(number)], RecordingFlight())
            assert outcome.kind is ACCEPTED
        sending = Sending(provider)
        sending.start()
        until(lambda: len(server.calls) == 3)
        provider.interrupt()
        sending.join()
        provider.close()

    assert server.connections == 1
    assert {o.kind for o in sending.outcomes} == {UNKNOWN}


@pytest.mark.slow
def test_the_logs_of_the_fake_tell_whose_answer_was_lost(
    clock: SettableClock, tmp_path: Path
) -> None:
    log, fault_log = tmp_path / "taken.log", tmp_path / "faults.log"
    words = ["--faults", "random", "--seed", "3", "--rate", "0.4", "--slow", "0.05", "--fsync"]
    logs = ["--log", str(log), "--fault-log", str(fault_log)]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.sendgrid_server", *words, *logs],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().rsplit(' ', 1)[1].strip()}"
    provider = a_provider(url, clock)
    flight = RecordingFlight()
    for first in range(1, 200, 5):
        batch = [an_envelope(number) for number in range(first, first + 5)]
        try:
            list(provider.send(a_mailing(), batch, flight))
        except Unavailable:
            continue
    provider.close()
    server.kill()
    server.communicate()

    taken = [DeliveryId.parse(line.split()[1]) for line in log.read_text().splitlines()]
    lost = {
        DeliveryId.parse(word)
        for kind, _, *deliveries in map(str.split, fault_log.read_text().splitlines())
        for word in deliveries
        if kind.endswith("-taken")
    }
    by_kind = {k: {d for d, o in flight.outcomes.items() if o.kind is k} for k in OutcomeKind}
    assert len(taken) == len(set(taken))
    assert by_kind[ACCEPTED] <= set(taken)
    assert set(taken) - by_kind[ACCEPTED] <= lost & by_kind[UNKNOWN]
    assert not by_kind[NOT_SENT] & set(taken)
    assert by_kind[UNKNOWN] & set(taken)
