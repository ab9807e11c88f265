"""When a mailbox is looked at: at once, then now and then, and more seldom while it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from tests.waiting import soon

from newsletter.errors import ConfigurationError, TryAgainLater
from newsletter.feedback.imap_mailbox import folder_name
from newsletter.feedback.polling import LookedAt, Poller, Round, pause_after

AWAY = TryAgainLater("the server is away", fix="wait")


class Plan:
    """A mailbox whose rounds are written down beforehand; told to stop when they are used up."""

    def __init__(self, *rounds: Round | Exception) -> None:
        self.rounds = list(rounds)
        self.stop = threading.Event()
        self.waits = 0
        self.closed = False

    def round(self) -> Round:
        one = self.rounds.pop(0)
        if not self.rounds:
            self.stop.set()
        if isinstance(one, Exception):
            raise one
        return one

    def wait(self, _seconds: float) -> None:
        self.waits += 1

    def close(self) -> None:
        self.closed = True


def a_poller(
    plan: Plan, *, apply: Callable[[], object] = lambda: None, troubles: list[str] | None = None
) -> Poller:
    told = troubles if troubles is not None else []
    return Poller(
        plan, interval=timedelta(seconds=1), apply=apply, on_trouble=told.append, stop=plan.stop
    )


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let failures be followed at once; how long a pause is has a test of its own."""
    monkeypatch.setattr(
        "newsletter.feedback.polling.pause_after", lambda _failures, _interval: timedelta(0)
    )


@pytest.mark.parametrize(
    ("failures", "minutes"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (5000, 60)]
)
def test_the_pause_doubles_with_each_failure_up_to_an_hour(failures: int, minutes: int) -> None:
    assert pause_after(failures, timedelta(minutes=5)) == timedelta(minutes=minutes)


def test_a_pause_is_never_shorter_than_the_interval_nor_than_a_second() -> None:
    assert pause_after(3, timedelta(hours=6)) == timedelta(hours=6)
    assert pause_after(1, timedelta(0)) == timedelta(seconds=1)


def test_what_was_stored_is_applied_and_an_empty_round_asks_for_nothing() -> None:
    applied: list[int] = []
    plan = Plan(Round(), Round(fetched=2, handled=2), Round())

    a_poller(plan, apply=lambda: applied.append(1)).run()

    assert applied == [1]
    assert plan.closed


def test_a_full_mailbox_is_read_on_without_waiting() -> None:
    plan = Plan(Round(fetched=9, handled=9, more=True), Round(fetched=9, handled=9), Round())

    a_poller(plan).run()

    assert plan.waits == 2


def test_a_round_that_failed_in_the_middle_is_applied_as_far_as_it_came() -> None:
    applied: list[int] = []

    a_poller(Plan(AWAY), apply=lambda: applied.append(1)).run()

    assert applied == [1]


def test_the_first_failure_of_a_series_is_told_and_so_is_the_first_after_a_recovery() -> None:
    troubles: list[str] = []
    wrong = ConfigurationError("the login is refused")

    with capture_logs() as logs:
        a_poller(Plan(AWAY, AWAY, wrong, Round(), wrong, Round()), troubles=troubles).run()

    assert troubles == ["the server is away. wait", "the login is refused"]
    events = [entry["event"] for entry in logs]
    assert events.count("mailbox_not_read") == 4
    assert events.count("mailbox_read_again") == 2


def test_a_failure_to_apply_is_told_like_one_to_read() -> None:
    troubles: list[str] = []

    def busy() -> None:
        raise TryAgainLater("the database is busy")

    a_poller(Plan(Round(fetched=1, handled=1), Round()), apply=busy, troubles=troubles).run()

    assert troubles == ["the database is busy"]


def test_a_fault_of_the_program_is_told_by_its_place_and_the_rounds_go_on() -> None:
    troubles: list[str] = []
    plan = Plan(ZeroDivisionError("a@example.org"), Round())

    a_poller(plan, troubles=troubles).run()

    assert troubles[0].startswith("ZeroDivisionError at test_polling.py:")
    assert "example.org" not in troubles[0]
    assert plan.waits == 1


def test_trouble_that_cannot_be_told_does_not_end_the_rounds() -> None:
    plan = Plan(AWAY, Round())

    def untellable(_words: str) -> None:
        raise OSError("no database to put it in")

    Poller(
        plan,
        interval=timedelta(seconds=1),
        apply=lambda: None,
        on_trouble=untellable,
        stop=plan.stop,
    ).run()

    assert plan.rounds == []


def test_a_folder_is_looked_at_now_and_then_and_stops_at_once() -> None:
    looks: list[float] = []
    stop = threading.Event()

    def look() -> Round:
        looks.append(time.monotonic())
        return Round()

    with Poller(
        LookedAt(look, stop),
        interval=timedelta(seconds=1),
        apply=lambda: None,
        on_trouble=lambda _: None,
        stop=stop,
    ):
        assert soon(lambda: len(looks) == 2)
        began = time.monotonic()

    assert time.monotonic() - began < 10
    assert looks[1] - looks[0] > 0.9
    assert len(looks) == 2


@pytest.mark.parametrize(
    ("wanted", "prefix", "delimiter", "name"),
    [
        ("Handled", "", "/", "Handled"),
        ("Handled", "INBOX.", ".", "INBOX.Handled"),
        ("Bounces/Handled", "INBOX.", ".", "INBOX.Bounces.Handled"),
        ("INBOX.Handled", "INBOX.", ".", "INBOX.Handled"),
        ("INBOX/Handled", "", "/", "INBOX/Handled"),
        ("INBOX/Handled", "", ".", "INBOX.Handled"),
        ("inbox", "INBOX.", ".", "INBOX"),
        ("a/b", "", None, "a/b"),
    ],
)
def test_folders_are_named_as_the_server_names_them(
    wanted: str, prefix: str, delimiter: str | None, name: str
) -> None:
    assert folder_name(wanted, prefix, delimiter) == name
