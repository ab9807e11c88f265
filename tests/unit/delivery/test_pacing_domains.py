"""Remote domains: their names, their share, and when one is to be left alone (D6, D11, G15)."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery import domains
from newsletter.delivery.domains import DomainGate, DomainWatch, domain_of


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("reader@Example.ORG", "example.org"),
        ("reader@bücher.example", "xn--bcher-kva.example"),
        ("reader@BÜCHER.example", "xn--bcher-kva.example"),
        ("odd@name@example.org", "example.org"),
        ("@example.org", "example.org"),
        ("nobody", "nobody"),
        ("reader@\u2028.example", "\u2028.example"),
    ],
)
def test_a_domain_is_known_by_one_name(address: str, domain: str) -> None:
    assert domain_of(address) == domain


@given(st.text(max_size=100))
def test_any_text_has_a_domain(address: str) -> None:
    assert isinstance(domain_of(address), str)


def test_a_domain_takes_its_share_and_no_more() -> None:
    gate = DomainGate(2)

    entered = [gate.enter("a.example") for _ in range(3)]

    assert entered == [True, True, False]
    assert gate.enter("b.example")
    gate.leave("a.example")
    assert gate.enter("a.example")
    assert gate.describe() == "2 at once to a domain"


def test_without_a_limit_everybody_enters_and_nothing_is_counted() -> None:
    gate = DomainGate(0)

    assert all(gate.enter("a.example") for _ in range(1000))
    gate.leave("a.example")
    gate.wait(60)
    assert gate.describe() is None


def test_who_waits_is_woken_when_something_left() -> None:
    gate = DomainGate(1)
    gate.enter("a.example")
    threading.Timer(0.05, gate.leave, ["a.example"]).start()

    start = time.monotonic()
    gate.wait(30)

    assert time.monotonic() - start < 10
    assert gate.enter("a.example")


def test_a_wait_ends_after_its_time() -> None:
    gate = DomainGate(1)
    gate.enter("a.example")

    start = time.monotonic()
    gate.wait(0.05)

    assert 0.04 <= time.monotonic() - start < 10


def test_lanes_never_exceed_the_share_between_them() -> None:
    gate, inside, most = DomainGate(3), [0], [0]
    lock = threading.Lock()

    def lane() -> None:
        for _ in range(200):
            while not gate.enter("a.example"):
                gate.wait(0.01)
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with lock:
                inside[0] -= 1
            gate.leave("a.example")

    lanes = [threading.Thread(target=lane) for _ in range(6)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()

    assert 1 <= most[0] <= 3


def test_more_than_a_fifth_of_fifty_blocked_is_too_much() -> None:
    watch = DomainWatch(0.2)

    noted = [watch.note("a.example", number % 5 == 0) for number in range(50)]

    # Ten of fifty are a fifth: not more.
    assert not any(noted)
    assert watch.note("a.example", True) is False
    assert watch.note("a.example", True) is True


def test_eleven_blocked_are_enough_before_fifty_were_seen() -> None:
    watch = DomainWatch(0.2)

    noted = [watch.note("a.example", True) for _ in range(11)]

    assert noted == [False] * 10 + [True]


def test_what_is_older_than_fifty_attempts_is_forgotten() -> None:
    watch = DomainWatch(0.2)
    for blocked in [True] * 10 + [False] * 50 + [True] * 10:
        assert not watch.note("a.example", blocked)


def test_one_domain_does_not_speak_for_another() -> None:
    watch = DomainWatch(0.2)

    noted = [watch.note(f"{number % 2}.example", True) for number in range(20)]

    assert not any(noted)


def test_after_it_was_to_be_held_a_domain_is_counted_anew() -> None:
    watch = DomainWatch(0.2)

    noted = [watch.note("a.example", True) for _ in range(33)]

    assert [place for place, held in enumerate(noted) if held] == [10, 21, 32]


@given(st.lists(st.booleans(), max_size=200), st.sampled_from([0.02, 0.2, 0.28, 0.58, 1.0]))
def test_the_watch_agrees_with_plain_counting(attempts: list[bool], rate: float) -> None:
    watch, seen = DomainWatch(rate), []
    for blocked in attempts:
        seen.append(blocked)
        expected = 100 * sum(seen[-50:]) > round(100 * rate) * 50
        assert watch.note("a.example", blocked) is expected
        if expected:
            seen = []


def test_the_domain_not_heard_of_for_longest_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(domains, "MOST_DOMAINS", 2)
    watch = DomainWatch(0.2)
    for domain in ("a.example", "b.example"):
        for _ in range(10):
            watch.note(domain, True)
    watch.note("a.example", False)
    watch.note("c.example", True)

    assert watch.note("a.example", True) is True
    assert watch.note("b.example", True) is False
