"""What the words of a link say: nothing, or the address of another site."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.digest.link_words import is_meaningless, named_host, other_site


@pytest.mark.parametrize(
    "words",
    ["here", "Click here!", "Hier klicken", "« ici »", "Aquí", "more…", "ここ", "здесь", "כאן"],
)
def test_words_that_say_nothing_are_known_in_many_languages(words: str) -> None:
    assert is_meaningless(words)


@pytest.mark.parametrize("words", ["the minutes", "here is the plan", "Hierarchies", "", "3"])
def test_words_that_say_something_are_left_alone(words: str) -> None:
    assert not is_meaningless(words)


@pytest.mark.parametrize(
    ("words", "url", "named"),
    [
        ("https://bank.example", "https://evil.example/", "bank.example"),
        ("www.bank.example", "https://evil.example/", "bank.example"),
        ("bank.example/login", "https://evil.example/", "bank.example"),
        (
            "https://bank.example.evil.example/",
            "https://bank.example/",
            "bank.example.evil.example",
        ),
        ("https://bank.example", "https://www.bank.example/login", None),
        ("https://news.bank.example", "https://bank.example/", None),
        ("https://bank.example", "mailto:a@bank.example", None),
        ("Booking.com", "https://news.example/", None),
        ("Node.js and ASP.NET", "https://news.example/", None),
        ("https://münchen.example", "https://xn--mnchen-3ya.example/", None),
        ("read/write", "https://news.example/", None),
    ],
)
def test_only_words_that_look_like_an_address_of_another_site_are_told(
    words: str, url: str, named: str | None
) -> None:
    assert other_site(words, url) == named


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_words_and_any_address_have_an_answer(words: str, url: str) -> None:
    host = named_host(words)

    assert host is None or host == host.casefold()
    assert other_site(words, url) is None or host is not None
