"""The command line as an operator meets it: exit codes, JSON, errors in a line or two."""

from __future__ import annotations

import email
import email.policy
import json
import stat
import time
from pathlib import Path

import pytest
from tests.command import Desk, a_desk

from newsletter.digest import library
from newsletter.digest.model import Parsed

pytestmark = pytest.mark.slow


def test_the_demo_sends_one_file_to_each_sample_subscriber(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    result = desk.json("demo", "--dir", "demo")

    files = list((tmp_path / "demo" / "outbox" / "1").glob("*.eml"))
    assert (result["status"], result["accepted"], result["recipients"]) == ("sent", 12, 12)
    assert len(files) == 12
    recipients = set()
    for file in files:
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        recipients.add(str(message["To"]))
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert len(recipients) == 12


def test_the_demo_may_be_repeated_and_never_clears_another_folder(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run("demo", "--dir", "demo")
    desk.run("demo", "--dir", "demo")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")

    refused = desk.run("demo", "--dir", "mine", code=1)

    assert "this folder exists and is no demonstration" in refused.stderr
    assert (tmp_path / "mine" / "letter.txt").exists()


def test_init_makes_a_workspace_once_and_keeps_what_is_there(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run("init", ".")
    key = (tmp_path / "newsletter.key").read_bytes()

    again = desk.json("init", ".")

    assert again["made"] == []
    assert (tmp_path / "newsletter.key").read_bytes() == key
    assert stat.S_IMODE((tmp_path / "newsletter.key").stat().st_mode) == 0o600


def test_a_second_send_says_so_and_needs_again(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=3)
    first = desk.json("send", "2026-11-24", "--list", "daily", "--yes")

    refused = desk.run("send", "2026-11-24", "--list", "daily", "--yes", code=1)
    again = desk.json("send", "2026-11-24", "--list", "daily", "--yes", "--again")

    assert first["accepted"] == 3
    assert "was sent to 'daily' as campaign 1" in refused.stderr
    assert "--again" in refused.stderr
    assert (again["campaign"], again["accepted"]) == (2, 3)
    listed = desk.json("campaigns", "list")
    assert [row["campaign"] for row in listed] == [2, 1]


def test_the_states_of_the_final_document_add_up(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=5)
    desk.run("suppressions", "add", "reader2@example.org")
    desk.run("subscribers", "unsubscribe", "reader3@example.org")

    result = desk.json("send", "2026-11-24", "--list", "daily", "--yes")

    states = (
        *("accepted", "rejected", "deferred", "unknown", "skipped", "expired", "pending"),
        *("delivered", "bounced", "complained"),
    )
    assert sum(result[state] for state in states) == result["recipients"] == 4
    assert (result["accepted"], result["skipped"]) == (3, 1)
    report = desk.json("campaigns", "report", "1")
    assert report["reasons"] == [{"state": "skipped", "reason": "suppressed", "count": 1}]
    assert [row["address"] for row in report["deliveries"]] == ["reader2@example.org"]


def test_a_dry_run_tells_and_writes_nothing(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=4)
    desk.run("suppressions", "add", "reader1@example.org")

    told = desk.json("send", "latest", "--list", "daily", "--dry-run")

    assert (told["recipients"], told["would_skip"]) == (4, {"suppressed": 1})
    assert desk.json("campaigns", "list") == []


def test_without_a_terminal_a_send_wants_yes(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=1)

    refused = desk.run("send", "latest", "--list", "daily", code=2)

    assert "add --yes" in refused.stderr
    assert desk.json("campaigns", "list") == []


def test_a_digest_with_an_error_is_not_sent_and_the_line_is_named(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=1)
    (tmp_path / "digests" / "bad.md").write_text(
        "# A title\n\n*By me • November 24, 2026*\n\nA fact [^9] and a longer sentence for all.\n"
    )

    checked = desk.run("check", "bad", code=1)
    refused = desk.run("send", "bad", "--list", "daily", "--yes", code=1)

    assert "bad.md:5: error" in checked.stdout
    assert "bad.md:5" in refused.stderr
    assert desk.json("campaigns", "list") == []


def test_errors_are_a_line_with_a_fix_and_no_traceback(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)

    unknown_list = desk.run("send", "latest", "--list", "dayly", "--yes", code=1)
    unknown_digest = desk.run("check", "2026-11-42", code=1)
    wrong_word = desk.run("send", "latest", code=2)
    (tmp_path / "newsletter.toml").write_text("[delivery]\nprovder = 'smtp'\n")
    wrong_key = desk.run("campaigns", "list", code=3)

    assert unknown_list.stderr == "error: there is no list 'dayly'\n  fix: did you mean 'daily'?\n"
    assert unknown_digest.stderr.startswith("error: ")
    assert "--list" in wrong_word.stderr
    assert wrong_key.stderr == (
        "error: newsletter.toml:2: unknown key 'delivery.provder'\n"
        "  fix: did you mean 'delivery.provider'?\n"
    )


def test_a_lost_key_file_stops_a_send_before_anything_happens(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=1)
    (tmp_path / "newsletter.key").rename(tmp_path / "elsewhere.key")

    missing = desk.run("send", "latest", "--list", "daily", "--yes", code=3)
    desk.run("init", ".", code=3)
    wrong = desk.run("send", "latest", "--list", "daily", "--yes", code=3)

    assert "the key file is missing" in missing.stderr
    assert "not the one this database was made with" in wrong.stderr


def test_a_base_url_without_https_is_refused_for_real_sends(tmp_path: Path) -> None:
    desk = a_desk(
        tmp_path,
        readers=1,
        NEWSLETTER_NEWSLETTER__BASE_URL="http://news.example.org",
        NEWSLETTER_DELIVERY__PROVIDER="smtp",
        NEWSLETTER_DELIVERY__SMTP__HOST="mail.example.org",
    )

    refused = desk.run("send", "latest", "--list", "daily", "--yes", code=3)

    assert "one-click unsubscribe needs https" in refused.stderr


def test_rendering_writes_the_three_files(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)

    desk.run("render", "latest", "--out", "look", "--name", "Ada <b>")

    html = (tmp_path / "look" / "message.html").read_text()
    assert "Ada" in html
    assert "<b>," not in html
    assert (tmp_path / "look" / "message.txt").exists()
    assert (tmp_path / "look" / "message.eml").exists()


def test_the_doctor_is_content_with_a_fresh_workspace_and_sees_a_bad_one(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)

    well = desk.json("doctor")
    (tmp_path / "newsletter.key").chmod(0o644)
    ill = desk.run("doctor", code=1)

    assert well["healthy"] is True
    assert "may be read by others" in ill.stdout


def test_subscribers_import_show_and_export(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    rows = "email;name;City\nada@example.org;Ada;Cork\nnope;X;Y\nada@example.org;Again;Z\n"
    (tmp_path / "in.csv").write_text(rows)

    report = desk.json(
        "subscribers", "import", "in.csv", "--list", "daily", "--consent", "a form", code=1
    )
    shown = desk.json("subscribers", "show", "ADA@example.org")
    exported = desk.run("subscribers", "export", "--list", "daily").stdout

    assert report["counts"]["added"] == 1
    assert report["counts"]["duplicate"] == 1
    assert [(r["row"], r["code"]) for r in report["refusals"]] == [(3, "no-at")]
    assert shown["memberships"][0]["status"] == "active"
    assert shown["consents"][0]["wording"] == "a form"
    assert exported.splitlines()[1].startswith("ada@example.org,Ada,")


def test_a_backup_is_made_of_the_live_database(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=2)

    made = desk.json("db", "backup", "--to", "copy.db")

    assert (tmp_path / "copy.db").stat().st_size == made["bytes"]
    assert "already" in desk.run("db", "upgrade").stdout


def test_help_is_quick_and_knows_every_noun(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    start = time.monotonic()

    shown = desk.run("--help").stdout

    assert time.monotonic() - start < 15
    for noun in ("init", "demo", "check", "render", "test", "send", "campaigns", "lists"):
        assert noun in shown
    assert "newsletter 0." in desk.run("--version").stdout


def test_a_test_message_is_marked_and_refused_for_the_suppressed(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)

    sent = desk.json("test", "latest", "--to", "me@example.org")
    desk.run("suppressions", "add", "me@example.org")
    refused = desk.run("test", "latest", "--to", "me@example.org", code=1)

    file = next((tmp_path / "outbox" / "0").glob("*.eml"))
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert sent["outcome"] == "accepted"
    assert str(message["Subject"]).startswith("[Test] ")
    assert "is suppressed" in refused.stderr
    assert json.loads(json.dumps(sent))["to"] == "me@example.org"


def test_a_fault_of_the_program_is_told_in_words_and_its_way_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = a_desk(tmp_path)

    def faulty(*_words: object, **_named: object) -> None:
        raise RuntimeError("ada@example.org")

    monkeypatch.setattr("newsletter.delivery.preparing.render", faulty)
    told = desk.run("check", "latest", code=70)

    assert told.stderr.startswith("error: a fault of newsletter itself: RuntimeError at test_cli_")
    assert "--log-level debug" in told.stderr
    assert "ada@example.org" not in told.stderr + told.stdout


def test_a_digest_that_meets_a_fault_hides_no_other_from_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = a_desk(tmp_path)
    (tmp_path / "digests" / "broken.md").write_text("# Broken\n\nWords.\n")
    real = library.load

    def faulty(path: Path) -> Parsed:
        if path.stem == "broken":
            raise RuntimeError
        return real(path)

    monkeypatch.setattr(library, "load", faulty)

    assert desk.run("check", "latest", code=None).returncode in (0, 1)
