"""One-click unsubscribe of a real message, posted with curl as a mailbox provider does (RFC 8058).

The pages are served without TLS, as behind a proxy that ends it; curl finds the public host there.
"""

from __future__ import annotations

import email
import email.policy
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.command import Desk, a_desk

pytestmark = pytest.mark.slow

READERS = 10
HOST = "news.example.org"
ONE_CLICK = "List-Unsubscribe=One-Click"
JSON = "Content-Type: application/json"


@dataclass(frozen=True)
class Answer:
    """What curl got: the status line's number, the header fields, the body."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Post:
    """A desk that sent a digest, its pages being served, and the letters that went out."""

    desk: Desk
    port: int

    def link_of(self, reader: int) -> str:
        """Return the URL in List-Unsubscribe, as a mailbox provider reads it off the message."""
        for file in (self.desk.folder / "outbox" / "1").glob("*.eml"):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            if f"reader{reader}@" in str(message["To"]):
                assert message.get_all("List-Unsubscribe-Post") == [ONE_CLICK]
                (header,) = message.get_all("List-Unsubscribe", [])
                (url,) = re.findall(r"<(https:[^>]+)>", str(header))
                return str(url)
        raise AssertionError(f"reader {reader} got no message")

    def curl(self, url: str, *words: str) -> Answer:
        """Ask for a URL of the newsletter, by the address that is served."""
        parts = urlsplit(url)
        assert (parts.scheme, parts.hostname, parts.query) == ("https", HOST, "")
        program = shutil.which("curl")
        if program is None:
            pytest.skip("needs curl: apt-get install curl")
        done = subprocess.run(
            [
                *(program, "--silent", "--show-error", "--include", "--max-time", "20"),
                *("--noproxy", "*", "--resolve", f"{HOST}:{self.port}:127.0.0.1"),
                *words,
                f"http://{HOST}:{self.port}{parts.path}",
            ],
            check=True,
            capture_output=True,
            timeout=30,
        )
        head, _, body = done.stdout.decode().partition("\r\n\r\n")
        line, *fields = head.split("\r\n")
        pairs = (field.partition(": ") for field in fields)
        headers = {name.lower(): value for name, _, value in pairs}
        return Answer(int(line.split(" ")[1]), headers, body)

    def stand(self, reader: int) -> tuple[str, list[str]]:
        """Return a reader's status on the list, and the acts of the consent rows."""
        shown = self.desk.json("subscribers", "show", f"reader{reader}@example.org")
        return shown["memberships"][0]["status"], [c["act"] for c in shown["consents"]]

    def skipped(self, campaign: int) -> list[tuple[str, str]]:
        """Return whom a campaign skipped, and why."""
        words = ("campaigns", "report", str(campaign), "--state", "skipped")
        return [(row["address"], row["reason"]) for row in self.desk.json(*words)["deliveries"]]


def serving(desk: Desk) -> tuple[subprocess.Popen[str], int]:
    """Start the pages on a free port; returns the process and the port that it names."""
    process = desk.start("serve", "--port", "0")
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if match := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
            return process, int(match[1])
    raise AssertionError(f"the pages are not served: {said}")


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    desk = a_desk(tmp_path_factory.mktemp("desk"), readers=READERS)
    desk.run("send", "2026-11-23", "--list", "daily", "--yes")
    process, port = serving(desk)
    try:
        yield Post(desk, port)
    finally:
        process.terminate()
        process.communicate(timeout=60)


ACTIVE = ("active", ["granted"])
LEFT = ("unsubscribed", ["granted", "withdrawn"])


def test_a_scanner_that_fetches_the_link_unsubscribes_nobody(post: Post) -> None:
    link = post.link_of(1)

    page, head = post.curl(link), post.curl(link, "--head")
    options = post.curl(link, "--request", "OPTIONS")

    assert (page.status, head.status, options.status) == (200, 200, 405)
    assert options.headers["allow"] == "GET, HEAD, POST"
    assert "<form" in page.body
    assert "<script" not in page.body
    assert head.body == ""
    assert post.stand(1) == ACTIVE


def test_a_page_behind_a_personal_link_is_kept_and_passed_on_by_nobody(post: Post) -> None:
    page = post.curl(post.link_of(1))

    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-robots-tag"] == "noindex"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["strict-transport-security"].startswith("max-age=")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "set-cookie" not in page.headers


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (8, ("--data-raw", "")),
        (9, ("--data-raw", ONE_CLICK, "--header", "Content-Type: text/plain")),
        (10, ("--data-raw", '{"List-Unsubscribe": "One-Click"}', "--header", JSON)),
    ],
)
def test_a_mail_program_that_errs_about_the_body_unsubscribes_too(
    post: Post, reader: int, words: tuple[str, ...]
) -> None:
    answer = post.curl(post.link_of(reader), *words)

    assert (answer.status, len(answer.body) < 100) == (200, True)
    assert post.stand(reader) == LEFT


def test_a_forged_or_cut_link_is_told_and_changes_nothing(post: Post) -> None:
    link = post.link_of(1)
    start, _, mac = link.rpartition(".")
    others_mac = post.link_of(2).rpartition(".")[2]
    swapped = mac[:-2] + ("A" if mac[-2] != "A" else "B") + mac[-1]
    forged = [f"{start}.{others_mac}", f"{start}.{swapped}", link[:-1], link[: len(link) // 2]]
    forged.append(link.replace("/u/", "/p/"))

    answers = [post.curl(url, "--data-raw", ONE_CLICK) for url in forged]

    assert [answer.status for answer in answers] == [404] * len(forged)
    assert len({answer.body for answer in answers}) == 1, "one page for all"
    assert post.stand(1) == ACTIVE
    assert post.stand(2) == ACTIVE


@pytest.mark.parametrize(
    ("reader", "words"), [(3, ("--data-raw", ONE_CLICK)), (4, ("--form", ONE_CLICK))]
)
def test_one_click_unsubscribes_at_once_and_twice_is_as_once(
    post: Post, reader: int, words: tuple[str, ...]
) -> None:
    link = post.link_of(reader)

    first = post.curl(link, *words)
    once = post.desk.json("subscribers", "show", f"reader{reader}@example.org")
    second = post.curl(link, *words)
    twice = post.desk.json("subscribers", "show", f"reader{reader}@example.org")

    for answer in (first, second):
        assert answer.status == 200
        assert len(answer.body) < 100
        assert not {"set-cookie", "location"} & answer.headers.keys()
    assert once["memberships"][0]["status"] == "unsubscribed"
    assert [(c["act"], c["how"]) for c in once["consents"]] == [
        ("granted", "import"),
        ("withdrawn", "one-click"),
    ]
    assert once == twice


def test_the_link_of_somebody_who_left_says_so_and_still_takes_one_click(post: Post) -> None:
    link = post.link_of(5)
    post.curl(link, "--data-raw", ONE_CLICK)

    page = post.curl(link)
    again = post.curl(link, "--form", ONE_CLICK)

    assert (page.status, again.status) == (200, 200)
    assert "reader5@example.org" not in page.body
    assert post.stand(5) == LEFT


def test_who_left_is_not_frozen_and_who_leaves_after_the_freeze_is_skipped(post: Post) -> None:
    before, after = post.link_of(6), post.link_of(7)
    post.curl(before, "--data-raw", ONE_CLICK)
    frozen = post.desk.json("send", "2026-11-24", "--list", "daily", "--no-wait", "--yes")
    number = frozen["campaign"]

    clicked = post.curl(after, "--form", ONE_CLICK)
    sent = post.desk.json("campaigns", "resume", str(number))

    assert clicked.status == 200
    assert (sent["status"], sent["skipped"]) == ("sent", 1)
    assert sent["accepted"] == sent["recipients"] - 1
    assert post.skipped(number) == [("reader7@example.org", "unsubscribed")]
    people = [
        str(email.message_from_bytes(file.read_bytes(), policy=email.policy.default)["To"])
        for file in (post.desk.folder / "outbox" / str(number)).glob("*.eml")
    ]
    assert len(people) == sent["accepted"]
    assert not [to for to in people if "reader6@" in to or "reader7@" in to]
    post.desk.run("verify")


def test_sigterm_ends_the_pages_well_and_nothing_of_the_readers_was_told(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=1)
    desk.run("send", "2026-11-23", "--list", "daily", "--yes")
    process, port = serving(desk)
    post = Post(desk, port)
    link = post.link_of(1)
    post.curl(link, "--data-raw", ONE_CLICK)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (0, "")
    assert err.rstrip().endswith("stopped")
    assert link.rpartition("/")[2] not in err
    assert "reader1" not in err
    assert post.stand(1) == LEFT
