"""`newsletter serve` as an operator runs it."""

from __future__ import annotations

import email
import email.policy
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from tests.command import Desk, a_desk

pytestmark = pytest.mark.slow


def started(desk: Desk, *words: str) -> tuple[subprocess.Popen[str], str, str]:
    """Start serving on a free port; returns the process, its URL, and what it said so far."""
    process = desk.start("serve", "--port", "0", *words)
    assert process.stderr
    said = ""
    while line := process.stderr.readline():
        said += line
        if found := re.search(r"listening on (http://\S+:\d+);", line):
            return process, found[1], said
    raise AssertionError(said)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_a_fresh_workspace_and_ends_well(tmp_path: Path, ending: signal.Signals) -> None:
    desk = Desk(tmp_path)
    desk.run("init", ".")
    process, url, first = started(desk)

    with httpx.Client(base_url=url) as client:
        assert client.get("/healthz").text == "ok\n"
        assert "nothing to subscribe to" in client.get("/").text
        began = time.monotonic()
        process.send_signal(ending)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 0
    assert time.monotonic() - began < 18
    assert "news.example.org: links in real mail would lead nowhere" in first
    assert said.endswith("stopped\n")
    assert "Traceback" not in said


def test_it_says_nothing_of_who_came(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    process, url, first = started(desk)

    with httpx.Client(base_url=url) as client:
        client.post("/subscribe/daily", data={"email": "ada@example.net"})
        client.get("/u/WzEsMV0.forged")
        client.get("/ada@example.net")
    process.terminate()
    out, said = process.communicate(timeout=60)

    assert "ada" not in out + said + first
    assert "WzEsMV0" not in out + said
    joined = desk.json("lists", "show", "daily")
    assert joined["pending"] == 1


def test_who_asks_gets_a_letter_whose_link_leads_to_the_list(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    process, url, _ = started(desk)

    with httpx.Client(base_url=url) as client:
        client.post("/subscribe/daily", data={"email": "ada@example.net"})
        letter = wait_for_letter(tmp_path / "outbox")
        link = re.search(r"https://news\.example\.org(/c/\S+)", letter)
        assert link, letter
        assert client.get(link[1]).status_code == 200
        done = client.post(link[1], data={"act": "confirm"})
    process.terminate()
    process.communicate(timeout=60)

    assert "You are subscribed" in done.text
    assert desk.json("lists", "show", "daily")["active"] == 1


def wait_for_letter(outbox: Path) -> str:
    """Return the text of the one message in the outbox, once it is there."""
    for _ in range(1200):
        found = list(outbox.rglob("*.eml"))
        if found:
            message = email.message_from_bytes(found[0].read_bytes(), policy=email.policy.default)
            body = message.get_body(("plain",))
            assert body is not None
            return str(body.get_content())
        time.sleep(0.05)
    raise AssertionError("no letter came")


def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run("init", ".")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = desk.run("serve", "--port", port, code=1)

    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize("proxies", ['["*"]', '["10.0.0.1/8"]', '["proxy.local"]'])
def test_a_proxy_that_is_no_address_is_refused(tmp_path: Path, proxies: str) -> None:
    desk = Desk(tmp_path, NEWSLETTER_WEB__TRUSTED_PROXIES=proxies)
    desk.run("init", ".", code=None)

    done = desk.run("serve", "--port", "0", code=3)

    assert "web.trusted_proxies" in done.stderr


def test_an_http_address_is_warned_of(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NEWSLETTER_NEWSLETTER__BASE_URL="http://localhost:8000")
    desk.run("init", ".")
    process, _, first = started(desk)
    process.terminate()
    process.communicate(timeout=60)

    assert "base_url is not https" in first
