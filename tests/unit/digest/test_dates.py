"""Dates as people write them: in the languages of the emails, and never guessed."""

from __future__ import annotations

from datetime import date

import pytest

from newsletter.digest.dates import day_in_name, find_date, read_date
from newsletter.rendering.words import format_date, languages

MAY = date(2026, 5, 7)

SAID = (
    "May 7, 2026",
    "May 7th, 2026",
    "MAY 7 2026",
    "7 May 2026",
    "the 7th of May, 2026",
    "Thursday, May 7, 2026",
    "Thu, 7 May 2026",
    "2026-05-07",
    "2026/05/07",
    "2026.05.07",
    "2026-05-07T06:00:00Z",
    "2026-05-07 06:00+02:00",
    "(May 7, 2026)",
    "May 7, 2026 at 6:00 a.m. ET",
    "06:00 UTC, 7 May 2026",
    "7-May-2026",
    "7. Mai 2026",
    "Donnerstag, den 7. Mai 2026, 06:00 Uhr",
    "le jeudi 7 mai 2026",
    "jueves, 7 de mayo de 2026",
    "giovedì 7 maggio 2026",
    "quinta-feira, 7 de maio de 2026",
    "donderdag 7 mei 2026",
    "7 mei 2026 om 06:00 uur",
    "czwartek, 7 maja 2026 r.",
    "7 maj 2026",
    "الخميس، 7 مايو 2026",
    "٧ مايو ٢٠٢٦",
    "7 أيار 2026",
    "יום חמישי, 7 במאי 2026",
    "2026年5月7日",
    "2026年5月7日（木）",
    "２０２６年５月７日",
    "令和8年5月7日",
)


@pytest.mark.parametrize("text", SAID)
def test_a_day_is_read_however_it_is_said(text: str) -> None:
    reading = read_date(text)

    assert reading is not None, text
    assert (reading.day, reading.weekday_differs) == (MAY, False)


@pytest.mark.parametrize("language", languages())
def test_every_day_that_our_emails_write_can_be_read_back(language: str) -> None:
    days = [date(2026, month, day) for month in range(1, 13) for day in (1, 7, 28)]

    read = {day: read_date(format_date(day, language)) for day in days}

    assert {day: found and found.day for day, found in read.items()} == {day: day for day in days}
    assert not any(found and found.weekday_differs for found in read.values())


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("3/4/2026", "ambiguous-date", "2026-03-04 or 2026-04-03"),
        ("7.5.2026", "ambiguous-date", "2026-05-07 or 2026-07-05"),
        ("5/7/26", "ambiguous-date", "four digits"),
        ("31 February 2026", "unreadable-date", "no day of the calendar"),
        ("Thursday, May 7", "unreadable-date", "names no year"),
    ],
)
def test_what_could_be_another_day_is_not_guessed(text: str, code: str, said: str) -> None:
    reading = read_date(text)

    assert reading is not None
    assert (reading.day, reading.code) == (None, code)
    assert said in reading.problem


@pytest.mark.parametrize("text", ["17.5.2026", "5/17/2026", "17/5/2026"])
def test_numbers_that_can_be_one_day_only_are_read(text: str) -> None:
    reading = read_date(text)

    assert reading is not None
    assert reading.day == date(2026, 5, 17)


@pytest.mark.parametrize("text", ["3/5/2026", "May 3", "Sunday, 3 May"])
def test_a_name_settles_what_the_text_leaves_open(text: str) -> None:
    reading = read_date(text)

    assert reading is not None
    assert reading.settled(date(2026, 5, 3)).day == date(2026, 5, 3)
    assert reading.settled(date(2026, 5, 4)).day is None


def test_a_short_month_is_not_taken_for_a_weekday() -> None:
    reading = read_date("Mar 3, 2026")

    assert reading is not None
    assert (reading.day, reading.weekday_differs) == (date(2026, 3, 3), False)


def test_a_weekday_that_does_not_fit_is_told_apart() -> None:
    reading = read_date("vrijdag 7 mei 2026")

    assert reading is not None
    assert (reading.day, reading.weekday_differs) == (MAY, True)


@pytest.mark.parametrize(
    "text", ["", "Ada Byrne", "5 min read", "Issue 12", "room 2026", "12 of 20"]
)
def test_other_words_are_no_date(text: str) -> None:
    assert read_date(text) is None


def test_a_date_is_found_among_words_with_its_weekday() -> None:
    found = find_date("Harbour Digest for Thursday, May 7, 2026, early edition")

    assert found is not None
    assert (found[0].day, found[1], found[2]) == (MAY, "Harbour Digest for", "early edition")


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2026-05-07", MAY),
        ("2026-05-07-ferries", MAY),
        ("digest-2026-05-07", MAY),
        ("digest_20260507", MAY),
        ("2026_05_07", MAY),
        ("2026-13-07", None),
        ("ferries", None),
        ("call-020260507123", None),
    ],
)
def test_a_name_says_its_day(name: str, day: date | None) -> None:
    assert day_in_name(name) == day
