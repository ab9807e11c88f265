"""What is kept of where a request came from, and how often forms may come (C12, C17)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from newsletter.clock import SettableClock
from newsletter.settings import NetworkPolicy
from newsletter.settings.parts import SignupLimitsPart
from newsletter.web.network import network_of, shorten_ip
from newsletter.web.throttle import NETWORKS_KNOWN, Throttle, TooManyForms


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unknown", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_is_shortened_to_its_network(ip: str | None, network: str | None) -> None:
    assert shorten_ip(ip) == network


def test_a_hashed_network_is_the_same_for_neighbours_and_another_with_another_key() -> None:
    one, two = (network_of(f"203.0.113.{n}", NetworkPolicy.HASHED, b"k" * 32) for n in (1, 2))
    other = network_of("203.0.113.1", NetworkPolicy.HASHED, b"l" * 32)

    assert one == two != other
    assert one is not None
    assert "203" not in one or "." not in one
    assert len(one) <= 64


def test_nothing_is_kept_where_the_policy_says_so() -> None:
    assert network_of("203.0.113.1", NetworkPolicy.NONE, b"k") is None


def a_throttle(clock: SettableClock, **limits: int) -> Throttle:
    return Throttle(SignupLimitsPart(**limits), clock)


def test_a_network_waits_until_there_is_room_and_others_do_not(clock: SettableClock) -> None:
    throttle = a_throttle(clock, per_network=2)
    throttle.take("a")
    throttle.take("a")

    with pytest.raises(TooManyForms) as refused:
        throttle.take("a")
    throttle.take("b")
    clock.advance(timedelta(seconds=refused.value.wait))
    throttle.take("a")

    assert refused.value.wait == 1800


def test_what_a_network_may_not_is_not_counted_for_all(clock: SettableClock) -> None:
    throttle = a_throttle(clock, per_network=1, overall=2)
    throttle.take("a")
    for _ in range(5):
        with pytest.raises(TooManyForms):
            throttle.take("a")

    throttle.take("b")
    with pytest.raises(TooManyForms):
        throttle.take("c")


def test_networks_are_forgotten_so_that_memory_stays_bounded(clock: SettableClock) -> None:
    throttle = a_throttle(clock, per_network=1, overall=10**9)

    for number in range(NETWORKS_KNOWN + 1):
        throttle.take(str(number))

    throttle.take("0")
    with pytest.raises(TooManyForms):
        throttle.take(str(NETWORKS_KNOWN))


def test_a_clock_that_is_set_back_makes_nobody_wait_longer_than_an_hour(
    clock: SettableClock,
) -> None:
    throttle = a_throttle(clock, per_network=1)
    throttle.take("a")
    clock.advance(timedelta(days=-30))

    with pytest.raises(TooManyForms) as refused:
        throttle.take("a")

    assert refused.value.wait <= 3600
