"""The account's rate: evenly, over all lanes, without a clock that jumps (G15, G17)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from newsletter.delivery import pacing
from newsletter.delivery.pacing import AccountPace, Unpaced

NEVER = threading.Event()


def seconds_for(count: int, take: Callable[[threading.Event], bool]) -> float:
    start = time.monotonic()
    for _ in range(count):
        assert take(NEVER)
    return time.monotonic() - start


def test_without_a_rate_everything_may_leave() -> None:
    pace = Unpaced()

    assert seconds_for(1000, pace.take) < 5
    assert pace.ready()
    assert pace.take_now()
    assert pace.describe() is None


@pytest.mark.parametrize(("rate", "count"), [(40.0, 40), (200.0, 200), (2000.0, 2000)])
def test_messages_leave_at_the_rate_and_not_in_a_burst(rate: float, count: int) -> None:
    tries: list[float] = []
    # A busy machine may stretch one try, or two.
    while len(tries) < 3 and not any(spent <= 1.5 * count / rate for spent in tries):
        tries.append(seconds_for(count, AccountPace(rate).take))

    # A tenth of a second's worth may leave at once in the beginning.
    assert min(tries) >= count / rate - pacing.BUCKET_SECONDS - 0.03
    assert min(tries) <= 1.5 * count / rate


def test_after_a_lull_at_most_a_tenth_of_a_seconds_worth_leaves_at_once() -> None:
    pace = AccountPace(100.0)
    pace.take(NEVER)
    time.sleep(0.5)

    at_once = 0
    while pace.take_now():
        at_once += 1

    # And what the time of counting them adds; half a second's worth would be fifty.
    assert 10 <= at_once <= 20


@pytest.mark.parametrize("rate", [0.2, 1.0, 0.001])
def test_a_slow_rate_lets_one_message_leave_and_then_waits(rate: float) -> None:
    pace = AccountPace(rate)

    assert pace.ready()
    assert pace.take(NEVER)
    assert not pace.ready()
    assert not pace.take_now()


@pytest.mark.slow
def test_a_rate_below_one_comes_to_its_next_message() -> None:
    pace = AccountPace(4.0 / 5)
    pace.take(NEVER)

    assert 1.2 <= seconds_for(1, pace.take) <= 2.4


def test_a_stop_ends_the_wait() -> None:
    pace, stop = AccountPace(0.01), threading.Event()
    pace.take(stop)
    threading.Timer(0.1, stop.set).start()

    start = time.monotonic()
    taken = pace.take(stop)

    assert not taken
    assert time.monotonic() - start < 5


def test_looking_takes_nothing() -> None:
    pace = AccountPace(1.0)

    assert all(pace.ready() for _ in range(10))
    assert pace.take_now()
    assert not pace.ready()


def test_many_lanes_share_one_rate() -> None:
    pace, left = AccountPace(200.0), threading.Event()
    counts = [0] * 8

    def lane(number: int) -> None:
        while pace.take(left):
            counts[number] += 1
            if left.is_set():
                return

    lanes = [threading.Thread(target=lane, args=(number,)) for number in range(8)]
    start = time.monotonic()
    for thread in lanes:
        thread.start()
    time.sleep(0.5)
    left.set()
    spent = time.monotonic() - start
    for thread in lanes:
        thread.join()

    assert sum(counts) <= 200 * (spent + pacing.BUCKET_SECONDS) + 9
    assert sum(counts) >= 100 * spent


def test_a_high_rate_costs_next_to_nothing() -> None:
    pace = AccountPace(5000.0)

    start = time.process_time()
    seconds_for(2500, pace.take)

    assert (time.process_time() - start) / 2500 < 300e-6


def test_a_wall_clock_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = AccountPace(1.0)
    pace.take(NEVER)

    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 10**19)

    assert not pace.ready()


@pytest.mark.parametrize(
    ("rate", "words"),
    [(14.0, "14 messages/s"), (0.2, "0.2 messages/s"), (1.0, "1 message/s")],
)
def test_the_limit_is_said_in_words(rate: float, words: str) -> None:
    assert AccountPace(rate).describe() == words


@pytest.mark.parametrize("rate", [0.0003, 0.2, 1.0, 3.0, 14.5, 333.3, 999.0, 5000.0, 123_456.7])
def test_the_librarys_whole_numbers_are_true_to_the_rate(rate: float) -> None:
    pace = AccountPace(rate)
    library = pace._rates[0]

    exact = pace._chunk * library.limit / (library.interval / 1000)

    assert exact == pytest.approx(rate, rel=0.001)
    assert library.burst * pace._chunk <= max(1.0, rate)
