"""Return paths that name their delivery, and that nobody else can make (A15)."""

from __future__ import annotations

import hashlib
import hmac
import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from newsletter.audience.keys import Keys
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.providers.base import DeliveryId

OLD, NEW = "ab" * 32, "cd" * 32
DOMAIN = "bounces.example.org"
PATHS = ReturnPaths(Keys((OLD,), b"k" * 32), DOMAIN)
NUMBERS = st.integers(0, 10**18 - 1)


def test_the_address_names_the_delivery_in_letters_that_survive_folding() -> None:
    address = PATHS.of(DeliveryId(7, 1234))

    assert re.fullmatch(r"b\+7-1234-[0-9a-f]{20}@bounces\.example\.org", address)


def test_without_a_domain_for_bounces_there_is_no_return_path() -> None:
    paths = ReturnPaths(Keys((OLD,), b"k" * 32), None)

    assert paths.of(DeliveryId(7, 1234)) == ""
    # Bounces to what was sent before the setting went still find home.
    assert paths.read(PATHS.of(DeliveryId(7, 1234))) == DeliveryId(7, 1234)


def test_the_mac_is_the_hmac_of_rfc_2104() -> None:
    key = hmac.digest(OLD.encode(), b"newsletter return path", hashlib.sha256)
    mac = hmac.digest(key, b"7-1234@bounces.example.org", hashlib.sha256).hex()

    assert PATHS.of(DeliveryId(7, 1234)) == f"b+7-1234-{mac[:20]}@{DOMAIN}"


@given(NUMBERS, NUMBERS)
def test_what_was_made_is_read(campaign: int, subscriber: int) -> None:
    delivery = DeliveryId(campaign, subscriber)
    address = PATHS.of(delivery)

    assert PATHS.read(address) == delivery
    assert PATHS.read(f"  <{address.upper()}>\r\n") == delivery
    assert len(address.partition("@")[0]) <= 64


def test_after_a_rotation_old_addresses_are_read_and_the_new_key_makes_new_ones() -> None:
    rotated = ReturnPaths(Keys((OLD, NEW), b"k" * 32), DOMAIN)
    only_new = ReturnPaths(Keys((NEW,), b"k" * 32), DOMAIN)
    delivery = DeliveryId(7, 1234)

    assert rotated.read(PATHS.of(delivery)) == delivery
    assert rotated.of(delivery) == only_new.of(delivery)
    assert only_new.read(PATHS.of(delivery)) is None
    assert PATHS.read(rotated.of(delivery)) is None


def test_after_a_move_to_another_domain_old_addresses_are_read() -> None:
    moved = ReturnPaths(Keys((OLD,), b"k" * 32), "elsewhere.example")

    assert moved.read(PATHS.of(DeliveryId(7, 1234))) == DeliveryId(7, 1234)


@given(st.data())
def test_an_altered_address_is_nobodys(data: st.DataObject) -> None:
    address = PATHS.of(DeliveryId(7, 1234))
    place = data.draw(st.integers(0, len(address) - 1))
    letter = data.draw(st.sampled_from(string.printable) | st.characters())
    assume(letter.lower() != address[place])
    # White space or a bracket around the whole is no alteration.
    assume(not (place in (0, len(address) - 1) and letter in " \t\r\n<>"))

    assert PATHS.read(address[:place] + letter + address[place + 1 :]) is None


@given(st.data())
def test_something_put_in_or_left_out_makes_it_nobodys(data: st.DataObject) -> None:
    address = PATHS.of(DeliveryId(7, 1234))
    place = data.draw(st.integers(1, len(address) - 1))
    extra = data.draw(st.text(min_size=1, max_size=5))

    assert PATHS.read(address[:place] + extra + address[place:]) is None
    assert PATHS.read(address[:place] + address[place + 1 :]) is None


@given(NUMBERS, NUMBERS, st.text("0123456789abcdef", min_size=20, max_size=20))
def test_a_guessed_mac_is_nobodys(campaign: int, subscriber: int, mac: str) -> None:
    assert PATHS.read(f"b+{campaign}-{subscriber}-{mac}@{DOMAIN}") is None


@given(st.text(max_size=500))
def test_any_other_text_is_nobodys(text: str) -> None:
    assert PATHS.read(text) is None


@pytest.mark.parametrize(
    "alter",
    [
        lambda address: address.replace("7-1234", "07-1234"),
        lambda address: address.replace("7-1234", "71-234"),
        lambda address: address.replace("7-1234", "7-1235"),
        lambda address: address.replace("7-1234", "٧-1234"),
        lambda address: f"{address}.",
        lambda address: f"<<{address}>>",
        lambda address: f"{address}>",
        lambda address: f"{address},{address}",
        lambda address: address.replace("b+", "B\u212a+"),
        lambda address: f"{address}\x00",
    ],
)
def test_near_misses_are_nobodys(alter: object) -> None:
    assert callable(alter)

    assert PATHS.read(alter(PATHS.of(DeliveryId(7, 1234)))) is None
