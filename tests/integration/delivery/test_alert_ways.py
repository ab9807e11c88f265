"""The ways of alerts without mail: a real HTTP server, a real command."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fakes.webhook_server import WebhookServer

from newsletter.delivery import alert_ways
from newsletter.delivery.alert_ways import CommandWay, Notice, NotTold, WebhookWay

NOTICE = Notice(
    12,
    "domain_held",
    "Domain held: exämple.org",
    "It happened.\n",
    7,
    datetime(2026, 11, 24, 6, 0, tzinfo=UTC),
)
DOCUMENT = {
    "alert": 12,
    "kind": "domain_held",
    "subject": "Domain held: exämple.org",
    "body": "It happened.\n",
    "campaign": 7,
    "at": "2026-11-24T06:00:00Z",
    "newsletter": "The Daily",
}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def command(line: str, folder: Path) -> CommandWay:
    return CommandWay(line, folder, "The Daily")


def problem(way: CommandWay | WebhookWay) -> str:
    with pytest.raises(NotTold) as caught:
        way.tell(NOTICE)
    return caught.value.problem


# ---------------------------------------------------------------- the webhook


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_webhook_gets_the_alert_as_json(status: int) -> None:
    with WebhookServer([status]) as server:
        WebhookWay(server.url, "The Daily").tell(NOTICE)

    assert server.posts == [DOCUMENT]
    assert server.paths == ["/hook"]
    assert server.heads[0]["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_every_other_answer_is_a_failure(status: int) -> None:
    with WebhookServer([status]) as server:
        assert problem(WebhookWay(server.url, "The Daily")) == f"it answered {status}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with (
        WebhookServer() as elsewhere,
        WebhookServer([status], location=elsewhere.url) as server,
    ):
        said = problem(WebhookWay(server.url, "The Daily"))

    assert f"it redirects ({status})" in said
    assert elsewhere.posts == []


def test_a_name_and_password_in_the_address_go_out_as_such_and_are_never_said() -> None:
    with WebhookServer([204, 500]) as server:
        way = WebhookWay(server.url.replace("://", "://ann:s%40cret@") + "?key=hidden", "N")
        way.tell(NOTICE)
        said = problem(way)

    assert server.heads[0]["Authorization"] == "Basic YW5uOnNAY3JldA=="
    assert server.paths[0] == "/hook?key=hidden"
    assert way.label == "webhook 127.0.0.1"
    assert "hidden" not in said
    assert "cret" not in said


def test_nobody_there_is_told_plainly() -> None:
    with WebhookServer() as server:
        url = server.url

    assert problem(WebhookWay(url, "N")) == "Connection refused"


def test_a_server_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_ways, "WEBHOOK_SECONDS", 0.3)
    with WebhookServer(silent=True) as server:
        began = time.monotonic()
        said = problem(WebhookWay(server.url, "N"))

    assert said == "no answer in time"
    assert time.monotonic() - began < 20


# ---------------------------------------------------------------- the command


def test_a_command_gets_the_alert_on_its_input_in_the_folder_of_the_workspace(
    tmp_path: Path,
) -> None:
    line = python("import sys; open('got.json', 'wb').write(sys.stdin.buffer.read())")

    command(line, tmp_path).tell(NOTICE)

    assert json.loads((tmp_path / "got.json").read_text(encoding="utf-8")) == DOCUMENT


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    line = python("import sys; sys.exit(len(sys.argv) != 4)") + " '$HOME' ; 'a b'"

    command(line, tmp_path).tell(NOTICE)


def test_its_exit_code_is_told_and_nothing_that_it_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    way = command(python("print('a secret'); raise SystemExit(3)"), tmp_path)

    assert problem(way) == "it ended with exit code 3"
    assert capfd.readouterr().out == ""


def test_one_that_reads_nothing_and_ends_well_has_it(tmp_path: Path) -> None:
    command("true", tmp_path).tell(NOTICE)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("./not-there", "it cannot be run: No such file or directory"),
        ("", "'alerts.command' holds no command, or a quote without its end"),
        ("say 'hello", "'alerts.command' holds no command, or a quote without its end"),
    ],
)
def test_one_that_cannot_be_run_is_told(tmp_path: Path, line: str, said: str) -> None:
    assert problem(command(line, tmp_path)) == said


def test_one_that_takes_too_long_is_ended_with_what_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_ways, "COMMAND_SECONDS", 1.0)
    (tmp_path / "slow.sh").write_text("sleep 60 & echo $! > child; wait\n")

    said = problem(command("sh slow.sh", tmp_path))

    child = int((tmp_path / "child").read_text())
    assert said == "it took longer than 1 s and was ended"
    assert ended(child)


def test_an_interrupt_ends_it(tmp_path: Path) -> None:
    way = command("sleep 60", tmp_path)
    threading.Timer(0.5, way.interrupt).start()

    assert problem(way) == "it ended with exit code -9"


def ended(pid: int) -> bool:
    """Return whether a process is gone, or only waits to be buried."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
