"""An operator changes, pauses, erases and restores, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.command import Desk, a_desk

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return a_desk(tmp_path_factory.mktemp("desk"), readers=4)


def test_a_subscriber_is_changed_and_shown(desk: Desk) -> None:
    desk.run(
        *("subscribers", "update", "reader1@example.org", "--name", "Ada L."),
        *("--timezone", "Europe/Paris", "--tag", "Beta", "--tag", "long reads"),
    )

    shown = desk.json("subscribers", "show", "reader1@example.org")

    assert (shown["name"], shown["timezone"]) == ("Ada L.", "Europe/Paris")
    assert shown["tags"] == ["beta", "long reads"]


def test_a_wrong_zone_or_tag_is_told(desk: Desk) -> None:
    zone = desk.run("subscribers", "update", "reader1@example.org", "--timezone", "Mars", code=1)
    tag = desk.run("subscribers", "update", "reader1@example.org", "--tag", "a,b", code=1)

    assert "time zone" in zone.stderr
    assert "is no tag" in tag.stderr


def test_a_pause_is_seen_and_ended(desk: Desk) -> None:
    paused = desk.json("subscribers", "pause", "reader2@example.org", "--until", "2099-01-15")
    shown = desk.json("subscribers", "show", "reader2@example.org")
    desk.run("subscribers", "pause", "reader2@example.org", "--until", "yesterday", code=2)
    desk.run("subscribers", "pause", "reader2@example.org", "--until", "2020-01-01", code=1)
    resumed = desk.json("subscribers", "resume", "reader2@example.org")

    assert paused["paused"] == resumed["resumed"] == 1
    assert shown["memberships"][0]["status"] == "paused"
    assert shown["memberships"][0]["paused_until"].startswith("2099-01-15")


def test_who_was_erased_or_left_after_a_backup_is_so_after_its_restore(desk: Desk) -> None:
    backup = desk.json("db", "backup", "--to", "copy.db")["backup"]
    desk.run("subscribers", "erase", "reader3@example.org", code=2)
    erased = desk.json("subscribers", "erase", "reader3@example.org", "--yes")
    desk.run("subscribers", "unsubscribe", "reader4@example.org")
    traces = [
        path.name
        for path in Path(desk.folder).glob("newsletter.db*")
        if b"reader3@example.org" in path.read_bytes()
    ]

    restored = desk.json("db", "restore", str(backup), "--yes")

    assert erased == {"erased": 1, "file_written_anew": True}
    assert traces == []
    assert (restored["left_since"], restored["erased_again"]) == (2, 1)
    assert desk.json("subscribers", "show", "reader3@example.org")["suppressed"] == "erased"
    shown = desk.json("subscribers", "show", "reader4@example.org")
    assert shown["memberships"][0]["status"] == "unsubscribed"
    assert [c["act"] for c in shown["consents"]] == ["granted", "withdrawn"]
    desk.run("verify")


def test_an_operator_gives_a_reader_all_that_is_known(desk: Desk) -> None:
    desk.run("subscribers", "export", "--one", "reader1@example.org", "--out", "one.json")
    desk.run("subscribers", "export", code=2)

    record = json.loads((desk.folder / "one.json").read_text(encoding="utf-8"))

    assert record["address"] == "reader1@example.org"
    assert record["consents"][0]["act"] == "granted"


def test_a_complaint_is_lifted_only_by_asking_the_person(desk: Desk) -> None:
    (desk.folder / "complaints.csv").write_text("email,reason\neve@example.org,complaint\n")
    desk.run("suppressions", "import", "complaints.csv")
    refused = desk.run("suppressions", "lift", "eve@example.org", code=1)

    asked = desk.json("suppressions", "lift", "eve@example.org", "--ask", "--list", "daily")

    assert "--ask" in refused.stderr
    assert asked["letter"] == "accepted"
    (letter,) = (desk.folder / "outbox").rglob("*.eml")
    assert b"eve@example.org" in letter.read_bytes()
    assert desk.json("subscribers", "show", "eve@example.org")["suppressed"] == "complaint"


def test_importing_erasures_erases_who_is_here(desk: Desk) -> None:
    (desk.folder / "gone.csv").write_text("email,reason\nreader2@example.org,erased\n")

    desk.run("suppressions", "import", "gone.csv")

    story = desk.json("subscribers", "show", "reader2@example.org")
    assert (story["suppressed"], story["subscriber"]) == ("erased", None)


def test_compacting_tells_what_it_did(desk: Desk) -> None:
    told = desk.json("db", "compact")

    assert told["bytes_after"] > 0
