"""`newsletter alerts`, and the commands that tell alerts at their end."""

from __future__ import annotations

import email
import email.policy
import json
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.command import Desk, a_desk
from tests.fakes.smtp_server import SmtpServer

from newsletter.clock import SystemClock
from newsletter.delivery.alert_words import domain_held
from newsletter.delivery.alerts import raise_alert
from newsletter.storage.database import open_database

pytestmark = pytest.mark.slow

DIGEST = "# News\n\n*24 November 2026*\n\nA short look at what happened today.\n"
OPS = "ops@operator.example"


def smtp(port: int) -> dict[str, str]:
    return {
        "NEWSLETTER_DELIVERY__PROVIDER": "smtp",
        "NEWSLETTER_DELIVERY__SMTP__HOST": "127.0.0.1",
        "NEWSLETTER_DELIVERY__SMTP__SECURITY": "none",
        "NEWSLETTER_DELIVERY__SMTP__PORT": str(port),
        "NEWSLETTER_SENDER__FROM_EMAIL": "daily@news.example.org",
    }


def keeping(folder: Path) -> str:
    """Return a command that adds each alert to a file of the workspace."""
    program = f"import sys; open({str(folder / 'told')!r}, 'a').write(sys.stdin.read() + '\\n')"
    return shlex.join([sys.executable, "-c", program])


def told(folder: Path) -> list[dict[str, object]]:
    file = folder / "told"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def trouble(desk: Desk) -> None:
    """Raise an alert, as another process does."""
    database, now = open_database("sqlite:///newsletter.db", root=desk.folder), SystemClock().now()
    alert = domain_held("example.org", until=now, reason="554 5.7.1 no", campaign=7, at=now)
    with database.write() as connection:
        raise_alert(connection, alert, now)
    database.close()


def test_a_test_says_of_each_way_what_came_of_it(tmp_path: Path) -> None:
    desk = a_desk(
        tmp_path,
        NEWSLETTER_ALERTS__MAIL_TO=json.dumps([OPS]),
        NEWSLETTER_ALERTS__COMMAND="false",
        NEWSLETTER_SENDER__FROM_EMAIL="daily@news.example.org",
    )

    shown = desk.run("alerts", "test", code=1)
    document = desk.json("alerts", "test", code=1)

    [first, _] = sorted((tmp_path / "outbox").rglob("*.eml"))
    message = email.message_from_bytes(first.read_bytes(), policy=email.policy.default)
    assert shown.stdout == (
        "mail to o…@operator.example: told\ncommand false: it ended with exit code 1\n"
    )
    assert document == [
        {"way": "mail to o…@operator.example", "told": True, "problem": None},
        {"way": "command false", "told": False, "problem": "it ended with exit code 1"},
    ]
    assert message["To"] == OPS
    assert str(message["Subject"]).endswith("] This is a test")
    assert desk.json("alerts", "list") == []


def test_a_test_without_a_way_says_how_to_name_one(tmp_path: Path) -> None:
    refused = a_desk(tmp_path).run("alerts", "test", code=3)

    assert "no way is configured" in refused.stderr
    assert "[alerts]" in refused.stderr


def test_alerts_are_listed_with_their_words(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    empty = desk.run("alerts", "list")
    trouble(desk)

    shown = desk.run("alerts", "list").stdout
    [document] = desk.json("alerts", "list")

    assert "there are no alerts" in empty.stderr
    assert "Domain held: example.org" in shown
    assert document["kind"] == "domain_held"
    assert document["state"] == "waiting"
    assert "newsletter domains release example.org" in document["body"]


def test_a_send_that_the_provider_refuses_tells_its_operator_and_ends_as_before(
    tmp_path: Path,
) -> None:
    with SmtpServer() as server:
        port = server.port
    desk = a_desk(tmp_path, readers=30, NEWSLETTER_ALERTS__COMMAND=keeping(tmp_path))
    (tmp_path / "digests" / "news.md").write_text(DIGEST, encoding="utf-8")
    refuse = {f"reader{n}@example.org": "550 5.7.1 blocked using a list" for n in range(1, 31)}
    desk.environment.update(smtp(port))
    with SmtpServer(refuse=refuse, port=port):
        desk.run("send", "digests/news.md", "--list", "daily", "--yes", code=1)

    [alert] = told(tmp_path)
    [row] = desk.json("alerts", "list")
    assert alert["kind"] == "domain_held"
    assert alert["subject"] == "Domain held: example.org"
    assert row["state"] == "told"
    assert desk.json("suppressions", "list")["suppressions"] == []


def test_a_send_that_cannot_go_on_ends_with_its_own_code_and_tells_why_it_paused(
    tmp_path: Path,
) -> None:
    desk = a_desk(
        tmp_path,
        readers=3,
        NEWSLETTER_ALERTS__COMMAND=keeping(tmp_path),
        NEWSLETTER_ALERTS__MAIL_TO=json.dumps([OPS]),
        NEWSLETTER_SENDER__FROM_EMAIL="daily@news.example.org",
        NEWSLETTER_DELIVERY__OUTBOX__DIRECTORY="newsletter.toml",
    )
    (tmp_path / "digests" / "news.md").write_text(DIGEST, encoding="utf-8")

    failed = desk.run("send", "digests/news.md", "--list", "daily", "--yes", code=4)

    [alert] = told(tmp_path)
    [row] = desk.json("alerts", "list")
    assert alert["kind"] == "campaign_paused"
    assert "the outbox cannot be written" in str(alert["body"])
    assert row["state"] == "waiting"
    assert "the outbox cannot be written" in row["ways"]["mail to o…@operator.example"]
    assert "warning: 1 alerts are not told yet; newsletter alerts list" in failed.stderr


def test_serve_tells_what_other_processes_raise(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, NEWSLETTER_ALERTS__COMMAND=keeping(tmp_path))
    trouble(desk)
    process = desk.start("serve", "--port", "0")
    try:
        deadline = time.monotonic() + 30
        while not told(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)

    assert [alert["subject"] for alert in told(tmp_path)] == ["Domain held: example.org"]
    assert "Traceback" not in said
