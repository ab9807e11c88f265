"""Whole sends over real protocols: what every subscriber gets, read from the captured bytes."""

from __future__ import annotations

import email
import email.policy
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.command import ROOT, Desk, a_desk
from tests.fakes.sendgrid_server import KEY, SendgridServer

pytestmark = pytest.mark.slow


@pytest.fixture
def mail_folder(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    folder = tmp_path / "captured"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.smtp_server", "--folder", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    yield int(server.stdout.readline().rsplit(" ", 1)[1]), folder
    server.kill()
    server.communicate()


def smtp_desk(folder: Path, port: int, readers: int) -> Desk:
    folder.mkdir()
    return a_desk(
        folder,
        readers=readers,
        NEWSLETTER_DELIVERY__PROVIDER="smtp",
        NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
        NEWSLETTER_DELIVERY__SMTP__PORT=str(port),
        NEWSLETTER_DELIVERY__SMTP__SECURITY="none",
    )


def test_five_hundred_subscribers_get_five_hundred_personal_messages(
    tmp_path: Path, mail_folder: tuple[int, Path]
) -> None:
    port, folder = mail_folder
    desk = smtp_desk(tmp_path / "desk", port, readers=500)

    result = desk.json("send", "latest", "--list", "daily", "--yes")

    captured: list[EmailMessage] = []
    for file in folder.glob("*.eml"):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        captured.append(message)
    assert (result["status"], result["accepted"]) == ("sent", 500)
    assert len(captured) == 500
    assert len({str(m["To"]) for m in captured}) == 500
    assert len({m["List-Unsubscribe"] for m in captured}) == 500
    assert len({m["Message-ID"] for m in captured}) == 500
    assert {m["List-Unsubscribe-Post"] for m in captured} == {"List-Unsubscribe=One-Click"}
    for message in captured:
        name = message["To"].addresses[0].display_name
        text = message.get_body(("plain",))
        assert text is not None
        assert f"Good morning, {name.split()[0]}" in text.get_content()


def test_twenty_five_hundred_recipients_go_to_sendgrid_a_small_call_before_the_large_ones(
    tmp_path: Path,
) -> None:
    with SendgridServer() as server:
        desk = a_desk(
            tmp_path,
            readers=2500,
            NEWSLETTER_DELIVERY__PROVIDER="sendgrid",
            NEWSLETTER_DELIVERY__SENDGRID__API_KEY=KEY,
            NEWSLETTER_DELIVERY__SENDGRID__HOST=server.url,
        )

        result = desk.json("send", "latest", "--list", "daily", "--yes")

        assert (result["status"], result["accepted"]) == ("sent", 2500)
        assert len(server.calls[0]["personalizations"]) == 50
        assert sorted(len(b["personalizations"]) for b in server.calls) == [50, 500, 950, 1000]
        people = [p for body in server.calls for p in body["personalizations"]]
        assert len({p["headers"]["List-Unsubscribe"] for p in people}) == 2500
        assert len({p["custom_args"]["delivery"] for p in people}) == 2500
        assert desk.run("verify").stdout
        tracking = server.calls[0]["tracking_settings"]
        assert not any(setting["enable"] for setting in tracking.values())
