"""The fixed words by language: complete, with dates and plurals as readers write them."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering.words import (
    Words,
    direction_of,
    format_date,
    languages,
    plural_form,
    words_of,
)

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "ar", "he", "ja")


def test_we_speak_these_languages() -> None:
    assert set(LANGUAGES) <= set(languages())


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_word_seven_days_and_twelve_months(language: str) -> None:
    words = words_of(language)

    assert all(getattr(words, f.name) for f in fields(Words) if f.name != "spaced")
    assert len(set(words.days)) == 7
    assert len(set(words.months)) == 12
    assert words.language == language
    assert words.reason("The Tide").count("The Tide") == 1


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "Sunday, 1 November 2026"),
        ("de-AT", "Sonntag, 1. November 2026"),
        ("fr", "dimanche 1er novembre 2026"),
        ("es", "domingo, 1 de noviembre de 2026"),
        ("it", "domenica 1º novembre 2026"),
        ("pt-BR", "domingo, 1º de novembro de 2026"),
        ("nl", "zondag 1 november 2026"),
        ("pl", "niedziela, 1 listopada 2026"),
        ("ar", "الأحد، 1 نوفمبر 2026"),
        ("he", "יום ראשון, 1 בנובמבר 2026"),
        ("ja", "2026年11月1日（日）"),
        ("sv", "2026-11-01"),
    ],
)
def test_a_date_is_written_as_its_readers_do(language: str, written: str) -> None:
    assert format_date(date(2026, 11, 1), language) == written


@pytest.mark.parametrize(
    ("language", "count", "minutes", "stories"),
    [
        ("en", 1, "1 min read", "1 story"),
        ("en", 9, "9 min read", "9 stories"),
        ("de", 6, "6 Min. Lesezeit", "6 Beiträge"),
        ("fr", 1, "1 min de lecture", "1 article"),
        ("pl", 1, "1 min czytania", "1 artykuł"),
        ("pl", 3, "3 min czytania", "3 artykuły"),
        ("pl", 13, "13 min czytania", "13 artykułów"),
        ("pl", 22, "22 min czytania", "22 artykuły"),
        ("ar", 1, "قراءة في دقيقة واحدة", "خبر واحد"),
        ("ar", 2, "قراءة في دقيقتين", "خبران"),
        ("ar", 5, "قراءة في 5 دقائق", "5 أخبار"),
        ("ar", 12, "قراءة في 12 دقيقة", "12 خبرًا"),
        ("ar", 100, "قراءة في 100 دقيقة", "100 خبر"),
        ("he", 1, "דקת קריאה", "ידיעה אחת"),
        ("he", 2, "שתי דקות קריאה", "שתי ידיעות"),
        ("he", 7, "7 דקות קריאה", "7 ידיעות"),
        ("ja", 1, "約1分で読めます", "記事1本"),
    ],
)
def test_numbers_take_the_form_that_the_language_asks_for(
    language: str, count: int, minutes: str, stories: str
) -> None:
    words = words_of(language)

    assert words.minutes(count) == minutes
    assert words.stories(count) == stories


@given(st.sampled_from([*LANGUAGES, "sv", "xx-YY"]), st.integers(0, 10_000))
def test_every_number_has_words_without_a_gap(language: str, count: int) -> None:
    words = words_of(language)

    for text in (words.minutes(count), words.stories(count)):
        assert text
        assert "{" not in text
    assert plural_form(language, count) in {"zero", "one", "two", "few", "many", "other"}


def test_a_language_that_we_do_not_speak_gets_english_words() -> None:
    assert words_of("sv").why == "Why it matters"
    assert words_of("DE-de").why == "Warum es wichtig ist"
    assert words_of("en").archive == words_of("en").read_online == "Read online"


def test_hebrew_and_arabic_run_from_right_to_left() -> None:
    assert [direction_of(language) for language in ("ar", "he-IL", "ja", "en")] == [
        *("rtl", "rtl", "ltr", "ltr")
    ]
