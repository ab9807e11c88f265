"""Segments at the command line: looked at, sent to, told of in every report."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.command import Desk, a_desk

pytestmark = pytest.mark.slow

BETA = 'tag = "beta" and timezone starts with "Europe/"'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A list of six: readers 1 to 3 are beta, all but 3 in Europe; 2 and 4 are pro."""
    made = a_desk(tmp_path, readers=6)
    with closing(sqlite3.connect(tmp_path / "newsletter.db")) as database, database:
        database.execute("UPDATE subscribers SET timezone = 'Europe/Paris' WHERE id <> 3")
        database.execute("UPDATE subscribers SET timezone = 'Asia/Tokyo' WHERE id = 3")
        database.executemany(
            "INSERT INTO subscriber_tags (tag, subscriber_id) VALUES (?, ?)",
            [("beta", 1), ("beta", 2), ("beta", 3), ("pro", 2), ("pro", 4)],
        )
    return made


def test_a_segment_is_added_shown_changed_and_removed(desk: Desk) -> None:
    desk.run("lists", "create", "weekly")

    added = desk.json("segments", "add", "beta-eu", "--where", BETA)
    shown = desk.json("segments", "show", "beta-eu", "--list", "daily", "--sample", "5")
    counted = desk.json("segments", "count", "--where", f"not ({BETA})", "--list", "daily")
    changed = desk.json("segments", "update", "beta-eu", "--where", 'TAG="Pro"')
    listed = desk.json("segments", "list")
    removed = desk.json("segments", "remove", "beta-eu")

    assert added["lists"] == [
        {"list": "daily", "matching": 2, "active": 6},
        {"list": "weekly", "matching": 0, "active": 0},
    ]
    assert [row["address"] for row in shown["lists"][0]["sample"]] == [
        "reader1@example.org",
        "reader2@example.org",
    ]
    assert (counted["lists"][0]["matching"], counted["reads"]) == (4, f"not ({BETA})")
    assert (changed["condition"], changed["reads"]) == ('TAG="Pro"', 'tag = "pro"')
    assert [(row["segment"], row["condition"]) for row in listed] == [("beta-eu", 'TAG="Pro"')]
    assert removed == {"segment": "beta-eu", "removed": True}
    assert desk.json("segments", "list") == []


def test_people_read_counts_a_sample_and_doubts(desk: Desk) -> None:
    added = desk.run("segments", "add", "b", "--where", 'tag in ("beta", "prro")')
    shown = desk.run("segments", "show", "b", "--sample", "1")

    assert "daily: 3 of 6 active subscribers" in added.stdout
    assert "warning: nobody has the tag 'prro'; did you mean 'pro'?" in added.stderr
    assert "@example.org" in shown.stdout
    assert "b" in desk.run("segments", "list").stdout


def test_a_wrong_condition_is_told_with_its_line_and_a_mark(desk: Desk) -> None:
    refused = desk.run("segments", "add", "b", "--where", 'tag = "x" and zone = "y"', code=1)

    assert refused.stderr.splitlines() == [
        "error: line 1, column 15: there is no field 'zone'",
        '    tag = "x" and zone = "y"',
        "                  ^",
        "  fix: did you mean timezone?",
    ]
    assert desk.json("segments", "list") == []


def test_a_segment_is_rehearsed_sent_and_reported(desk: Desk) -> None:
    desk.run("segments", "add", "beta-eu", "--where", BETA)
    send = ("send", "2026-11-24", "--list", "daily", "--segment", "beta-eu")

    dry = desk.json(*send, "--dry-run")
    sent = desk.json(*send, "--yes")
    refused = desk.run(*send, "--yes", code=1)

    assert (dry["recipients"], dry["segment"], dry["refusal"]) == (2, "beta-eu", None)
    assert (sent["recipients"], sent["accepted"], sent["segment"]) == (2, 2, "beta-eu")
    assert sent["segment_condition"] == BETA
    assert "was sent to segment 'beta-eu' of 'daily' as campaign 1" in refused.stderr
    assert (
        "to 'daily', segment 'beta-eu', by outbox: sent"
        in desk.run("campaigns", "show", "1").stdout
    )
    assert "beta-eu" in desk.run("campaigns", "list").stdout
    assert desk.json("campaigns", "list")[0]["segment"] == "beta-eu"


def test_the_rest_of_the_list_follows_and_is_told_who_is_left_out(desk: Desk) -> None:
    desk.run("segments", "add", "beta-eu", "--where", BETA)
    desk.run("send", "2026-11-24", "--list", "daily", "--segment", "beta-eu", "--yes")

    dry = desk.json("send", "2026-11-24", "--list", "daily", "--dry-run")
    rest = desk.run("send", "2026-11-24", "--list", "daily", "--yes")
    listed = desk.json("campaigns", "list")

    assert (dry["recipients"], dry["left_out"]) == (4, 2)
    assert "left out: 2 who are in an earlier campaign" in rest.stderr
    assert [(row["segment"], row["accepted"]) for row in listed] == [(None, 4), ("beta-eu", 2)]
    assert len(list((desk.folder / "outbox").rglob("*.eml"))) == 6


def test_an_unfinished_segment_is_gone_on_with_and_never_chosen_anew(desk: Desk) -> None:
    desk.run("segments", "add", "beta-eu", "--where", BETA)
    send = ("send", "2026-11-24", "--list", "daily", "--segment", "beta-eu", "--yes")
    desk.run(*send, "--no-wait")
    desk.run("segments", "update", "beta-eu", "--where", 'tag = "pro"')

    went_on = desk.run(*send)
    listed = desk.json("campaigns", "list")

    assert "going on with campaign 1" in went_on.stderr
    assert [(row["recipients"], row["segment_condition"]) for row in listed] == [(2, BETA)]


def test_a_segment_does_not_go_on_with_the_whole_list(desk: Desk) -> None:
    desk.run("segments", "add", "beta-eu", "--where", BETA)
    desk.run("send", "2026-11-24", "--list", "daily", "--yes", "--no-wait")

    refused = desk.run(
        "send", "2026-11-24", "--list", "daily", "--segment", "beta-eu", "--yes", code=1
    )

    assert "is sending for 'daily' as campaign 1" in refused.stderr
    assert not list((desk.folder / "outbox").rglob("*.eml"))


def test_an_empty_or_unknown_segment_sends_nothing(desk: Desk) -> None:
    desk.run("segments", "add", "nobody", "--where", 'tag = "gone"')
    send = ("send", "2026-11-24", "--list", "daily", "--yes", "--segment")

    empty = desk.run(*send, "nobody", code=1)
    unknown = desk.run(*send, "nobdy", code=1)

    assert "segment 'nobody' holds none of the 6 active subscribers of 'daily'" in empty.stderr
    assert "newsletter segments show nobody --list daily" in empty.stderr
    assert "did you mean 'nobody'?" in unknown.stderr
    assert desk.json("campaigns", "list") == []


def test_the_question_before_a_send_names_the_segment_and_its_size(desk: Desk) -> None:
    desk.run("segments", "add", "beta-eu", "--where", BETA)
    ours, theirs = pty.openpty()
    with closing(os.fdopen(ours, "wb", buffering=0)) as keyboard:
        keyboard.write(b"n\n")
        asked = subprocess.run(
            [
                *(sys.executable, "-m", "newsletter", "send", "2026-11-24", "--list", "daily"),
                *("--segment", "beta-eu"),
            ],
            cwd=desk.folder,
            env=desk.environment,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        os.close(theirs)

    assert "to 2 subscribers in segment 'beta-eu' of 'daily' through outbox?" in asked.stderr
    assert asked.returncode == 1
    assert desk.json("campaigns", "list") == []


def test_a_list_is_public_or_private(desk: Desk) -> None:
    made = desk.json("lists", "create", "staff", "--private")
    opened = desk.json("lists", "update", "staff", "--public")
    renamed = desk.json("lists", "update", "staff", "--title", "Staff")

    assert [row["public"] for row in (made, opened, renamed)] == [False, True, True]
    assert "public" in desk.run("lists", "list").stdout
    assert "public        yes" in desk.run("lists", "show", "staff").stdout
