"""Schedules as rows on both databases: added, changed, skipped, paused, removed, and refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from tests.builders import Stage

from newsletter.audience.lists import update_list
from newsletter.audience.segments import add_segment
from newsletter.clock import SettableClock
from newsletter.errors import AudienceError, NewsletterError
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import DigestRule, EditionStatus, Schedule
from newsletter.schedule.recurrence import recurrence_of
from newsletter.schedule.schedules import (
    add_schedule,
    get_schedule,
    list_schedules,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    update_schedule,
)
from newsletter.schedule.skips import skip_day, skipped_days, unskip_day
from newsletter.schedule.upcoming import upcoming
from newsletter.storage.schedule_tables import editions, schedules
from newsletter.storage.tables import audit_log

CHRISTMAS = date(2026, 12, 25)


class Board:
    """The schedules of one database, at a clock that stands until it is moved."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.clock = stage.clock

    def change(self, function: Callable[..., Any], *words: Any, **more: Any) -> Any:
        with self.stage.database.write() as connection:
            return function(connection, self.clock.now(), *words, actor="test", **more)

    def add(self, name: str = "morning", list_name: str = "daily", **words: Any) -> Schedule:
        words = words if {"time", "cron", "days"} & set(words) else {"time": "07:30", **words}
        made: Schedule = self.change(add_schedule, name=name, list_name=list_name, **words)
        return made

    def read(self, function: Callable[[Connection], Any]) -> Any:
        with self.stage.database.read() as connection:
            return function(connection)

    def get(self, name: str = "morning") -> Schedule:
        found: Schedule = self.read(lambda connection: get_schedule(connection, name))
        return found

    def acts(self) -> list[str]:
        query = select(audit_log.c.action).where(audit_log.c.action.like("schedule.%"))
        return list(self.read(lambda connection: connection.execute(query).scalars().all()))

    def edition(self, day: date, status: EditionStatus) -> None:
        now = self.clock.now()
        with self.stage.database.write() as connection:
            connection.execute(
                insert(editions).values(
                    schedule_id=select(schedules.c.id).scalar_subquery(),
                    day=day.isoformat(),
                    status=status.value,
                    **dict.fromkeys(("due_at", "deadline_at", "created_at", "updated_at"), now),
                )
            )


@pytest.fixture(params=["sqlite", "postgresql"])
def board(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Board]:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    stage = Stage(tmp_path, clock, readers=0, url=url)
    yield Board(stage)
    stage.database.close()


def test_a_schedule_is_kept_as_it_was_said(board: Board) -> None:
    with board.stage.database.write() as connection:
        add_segment(connection, board.clock.now(), name="beta", text='tag = "beta"', actor="test")

    made = board.add(
        time="7:05",
        days="fri, Monday",
        timezone="Europe/Paris",
        segment="beta",
        by_reader=True,
        approval=True,
        lead=timedelta(hours=1),
        digest="latest",
        grace=timedelta(hours=2),
        deadline=timedelta(days=1),
    )

    assert made == board.get()
    assert (made.time, made.days, made.cron) == (time(7, 5), (0, 4), None)
    assert (made.timezone, made.segment, made.list_name) == ("Europe/Paris", "beta", "daily")
    assert (made.by_reader, made.approval, made.paused) == (True, True, False)
    assert (made.lead, made.grace) == (timedelta(hours=1), timedelta(hours=2))
    assert (made.deadline, made.digest_rule) == (timedelta(days=1), DigestRule.LATEST)
    assert made.since == board.clock.now()
    assert board.acts() == ["schedule.add"]


def test_what_is_not_said_is_usual(board: Board) -> None:
    board.add("plain", default_zone="Asia/Tokyo")
    with board.stage.database.write() as connection:
        update_list(
            connection, board.clock.now(), "daily", {"timezone": "Asia/Kolkata"}, actor="test"
        )
    board.add("of-the-list", default_zone="Asia/Tokyo")
    board.add("asked", approval=True)

    plain, asked = board.get("plain"), board.get("asked")

    assert plain.timezone == "Asia/Tokyo"
    assert board.get("of-the-list").timezone == "Asia/Kolkata"
    assert (plain.days, plain.segment, plain.digest_rule) == ((), None, DigestRule.DAY)
    assert (plain.grace, plain.deadline) == (timedelta(hours=3), timedelta(hours=3))
    assert (plain.lead, asked.lead) == (timedelta(), timedelta(minutes=30))
    names = [schedule.name for schedule in board.read(list_schedules)]
    assert names == ["asked", "of-the-list", "plain"]


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        ("daily", ()),
        ("weekdays", (0, 1, 2, 3, 4)),
        ("weekends", (5, 6)),
        ("sun,mon,tue,wed,thu,fri,sat", ()),
        ("WED,wed,", (2,)),
    ],
)
def test_days_are_read_in_any_order(board: Board, days: str, kept: tuple[int, ...]) -> None:
    assert board.add(time="08:00", days=days).days == kept


@pytest.mark.parametrize(
    ("words", "problem", "fix"),
    [
        ({"name": "Morning"}, "'Morning' is no name for a schedule", "small letters"),
        ({"list_name": "dayly"}, "there is no list 'dayly'", "did you mean 'daily'?"),
        ({"segment": "beta"}, "there is no segment 'beta'", "segments add"),
        ({"timezone": "europe/pariss"}, "unknown time zone", "did you mean 'Europe/Paris'?"),
        ({"time": "24:00"}, "'24:00' is no time of day", "HH:MM"),
        ({"time": "8am"}, "'8am' is no time of day", "HH:MM"),
        ({"time": "08:00", "days": "mon,tuesdy"}, "'tuesdy' is no day", "did you mean 'tuesday'?"),
        ({"time": "08:00", "days": ","}, "no day of the week is named", "daily"),
        ({"days": "mon"}, "days of the week belong to a time", "--time"),
        ({"time": "08:00", "cron": "0 8 * * *"}, "says time and days by itself", "--cron alone"),
        ({"cron": "0 8,17 * * *"}, "fires 2 times a day", "a schedule for each time"),
        ({"cron": "0 */2 * * *", "by_reader": True}, "fires 12 times a day", "each time"),
        ({"cron": "0 8 31 2 *"}, "never comes", "check day of month"),
        ({"cron": "0 8 * * " + ",".join(["mon"] * 30)}, "characters", "ranges"),
        ({"lead": timedelta(hours=1)}, "nothing waits for approval", "--approval"),
        ({"approval": True, "lead": timedelta(days=8)}, "a lead of 8 days", "seven days"),
        ({"grace": timedelta()}, "a grace of 0:00:00", "one minute"),
        ({"deadline": timedelta(days=30)}, "a deadline of 30 days", "seven days"),
        ({"digest": "lattest"}, "no rule for which digest", "did you mean 'latest'?"),
    ],
)
def test_a_wrong_word_is_refused_with_a_way_out(
    board: Board, words: dict[str, Any], problem: str, fix: str
) -> None:
    with pytest.raises(NewsletterError) as caught:
        board.add(**words)

    assert problem in caught.value.problem
    assert fix in (caught.value.fix or "")
    assert board.read(list_schedules) == []
    assert board.acts() == []


def test_a_name_is_given_once_and_a_wrong_one_is_guessed(board: Board) -> None:
    board.add()

    with pytest.raises(ScheduleError, match="exists already"):
        board.add()
    with pytest.raises(ScheduleError) as caught:
        board.get("mornin")

    assert caught.value.fix == "did you mean 'morning'?"


def test_another_time_starts_the_schedule_anew_and_other_words_do_not(board: Board) -> None:
    begun = board.add(approval=True).since
    board.clock.advance(timedelta(hours=2))

    board.change(update_schedule, "morning", grace=timedelta(hours=1), approval=False)
    calm = board.get()
    board.change(update_schedule, "morning", days="weekdays")
    moved = board.get()

    assert (calm.since, calm.grace, calm.lead) == (begun, timedelta(hours=1), timedelta())
    assert (moved.since, moved.time) == (begun + timedelta(hours=2), time(7, 30))
    assert moved.days == (0, 1, 2, 3, 4)
    assert board.acts() == ["schedule.add", "schedule.update", "schedule.update"]


def test_nothing_changed_is_no_act(board: Board) -> None:
    begun = board.add().since
    board.clock.advance(timedelta(hours=2))

    board.change(update_schedule, "morning", time="07:30", days="daily")

    assert board.get().since == begun
    assert board.acts() == ["schedule.add"]


def test_a_time_and_a_cron_expression_take_each_others_place(board: Board) -> None:
    board.add(time="08:00", days="mon")

    board.change(update_schedule, "morning", cron="30  7 * * 1-5")
    by_cron = board.get()
    with pytest.raises(ScheduleError, match="belong to a time"):
        board.change(update_schedule, "morning", days="fri")
    board.change(update_schedule, "morning", time="09:00")
    by_time = board.get()

    assert (by_cron.cron, by_cron.time, by_cron.days) == ("30 7 * * 1-5", None, ())
    assert recurrence_of(by_cron).wall_time == time(7, 30)
    assert (by_time.cron, by_time.time, by_time.days) == (None, time(9), ())


def test_a_refused_change_leaves_everything_as_it_was(board: Board) -> None:
    before = board.add()

    with pytest.raises(ScheduleError, match="never comes"):
        board.change(update_schedule, "morning", cron="0 8 30 2 *")
    with pytest.raises(AudienceError):
        board.change(update_schedule, "morning", segment="nobody")

    assert board.get() == before


def test_what_was_due_in_a_pause_is_not_made_up_for(board: Board) -> None:
    board.add(timezone="UTC")
    board.change(pause_schedule, "morning")
    board.clock.advance(timedelta(days=3))

    paused = board.get()
    board.change(pause_schedule, "morning")
    board.change(resume_schedule, "morning")
    resumed = board.get()
    board.clock.advance(timedelta(minutes=1))
    board.change(resume_schedule, "morning")

    assert paused.paused
    assert (resumed.paused, resumed.since) == (False, datetime(2026, 11, 27, 6, tzinfo=UTC))
    assert board.get().since == resumed.since
    assert board.acts() == ["schedule.add", "schedule.pause", "schedule.resume"]


def test_a_schedule_with_editions_is_kept(board: Board) -> None:
    board.add()
    board.change(skip_day, "morning", CHRISTMAS)
    board.edition(date(2026, 11, 24), EditionStatus.MISSED)

    with pytest.raises(ScheduleError) as caught:
        board.change(remove_schedule, "morning")

    assert caught.value.problem == "schedule 'morning' has 1 edition, which are kept"
    assert caught.value.fix == "to stop it: newsletter schedule pause morning"
    assert board.get().name == "morning"


def test_a_schedule_without_editions_goes_with_its_skips(board: Board) -> None:
    board.add()
    board.change(skip_day, "morning", CHRISTMAS)

    board.change(remove_schedule, "morning")

    assert board.read(list_schedules) == []
    assert board.acts() == ["schedule.add", "schedule.skip", "schedule.remove"]
    assert board.add().name == "morning"


def test_days_are_skipped_noted_anew_and_had_again(board: Board) -> None:
    number = board.add().id

    def skips() -> Any:
        return board.read(lambda connection: skipped_days(connection, number))

    board.change(skip_day, "morning", CHRISTMAS, note="Christmas")
    board.change(skip_day, "morning", date(2026, 11, 24))
    board.change(skip_day, "morning", CHRISTMAS, note="Noël")
    board.change(skip_day, "morning", CHRISTMAS, note="Noël")
    both = skips()
    board.change(unskip_day, "morning", CHRISTMAS)

    assert list(both.items()) == [(date(2026, 11, 24), None), (CHRISTMAS, "Noël")]
    assert list(skips()) == [date(2026, 11, 24)]
    assert board.acts()[1:] == ["schedule.skip"] * 3 + ["schedule.unskip"]


def test_a_skip_that_comes_too_late_is_refused(board: Board) -> None:
    board.add(timezone="Pacific/Auckland")
    board.edition(date(2026, 11, 24), EditionStatus.FIRED)

    with pytest.raises(ScheduleError, match="was fired already"):
        board.change(skip_day, "morning", date(2026, 11, 24))
    with pytest.raises(ScheduleError, match="2026-11-23 is past in Pacific/Auckland"):
        board.change(skip_day, "morning", date(2026, 11, 23))


def test_a_skip_is_lifted_only_where_there_is_one_to_lift(board: Board) -> None:
    board.add()
    board.change(skip_day, "morning", CHRISTMAS)

    with pytest.raises(ScheduleError, match="is not skipped") as wrong_day:
        board.change(unskip_day, "morning", date(2026, 12, 24))

    assert wrong_day.value.fix == "skipped are 2026-12-25"


def test_a_skip_is_lifted_until_its_time_has_come(board: Board) -> None:
    number = board.add().id
    today = date(2026, 11, 24)
    board.change(skip_day, "morning", today)
    board.clock.advance(timedelta(hours=1))
    board.edition(today, EditionStatus.SKIPPED)

    with pytest.raises(ScheduleError, match="was left out already"):
        board.change(unskip_day, "morning", today)
    board.clock.advance(timedelta(minutes=-1))
    board.change(unskip_day, "morning", today)

    assert board.read(lambda connection: skipped_days(connection, number)) == {}


def test_what_comes_next_is_told_in_order_with_skips_and_editions(board: Board) -> None:
    board.add("morning", time="07:30", timezone="Europe/Paris")
    board.change(skip_day, "morning", date(2026, 11, 25), note="a holiday")
    board.edition(date(2026, 11, 24), EditionStatus.HELD)
    board.clock.advance(timedelta(hours=-1))
    board.add("weekly", time="07:00", days="wed", timezone="UTC")
    board.add("resting", time="07:00", timezone="UTC")
    board.change(pause_schedule, "resting")

    found = board.read(
        lambda connection: upcoming(connection, list_schedules(connection), board.clock.now(), 4)
    )

    assert [
        (item.schedule.name, f"{item.occurrence.at:%a %H:%M}", item.note, item.edition)
        for item in found
    ] == [
        ("morning", "Tue 06:30", None, EditionStatus.HELD),
        ("morning", "Wed 06:30", "a holiday", None),
        ("weekly", "Wed 07:00", None, None),
        ("morning", "Thu 06:30", None, None),
    ]
    assert [item.skipped for item in found] == [False, True, False, False]
