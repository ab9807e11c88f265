"""What SendGrid posts to a running `serve` reaches the reader, the report and the operator."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.command import Desk, a_desk
from tests.fakes.sendgrid_webhook import Signer, an_event, body_of

pytestmark = pytest.mark.slow

PATH = "/webhooks/sendgrid"


class Hooked:
    """A desk that sent a digest, and its running `serve`."""

    def __init__(self, desk: Desk, url: str, signer: Signer, salt: str) -> None:
        self.desk = desk
        self.url = url
        self.signer = signer
        self.salt = salt

    def post(self, *events: dict[str, Any], signer: Signer | None = None) -> int:
        """Post events as SendGrid does; returns the status."""
        body = body_of(events)
        headers = (signer or self.signer).headers(body, int(time.time()))
        return httpx.post(
            self.url + PATH, content=body, headers=headers, trust_env=False
        ).status_code

    def event(self, kind: str, reader: int) -> dict[str, Any]:
        """Return an event of the campaign, for one reader."""
        now = int(time.time())
        return an_event(kind, at=now, delivery=f"1-{reader}", number=reader, salt=self.salt)

    def story(self, reader: int) -> dict[str, Any]:
        """Return what `subscribers show` tells of a reader."""
        told: dict[str, Any] = self.desk.json("subscribers", "show", f"reader{reader}@example.org")
        return told

    def wait_for(self, reader: int, suppressed: str) -> dict[str, Any]:
        """Wait until a reader is suppressed; the answer comes before the consequence."""
        end = time.monotonic() + 60
        while (story := self.story(reader))["suppressed"] != suppressed:
            assert time.monotonic() < end, story
            time.sleep(0.3)
        return story


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[Hooked]:
    signer = Signer()
    desk = a_desk(
        tmp_path,
        readers=4,
        NEWSLETTER_DELIVERY__SENDGRID__WEBHOOK_PUBLIC_KEY=signer.shown,
    )
    desk.run("send", "latest", "--list", "daily", "--yes")
    salt = _salt(tmp_path)
    process = desk.start("serve", "--port", "0")
    assert process.stderr is not None
    url = ""
    for line in process.stderr:
        if found := re.search(r"listening on (http://\S+?);", line):
            url = found[1]
            break
    try:
        yield Hooked(desk, url, signer, salt)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


def _salt(folder: Path) -> str:
    import sqlite3

    with sqlite3.connect(folder / "newsletter.db") as connection:
        [row] = connection.execute("SELECT message_id_salt FROM campaigns").fetchall()
    connection.close()
    return str(row[0])


def test_signed_events_reach_the_reader_the_report_and_verify(hooked: Hooked) -> None:
    events = [hooked.event("delivered", 1), hooked.event("hard", 2), hooked.event("spamreport", 3)]

    assert hooked.post(*events) == 204
    assert hooked.post(*events) == 204
    hooked.wait_for(3, "complaint")
    story = hooked.wait_for(2, "hard_bounce")

    assert [event["kind"] for event in story["events"]] == ["bounced"]
    assert hooked.story(1)["suppressed"] is None
    report = hooked.desk.json("campaigns", "report", "1")
    states = ("accepted", "delivered", "bounced", "complained")
    assert [report[state] for state in states] == [1, 1, 1, 1]
    hooked.desk.run("verify")


def test_a_forged_post_changes_nothing(hooked: Hooked) -> None:
    before = json.dumps(hooked.desk.json("campaigns", "report", "1"), sort_keys=True)

    status = hooked.post(hooked.event("spamreport", 1), signer=Signer())

    assert status == 403
    after = hooked.desk.json("campaigns", "report", "1")
    assert json.dumps(after, sort_keys=True) == before
    assert hooked.story(1)["suppressed"] is None
