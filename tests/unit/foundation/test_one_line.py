"""What a stranger chose never reorders, hides or ends what stands beside it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.address import AddressRefused, parse_address
from newsletter.one_line import has_controls, one_line
from newsletter.settings.parts import NewsletterPart, SenderPart

TURNING = [chr(n) for n in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize("control", TURNING, ids=lambda c: f"U+{ord(c):04X}")
def test_what_turns_the_reading_direction_is_taken_out(control: str) -> None:
    assert one_line(f"Ada{control}gro.elpmaxe") == "Adagro.elpmaxe"


@pytest.mark.parametrize("end", ["\r\n", "\0", "\x1b", "\x85", "\u2028", "\u2029", "\x7f", "\t"])
def test_what_ends_a_line_or_steers_a_terminal_becomes_a_space(end: str) -> None:
    assert one_line(f"Ada{end}Bcc: all") == "Ada Bcc: all"


@pytest.mark.parametrize(
    "name",
    [
        "علی\u200cرضا",  # Persian, with the sign that keeps two letters apart
        "ක්\u200dෂමා",  # Sinhala, with the sign that joins two
        "\u200fדוד לוי (Ltd)\u200f",
        "Ada 👩\u200d🚒",
        "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
        "Łukasz Đorđević",
        "\U0001fae9",  # an emoji younger than the tables of some Pythons
    ],
)
def test_names_of_the_world_stay_as_they_are_spelled(name: str) -> None:
    assert one_line(name) == name


def test_noncharacters_and_private_signs_show_nothing_and_go() -> None:
    assert one_line("A\uffffB\ufdd0C\ue000D") == "A B C D"


@given(st.text())
def test_whatever_comes_stays_on_one_line_and_is_the_same_when_cleaned_again(text: str) -> None:
    cleaned = one_line(text)

    assert not has_controls(cleaned)
    assert len(cleaned.splitlines()) <= 1
    assert not set(cleaned) & set(TURNING)
    assert one_line(cleaned) == cleaned
    assert cleaned == cleaned.strip()


@given(st.characters())
def test_a_sign_that_could_end_a_line_is_known(sign: str) -> None:
    assert has_controls(sign) == (
        unicodedata.category(sign) in ("Cc", "Cs") or sign in "\u2028\u2029"
    )


def test_names_of_the_newsletter_and_its_sender_are_on_one_line() -> None:
    assert NewsletterPart(name="Night\u202e\r\nNews").name == "Night News"
    assert SenderPart(from_name="Ada\u2066\0 Example").from_name == "Ada Example"


@pytest.mark.parametrize("sign", ["\0", "\u202e", "\u200b", "\x1b", "\u2066"])
def test_an_address_with_an_invisible_sign_is_refused(sign: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        parse_address(f"ada{sign}lovelace@example.org")

    assert refused.value.code == "control"
