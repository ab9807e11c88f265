"""Where public pages live: listed ones where anybody looks, others where nobody guesses."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.keys import Keys
from newsletter.audience.lists import MailingList
from newsletter.audience.tokens import Purpose, TokenSigner
from newsletter.delivery.archive_addresses import (
    FEEDS,
    archive_url,
    hidden_path,
    is_in_archive,
    list_of_token,
)

OLD = Keys(("ab" * 32,), b"k" * 32)
NEW = Keys(("ab" * 32, "cd" * 32), b"k" * 32)
BASE = "https://news.example.org/letters"
DAILY = MailingList(7, "daily", "Daily", "daily.x", None, None, None, None, None, None, True)


def token_of(path: str) -> str:
    return path.split("/")[2]


def test_a_listed_digest_of_a_public_list_stands_in_the_archive() -> None:
    url = archive_url(BASE, OLD, DAILY, "2026-11-24", listed=True)

    assert url == f"{BASE}/archive/daily/2026-11-24"
    assert is_in_archive(url, "daily", "2026-11-24")


@pytest.mark.parametrize(("public", "listed"), [(True, False), (False, True), (False, False)])
def test_every_other_digest_stands_where_only_the_keys_lead(public: bool, listed: bool) -> None:
    url = archive_url(BASE, OLD, replace(DAILY, public=public), "2026-11-24", listed=listed)

    assert re.fullmatch(rf"{BASE}/issue/7-[\w-]{{27}}/2026-11-24", url)
    assert "daily" not in url
    assert not is_in_archive(url, "daily", "2026-11-24")
    assert url == archive_url(BASE, OLD, replace(DAILY, public=False), "2026-11-24", listed=True)


@pytest.mark.parametrize("name", FEEDS)
def test_a_digest_called_as_a_feed_gets_out_of_its_way(name: str) -> None:
    assert archive_url(BASE, OLD, DAILY, name, listed=True) == f"{BASE}/archive/daily/issue/{name}"


def test_an_address_made_with_an_old_key_is_read_with_the_new_one_and_not_the_reverse() -> None:
    old, new = (token_of(hidden_path(keys, 7, "a")) for keys in (OLD, NEW))

    assert [list_of_token(NEW, token, "a") for token in (old, new)] == [7, 7]
    assert [list_of_token(OLD, token, "a") for token in (old, new)] == [7, None]


@given(slug=st.text(min_size=1, max_size=30), other=st.text(min_size=1, max_size=30))
def test_an_address_is_for_one_digest_of_one_list(slug: str, other: str) -> None:
    token = token_of(hidden_path(OLD, 7, slug))

    assert list_of_token(OLD, token, slug) == 7
    assert list_of_token(OLD, token.replace("7-", "8-", 1), slug) is None
    assert (list_of_token(OLD, token, other) == 7) == (slug == other)


@given(st.text(max_size=60))
def test_what_is_no_token_is_nobodys(text: str) -> None:
    assert list_of_token(OLD, text, "a") is None


def test_a_token_of_another_purpose_opens_no_archive() -> None:
    signer = TokenSigner(OLD)

    for purpose in Purpose:
        assert list_of_token(OLD, signer.sign(purpose, 1, 7), "a") is None
