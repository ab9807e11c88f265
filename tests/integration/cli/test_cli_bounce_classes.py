"""`newsletter bounces classes`: the table an operator reads, and the row that decides."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.command import Desk

RULES = """
[[feedback.rules]]
status = "5.7.*"
words = "mailbox closed"
becomes = "hard"

[[ feedback.rules ]]  # a partner's own words
words = "fermé"
becomes = "soft"
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.run("init", ".")
    return desk


def with_rules(desk: Desk) -> list[int]:
    """Add the rules to the settings; returns the lines of their headers."""
    file = desk.folder / "newsletter.toml"
    file.write_text(file.read_text(encoding="utf-8") + RULES, encoding="utf-8")
    lines = file.read_text(encoding="utf-8").splitlines()
    return [n for n, line in enumerate(lines, start=1) if "feedback.rules" in line]


def test_the_table_shows_the_operators_rows_first_with_their_lines(desk: Desk) -> None:
    first, second = with_rules(desk)

    rows = desk.json("bounces", "classes")["rows"]
    shown = desk.run("bounces", "classes").stdout

    assert [row["order"] for row in rows] == list(range(1, len(rows) + 1))
    assert (rows[0]["status"], rows[0]["words"]) == ("5.7.*", "mailbox closed")
    assert (rows[0]["class"], rows[0]["follows"]) == ("hard", "suppress the address")
    assert [row["from"] for row in rows[:3]] == [
        f"newsletter.toml:{first}",
        f"newsletter.toml:{second}",
        "built in",
    ]
    assert "550 5.1.1 The account that you tried to reach does not exist" in shown
    assert len([line for line in shown.splitlines() if "built in" in line]) == len(rows) - 2


def test_a_reply_is_explained_by_the_row_that_decides(desk: Desk) -> None:
    before = desk.json("bounces", "classes", "550 5.7.1 Mailbox closed")
    (first, _) = with_rules(desk)
    after = desk.json("bounces", "classes", "550 5.7.1 Mailbox closed")
    shown = desk.run("bounces", "classes", "550", "5.7.1", "Mailbox", "closed").stdout

    assert (before["code"], before["status"], before["text"]) == (550, "5.7.1", "Mailbox closed")
    assert (before["class"], before["row"]["status"]) == ("blocked", "5.7.1")
    assert (after["class"], after["row"]["order"]) == ("hard", 1)
    assert "hard: suppress the address" in shown
    assert f"decided by row 1 (newsletter.toml:{first}): 5.7.* mailbox closed" in shown


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("5.1.1", "hard"),
        ("user unknown", "hard"),
        ("452", "soft"),
        ("452-4.2.2 full", "soft"),
        ("550 spam", "blocked"),
        ("#5.1.1 sorry", "hard"),
        ("550 5.1.1: sorry", "hard"),
        ("nothing anybody knows", "soft"),
    ],
)
def test_a_status_a_code_or_words_alone_are_enough(desk: Desk, asked: str, expected: str) -> None:
    assert desk.json("bounces", "classes", asked)["class"] == expected


def test_rows_of_the_environment_are_named_by_their_variable(tmp_path: Path) -> None:
    rules = '[{"status": "5.2.2", "becomes": "hard"}]'
    desk = Desk(tmp_path, NEWSLETTER_FEEDBACK__RULES=rules)

    read = desk.json("bounces", "classes", "552 5.2.2 full")

    assert (read["class"], read["row"]["from"]) == ("hard", "NEWSLETTER_FEEDBACK__RULES")


def test_rows_written_in_one_line_are_named_by_the_file(desk: Desk) -> None:
    (desk.folder / "newsletter.toml").write_text(
        '[feedback]\nrules = [{ status = "5.2.2", becomes = "hard" }]\n', encoding="utf-8"
    )

    read = desk.json("bounces", "classes", "552 5.2.2 full")

    assert (read["class"], read["row"]["from"]) == ("hard", "newsletter.toml")
