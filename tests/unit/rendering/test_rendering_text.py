"""The text part as a reader without HTML meets it: each kind of block, each language."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest
from tests.digests.samples import SAMPLES, sample
from tests.fakes.mailings import a_mailing

from newsletter.digest.model import Digest
from newsletter.digest.parser import load, parse
from newsletter.rendering.merge import SlotAllocator, cut
from newsletter.rendering.text.writer import TextWriter, columns
from newsletter.rendering.theme import words_of

IDENTITY = replace(
    a_mailing().identity,
    title="Harbour News",
    contact="hello@example.org",
    reason="You are subscribed to Harbour News.",
    archive_url="https://news.example.org/archive/7",
)
LINKS = {
    "unsubscribe_url": "https://news.example.org/u/token",
    "preferences_url": "https://news.example.org/p/token",
}
RLM, LRM = "\u200f", "\u200e"


def written(digest: Digest, *, language: str = "en", contents_from: int = 4, **values: str) -> str:
    slots = SlotAllocator(digest.content_hash, lambda _text: False)
    writer = TextWriter(slots, digest.sources, words_of(language), contents_from=contents_from)
    text = writer.write(digest, IDENTITY, language=language)
    return cut(text, slots.slots).fill({**LINKS, **values})


def text_of(body: str, *, language: str = "en", contents_from: int = 4, **values: str) -> str:
    """Return the text part of a digest whose one story has this body."""
    whole = f"# Title\n\n*By Ada • November 24, 2026*\n\n## Section\n\n### Story\n\n{body}\n"
    digest = parse(textwrap.dedent(whole), slug="x").digest
    return written(digest, language=language, contents_from=contents_from, **values)


def story_of(body: str, *, language: str = "en") -> str:
    """Return what stands between the story's title and the foot."""
    text = text_of(textwrap.dedent(body).strip(), language=language)
    below = text.split("-----\n\n", 1)[1]
    return below.partition("\n\n\n")[0]


# ---------------------------------------------------------------- the frame


def test_it_opens_with_the_list_the_day_the_reading_time_and_where_to_read_it() -> None:
    text = written(load(sample("twenty-stories")).digest)

    assert text.startswith(
        "Harbour News\n"
        "Sunday, 29 November 2026 · 7 min read · 20 stories\n"
        "Read online: https://news.example.org/archive/7\n"
        "\n\n"
        "========================================\n"
        "Twenty Things That Were Mended This Week\n"
        "========================================\n"
        "\n"
        "By The Valley Courier\n"
        "\n"
        "Good morning, reader."
    )


def test_a_single_story_is_not_counted_and_has_no_contents() -> None:
    text = written(load(sample("one-story")).digest)

    assert "26 November 2026 · 1 min read\n" in text
    assert "In this issue" not in text


def test_contents_carry_the_numbers_that_the_stories_have() -> None:
    text = written(load(sample("twenty-stories")).digest)

    contents = text.split("In this issue\n=============\n\n")[1].partition("\n\n\n")[0]
    assert contents.startswith(
        "Bridges, rails and roads\n"
        "   1. The swing bridge at Penlow opens again after eleven years\n"
        "   2. A branch line trades its timetable for a promise\n"
    )
    assert "\n  20. A library that reads to you on the way home" in contents
    assert "\n20. A library that reads to you on the way home\n-----" in text


@pytest.mark.parametrize(("contents_from", "shown"), [(5, True), (6, False), (0, False)])
def test_how_many_stories_make_contents_is_told(contents_from: int, shown: bool) -> None:
    text = written(load(sample("blocks")).digest, contents_from=contents_from)

    assert ("In this issue" in text) is shown
    assert ("\n1. The lamp's year in a table\n---" in text) is shown


def test_sections_and_stories_are_told_apart_by_their_lines() -> None:
    text = text_of("Words.")

    assert "\n\n\nSection\n=======\n\nStory\n-----\n\nWords.\n" in text


def test_sources_are_numbered_and_their_addresses_have_their_own_lines() -> None:
    text = written(load(sample("twenty-stories")).digest)

    assert (
        "\n[4]  Six weeks of ticket counts — by station and hour\n"
        "     https://rail.example.org/counts/october\n" in text
    )
    assert "\n[10] What we hung in two hundred hives\n     https://bees.example.org" in text


def test_the_foot_says_why_who_and_how_to_leave() -> None:
    foot = text_of("Words.").rpartition("-" * 72 + "\n")[2]

    assert foot == textwrap.dedent(
        """\
        You are subscribed to Harbour News.

        Preferences:
        https://news.example.org/p/token

        Unsubscribe:
        https://news.example.org/u/token

        Read online:
        https://news.example.org/archive/7

        The Daily · 1 Main Street
        hello@example.org
        """
    )


# ---------------------------------------------------------------- blocks


def test_why_it_matters_is_told_by_its_mark_and_hangs_from_it() -> None:
    assert story_of(
        """
        Words.

        **Why it matters:** Because what is measured with patience by many people in one town
        can be copied by the next.
        """
    ).endswith(
        "Words.\n\n"
        "»   Why it matters: Because what is measured with patience by many\n"
        "    people in one town can be copied by the next."
    )


def test_why_it_matters_may_begin_with_a_list() -> None:
    assert story_of("Words.\n\n**Why it matters:**\n\n- one\n- two").endswith(
        "»   Why it matters:\n\n    • one\n    • two"
    )


def test_quotes_carry_a_bar_at_each_of_their_lines() -> None:
    assert story_of("> One.\n>\n> > Two.\n>\n> Three.") == "| One.\n|\n| | Two.\n|\n| Three."


def test_code_is_kept_as_it_is() -> None:
    code = "def f():\n\n\tif a  <  b:  return '*'" + "x" * 90

    assert story_of(f"```python\n{code}\n```") == "\n".join(
        f"    {line}".rstrip() for line in code.split("\n")
    )


def test_lists_are_set_in_as_deep_as_they_are() -> None:
    assert story_of(
        """
        1. One
           - a
             - b
               1. c
        2. Two words that are so many that the line is full and the next one has to be begun
        """
    ) == textwrap.dedent(
        """\
        1. One
           – a
             · b
               1. c
        2. Two words that are so many that the line is full and the next one has
           to be begun"""
    )


def test_numbers_of_a_long_list_are_set_below_each_other() -> None:
    items = story_of("\n".join(f"{n}. item" for n in range(9, 12)))

    assert items == " 9. item\n10. item\n11. item"


def test_a_list_with_several_paragraphs_has_air() -> None:
    assert story_of("- one\n\n  more\n- two") == "• one\n\n  more\n\n• two"


def test_a_narrow_table_is_set_in_columns_as_aligned() -> None:
    assert story_of(
        """
        | Place | Name | Metres | So |
        | --- | :---: | ---: | --- |
        | Cape | 納沙布岬 | 14 | yes |
        | Tower of Hercules | x | 1,055 | |
        """
    ) == (
        "Place                Name    Metres  So\n"
        "-----------------  --------  ------  ---\n"
        "Cape               納沙布岬      14  yes\n"
        "Tower of Hercules     x       1,055"
    )


def test_a_wide_table_is_read_row_by_row() -> None:
    long = "words that go on and on " * 3
    assert story_of(f"| A | B |\n| --- | --- |\n| {long}| [b](https://example.org/b) |\n") == (
        "• A: words that go on and on words that go on and on words that go on\n"
        "  and on\n"
        "  B: b\n"
        "\n"
        "  b: https://example.org/b"
    )


def test_an_image_is_its_words_and_its_address() -> None:
    assert story_of("![A boat](https://example.org/boat.png)") == (
        "[Image: A boat]\nhttps://example.org/boat.png"
    )
    assert story_of("![](https://example.org/line.png)\n\nWords.") == "Words."


def test_a_picture_that_is_a_link_leads_where_the_link_does() -> None:
    assert story_of("[![A map](https://example.org/a.png)](https://example.org/map)") == (
        "[Image: A map]\nhttps://example.org/map"
    )


def test_a_rule_stands_in_the_middle() -> None:
    assert story_of("One.\n\n* * *\n\nTwo.") == f"One.\n\n{' ' * 33}* * *\n\nTwo."


def test_a_heading_in_a_story_has_the_quietest_line() -> None:
    assert story_of("One.\n\n#### Below\n\nTwo.") == "One.\n\nBelow\n~~~~~\n\nTwo."


# ---------------------------------------------------------------- running text


def test_a_sentence_reads_on_and_its_links_follow_the_paragraph() -> None:
    assert story_of(
        "See [the map](https://example.org/map) or [the list](https://example.org/list) first."
    ) == (
        "See the map or the list first.\n"
        "  the map: https://example.org/map\n"
        "  the list: https://example.org/list"
    )


def test_a_link_at_the_end_is_followed_by_its_address_alone() -> None:
    assert story_of("More on [the map](https://example.org/map).") == (
        "More on the map.\n  https://example.org/map"
    )
    assert story_of("- [The map](https://example.org/map)") == (
        "• The map\n  https://example.org/map"
    )


def test_a_long_address_has_a_line_of_its_own_and_stays_whole() -> None:
    url = "https://example.org/" + "path/" * 30 + "?a=1&b=2"

    assert f"  the tables:\n  {url}" in story_of(f"See [the tables]({url}) today.")


def test_a_bare_address_stands_where_it_was_written() -> None:
    assert story_of("Go to https://example.org/a_b. Now.") == "Go to https://example.org/a_b. Now."


def test_a_mail_address_follows_its_words() -> None:
    assert story_of("[us](mailto:us@example.org?subject=x), [a@b.org](mailto:a@b.org)") == (
        "us (us@example.org), a@b.org"
    )


def test_emphasis_code_and_html_leave_no_marks_but_those_that_were_typed() -> None:
    assert story_of("**a** *b* ***c*** `d_e` <b>f</b> \\*g\\* 2 < 3 & 4") == (
        "a b c d_e <b>f</b> *g* 2 < 3 & 4"
    )


def test_a_citation_never_begins_a_line() -> None:
    for fill in range(60, 76):
        text = story_of(f"{'x' * fill} word [^1][^2]. End.\n\n[^1]: [a](https://a.org)\n[^2]: b")
        assert "word [1][2]." in text


def test_a_name_that_is_merged_in_keeps_its_place() -> None:
    greeting = 'Dear {{ first_name | default("you") }}, welcome.'

    assert "\nDear Ada, welcome.\n" in text_of(greeting, first_name="Ada")
    assert "\nDear you, welcome.\n" in text_of(greeting)


# ---------------------------------------------------------------- scripts and languages


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("word", 4),
        ("e\u0301", 1),
        ("山田", 4),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),
        ("👩‍🚒", 2),
        ("👨‍👩‍👧‍👦", 2),
        ("👍🏽", 2),
        ("🏳️‍🌈", 2),
        ("🇯🇵", 2),
        ("1️⃣", 2),
        ("❤️", 2),
        ("שָׁלוֹם", 4),
        ("ﷺ", 1),
        ("a\u00adb\u200b", 2),
    ],
)
def test_columns_are_those_of_a_terminal(text: str, width: int) -> None:
    assert columns(text) == width


def test_text_without_spaces_is_broken_between_characters_but_not_before_a_closing_mark() -> None:
    text = story_of("灯台の夜は長く、" * 12 + "「終わり」。")

    lines = text.split("\n")
    assert "".join(lines) == "灯台の夜は長く、" * 12 + "「終わり」。"
    assert all(60 <= columns(line) <= 72 for line in lines[:-1])
    assert not any(line[0] in "、。」ー" for line in lines)
    assert not any(line[-1] in "「" for line in lines)


def test_emoji_with_joiners_are_never_broken() -> None:
    family = "👨‍👩‍👧‍👦"

    lines = story_of(family * 60).split("\n")

    assert len(lines) == 2
    assert all(line == family * (len(line) // len(family)) for line in lines)


def test_a_space_that_must_not_break_does_not() -> None:
    text = story_of("x" * 66 + " vingt\u00a0: oui")

    assert text == "x" * 66 + "\nvingt\u00a0: oui"


@pytest.mark.parametrize(
    ("language", "why", "sources"),
    [
        ("de", "Warum es wichtig ist", "Quellen"),
        ("fr", "Pourquoi c’est important", "Sources"),
        ("ja", "なぜ重要か", "出典"),
        ("xx", "Why it matters", "Sources"),
    ],
)
def test_its_own_words_are_the_readers(language: str, why: str, sources: str) -> None:
    text = text_of(
        "A [^1].\n\n**Why it matters:** B\n\n[^1]: [c](https://c.org)", language=language
    )

    assert f"\n»   {why}: B\n" in text
    assert f"\n{sources}\n{'=' * columns(sources)}\n" in text


def test_every_line_of_a_right_to_left_digest_starts_from_the_right() -> None:
    text = written(load(sample("right-to-left")).digest, language="ar")

    assert f"\n{RLM}[2] NightLine: first month" in text
    assert f"NightLine {RLM}[1]." in text
    assert f"\n{RLM}===" in text
    assert "\n»   لماذا هذا مهم: " in text
    assert "\n    https://ferries.example.org/statement\n" in text
    assert "\n    awk -F, '{ sum += $3 } END { print sum }' ovens.csv\n" in text
    assert "\n" + "-" * 72 + "\n" in text
    assert "\nإلغاء الاشتراك:\nhttps://news.example.org/u/token\n" in text


def test_a_table_of_a_right_to_left_digest_is_read_row_by_row() -> None:
    text = written(load(sample("right-to-left")).digest, language="ar")

    assert f"• الفرن: الأول\n  الوقت: 03:20\n{RLM}  kWh: 41\n" in text


def test_a_line_of_another_direction_does_not_turn_in_a_left_to_right_digest() -> None:
    assert story_of("שלום, they said.") == f"{LRM}שלום, they said."


@pytest.mark.parametrize("name", SAMPLES)
def test_each_sample_ends_its_lines_cleanly(name: str) -> None:
    digest = load(sample(name)).digest
    text = written(digest, language=digest.language or "en")

    for line in text.split("\n"):
        assert line == line.rstrip()
        assert line.startswith("    ") or line.strip()[:1] not in tuple(".,;:!?)]}、。")
    assert "\n\n\n\n" not in text
    assert "\x02" not in text
    assert "\x03" not in text
