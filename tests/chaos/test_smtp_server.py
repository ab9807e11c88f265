"""The server that judges is itself held to its word: what its log says is what it took and said."""

from __future__ import annotations

import random
import smtplib
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos import smtp_server
from tests.chaos.smtp_faults import Act, Fault, Phase, draw_connection_fault, draw_message_fault
from tests.chaos.smtp_server import Habits, Logs, serving
from tests.command import ROOT

READER = "reader1@example.org"


def message(address: str = READER, number: int = 1) -> bytes:
    lines = (
        f"Message-ID: <1-{number}.x@example.org>",
        "Date: Tue, 24 Nov 2026 06:00:00 +0000",
        "From: The Daily <daily@example.org>",
        f"To: =?utf-8?q?R=C3=A9ader?= <{address}>",
        "",
        "Hello.",
        "..a dot",
    )
    return "\r\n".join(lines).encode()


@contextmanager
def a_server(folder: Path, *faults: Fault | None, **habits: float) -> Iterator[int]:
    """Serve with these faults, one for each message in turn, then none."""
    left = [*faults]

    def draw(_chance: random.Random, _rate: float) -> Fault | None:
        return left.pop(0) if left else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smtp_server, "draw_message_fault", draw)
        chosen = Habits(**habits)  # type: ignore[arg-type]
        with serving(Logs(folder / "kept", folder / "faults"), chosen) as port:
            yield port


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


def send(port: int, data: bytes, address: str = READER) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.sendmail("daily@example.org", [address], data)


def test_a_kept_message_is_in_the_log_with_its_recipient_and_message_id(tmp_path: Path) -> None:
    with a_server(tmp_path) as port:
        send(port, message())

    assert lines(tmp_path / "kept") == [[READER, "<1-1.x@example.org>"]]
    assert lines(tmp_path / "faults") == []


def test_commands_in_one_segment_are_answered_in_order_and_the_next_may_stand_behind_the_dot(
    tmp_path: Path,
) -> None:
    envelope = f"MAIL FROM:<d@example.org>\r\nRCPT TO:<{READER}>\r\nDATA\r\n".encode()
    with a_server(tmp_path) as port, socket.create_connection(("127.0.0.1", port), 5) as peer:
        replies = peer.makefile("rb")
        assert replies.readline().startswith(b"220")
        peer.sendall(b"EHLO here.example\r\n")
        while (line := replies.readline())[3:4] == b"-":
            assert line
        peer.sendall(envelope)
        codes = [replies.readline()[:3] for _ in range(3)]
        peer.sendall(message(number=1) + b"\r\n.\r\n" + envelope)
        codes += [replies.readline()[:3] for _ in range(4)]
        peer.sendall(message(number=2) + b"\r\n.\r\nQUIT\r\n")
        codes += [replies.readline()[:3] for _ in range(2)]

    assert codes == [b"250", b"250", b"354", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert [words[1] for words in lines(tmp_path / "kept")] == [
        "<1-1.x@example.org>",
        "<1-2.x@example.org>",
    ]


@pytest.mark.parametrize("act", [Act.DROP, Act.RESET])
@pytest.mark.parametrize(("kept", "effect"), [(True, "lost"), (False, "cut")])
def test_an_answer_to_the_dot_that_never_came_is_in_the_fault_log(
    tmp_path: Path, act: Act, kept: bool, effect: str
) -> None:
    fault = Fault(Phase.DOT, act, kept=kept)
    with a_server(tmp_path, fault) as port, pytest.raises((smtplib.SMTPException, OSError)):
        send(port, message())

    assert len(lines(tmp_path / "kept")) == kept
    assert lines(tmp_path / "faults") == [[effect, "<1-1.x@example.org>", READER, fault.name]]


@pytest.mark.parametrize("phase", [Phase.INSIDE, Phase.BEFORE_DOT])
def test_a_payload_that_was_cut_is_not_kept(tmp_path: Path, phase: Phase) -> None:
    fault = Fault(phase, Act.DROP)
    with a_server(tmp_path, fault) as port, pytest.raises((smtplib.SMTPException, OSError)):
        send(port, message())

    assert lines(tmp_path / "kept") == []
    assert [words[0] for words in lines(tmp_path / "faults")] == ["cut"]


def test_a_reset_right_behind_an_answer_puts_the_answer_in_doubt(tmp_path: Path) -> None:
    faults = (None, Fault(Phase.MAIL, Act.RESET))
    with (
        a_server(tmp_path, *faults) as port,
        smtplib.SMTP("127.0.0.1", port, timeout=5) as client,
    ):
        client.sendmail("daily@example.org", [READER], message())
        with pytest.raises((smtplib.SMTPException, OSError)):
            client.sendmail("daily@example.org", [READER], message(number=2))
        client.close()

    assert ["doubt", "<1-1.x@example.org>", READER, "reset-behind"] in lines(tmp_path / "faults")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param("550 5.1.1 no such user", id="for good"),
        pytest.param("451 4.3.0 later", id="for now"),
    ],
)
@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT])
def test_a_refusal_is_said_and_only_one_for_good_is_logged_as_refused(
    tmp_path: Path, phase: Phase, reply: str
) -> None:
    with (
        a_server(tmp_path, Fault(phase, Act.REPLY, reply)) as port,
        pytest.raises(smtplib.SMTPException, match=reply[:3]),
    ):
        send(port, message())

    effect, _, address, _ = lines(tmp_path / "faults")[0]
    assert effect == ("refused" if reply.startswith("5") else "none")
    assert address == ("-" if phase is Phase.MAIL else READER)
    assert lines(tmp_path / "kept") == []


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT])
def test_a_dripping_answer_arrives_whole_and_the_message_is_kept(
    tmp_path: Path, phase: Phase
) -> None:
    with a_server(tmp_path, Fault(phase, Act.DRIP, kept=phase is Phase.DOT)) as port:
        send(port, message())

    assert len(lines(tmp_path / "kept")) == 1


def test_a_message_for_somebody_else_is_noticed(tmp_path: Path) -> None:
    with a_server(tmp_path) as port:
        send(port, message("reader2@example.org"))

    assert [words[0] for words in lines(tmp_path / "faults")] == ["mixed"]


@pytest.mark.parametrize("draw", [draw_message_fault, draw_connection_fault])
def test_the_same_seed_draws_the_same_faults(
    draw: Callable[[random.Random, float], Fault | None],
) -> None:
    first, second = ([draw(chance, 0.5) for _ in range(200)] for chance in chances())

    assert first == second


def chances() -> tuple[random.Random, random.Random]:
    return random.Random(7), random.Random(7)


def test_every_place_and_every_kind_of_fault_is_drawn() -> None:
    chance = random.Random(3)
    drawn = [draw_message_fault(chance, 1.0) for _ in range(4000)]

    phases = Counter(fault.phase for fault in drawn if fault)
    assert set(phases) == set(Phase) - {Phase.GREETING}
    assert {fault.act for fault in drawn if fault} == set(Act)
    assert {(f.act, f.kept) for f in drawn if f and f.phase is Phase.DOT and f.act is Act.DROP} == {
        (Act.DROP, True),
        (Act.DROP, False),
    }


@pytest.mark.slow
def test_what_it_kept_is_in_the_log_when_it_is_killed(tmp_path: Path) -> None:
    words = ["--log", str(tmp_path / "kept"), "--fault-log", str(tmp_path / "faults")]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.smtp_server", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    send(int(server.stdout.readline().rsplit(" ", 1)[1]), message())
    server.kill()
    server.communicate()

    assert len(lines(tmp_path / "kept")) == 1
