"""A sender killed with -9 in the middle, then resumed: nobody twice, nobody lost (G6, G7, G8)."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import ROOT, Desk, a_desk

pytestmark = pytest.mark.heavy

READERS = 400


def killed_while_sending(desk: Desk, progress: Path, *, least: int) -> None:
    """Start a send and kill it once something was sent, at a random moment after."""
    sending = desk.start("send", "latest", "--list", "daily", "--yes")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and sending.poll() is None:
        if sent_so_far(progress) >= least:
            break
        time.sleep(0.002)
    time.sleep(random.random() * 0.02)
    sending.kill()
    sending.communicate()


def sent_so_far(progress: Path) -> int:
    if progress.is_dir():
        return sum(1 for _ in progress.glob("*.eml"))
    return len(progress.read_text().splitlines()) if progress.exists() else 0


def test_an_outbox_send_that_was_killed_is_resumed_exactly_once(tmp_path: Path) -> None:
    # Writing files is quick: many of them, held back a little, so that the kill falls in between.
    readers = 5000
    desk = a_desk(tmp_path, readers=readers, NEWSLETTER_DELIVERY__RATE_PER_SECOND="3000")
    outbox = tmp_path / "outbox" / "1"
    killed_while_sending(desk, outbox, least=20)
    before = {file: file.stat().st_mtime_ns for file in outbox.glob("*.eml")}

    result = desk.json("campaigns", "resume", "1")

    files = {file: file.stat().st_mtime_ns for file in outbox.glob("*.eml")}
    assert 0 < len(before) < readers
    assert len(files) == readers
    assert all(files[file] == written for file, written in before.items())
    assert (result["status"], result["accepted"], result["unknown"]) == ("sent", readers, 0)


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    log = tmp_path / "accepted.log"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.smtp_server", "--log", str(log)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline().rsplit(" ", 1)[1])
    yield port, log
    server.kill()
    server.communicate()


def test_an_smtp_send_that_was_killed_repeats_nobody_and_names_the_unknown(
    tmp_path: Path, mail_server: tuple[int, Path]
) -> None:
    port, log = mail_server
    (tmp_path / "desk").mkdir()
    desk = a_desk(
        tmp_path / "desk",
        readers=READERS,
        NEWSLETTER_DELIVERY__PROVIDER="smtp",
        NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
        NEWSLETTER_DELIVERY__SMTP__PORT=str(port),
        NEWSLETTER_DELIVERY__SMTP__SECURITY="none",
    )
    killed_while_sending(desk, log, least=50)
    taken_before = sent_so_far(log)

    result = desk.json("campaigns", "resume", "1", code=None)

    counts = Counter(line.split()[0] for line in log.read_text().splitlines())
    assert 50 <= taken_before < READERS
    assert max(counts.values()) == 1
    assert result["accepted"] + result["unknown"] == READERS
    assert result["unknown"] <= 4, "at most one for each connection"
    missing = {f"reader{n}@example.org" for n in range(1, READERS + 1)} - set(counts)
    unknown = {row["address"] for row in desk.json("campaigns", "resolve", "1")["unknown"]}
    assert missing <= unknown, "nobody is lost: who has no copy is named as unknown"
    assert len({line.split()[1] for line in log.read_text().splitlines()}) == len(counts)
