"""From an occurrence to its campaign: in time, late, missed, skipped, paused; never twice."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.schedule.keeping_stage import (
    BROKEN,
    DAY,
    DUE,
    KeepingStage,
    a_digest,
)

from newsletter.clock import SettableClock
from newsletter.schedule.model import EditionStatus
from newsletter.schedule.schedules import pause_schedule, resume_schedule, update_schedule
from newsletter.schedule.skips import skip_day, unskip_day

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
YESTERDAY = date(2026, 11, 23)
TOMORROW = date(2026, 11, 25)


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> KeepingStage:
    return KeepingStage(tmp_path, clock)


def test_an_edition_is_fired_at_its_time_and_not_a_moment_before(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write()

    before = stage.look(at=DUE - timedelta(seconds=1))
    there = stage.look(at=DUE)

    assert before is None
    assert there is not None
    assert (there.status, there.campaign) == (EditionStatus.FIRED, 1)
    assert (there.due_at, there.digest_slug) == (DUE, "2026-11-24")
    assert stage.campaign(1).recipients == 5
    assert stage.campaign(1).status == "sending"
    assert stage.alerts() == []
    assert stage.broken() == {}


def test_an_edition_that_was_fired_is_never_fired_again(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write()
    stage.look(at=DUE)
    stage.write(a_digest(story="Five towns agreed"))

    stage.look(after=MINUTE)
    stage.look(after=5 * HOUR)

    assert stage.sent() == [(1, 1)]


def test_what_was_due_before_a_schedule_was_made_is_no_concern_of_it(stage: KeepingStage) -> None:
    stage.clock.advance(3 * HOUR)
    stage.schedule()
    stage.write()

    assert stage.look() is None
    assert stage.sent() == []


# ---------------------------------------------------------------- which digest


def test_a_late_digest_is_waited_for_and_goes_out(stage: KeepingStage) -> None:
    stage.schedule(deadline=3 * HOUR)
    waiting = stage.look(at=DUE)
    stage.look(after=HOUR)
    stage.write()
    fired = stage.look(after=HOUR)

    assert waiting is not None
    assert waiting.status is EditionStatus.WAITING
    assert waiting.reason == "there is no digest for 2026-11-24 yet"
    assert fired is not None
    assert fired.status is EditionStatus.FIRED
    assert stage.alerts() == ["Late: morning of 2026-11-24 to daily"]


def test_a_digest_that_is_a_few_minutes_late_alarms_nobody(stage: KeepingStage) -> None:
    stage.schedule(deadline=3 * HOUR)
    stage.look(at=DUE)
    stage.look(after=9 * MINUTE)
    stage.write()
    stage.look(after=MINUTE / 2)

    assert stage.alerts() == []


def test_a_digest_that_never_comes_is_missed_at_the_deadline_and_told_once(
    stage: KeepingStage,
) -> None:
    stage.schedule(deadline=2 * HOUR)
    stage.look(at=DUE)
    before = stage.look(at=DUE + 2 * HOUR - MINUTE)
    after = stage.look(at=DUE + 2 * HOUR)
    stage.write()
    much_later = stage.look(after=2 * HOUR)

    assert before is not None
    assert before.status is EditionStatus.WAITING
    assert after is not None
    assert after.status is EditionStatus.MISSED
    assert much_later == after
    assert stage.sent() == []
    assert stage.alerts() == [
        "Late: morning of 2026-11-24 to daily",
        "Missed: morning of 2026-11-24 to daily",
    ]
    assert "there is no digest for 2026-11-24 yet" in stage.alert_text()
    assert "    newsletter schedule run-now morning 2026-11-24" in stage.alert_text()


def test_a_digest_of_another_day_is_never_sent_as_todays(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write(a_digest(YESTERDAY), "2026-11-23.md")
    stage.write(a_digest(None), "2026-11-25.md")

    edition = stage.look(at=DUE)

    assert edition is not None
    assert edition.status is EditionStatus.WAITING
    assert stage.sent() == []


def test_yesterdays_digest_under_todays_name_is_told_and_not_sent(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write(a_digest(YESTERDAY))
    waiting = stage.look(at=DUE)
    stage.write()
    fired = stage.look(after=MINUTE)

    assert waiting is not None
    assert waiting.reason is not None
    assert "2026-11-24.md is dated 2026-11-23 inside" in waiting.reason
    assert fired is not None
    assert fired.status is EditionStatus.FIRED
    assert stage.alerts() == ["Not ready: morning of 2026-11-24 to daily"]


def test_a_broken_digest_waits_is_told_once_and_goes_out_when_it_is_corrected(
    stage: KeepingStage,
) -> None:
    stage.schedule()
    stage.write(BROKEN)
    waiting = stage.look(at=DUE)
    stage.look(after=MINUTE)
    told = stage.alert_text()
    stage.write()
    fired = stage.look(after=MINUTE)

    assert waiting is not None
    assert waiting.status is EditionStatus.WAITING
    assert waiting.reason is not None
    assert "citation [^9]" in waiting.reason
    assert stage.alerts() == ["Not ready: morning of 2026-11-24 to daily"]
    assert "corrected before 2026-11-24 11:00 (Europe/Paris), it still goes out" in told
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_a_draft_waits_is_told_once_and_goes_out_when_it_is_ready(stage: KeepingStage) -> None:
    draft = f"---\ndraft: true\n---\n{a_digest()}"
    stage.schedule()
    stage.write(draft)
    waiting = stage.look(at=DUE)
    stage.look(after=MINUTE)
    told = stage.alert_text()
    stage.write(draft.replace("true", "false"))
    fired = stage.look(after=MINUTE)

    assert waiting is not None
    assert waiting.status is EditionStatus.WAITING
    assert "the digest is a draft" in (waiting.reason or "")
    assert stage.alerts() == ["Not ready: morning of 2026-11-24 to daily"]
    assert "draft: true" in told
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_each_broken_revision_is_told_of(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write(BROKEN)
    stage.look(at=DUE)
    stage.write(BROKEN.replace("[^9]", "[^8]"))
    stage.look(after=MINUTE)

    assert len(stage.alerts()) == 2


def test_a_file_that_is_being_written_is_left_alone(stage: KeepingStage) -> None:
    stage.schedule()
    path = stage.write(a_digest(story="Half a sentence that"))
    os.utime(path, (DUE.timestamp(), DUE.timestamp()))

    early = stage.look(at=DUE + timedelta(seconds=1))
    later = stage.look(after=timedelta(seconds=5))

    assert early is not None
    assert early.status is EditionStatus.WAITING
    assert later is not None
    assert later.status is EditionStatus.FIRED


def test_two_digests_of_one_day_are_not_guessed_between(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write(name="harbours.md")
    stage.write(name="ferries.md")

    edition = stage.look(at=DUE)

    assert edition is not None
    assert edition.reason == "several digests are dated 2026-11-24: ferries.md, harbours.md"
    assert stage.alerts() == ["Not ready: morning of 2026-11-24 to daily"]


def test_latest_sends_an_older_digest_once_and_waits_for_a_new_one_the_next_day(
    stage: KeepingStage,
) -> None:
    stage.schedule(digest="latest", deadline=1 * HOUR)
    stage.write(a_digest(YESTERDAY), "2026-11-23.md")
    first = stage.look(at=DUE)
    stage.look(after=timedelta(days=1))
    second = stage.of(TOMORROW)
    stage.look(after=HOUR)

    assert first is not None
    assert first.status is EditionStatus.FIRED
    assert second.status is EditionStatus.WAITING
    assert second.reason is not None
    assert "was sent before as campaign 1" in second.reason
    assert stage.of(TOMORROW).status is EditionStatus.MISSED
    assert stage.sent() == [(1, 1)]


def test_latest_does_not_send_a_digest_of_the_future(stage: KeepingStage) -> None:
    stage.schedule(digest="latest")
    stage.write(a_digest(TOMORROW), "2026-11-25.md")
    stage.write()

    stage.look(at=DUE)

    assert stage.campaign(1).digest == "2026-11-24"


def test_a_file_that_is_used_again_each_day_is_told_of(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write(a_digest(), "today.md")
    stage.look(at=DUE)
    stage.write(a_digest(TOMORROW), "today.md")
    stage.look(after=timedelta(days=1))

    edition = stage.of(TOMORROW)
    assert edition.status is EditionStatus.WAITING
    assert edition.reason is not None
    assert "give it another name" in edition.reason
    assert stage.alerts() == ["Not ready: morning of 2026-11-25 to daily"]


def test_a_digest_that_was_sent_by_hand_is_not_sent_a_second_time(stage: KeepingStage) -> None:
    stage.schedule()
    stage.schedule("by-hand")
    stage.write()
    stage.clock.advance(timedelta(minutes=30))
    by_hand = stage.keeper().run_now("by-hand", None, "test")
    edition = stage.look(at=DUE)

    assert edition is not None
    assert edition.status is EditionStatus.SKIPPED
    assert edition.reason == f"already sent as campaign {by_hand}"
    assert len(stage.sent()) == 1
    assert stage.alerts() == []


def test_an_empty_list_is_missed_and_told(tmp_path: Path, clock: SettableClock) -> None:
    stage = KeepingStage(tmp_path, clock, readers=0)
    stage.schedule()
    stage.write()

    edition = stage.look(at=DUE)

    assert edition is not None
    assert edition.status is EditionStatus.MISSED
    assert edition.reason == "list 'daily' has no active subscribers"
    assert stage.alerts() == ["Missed: morning of 2026-11-24 to daily"]
    assert stage.sent() == []


# ---------------------------------------------------------------- who was away


def test_who_was_away_fires_within_the_grace(stage: KeepingStage) -> None:
    stage.schedule(grace=3 * HOUR, deadline=1 * HOUR)
    stage.write()

    edition = stage.look(at=DUE + 3 * HOUR)

    assert edition is not None
    assert edition.status is EditionStatus.FIRED


def test_what_was_due_longer_ago_than_the_grace_is_missed_and_told_once(
    stage: KeepingStage,
) -> None:
    stage.schedule(grace=3 * HOUR)
    stage.write()

    edition = stage.look(at=DUE + 3 * HOUR + MINUTE)
    stage.look(after=HOUR)

    assert edition is not None
    assert edition.status is EditionStatus.MISSED
    assert stage.sent() == []
    assert stage.alerts() == ["Missed: morning of 2026-11-24 to daily"]


def test_days_at_whose_time_nobody_was_there_are_told_of_together(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write()
    stage.write(a_digest(date(2026, 11, 27)), "2026-11-27.md")

    stage.look(at=DUE + timedelta(days=3))

    assert list(stage.statuses().values()) == ["fired", "missed", "missed", "missed"]
    assert stage.alerts() == ["Missed: morning of 2026-11-24 to 2026-11-26 to daily"]


def test_of_days_within_the_grace_each_sends_its_own_digest(stage: KeepingStage) -> None:
    stage.schedule(grace=48 * HOUR)
    stage.write()
    stage.write(a_digest(TOMORROW), "2026-11-25.md")

    stage.look(at=DUE + timedelta(days=1))

    assert stage.statuses() == {"2026-11-24": "fired", "2026-11-25": "fired"}
    assert [stage.campaign(n).digest for n in (1, 2)] == ["2026-11-24", "2026-11-25"]


def test_of_days_within_the_grace_only_the_newest_sends_the_latest_digest(
    stage: KeepingStage,
) -> None:
    stage.schedule(grace=48 * HOUR, digest="latest")
    stage.write()

    stage.look(at=DUE + timedelta(days=1))

    assert stage.statuses() == {"2026-11-24": "missed", "2026-11-25": "fired"}
    assert len(stage.sent()) == 1


# ---------------------------------------------------------------- what operators change


def test_a_skipped_day_is_skipped_and_says_so(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write()
    stage.change(skip_day, DAY, note="a holiday")

    edition = stage.look(at=DUE)

    assert edition is not None
    assert (edition.status, edition.reason) == ("skipped", "the day is skipped: a holiday")
    assert stage.sent() == []
    assert stage.alerts() == []


def test_a_skip_that_is_taken_back_in_time_changes_nothing(stage: KeepingStage) -> None:
    stage.schedule(approval=True, lead=30 * MINUTE)
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    stage.change(skip_day, DAY)
    skipped = stage.look(after=MINUTE)
    stage.change(unskip_day, DAY)
    back = stage.look(after=MINUTE)

    assert skipped is not None
    assert (skipped.status, skipped.reason) == ("waiting", "the day is skipped")
    assert back is not None
    assert back.status is EditionStatus.HELD


def test_a_pause_sets_open_editions_aside(stage: KeepingStage) -> None:
    stage.schedule()
    stage.look(at=DUE)
    stage.change(pause_schedule)
    stage.write()

    edition = stage.look(after=MINUTE)
    stage.look(at=DUE + timedelta(days=1))

    assert edition is not None
    assert (edition.status, edition.reason) == ("skipped", "the schedule is paused")
    assert stage.statuses() == {"2026-11-24": "skipped"}
    assert stage.sent() == []


def test_a_pause_that_is_over_before_the_time_changes_nothing(stage: KeepingStage) -> None:
    stage.schedule(approval=True, lead=30 * MINUTE)
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    stage.change(pause_schedule)
    paused = stage.look(after=MINUTE)
    stage.change(resume_schedule)
    resumed = stage.look(after=MINUTE)

    assert paused is not None
    assert paused.status is EditionStatus.SKIPPED
    assert resumed is not None
    assert resumed.status is EditionStatus.HELD


def test_a_new_time_is_taken_up(stage: KeepingStage) -> None:
    stage.schedule(approval=True, lead=1 * HOUR)
    stage.write()
    stage.look(at=DUE - 30 * MINUTE)
    stage.decide(yes=True)
    stage.change(update_schedule, time="08:30")
    early = stage.look(at=DUE)
    fired = stage.look(at=DUE + 30 * MINUTE)

    assert early is not None
    assert (early.status, early.due_at) == ("approved", DUE + 30 * MINUTE)
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_a_longer_deadline_is_taken_up(stage: KeepingStage) -> None:
    stage.schedule(deadline=1 * HOUR)
    stage.look(at=DUE)
    stage.change(update_schedule, deadline=4 * HOUR)
    stage.look(at=DUE + 2 * HOUR)
    stage.write()

    fired = stage.look(after=MINUTE)

    assert fired is not None
    assert fired.status is EditionStatus.FIRED


# ---------------------------------------------------------------- clocks that jump


@pytest.mark.parametrize(
    ("day", "time", "instant"),
    [
        (date(2026, 3, 29), "02:30", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (date(2026, 10, 25), "02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_on_days_of_daylight_saving_it_is_fired_once(
    tmp_path: Path, day: date, time: str, instant: datetime
) -> None:
    stage = KeepingStage(tmp_path, SettableClock(instant - 12 * HOUR))
    stage.schedule(time=time)
    stage.write(a_digest(day), f"{day}.md")

    moments = [instant + timedelta(minutes=10 * step) for step in range(-6, 18)]
    fired = [
        at
        for at in moments
        if stage.look(at=at) is None and stage.keeper().look() and len(stage.sent()) == 1
    ]

    assert fired[0] == instant
    assert len(stage.sent()) == 1
    assert stage.of(day).due_at == instant


def test_a_clock_that_is_set_back_fires_nothing_twice(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write()
    stage.look(at=DUE + MINUTE)
    stage.look(after=-HOUR)
    stage.look(at=DUE)
    stage.look(after=HOUR)

    assert stage.sent() == [(1, 1)]
    assert stage.alerts() == []


def test_a_clock_that_is_set_back_before_an_edition_fires_loses_nothing(
    stage: KeepingStage,
) -> None:
    stage.schedule()
    stage.look(at=DUE + MINUTE)
    waiting = stage.look(after=-HOUR)
    stage.write()
    early = stage.look(after=MINUTE)
    fired = stage.look(at=DUE)

    assert waiting is not None
    assert waiting.status is EditionStatus.WAITING
    assert early == waiting
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_what_was_missed_by_a_wrong_clock_is_sent_when_its_time_comes(stage: KeepingStage) -> None:
    stage.schedule(grace=30 * MINUTE)
    stage.write()
    stage.clock.advance(30 * MINUTE)
    wrong = stage.look(after=2 * HOUR)
    right = stage.look(after=-2 * HOUR)
    fired = stage.look(at=DUE)

    assert wrong is not None
    assert wrong.status is EditionStatus.MISSED
    assert right is not None
    assert right.status is EditionStatus.WAITING
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_a_missed_day_with_a_later_time_is_due_again(stage: KeepingStage) -> None:
    stage.schedule(deadline=HOUR)
    stage.look(at=DUE)
    missed = stage.look(after=HOUR)
    stage.change(update_schedule, time="14:00")
    waiting = stage.look(after=MINUTE)
    stage.write()
    fired = stage.look(at=DUE + 6 * HOUR)

    assert missed is not None
    assert missed.status is EditionStatus.MISSED
    assert waiting is not None
    assert (waiting.status, waiting.due_at) == ("waiting", DUE + 6 * HOUR)
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_a_clock_that_is_set_forward_by_an_hour_over_the_time_loses_nothing(
    stage: KeepingStage,
) -> None:
    stage.schedule()
    stage.write()
    stage.look(at=DUE - MINUTE)
    stage.look(after=HOUR)
    stage.look(after=-HOUR)
    stage.look(at=DUE + MINUTE)
    stage.write(a_digest(TOMORROW), "2026-11-25.md")
    stage.look(at=DUE + timedelta(days=1))

    assert stage.sent() == [(1, 1), (2, 2)]
