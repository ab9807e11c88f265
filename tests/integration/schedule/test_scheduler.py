"""The scheduler looks again and again, and on time, whatever a look or the clock does (H4, G17)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from tests import waiting

from newsletter.clock import SystemClock
from newsletter.errors import TryAgainLater
from newsletter.schedule import scheduler
from newsletter.schedule.scheduler import MorningScheduler


class Looks:
    """Counts looks, and says what is due."""

    def __init__(self) -> None:
        self.at: list[datetime] = []
        self.due: datetime | None = None
        self.work: Callable[[], None] = lambda: None
        self.troubles: list[str] = []

    def look(self) -> None:
        """Look."""
        self.at.append(datetime.now(UTC))
        self.work()

    def next_due(self) -> datetime | None:
        """Say when to look next."""
        return self.due


@contextmanager
def looking(looks: Looks, every: float = 3600.0) -> Iterator[MorningScheduler]:
    """Let a scheduler work until the block ends."""
    made = MorningScheduler(
        looks.look,
        looks.next_due,
        SystemClock(),
        trouble=looks.troubles.append,
        look_seconds=every,
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()


soon = partial(waiting.soon, seconds=60.0)


def test_it_looks_at_the_start_and_again_and_again() -> None:
    looks = Looks()
    with looking(looks, every=0.1) as clockwork:
        assert soon(lambda: len(looks.at) >= 4)
        assert clockwork.problem() is None
        assert clockwork.seconds_since_look < 30
    assert clockwork.problem() == "not running"


def test_it_looks_at_the_instant_that_is_due() -> None:
    looks = Looks()
    due = looks.due = datetime.now(UTC) + timedelta(seconds=1)
    with looking(looks) as clockwork:
        assert soon(lambda: len(looks.at) == 2)
        assert soon(lambda: clockwork.next_due == due)

    late = looks.at[1] - due
    assert timedelta(0) <= late < timedelta(seconds=1)


def test_a_change_that_a_look_finds_moves_the_instant() -> None:
    looks = Looks()
    looks.due = datetime.now(UTC) + timedelta(hours=1)
    with looking(looks) as clockwork:
        assert soon(lambda: clockwork.next_due is not None)
        looks.due = datetime.now(UTC) + timedelta(seconds=0.8)
        clockwork.wake()
        assert soon(lambda: len(looks.at) == 3)
        looks.due = None
        clockwork.wake()
        assert soon(lambda: clockwork.next_due is None)


def test_what_is_due_already_is_left_to_the_next_look() -> None:
    looks = Looks()
    looks.due = datetime.now(UTC) - timedelta(seconds=5)
    with looking(looks):
        assert soon(lambda: len(looks.at) == 1)
        time.sleep(0.3)

    assert len(looks.at) == 1


def test_looks_never_overlap() -> None:
    looks = Looks()
    inside, most = 0, 0
    lock = threading.Lock()

    def slowly() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.2)
        with lock:
            inside -= 1

    looks.work = slowly
    looks.due = datetime.now(UTC) + timedelta(seconds=0.3)
    with looking(looks, every=0.05) as clockwork:
        for _ in range(5):
            clockwork.wake()
        assert soon(lambda: len(looks.at) >= 4)

    assert most == 1


@pytest.mark.parametrize("error", [RuntimeError("ours"), TryAgainLater("the database is busy")])
def test_no_error_ends_the_looks_and_a_long_series_is_told_once(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scheduler, "TROUBLE_SECONDS", 0.3)
    looks = Looks()

    def fail() -> None:
        raise error

    looks.work = fail
    with looking(looks, every=0.05) as clockwork:
        assert soon(lambda: len(looks.troubles) == 1)
        count = len(looks.at)
        assert soon(lambda: len(looks.at) > count + 3)
        looks.work = lambda: None
        assert soon(lambda: clockwork.seconds_since_look < 0.2)
        looks.work = fail
        assert soon(lambda: len(looks.troubles) == 2)

    assert capsys.readouterr().out.count("schedules_not_seen") == 1


def test_looks_that_fail_are_told_by_the_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "LATE_SECONDS", 0.2)
    looks = Looks()

    def fail() -> None:
        raise TryAgainLater("the database is busy")

    looks.work = fail
    with looking(looks, every=0.05) as clockwork:
        assert soon(lambda: (clockwork.problem() or "").startswith("no look for"))


def test_a_clock_set_back_does_not_put_the_looks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WATCH_SECONDS", 0.1)
    looks = Looks()
    with looking(looks, every=0.2) as clockwork:
        assert soon(lambda: len(looks.at) >= 2)
        # As if the clock had been set back by an hour: by it, the next look is far away.
        clockwork._jobs.modify_job("look", next_run_time=datetime.now(UTC) + timedelta(hours=1))
        count = len(looks.at)
        assert soon(lambda: len(looks.at) >= count + 3)


def test_a_stop_waits_for_the_look_under_way_and_none_begins_behind_it() -> None:
    looks = Looks()
    ended = threading.Event()

    def slowly() -> None:
        time.sleep(0.4)
        ended.set()

    looks.work = slowly
    with looking(looks, every=0.05) as clockwork:
        assert soon(lambda: len(looks.at) == 1)
    assert ended.is_set()
    clockwork.wake()
    clockwork.stop()
    count = len(looks.at)
    time.sleep(0.2)

    assert len(looks.at) == count
    assert not [t for t in threading.enumerate() if t.name in ("APScheduler", "schedule_watch")]


def test_the_libraries_own_log_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    looks = Looks()
    looks.work = lambda: time.sleep(0.3)
    with looking(looks, every=0.02):
        assert soon(lambda: len(looks.at) >= 2)

    assert logging.getLogger("apscheduler.scheduler").getEffectiveLevel() > logging.ERROR
    assert "maximum number" not in "".join(capfd.readouterr())
