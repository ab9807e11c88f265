"""Who must not be mailed, as an operator meets it: imports, suppressions of providers, exports."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from tests.command import Desk, a_desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return a_desk(tmp_path)


def bring(desk: Desk, text: str, *words: str, name: str = "people.csv", code: int = 1) -> str:
    (desk.folder / name).write_text(text, encoding="utf-8")
    consent = ("--list", "daily", "--consent", "a fair")
    done = desk.run("subscribers", "import", name, *consent, *words, code=code)
    return done.stdout + done.stderr


def test_a_word_that_is_not_known_is_told_with_file_row_word_and_what_to_do(desk: Desk) -> None:
    told = bring(
        desk, "email,status\na@example.org,active\nb@example.org,gold\nc@example.org,Cleaned\n"
    )

    assert (
        "people.csv:row 3: not added: column 'status' says 'gold', which is not known: "
        "write 'active' or 'unsubscribed' there"
    ) in told
    assert "people.csv:row 4: not added: column 'status' says 'Cleaned'" in told
    assert told.index("refused") < told.index("bounced  ") < told.index("not known  ")
    assert "may be mailed: 'status: gold' in 1 rows; not added: correct the column" in told
    assert desk.json("lists", "show", "daily")["active"] == 1


def test_a_dry_run_shows_which_columns_say_who_may_be_mailed(desk: Desk) -> None:
    told = bring(desk, "email;EMAIL_BLOCKLISTED\na@example.org;true\n", "--dry-run")

    assert "column 'EMAIL_BLOCKLISTED' is status" in told


def test_the_document_counts_by_reason(desk: Desk) -> None:
    (desk.folder / "people.csv").write_text("email,blacklisted\na@example.org,1\n")

    report = desk.json("subscribers", "import", "people.csv", "--list", "daily", code=1)

    assert report["kept_away"] == {"blocked": 1}
    assert report["refusals"][0]["code"] == "status"


def test_json_lines_of_our_own_come_in_again(desk: Desk) -> None:
    bring(desk, "email,city\na@example.org,Cork\nb@example.org,\n", code=0)
    desk.run("suppressions", "add", "b@example.org")
    desk.run("subscribers", "export", "--list", "daily", "--format", "jsonl", "--out", "out.jsonl")

    text = (desk.folder / "out.jsonl").read_text(encoding="utf-8")
    told = bring(desk, text, "--dry-run", name="again.jsonl")

    assert [json.loads(line)["status"] for line in text.splitlines()] == ["active", "suppressed"]
    assert "utf-8, JSON" in told
    assert "unchanged" in told


def test_an_export_and_the_list_tell_who_is_suppressed(desk: Desk) -> None:
    bring(desk, "email\na@example.org\nb@example.org\n", code=0)
    desk.run("suppressions", "add", "a@example.org")

    rows = list(
        csv.DictReader(io.StringIO(desk.run("subscribers", "export", "-l", "daily").stdout))
    )

    assert [(r["email"], r["status"], r["suppressed"]) for r in rows] == [
        ("a@example.org", "suppressed", "manual"),
        ("b@example.org", "active", ""),
    ]
    shown = desk.json("lists", "show", "daily")
    assert (shown["active"], shown["suppressed"]) == (2, 1)


def test_suppressions_are_counted_by_reason_and_what_passes_is_left_out(desk: Desk) -> None:
    (desk.folder / "suppression_blocks.csv").write_text(
        "status,reason,email,created\n4.7.0,421 4.7.0 try later,a@example.org,1714988400\n"
    )
    (desk.folder / "mailgun-bounces.csv").write_text(
        "address,code,error,created_at\n"
        'b@example.org,550,No such mailbox,"Tue, 07 May 2024 10:00:00 UTC"\n'
    )

    blocks = desk.run("suppressions", "import", "suppression_blocks.csv", code=1)
    bounces = desk.run("suppressions", "import", "mailgun-bounces.csv")
    kept = desk.run("suppressions", "import", "suppression_blocks.csv", "--reason", "manual")

    assert "0 suppressed, 0 known before" in blocks.stdout
    assert "left out: passing" in blocks.stdout
    assert "suppression_blocks.csv:row 2: not suppressed: '421 4.7.0 try later'" in blocks.stderr
    assert "hard_bounce                 1" in bounces.stdout
    assert "1 suppressed" in kept.stdout
    wrong = desk.run("suppressions", "import", "mailgun-bounces.csv", "--reason", "tired", code=2)
    assert "use one of: hard_bounce, complaint, manual, erased" in wrong.stderr


def test_an_own_rule_of_the_operator_judges_answers_in_files(desk: Desk) -> None:
    settings = desk.folder / "newsletter.toml"
    settings.write_text(
        settings.read_text(encoding="utf-8")
        + '\n[[feedback.rules]]\nstatus = "5.2.2"\nbecomes = "hard"\n',
        encoding="utf-8",
    )
    (desk.folder / "stop.csv").write_text(
        "status,reason,email\n5.2.2,552 5.2.2 full for a year,a@example.org\n"
    )

    assert "hard_bounce " in desk.run("suppressions", "import", "stop.csv").stdout
