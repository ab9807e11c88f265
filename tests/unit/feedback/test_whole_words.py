"""No way of speaking is found inside a longer word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.feedback.notices import failed, report

import newsletter
from newsletter.delivery.bounce_classes import spoken_rule
from newsletter.delivery.bounce_words import TEXT_RULES, TextRule
from newsletter.feedback.bounces import parse_bounce
from newsletter.feedback.plain_patterns import (
    AUTOREPLY_SUBJECTS,
    BOILERPLATE,
    DAEMONS,
    DELAYS,
    FAILURE_SUBJECTS,
    FINALS,
    NOTICES,
)
from newsletter.feedback.report_model import Reason
from newsletter.providers.sendgrid_answers import account_refusal
from newsletter.whole_words import whole_words

ROWS = [
    *((f"words: {rule.example}", rule.words) for rule in TEXT_RULES),
    *(
        (f"{name} {number}", row)
        for name, rows in {
            "daemons": DAEMONS,
            "failure subjects": FAILURE_SUBJECTS,
            "notices": NOTICES,
            "delays": DELAYS,
            "finals": FINALS,
            "autoreplies": AUTOREPLY_SUBJECTS,
            "boilerplate": BOILERPLATE,
        }.items()
        for number, row in enumerate(rows)
    ),
]


def is_letter(character: str) -> bool:
    """Return whether a character parts words by standing beside others of a word."""
    return re.fullmatch(r"[0-9A-Za-z_\u00c0-\u024f\u0370-\u052f]", character) is not None


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[name for name, _ in ROWS])
@settings(max_examples=12)
@given(data=st.data())
def test_no_row_begins_or_ends_within_a_word(name: str, row: str, data: st.DataObject) -> None:
    pattern = whole_words([row])
    spoken = data.draw(st.from_regex(row, fullmatch=True).filter(lambda text: "\n" not in text))
    before, behind = data.draw(st.sampled_from(["q", "é", "ж", "7", "", " "])), "q"

    for found in pattern.finditer(f"{before}{spoken}{behind}"):
        text = found.string
        for edge in (found.start(), found.end()):
            around = text[max(edge - 1, 0) : edge + 1]
            inside = 0 < edge < len(text) and all(map(is_letter, around))
            assert not inside, (text, found[0])


@pytest.mark.parametrize(
    "text",
    [
        *("automatically generated", "the corporate server", "operated by us", "a strategy"),
        *("Many hopscotch games", "the policyholder", "unlisted", "spamalot", "a blockedout day"),
        *("fulfilled", "disquotation", "the senderism", "a loopedin lupine", "interconnections"),
        *("casino users heretofore", "the temporariness", "reputational", "spfx", "banneded"),
        *("nonaccounts fullness", "abandonedly", "deprioritised mailings", "a virusless day"),
        *("benutzerfreundlich", "l'adressage", "destinatarios3", "неспамный", "misaddressed"),
    ],
)
def test_longer_words_say_nothing(text: str) -> None:
    assert spoken_rule(f"550 {text}") is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("554 This report was automatically generated", Reason.UNDETERMINED),
        ("554 Too many hops", Reason.SYSTEM),
        ("554 Too many messages", Reason.THROTTLED),
        ("554 The separate gateway said no", Reason.UNDETERMINED),
        ("554 Refused by filter spam.quota.example.net", Reason.UNDETERMINED),
    ],
)
def test_a_reason_comes_from_whole_words(words: str, reason: Reason) -> None:
    assert parse_bounce(report(failed("5.0.0", words))).reason is reason


@pytest.mark.parametrize("rule", TEXT_RULES, ids=lambda rule: rule.example)
def test_a_capital_or_a_comma_beside_words_changes_nothing(rule: TextRule) -> None:
    said = rule.example[4:]

    for text in (said, said.upper(), f"({said})", f"«{said}»", f"…{said}!"):
        assert spoken_rule(text) == rule


def test_an_account_is_not_blamed_for_a_part_of_a_word() -> None:
    unknown = account_refusal("nothing anybody knows")

    for words in (
        "the accreditation office",
        "an industrial matter",
        "unexpiredness",
        "snowbanned",
    ):
        assert account_refusal(words) == unknown
    assert account_refusal("Maximum credits exceeded") != unknown


@given(st.from_regex(r"[a-zé]{2,8}", fullmatch=True), st.from_regex(r"[a-z0-9]", fullmatch=True))
def test_a_word_is_found_alone_and_nowhere_else(word: str, letter: str) -> None:
    pattern = whole_words([re.escape(word)])

    assert pattern.search(f"x {word}, y")
    assert pattern.search(f"版{word}権")
    assert not pattern.fullmatch(f"{letter}{word}")
    assert not pattern.fullmatch(f"{word}{letter}")


def test_tables_of_words_are_compiled_in_one_place() -> None:
    """A table that is compiled otherwise would find its words inside others again."""
    room = Path(newsletter.__file__).parent
    for name in ("delivery/bounce_words.py", "feedback/plain_patterns.py"):
        code = (room / name).read_text(encoding="utf-8")
        assert "whole_words(" in code
        assert "re.compile" not in code
