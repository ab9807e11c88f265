"""`newsletter serve` sends what is due, beside other processes too, and ends well (G6, G7)."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests import waiting
from tests.command import Desk, a_desk
from tests.fakes.smtp_server import SmtpServer

from newsletter.schedule.schedules import add_schedule
from newsletter.storage.database import open_database

pytestmark = pytest.mark.heavy

READERS = 80
SEND = ("send", "latest", "--list", "daily", "--yes")


@dataclass
class Serving:
    """A process that serves, with all that it said."""

    process: subprocess.Popen[str]
    url: str = ""
    said: list[str] = field(default_factory=list)
    _listens: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """Keep what it says, so that its pipe is never full."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"listening on (http://\S+:\d+);", line):
                self.url = found[1]
                self._listens.set()

    def wait_until_it_listens(self) -> None:
        """Wait for its URL."""
        assert self._listens.wait(60), self.said

    def terminate(self) -> float:
        """Send SIGTERM; returns how many seconds its end took, which was a good one."""
        began = time.monotonic()
        self.process.terminate()
        assert self.process.wait(40) == 0, self.said
        return time.monotonic() - began

    def sends(self, campaign: int) -> bool:
        """Whether it has begun with a campaign and not left it since."""
        told = [
            line["event"]
            for line in map(json.loads, (line for line in self.said if line.startswith("{")))
            if line["event"] in {"campaign_begun", "campaign_left"}
            if line["campaign"] == campaign
        ]
        return told[-1:] == ["campaign_begun"]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what its log says of one kind of event."""
        lines = [json.loads(line) for line in self.said if line.startswith("{")]
        return [line for line in lines if line["event"] == name]


@contextmanager
def serving(desk: Desk, *words: str) -> Iterator[Serving]:
    """Serve until the block ends."""
    process = desk.start("--log-level", "info", "--log-json", "serve", "--port", "0", *words)
    made = Serving(process)
    reader = threading.Thread(target=made.read)
    reader.start()
    try:
        made.wait_until_it_listens()
        yield made
        if process.poll() is None:
            made.terminate()
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout
        process.stdout.close()
    assert "Traceback" not in "".join(made.said)


def a_desk_with_smtp(folder: Path, port: int, **environment: str) -> Desk:
    folder.mkdir()
    return a_desk(
        folder,
        readers=READERS,
        NEWSLETTER_DELIVERY__PROVIDER="smtp",
        NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
        NEWSLETTER_DELIVERY__SMTP__PORT=str(port),
        NEWSLETTER_DELIVERY__SMTP__SECURITY="none",
        NEWSLETTER_DELIVERY__SMTP__CONNECTIONS="2",
        **environment,
    )


soon = partial(waiting.soon, seconds=60.0)


def sent(desk: Desk, campaign: int = 1) -> bool:
    """Whether a campaign is finished."""
    return bool(desk.json("campaigns", "show", str(campaign))["status"] == "sent")


def in_work(desk: Desk, campaign: int = 1) -> int:
    """How many recipients of a campaign wait or are claimed."""
    report = desk.json("campaigns", "show", str(campaign))
    return int(report["pending"] + report.get("claimed", 0))


def test_it_sends_what_somebody_froze_now_and_for_later(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=5, NEWSLETTER_WEB__METRICS="true")
    with serving(desk) as server:
        desk.run(*SEND, "--no-wait")
        start = datetime.now(UTC) + timedelta(seconds=8)
        desk.run(*SEND, "--no-wait", "--again", "--at", start.isoformat(timespec="seconds"))
        assert desk.json("campaigns", "show", "2")["status"] == "scheduled"
        assert soon(lambda: len(server.events("campaign_sent")) == 2)
        ready = httpx.get(f"{server.url}/readyz")
        metrics = httpx.get(f"{server.url}/metrics").text

    assert [event["campaign"] for event in server.events("campaign_sent")] == [1, 2]
    assert len(server.events("serve_started")) == 1
    assert server.events("serve_started")[0]["sends"] is True
    assert ready.json() == {"ready": True, "problems": {}}
    up = [f for f in text_string_to_metric_families(metrics) if f.name == "newsletter_part_up"]
    parts = {sample.labels["part"]: sample.value for sample in up[0].samples}
    assert parts.keys() >= {"letters", "alerts", "feedback", "campaigns", "schedules"}
    assert set(parts.values()) == {1.0}
    assert sent(desk, 1)
    assert sent(desk, 2)


def test_a_send_in_a_terminal_works_beside_it(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=5)
    desk.run(*SEND, "--no-wait")
    desk.run("campaigns", "pause", "1")
    with serving(desk) as server:
        by_hand = desk.json(*SEND, "--again")
        assert desk.json("campaigns", "show", "1")["pending"] == 5
        resumed = desk.json("campaigns", "resume", "1")

    assert by_hand["accepted"] == resumed["accepted"] == 5
    assert not server.events("campaign_begun")


def test_told_to_stop_it_finishes_what_is_on_the_wire_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    with SmtpServer(delay=0.1) as mail:
        desk = a_desk_with_smtp(tmp_path / "desk", mail.port)
        desk.run(*SEND, "--no-wait")
        with serving(desk) as first:
            assert soon(lambda: len(mail.messages) >= 10)
            took = first.terminate()
        stopped = desk.json("campaigns", "show", "1")
        taken = len(mail.messages)
        with serving(desk):
            assert soon(lambda: sent(desk))

    assert took < 30
    assert 10 <= taken < READERS
    assert (stopped["accepted"], stopped["unknown"]) == (taken, 0)
    assert stopped["pending"] == READERS - taken
    assert set(Counter(message.recipients[0] for message in mail.messages).values()) == {1}
    assert len(mail.messages) == READERS


def test_two_of_them_on_one_database_send_to_everybody_once_also_when_one_is_killed(
    tmp_path: Path,
) -> None:
    with SmtpServer(delay=0.05) as mail:
        desk = a_desk_with_smtp(tmp_path / "desk", mail.port)
        with serving(desk) as one, serving(desk) as other:
            desk.run(*SEND, "--no-wait")
            assert soon(lambda: len(mail.messages) >= 10)
            # Both may have tried at the same moment: one of them left it to the other.
            sender = one if one.sends(1) else other
            sender.process.kill()
            assert soon(lambda: not in_work(desk))
        report = desk.json("campaigns", "show", "1")

    # At most one message for each connection may have been on its way.
    assert report["accepted"] + report["unknown"] == READERS
    assert report["unknown"] <= 2
    assert set(Counter(message.recipients[0] for message in mail.messages).values()) == {1}


@pytest.mark.timeout(200)
def test_two_of_them_on_a_server_fire_a_schedule_in_time_and_send_it_together(
    tmp_path: Path, server_url: str
) -> None:
    with SmtpServer(delay=0.1) as mail:
        desk = a_desk_with_smtp(tmp_path / "desk", mail.port, NEWSLETTER_DATABASE__URL=server_url)
        with serving(desk) as one, serving(desk) as other:
            # The next minute that is far enough away for both to have seen it.
            due = (datetime.now(UTC) + timedelta(seconds=70)).replace(second=0, microsecond=0)
            add_schedule_at(server_url, tmp_path, due)
            assert soon(lambda: len(mail.messages) == READERS, seconds=130)
            assert soon(lambda: sent(desk))
        listed = desk.json("campaigns", "list")

    fired = [event for node in (one, other) for event in node.events("edition")]
    assert [event["status"] for event in fired] == ["fired"]
    late = datetime.fromisoformat(fired[0]["timestamp"]) - due
    # On a quiet machine about a second; the freeze is in it.
    assert timedelta(0) <= late < timedelta(seconds=10)
    assert [campaign["accepted"] for campaign in listed] == [READERS]
    assert set(Counter(message.recipients[0] for message in mail.messages).values()) == {1}


def add_schedule_at(url: str, root: Path, due: datetime) -> None:
    """Add a schedule for every day at a minute, as somebody else would while they serve."""
    database = open_database(url, root=root)
    with database.write() as connection:
        add_schedule(
            connection,
            datetime.now(UTC),
            name="morning",
            list_name="daily",
            actor="test",
            time=f"{due:%H:%M}",
            timezone="UTC",
            digest="latest",
        )
    database.close()


def test_a_node_that_shows_pages_alone_sends_nothing(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=5)
    desk.run(*SEND, "--no-wait")
    with serving(desk, "--no-send", "--no-schedule") as server:
        time.sleep(5)
        ready = httpx.get(f"{server.url}/readyz")

    assert ready.status_code == 200
    assert desk.json("campaigns", "show", "1")["pending"] == 5


def test_it_is_not_ready_once_its_database_is_gone_and_still_ends_well(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    with serving(desk) as server:
        (tmp_path / "newsletter.db").rename(tmp_path / "away.db")
        ready = httpx.get(f"{server.url}/readyz")

    assert ready.status_code == 503
    assert ready.json()["problems"]["database"] == "its file is gone"
