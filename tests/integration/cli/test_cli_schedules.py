"""Schedules at the command line: said, looked at, skipped, paused, and what comes next."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.command import Desk, a_desk

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return a_desk(tmp_path)


def next_year() -> int:
    return datetime.now(UTC).year + 1


def test_a_schedule_is_added_shown_changed_and_removed(desk: Desk) -> None:
    desk.run("lists", "update", "daily", "--timezone", "Europe/Paris")

    added = desk.json(
        *("schedule", "add", "morning", "--list", "daily", "--time", "7:30"),
        *("--days", "mon,fri", "--approval", "--lead", "45m", "--grace", "90m"),
    )
    changed = desk.json(
        *("schedule", "update", "morning", "--cron", "0 8 * * 1-5", "--no-approval"),
        *("--digest", "latest", "--by-reader"),
    )
    listed = desk.json("schedule", "list")
    removed = desk.json("schedule", "remove", "morning")

    assert {key: added[key] for key in ("schedule", "list", "when", "time", "days", "cron")} == {
        "schedule": "morning",
        "list": "daily",
        "when": "07:30 on mon, fri",
        "time": "07:30",
        "days": ["mon", "fri"],
        "cron": None,
    }
    assert (added["timezone"], added["approval"], added["lead"]) == ("Europe/Paris", True, "45m")
    assert (added["grace"], added["deadline"], added["digest"]) == ("90m", "3h", "day")
    assert added["next"]["weekday"] in ("mon", "fri")
    assert (changed["when"], changed["time"], changed["days"]) == ("cron 0 8 * * 1-5", None, None)
    assert (changed["approval"], changed["lead"], changed["by_reader"]) == (False, "0s", True)
    assert [row["schedule"] for row in listed] == ["morning"]
    assert removed == {"schedule": "morning", "removed": True}
    assert desk.json("schedule", "list") == []


def test_people_read_terms_and_a_table(desk: Desk) -> None:
    desk.run("segments", "add", "beta", "--where", 'tag = "beta"')
    desk.run(
        *("schedule", "add", "morning", "-l", "daily", "--time", "07:30", "--days", "weekdays"),
        *("--timezone", "Asia/Kolkata", "--segment", "beta", "--approval"),
    )

    shown = desk.run("schedule", "show", "morning").stdout
    listed = desk.run("schedule", "list").stdout.splitlines()
    whole = desk.run("schedule", "update", "morning", "--whole-list").stdout

    assert shown.splitlines()[:5] == [
        "morning: to 'daily', segment 'beta'",
        "  when      07:30 on weekdays in Asia/Kolkata",
        "  digest    that of the date",
        "  approval  needed, asked for 30m before",
        "  late      fired up to 3h late, waited for 3h",
    ]
    assert listed[0].split() == ["schedule", "list", "segment", "when", "zone", "state", "next"]
    assert "07:30 on weekdays  Asia/Kolkata  active" in listed[1]
    assert whole.startswith("morning: to 'daily'\n")


def test_next_shows_the_zone_utc_the_weekday_and_explains_daylight_saving(desk: Desk) -> None:
    desk.run(
        *("schedule", "add", "night", "--list", "daily"),
        *("--time", "02:30", "--timezone", "Europe/Paris"),
    )

    rows = desk.json("schedule", "next", "night", "-n", "400")
    table = desk.run("schedule", "next", "-n", "400").stdout

    first = rows[0]
    local = datetime.fromisoformat(first["local"])
    assert local == datetime.fromisoformat(first["utc"])
    assert f"{local:%a}".lower() == first["weekday"]
    assert [date.fromisoformat(row["date"]) for row in rows] == [
        date.fromisoformat(first["date"]) + timedelta(days=n) for n in range(400)
    ]
    odd = [row["oddity"] for row in rows if row["oddity"]]
    gap = next(text for text in odd if "does not exist" in text)
    assert gap.endswith("in Europe/Paris: it fires at 03:00, the first instant after the gap")
    assert any("exists twice" in text for text in odd)
    assert gap in table
    assert "+0200" in table


def test_holidays_come_from_a_file_and_are_marked(desk: Desk) -> None:
    year = next_year()
    desk.run("schedule", "add", "morning", "--list", "daily", "--time", "07:30")
    holidays = desk.folder / "holidays.txt"
    holidays.write_text(
        f"# the office is closed\n2020-01-01 New Year\n\n{year}-12-25  Christmas Day\n"
        f"{year}-12-26\n",
        encoding="utf-8",
    )
    tomorrow = desk.json("schedule", "next", "morning", "-n", "1")[0]["date"]

    desk.run("schedule", "skip", "morning", "--file", "holidays.txt", "--note", "closed")
    skipped = desk.json("schedule", "skip", "morning", tomorrow)
    table = desk.run("schedule", "next", "morning", "-n", "1").stdout
    had_again = desk.json("schedule", "unskip", "morning", f"{year}-12-26", tomorrow)

    assert skipped["skips"] == [
        {"date": tomorrow, "note": None},
        {"date": f"{year}-12-25", "note": "Christmas Day"},
        {"date": f"{year}-12-26", "note": "closed"},
    ]
    assert skipped["next"]["skipped"] is True
    assert "skipped" in table
    assert [row["date"] for row in had_again["skips"]] == [f"{year}-12-25"]


def test_a_wrong_line_in_a_file_is_named_and_nothing_is_skipped(desk: Desk) -> None:
    desk.run("schedule", "add", "morning", "--list", "daily", "--time", "07:30")
    (desk.folder / "days.txt").write_text(f"{next_year()}-12-25\n25.12.2027\n", encoding="utf-8")

    wrong = desk.run("schedule", "skip", "morning", "--file", "days.txt", code=2)
    missing = desk.run("schedule", "skip", "morning", "--file", "gone.txt", code=2)
    past = desk.run("schedule", "skip", "morning", f"{next_year()}-05-01", "2020-05-01", code=1)

    assert "days.txt:2: '25.12.2027' is no date" in wrong.stderr
    assert "gone.txt: cannot be read: No such file" in missing.stderr
    assert "2020-05-01 is past" in past.stderr
    assert desk.json("schedule", "show", "morning")["skips"] == []


def test_a_skip_of_a_day_without_an_edition_is_told(desk: Desk) -> None:
    desk.run("schedule", "add", "weekly", "--list", "daily", "--time", "07:30", "--days", "mon")
    day = date(next_year(), 1, 1)
    tuesday = day + timedelta(days=(1 - day.weekday()) % 7)

    done = desk.run("schedule", "skip", "weekly", str(tuesday))

    assert f"'weekly' has no edition on Tuesday {tuesday} anyway" in done.stderr


def test_a_paused_schedule_has_nothing_next_until_it_is_resumed(desk: Desk) -> None:
    desk.run("schedule", "add", "morning", "--list", "daily", "--time", "07:30")

    paused = desk.json("schedule", "pause", "morning")
    nothing = desk.run("schedule", "next", "--json")
    resumed = desk.json("schedule", "resume", "morning")

    assert (paused["paused"], paused["next"]) == (True, None)
    assert json.loads(nothing.stdout) == []
    assert "'morning' is paused: newsletter schedule resume morning" in nothing.stderr
    assert resumed["paused"] is False
    assert resumed["since"] > paused["since"]
    assert len(desk.json("schedule", "next")) == 10


def test_zones_are_those_of_the_program_and_not_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "zones" / "Europe").mkdir(parents=True)
    utc = b"TZif" + bytes(28 + 4) + b"\0\0\0\1" + b"\0\0\0\4" + bytes(6) + b"UTC\0"
    (tmp_path / "zones" / "Europe" / "Paris").write_bytes(utc)
    desk = a_desk(tmp_path, PYTHONTZPATH=str(tmp_path / "zones"))

    added = desk.json(
        *("schedule", "add", "morning", "--list", "daily", "--time", "08:00"),
        *("--timezone", "Europe/Paris"),
    )

    assert added["next"]["local"].endswith(("+01:00", "+02:00"))


def test_wrong_words_are_refused_with_a_way_out(desk: Desk) -> None:
    add = ("schedule", "add", "morning", "--list", "daily")

    no_time = desk.run(*add, code=1)
    duration = desk.run(*add, "--time", "07:30", "--grace", "soon", code=2)
    zone = desk.run(*add, "--time", "07:30", "--timezone", "Europe/Pariss", code=1)
    unknown = desk.run("schedule", "show", "mornin", code=1)
    nothing = desk.run("schedule", "update", "morning", code=2)

    assert "fix: give --time 07:30, or --cron '30 7 * * 1-5'" in no_time.stderr
    assert "--grace: 'soon' is no duration" in duration.stderr
    assert "did you mean 'Europe/Paris'?" in zone.stderr
    assert "there is no schedule 'mornin'" in unknown.stderr
    assert "nothing to change was given" in nothing.stderr
    assert desk.json("schedule", "list") == []


def test_a_schedule_whose_zone_is_gone_is_told_with_a_way_out_and_hides_no_other(
    desk: Desk,
) -> None:
    for name in ("good", "odd"):
        desk.run("schedule", "add", name, "--list", "daily", "--time", "07:30")
    with sqlite3.connect(desk.folder / "newsletter.db") as database:
        database.execute("UPDATE schedules SET timezone = 'Mars/Olympus' WHERE name = 'odd'")
    database.close()

    listed = desk.run("schedule", "list").stdout
    shown = desk.json("schedule", "show", "odd")
    following = desk.run("schedule", "next", "--number", "3")
    doctor = desk.run("doctor", "--no-dns", code=1).stdout

    assert "good" in listed
    assert "the time zone 'Mars/Olympus' is not known" in listed
    assert (shown["next"], shown["problem"]) == (None, "the time zone 'Mars/Olympus' is not known")
    assert following.stdout.count("good") == 3
    assert "newsletter schedule update odd --timezone ZONE" in following.stderr
    assert "schedule 'odd' has 'Mars/Olympus'" in doctor

    desk.run("schedule", "update", "odd", "--timezone", "Europe/Paris")
    assert desk.json("schedule", "show", "odd")["problem"] is None
