"""Told to stop, or started twice: what a sending process does about it (G6, G16)."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import pytest
from tests.command import Desk, a_desk
from tests.fakes.smtp_scripted import Hang, ScriptedSmtpServer
from tests.fakes.smtp_server import SmtpServer

pytestmark = pytest.mark.heavy

READERS = 120


def a_desk_with_smtp(folder: Path, port: int) -> Desk:
    folder.mkdir()
    return a_desk(
        folder,
        readers=READERS,
        NEWSLETTER_DELIVERY__PROVIDER="smtp",
        NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
        NEWSLETTER_DELIVERY__SMTP__PORT=str(port),
        NEWSLETTER_DELIVERY__SMTP__SECURITY="none",
        NEWSLETTER_DELIVERY__SMTP__CONNECTIONS="2",
    )


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_sigterm_finishes_what_is_on_the_wire_and_the_next_resume_goes_on(tmp_path: Path) -> None:
    with SmtpServer(delay=0.05) as server:
        desk = a_desk_with_smtp(tmp_path / "desk", server.port)
        sending = desk.start("send", "latest", "--list", "daily", "--yes", "--json")
        wait_for(lambda: len(server.messages) >= 10, sending)

        sending.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        out, err = sending.communicate(timeout=60)
        took = time.monotonic() - asked
        stopped = json.loads(out)
        taken = len(server.messages)
        finished = desk.json("campaigns", "resume", "1")

    assert sending.returncode == 75
    assert "SIGTERM: finishing what is on the wire" in err
    assert took < 30
    assert stopped["accepted"] == taken
    assert (stopped["unknown"], stopped["pending"]) == (0, READERS - taken)
    assert (finished["status"], finished["accepted"]) == ("sent", READERS)
    copies = Counter(message.recipients[0] for message in server.messages)
    assert len(copies) == READERS
    assert set(copies.values()) == {1}


@pytest.mark.timeout(200)
def test_sigterm_does_not_wait_for_a_server_that_never_answers(tmp_path: Path) -> None:
    with ScriptedSmtpServer({"dot": repeat(Hang())}) as server:
        desk = a_desk_with_smtp(tmp_path / "desk", server.port)
        sending = desk.start("send", "latest", "--list", "daily", "--yes", "--json")
        wait_for(lambda: server.dots, sending)

        sending.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        out, _ = sending.communicate(timeout=60)
        took = time.monotonic() - asked

    states = json.loads(out)
    assert took < 30
    assert 1 <= states["unknown"] <= 2, "one for each connection"
    assert states["unknown"] + states["pending"] == READERS


def test_of_two_senders_started_at_once_one_works_and_the_other_says_so(tmp_path: Path) -> None:
    with SmtpServer(delay=0.02) as server:
        desk = a_desk_with_smtp(tmp_path / "desk", server.port)
        words = ("send", "latest", "--list", "daily", "--yes", "--json")
        both = [desk.start(*words), desk.start(*words)]
        ends = {process.communicate(timeout=100)[1]: process.returncode for process in both}

    refused = [err for err, code in ends.items() if code == 75]
    assert sorted(ends.values()) == [0, 75]
    assert "another newsletter process is sending from this database" in refused[0]
    copies = Counter(message.recipients[0] for message in server.messages)
    assert set(copies.values()) == {1}
    assert len(copies) == READERS
