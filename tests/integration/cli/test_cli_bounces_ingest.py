"""`newsletter bounces ingest` and `list`: files, folders and pipes, told to an operator."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import Desk, a_desk
from tests.fakes.returned_mail import plain_mail, status_report

from newsletter.audience.keys import load_keys
from newsletter.audience.tokens import Purpose, TokenSigner
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.providers.base import DeliveryId

pytestmark = pytest.mark.slow


class Office:
    """An operator's desk after a campaign to three readers through the outbox."""

    def __init__(self, folder: Path) -> None:
        self.desk: Desk = a_desk(
            folder,
            readers=3,
            NEWSLETTER_SENDER__FROM_EMAIL="daily@example.org",
            NEWSLETTER_NEWSLETTER__POSTAL_ADDRESS="1 Main Street",
            NEWSLETTER_SENDER__BOUNCE_DOMAIN="bounces.example.org",
        )
        self.folder = folder
        digest = folder / "note.md"
        digest.write_text(
            "---\ntitle: A note\ndate: 2026-11-24\n---\n\n# A note\n\nGood morning.\n",
            encoding="utf-8",
        )
        self.desk.run("send", "note.md", "--list", "daily", "--yes")
        self.keys = load_keys(folder / "newsletter.key")

    def bounce(self, reader: int) -> bytes:
        path = ReturnPaths(self.keys, "bounces.example.org").of(DeliveryId(1, reader))
        return status_report(f"reader{reader}@example.org", to=path)

    def write(self, name: str, mail: bytes) -> str:
        (self.folder / name).write_bytes(mail)
        return name

    def pipe(self, mail: bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "newsletter", "bounces", "ingest", "-"],
            cwd=self.folder,
            env={**self.desk.environment, **environment},
            input=mail,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def states(self) -> list[str]:
        with sqlite3.connect(self.folder / "newsletter.db") as database:
            rows = database.execute("SELECT state FROM deliveries ORDER BY subscriber_id")
            return [{7: "accepted", 8: "delivered", 9: "bounced"}[row[0]] for row in rows]

    def suppressed(self) -> int:
        with sqlite3.connect(self.folder / "newsletter.db") as database:
            return int(database.execute("SELECT count(*) FROM suppressions").fetchone()[0])


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_mail_in_files_folders_and_pipes_reaches_its_readers(office: Office) -> None:
    file = office.write("bounce.eml", office.bounce(1))
    maildir = office.folder / "Maildir"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    office.write("Maildir/new/1.host", office.bounce(2))
    office.write("Maildir/new/2.host", plain_mail("A question", sender="ada@example.net"))
    mbox = office.write(
        "mbox", b"From MAILER-DAEMON Tue Nov 24 06:00:00 2026\n" + office.bounce(1) + b"\n"
    )

    told = office.desk.json("bounces", "ingest", file, "Maildir", mbox)

    assert told["mails"] == 4
    assert told["kinds"] == {"hard": 3, "not_a_bounce": 1}
    assert (told["new"], told["known"], told["kept"], told["handled"]) == (3, 1, 1, 3)
    assert told["applied"]["suppressed"] == 2
    assert office.states() == ["bounced", "bounced", "accepted"]
    assert sorted(one.name for one in (maildir / "cur").iterdir()) == ["1.host:2,S", "2.host:2,F"]
    for source in (file, mbox):
        assert (office.folder / source).exists()

    again = office.desk.run("bounces", "ingest", file).stdout
    assert "1 mails read: 1 hard" in again
    assert "0 new events, 1 known before" in again


def test_a_pipe_of_postfix_is_answered_by_an_exit_code(office: Office) -> None:
    token = TokenSigner(office.keys).sign(Purpose.UNSUBSCRIBE, 3, 1)
    mail = b"From x@example.org Tue Nov 24 06:00:00 2026\n" + plain_mail(token)

    done = office.pipe(mail)
    empty = office.pipe(b"")
    large = office.pipe(mail + b"x" * 3_000_000)

    assert (done.returncode, empty.returncode, large.returncode) == (0, 0, 0)
    shown = office.desk.json("subscribers", "show", "reader3@example.org")
    assert shown["memberships"][0]["status"] == "unsubscribed"


@pytest.mark.parametrize(
    "trouble",
    [
        {"NEWSLETTER_DATABASE__URL": "sqlite:///missing-folder/newsletter.db"},
        {"NEWSLETTER_FEEDBACK__BELIEVE": "everything"},
        {"NEWSLETTER_FEEDBACK__KEPT_MAIL": "note.md"},
        {"NEWSLETTER_WEB__SECRET_KEY_FILE": "none.key"},
    ],
)
def test_a_pipe_that_cannot_take_the_mail_asks_for_it_again(
    office: Office, trouble: dict[str, str]
) -> None:
    done = office.pipe(plain_mail("A question"), **trouble)

    assert done.returncode == 75
    assert b"Traceback" not in done.stderr
    assert b"error:" in done.stderr


def test_what_proves_nothing_is_listed_with_a_way_to_believe_it(office: Office) -> None:
    before, suppressed = office.states(), office.suppressed()
    forged = office.write("forged.eml", status_report("reader3@example.org"))

    office.desk.run("bounces", "ingest", forged)

    assert (office.states(), office.suppressed()) == (before, suppressed)
    told = office.desk.json("bounces", "list", "--limit", "1")
    (event,) = told["events"]
    assert (event["kind"], event["proof"], event["why"]) == (
        "bounced",
        "address",
        "the address alone",
    )
    assert event["address"] == "r…@example.org"
    assert told["counts"]["bounced"] == 1
    assert "reader3@example.org" in office.desk.run("bounces", "list", "--addresses").stdout
    text = office.desk.run("bounces", "list").stdout
    assert "reader3@example.org" not in text
    assert "--believe" in text

    kept = Path(told["folder"]) / event["kept"]
    believed = office.desk.json("bounces", "ingest", str(kept), "--believe", "address")
    assert (believed["turned"], believed["applied"]["suppressed"]) == (1, 1)
    assert "bounced" not in office.desk.json("bounces", "list")["counts"]


def test_what_cannot_be_read_is_told_and_the_rest_is_done(office: Office) -> None:
    file = office.write("again.eml", office.bounce(1))
    (office.folder / "plain-folder").mkdir(exist_ok=True)

    done = office.desk.run("bounces", "ingest", "none.eml", "plain-folder", file, code=1)

    assert "none.eml: cannot be read: No such file" in done.stderr
    assert "plain-folder: cannot be read: a folder, but no Maildir" in done.stderr
    assert "1 mails read" in done.stdout
    assert "2 sources could not be read" in done.stderr


def test_a_wrong_word_is_a_mistake_of_usage(office: Office) -> None:
    file = office.write("one.eml", plain_mail("One"))

    assert "use proven, named or address" in (
        office.desk.run("bounces", "ingest", file, "--believe", "all", code=2).stderr
    )
    assert "- stands alone" in office.desk.run("bounces", "ingest", "-", file, code=2).stderr
