"""Which moves an edition can make, and what a schedule as it is now makes of its editions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from newsletter.digest.library import day_of_name
from newsletter.schedule.choosing import Chosen
from newsletter.schedule.edition_history import Earlier, Past, judge
from newsletter.schedule.edition_plan import Due, change, makes
from newsletter.schedule.edition_view import View
from newsletter.schedule.model import (
    EDITION_MOVES,
    OPEN,
    DigestRule,
    Edition,
    EditionStatus,
    Schedule,
)

S = EditionStatus
HOUR = timedelta(hours=1)
DAY = date(2026, 11, 24)
DUE = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
SCHEDULE = Schedule(
    id=1,
    name="morning",
    list_id=1,
    list_name="daily",
    segment=None,
    time=time(8),
    days=(),
    cron=None,
    timezone="Europe/Paris",
    by_reader=False,
    approval=False,
    lead=timedelta(0),
    digest_rule=DigestRule.DAY,
    grace=3 * HOUR,
    deadline=2 * HOUR,
    listed=True,
    paused=False,
    since=DUE - 48 * HOUR,
)
EDITION = Edition(
    id=1,
    schedule_id=1,
    schedule="morning",
    list_id=1,
    day=DAY,
    due_at=DUE,
    deadline_at=DUE + 2 * HOUR,
    status=S.WAITING,
    reason=None,
    digest_slug=None,
    content_hash=None,
    asked_at=None,
    decided_at=None,
    decided_by=None,
    campaign=None,
    updated_at=DUE - HOUR,
)
ON_TIME = Due(DAY, DUE, DUE)


def test_only_a_fired_edition_is_at_its_end_and_every_other_can_still_be_fired() -> None:
    assert S.FIRED not in EDITION_MOVES
    assert {state for state, ends in EDITION_MOVES.items() if S.FIRED in ends} == set(S) - {S.FIRED}


def test_what_is_closed_waits_again_only_when_it_was_skipped_or_missed() -> None:
    reopened = {
        (state, end)
        for state, ends in EDITION_MOVES.items()
        for end in ends
        if state not in OPEN and end in OPEN
    }

    assert reopened == {(S.SKIPPED, S.WAITING), (S.MISSED, S.WAITING)}


# ---------------------------------------------------------------- what is made


@pytest.mark.parametrize(
    ("late", "status"),
    [
        (timedelta(0), S.WAITING),
        (3 * HOUR, S.WAITING),
        (3 * HOUR + timedelta(seconds=1), S.MISSED),
    ],
)
def test_the_grace_decides_what_is_missed_from_the_start(
    late: timedelta, status: EditionStatus
) -> None:
    (made,) = makes(SCHEDULE, [ON_TIME], {}, DUE + late)

    assert (made.status, made.deadline_at) == (status, DUE + 2 * HOUR)


def test_a_skipped_day_is_made_as_skipped_when_its_time_has_come_and_not_before() -> None:
    skips = {DAY: "a holiday"}

    assert list(makes(SCHEDULE, [ON_TIME], skips, DUE - HOUR)) == []
    (made,) = makes(SCHEDULE, [ON_TIME], skips, DUE + 10 * HOUR)
    assert (made.status, made.reason) == (S.SKIPPED, "the day is skipped: a holiday")


def test_a_paused_schedule_makes_nothing() -> None:
    assert list(makes(replace(SCHEDULE, paused=True), [ON_TIME], {}, DUE)) == []


def test_with_waves_grace_and_deadline_count_from_the_schedules_own_time() -> None:
    due = Due(DAY, DUE - 13 * HOUR, DUE)
    (made,) = makes(replace(SCHEDULE, by_reader=True), [due], {}, DUE + HOUR)

    assert (made.status, made.due_at, made.deadline_at) == (
        S.WAITING,
        DUE - 13 * HOUR,
        DUE + 2 * HOUR,
    )


# ---------------------------------------------------------------- what changes


def changed(
    schedule: Schedule = SCHEDULE,
    edition: Edition = EDITION,
    due: Due | None = ON_TIME,
    *,
    now: datetime = DUE - HOUR,
    skips: dict[date, str | None] | None = None,
) -> tuple[EditionStatus, datetime, datetime] | None:
    found = change(schedule, edition, due, skips or {}, now)
    return None if found is None else (found.status, found.due_at, found.deadline_at)


LATER = Due(DAY, DUE + HOUR, DUE + HOUR)
SEEN = replace(EDITION, reason="there is no digest yet", updated_at=DUE + HOUR / 2)


def test_a_schedule_that_did_not_change_changes_nothing() -> None:
    assert changed() is None
    assert changed(edition=SEEN, now=DUE + HOUR) is None
    assert changed(edition=replace(EDITION, status=S.MISSED), now=DUE + 9 * HOUR) is None
    assert changed(edition=replace(EDITION, status=S.CANCELLED), due=LATER) is None
    assert changed(edition=replace(EDITION, status=S.FIRED), due=None) is None


def test_another_time_is_taken_over_as_long_as_it_is_to_come() -> None:
    moved = (S.WAITING, DUE + HOUR, DUE + 3 * HOUR)

    assert changed(due=LATER) == moved
    assert changed(due=LATER, now=DUE + HOUR / 2) == moved
    assert changed(due=LATER, edition=SEEN, now=DUE + HOUR / 2) == moved


def test_a_time_that_nobody_was_there_for_is_the_one_the_schedule_has_now() -> None:
    assert changed(due=LATER, now=DUE + 2 * HOUR) == (S.WAITING, DUE + HOUR, DUE + 3 * HOUR)


def test_another_deadline_is_taken_over_also_when_its_time_is_past() -> None:
    patient = replace(SCHEDULE, deadline=5 * HOUR)

    assert changed(patient, SEEN, now=DUE + HOUR) == (S.WAITING, DUE, DUE + 5 * HOUR)


def test_a_day_that_is_not_due_any_more_is_set_aside_unless_it_was_waited_for_already() -> None:
    aside = (S.SKIPPED, DUE, DUE + 2 * HOUR)

    assert changed(due=None) == aside
    assert changed(due=None, now=DUE + HOUR) == aside
    assert changed(due=None, edition=SEEN, now=DUE + HOUR) is None


@pytest.mark.parametrize("status", OPEN)
def test_a_pause_sets_aside_what_is_open_and_the_end_of_it_brings_back_what_is_to_come(
    status: EditionStatus,
) -> None:
    aside = replace(EDITION, status=S.SKIPPED)

    assert changed(replace(SCHEDULE, paused=True), replace(EDITION, status=status)) == (
        S.SKIPPED,
        DUE,
        DUE + 2 * HOUR,
    )
    assert changed(edition=aside) == (S.WAITING, DUE, DUE + 2 * HOUR)
    assert changed(edition=aside, now=DUE) is None


def test_a_skip_counts_when_the_time_has_come() -> None:
    assert changed(skips={DAY: None}) is None
    assert changed(skips={DAY: None}, now=DUE) == (S.SKIPPED, DUE, DUE + 2 * HOUR)


# ---------------------------------------------------------------- what is lost


@pytest.mark.parametrize(
    ("edition", "now", "lost"),
    [
        (EDITION, DUE + 3 * HOUR, None),
        (EDITION, DUE + 3 * HOUR + timedelta(seconds=1), "nobody was there"),
        (SEEN, DUE + 2 * HOUR - timedelta(seconds=1), None),
        (SEEN, DUE + 2 * HOUR, "there is no digest yet"),
        (replace(SEEN, status=S.HELD), DUE + 2 * HOUR, "no operator said yes"),
    ],
)
def test_the_first_look_goes_by_the_grace_and_all_others_by_the_deadline(
    edition: Edition, now: datetime, lost: str | None
) -> None:
    reason = View(edition, SCHEDULE, None, None, copied=False).lost(now)

    assert reason is None if lost is None else reason is not None and lost in reason


# ---------------------------------------------------------------- what went out before

EVE = DAY - timedelta(days=1)


def chosen(day: date = DAY) -> Chosen:
    return Chosen(Path(f"{day}.md"), f"{day}", day_of_name(Path(f"{day}")), "hash")


@pytest.mark.parametrize(
    ("earlier", "digest", "past"),
    [
        # By hand, or by another schedule, this morning; also an earlier revision of it.
        (Earlier(7, None, same_revision=True, day=DAY), chosen(), Past.ALREADY),
        (Earlier(7, 2, same_revision=True, day=DAY), chosen(), Past.ALREADY),
        (Earlier(7, None, same_revision=False, day=DAY), chosen(), Past.ALREADY),
        # Yesterday's, which is still the last one.
        (Earlier(7, 1, same_revision=True, day=EVE), chosen(EVE), Past.STALE),
        (Earlier(7, None, same_revision=True, day=EVE), chosen(EVE), Past.STALE),
        (Earlier(7, 1, same_revision=False, day=EVE), chosen(EVE), Past.STALE),
        # Today's edition with what yesterday's has sent already.
        (Earlier(7, 1, same_revision=True, day=DAY), chosen(), Past.STALE),
        # One file for each day's digest.
        (Earlier(7, 1, same_revision=False, day=EVE), chosen(), Past.NAME_TAKEN),
        (Earlier(7, None, same_revision=False, day=None), chosen(), Past.NAME_TAKEN),
    ],
)
def test_an_earlier_campaign_says_what_a_digest_is(
    earlier: Earlier, digest: Chosen, past: Past
) -> None:
    assert judge(earlier, SCHEDULE, EDITION, digest) is past
