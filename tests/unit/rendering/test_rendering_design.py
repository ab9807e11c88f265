"""What a reader sees of a digest: contents, reading time, marks, sources, tables, pictures."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.mailings import a_mailing

from newsletter.digest.model import Align, Byline, Digest, Table, Text
from newsletter.digest.parser import parse
from newsletter.rendering.html import HtmlWriter, host_of
from newsletter.rendering.merge import SlotAllocator
from newsletter.rendering.outline import outline_of
from newsletter.rendering.render import render
from newsletter.rendering.styles import ClassStyles, InlineStyles
from newsletter.rendering.theme import PAPER, PLAIN, theme_of
from newsletter.rendering.words import words_of
from newsletter.settings.theme_part import ThemePart

IDENTITY = a_mailing().identity


def stories(count: int, *, body: str = "Some text.", sections: int = 1) -> str:
    """Return a digest's Markdown with so many stories, spread over its sections."""
    parts = ["# Title", "*By Ada • November 24, 2026*", "A lede."]
    for section in range(sections):
        parts.append(f"## Part {section + 1}")
        for number in range(count // sections):
            parts.append(f"### Story {section + 1}.{number + 1}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def html_of(text: str, part: ThemePart | None = None, **identity: str) -> str:
    theme = theme_of(part or ThemePart())
    digest = parse(text, slug="x").digest
    whole = render(digest, replace(IDENTITY, **identity), templates=Path("/nowhere"), theme=theme)
    return whole.html


def body_of(text: str, part: ThemePart | None = None, **identity: str) -> str:
    html = html_of(text, part, **identity)
    return html[html.index("<body") :]


# ---------------------------------------------------------------- at a glance


@pytest.mark.parametrize(
    ("count", "contents_from", "shown"),
    [(3, 4, False), (4, 4, True), (20, 0, False), (2, 2, True), (1, 1, False)],
)
def test_contents_are_shown_from_so_many_stories_on(
    count: int, contents_from: int, shown: bool
) -> None:
    body = body_of(stories(count), ThemePart(contents_from=contents_from))

    assert ("In this issue" in body) is shown


def test_each_entry_of_the_contents_leads_to_the_heading_of_its_story() -> None:
    body = body_of(stories(6, sections=2))

    links = re.findall(r'<a href="#([^"]+)" class="contents-link"[^>]*>(.*?)</a>', body)
    assert [words for _, words in links] == [
        *("Story 1.1", "Story 1.2", "Story 1.3", "Story 2.1", "Story 2.2", "Story 2.3")
    ]
    for anchor, words in links:
        assert re.search(rf'<h3 id="{re.escape(anchor)}"[^>]*>{re.escape(words)}</h3>', body)
    assert body.count('class="contents-group"') == 2


def test_one_section_needs_no_name_in_the_contents() -> None:
    assert 'class="contents-group"' not in body_of(stories(4))


def test_a_headline_with_a_link_and_a_mark_is_plain_in_the_contents() -> None:
    text = stories(4).replace("Story 1.1", "A [*linked*](https://example.org) story [^1]")
    body = body_of(text + "\n### Sources\n\n[^1]: [One](https://example.org/1)\n")

    entry = re.search(r'class="contents-link"[^>]*>(.*?)</a>', body)
    assert entry
    assert re.sub(r"</?em>", "", entry[1]).strip() == "A linked story"


def test_headings_have_no_gap_and_one_h1_whatever_the_digest_is_made_of() -> None:
    loose = (
        "# T\n\nLede.\n\n### One\n\n#### Deep\n\nx\n\n##### Deeper\n\n### Two\n\n#### Deep\n\ny\n"
    )
    for text in (loose, stories(5), stories(4, sections=2, body="#### Small\n\nText.")):
        levels = [int(level) for level in re.findall(r"<h(\d)", html_of(text))]
        assert levels.count(1) == 1
        assert levels[0] == 1
        steps = itertools.pairwise(levels)
        assert all(below <= above + 1 for above, below in steps), levels


def test_the_line_below_the_masthead_says_when_how_long_and_how_many() -> None:
    body = body_of(stories(9)).replace("\xa0", " ")

    line = re.search(r'class="dateline"[^>]*>(.*?)</p>', body, re.S)
    assert line
    words = " ".join(re.sub(r"<[^>]+>", "", line[1]).replace("&#183;", "·").split())
    assert words == "Tuesday, 24 November 2026 · 1 min read · 9 stories"
    assert '<time datetime="2026-11-24">' in line[1]


def test_the_reading_time_can_be_left_out() -> None:
    assert "min read" not in body_of(stories(4), ThemePart(reading_time=False)).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("body", "minutes"),
    [
        ("word " * 230, 1),
        ("word " * 1150, 5),
        ("漢" * 2500, 5),
        ("word " * 460 + "かな" * 500, 4),
        ("```\n" + "code " * 5000 + "\n```", 1),
    ],
)
def test_reading_time_counts_words_and_characters_of_dense_scripts_but_no_code(
    body: str, minutes: int
) -> None:
    digest = parse(f"# T\n\n## S\n\n### One\n\n{body}\n", slug="x").digest

    assert outline_of(digest).minutes == minutes


def test_an_outline_names_sections_and_stories_by_their_anchors() -> None:
    digest = parse(stories(4, sections=2), slug="x").digest

    outline = outline_of(digest)

    assert outline.stories == 4
    assert [group.anchor for group in outline.entries] == [s.anchor for s in digest.sections]
    assert [e.anchor for g in outline.entries for e in g.stories] == [
        story.anchor for story in digest.stories
    ]


def test_a_digest_without_anything_takes_a_minute() -> None:
    empty = Digest("x", (), Byline(None, None), (), (), (), "0" * 64)

    assert outline_of(empty).minutes == 1
    assert not outline_of(empty).shows_contents(1)


def test_read_online_stands_at_the_top_and_in_the_footer_where_there_is_a_page() -> None:
    page = "https://news.example.org/archive/1"

    assert body_of(stories(1), archive_url=page).count(f'href="{page}"') == 2
    assert "Read online" not in body_of(stories(1))


# ---------------------------------------------------------------- marks and sources

CITED = """\
# Title

Lede.

## S

### One

A fact [^1]. In 1998 [^1][^2] it was so.

### Sources

[^1]: [First](https://www.example.org/1) — a note
[^2]: Only words
"""


def test_a_mark_stands_close_to_its_word_and_apart_from_a_number() -> None:
    body = body_of(CITED)

    assert re.search(r"A fact<sup[^>]*><a [^>]*>1</a></sup>\. In", body)
    assert re.search(r"1998<sup[^>]*>&nbsp;<a [^>]*>1</a></sup><sup[^>]*>&nbsp;<a ", body)
    assert 'aria-label="Source 2: Only words"' in body
    assert 'href="#source-2"' in body


def test_a_source_is_one_row_to_tap_with_its_site_behind_it() -> None:
    body = body_of(CITED)

    row = re.search(r'<li id="source-1"[^>]*><a href="https://www.example.org/1"([^>]*)>', body)
    assert row
    assert "display:block;padding:11px 0" in row[1], "11 + 22 + 11 are 44 pixels"
    assert re.search(r'<span dir="ltr"[^>]*>example\.org</span></a></li>', body)
    assert "— a note" in body


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.Example.org/a", "example.org"),
        ("https://u:p@blog.example.org:8443/", "blog.example.org"),
        ("mailto:a@example.org", ""),
        ("https://[broken", ""),
    ],
)
def test_the_site_of_a_link_is_its_host_alone(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize("role", ["footer-link", "online-link", "source-link", "contents-link"])
@pytest.mark.parametrize("theme", [PAPER, PLAIN], ids=["paper", "plain"])
def test_what_is_tapped_is_44_pixels_tall(role: str, theme: object) -> None:
    style = InlineStyles(theme).attribute(role)  # type: ignore[arg-type]
    padding = int(re.search(r"padding:(\d+)px", style)[1])  # type: ignore[index]
    line = re.search(r"line-height:(\d+)px", style)
    height = int(line[1]) if line else 22

    assert 2 * padding + height >= 44


# ---------------------------------------------------------------- blocks


def test_a_table_has_scopes_alignment_and_stays_on_a_phone() -> None:
    few = body_of("# T\n\nL.\n\n## S\n\n### One\n\n| a | b |\n| --- | ---: |\n| x | 4 |\n")
    words = " | ".join(["Wirtschaftsministerium"] * 4)
    many = body_of(f"# T\n\nL.\n\n## S\n\n### One\n\n| {words} |\n{'|---' * 4}|\n| {words} |\n")

    assert re.search(r'<th scope="col"[^>]*text-align:right[^>]*>b</th>', few)
    assert re.search(r"<td[^>]*text-align:right[^>]*tabular-nums[^>]*>4</td>", few)
    assert 'class="table data"' in few
    assert re.search(r'class="table-dense data" style="[^"]*overflow-wrap:anywhere', many)


def test_a_picture_keeps_its_place_and_its_title_is_its_caption() -> None:
    picture = '![A boat](https://example.org/b.png "At *low* tide"){width=1200 height=600}'
    body = body_of(
        f"# T\n\nL.\n\n## S\n\n### One\n\n{picture}\n\n![x](https://example.org/c.png)\n"
    )

    assert 'alt="A boat" width="592" height="296"' in body
    assert re.search(r'<p class="caption"[^>]*>At \*low\* tide</p>', body)
    assert re.search(
        r'src="https://example.org/c.png" alt="x" width="592" class="image-unsized"', body
    )
    assert "table-layout:fixed" in body


def test_nested_lists_code_and_quotes_are_set() -> None:
    text = "# T\n\nL.\n\n## S\n\n### One\n\n1. a\n   - b\n\n> q\n\n```\nx < y\n```\n"
    body = body_of(text)

    assert re.search(r"<li[^>]*>a<ul style=\"margin:8px 0 0", body)
    assert re.search(r"<blockquote[^>]*><p style=\"margin:0;\">q</p></blockquote>", body)
    assert re.search(r'<pre dir="ltr"[^>]*white-space:pre-wrap[^>]*>x &lt; y</pre>', body)


def test_a_list_at_the_end_of_a_box_leaves_no_space_below() -> None:
    text = "# T\n\nL.\n\n## S\n\n### One\n\nx\n\n**Why it matters:**\n\ny\n\n- a\n- b\n"

    ends = re.findall(
        r"<ul style=\"margin:([^;]*);[^>]*>(?:<li[^>]*>.</li>)+</ul></td>", body_of(text)
    )

    assert ends == ["0"]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "You are subscribed to Harbour {News}."),
        ("de", "Sie haben Harbour {News} abonniert."),
        ("ja", "Harbour {News} を購読されているため、このメールをお送りしています。"),
    ],
)
def test_why_a_reader_gets_it_is_said_in_the_digests_language(language: str, said: str) -> None:
    digest = parse(stories(1), slug="x").digest
    identity = replace(IDENTITY, title="Harbour {News}", reason=None, language=language)

    made = render(digest, identity, templates=Path("/nowhere"), theme=PAPER)

    assert f">{said}</p>" in made.html
    assert said in made.text.replace("\n", " ")


def test_a_right_to_left_digest_runs_so_in_each_of_its_parts() -> None:
    body = body_of("---\nlanguage: ar\n---\n" + stories(4) + "\n**Why it matters:** x\n")

    assert "direction:ltr" not in body
    assert "border-right:4px solid" in body
    assert "في هذا العدد" in body
    assert "letter-spacing:0" not in body


# ---------------------------------------------------------------- what must not get through

HOSTILE = st.lists(
    st.sampled_from([*"<>\"'&{}%#/= \n", "<script>", "onload=", "x", "{{7*7}}", "ß"]), max_size=40
).map("".join)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, frozenset[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, frozenset(name for name, _ in attrs)))


def writer(styles: ClassStyles | InlineStyles | None = None) -> HtmlWriter:
    slots = SlotAllocator("0" * 64, lambda text: False)
    return HtmlWriter(slots, (), styles or ClassStyles(), words_of("en"))


@given(HOSTILE, HOSTILE)
@settings(max_examples=60)
def test_no_text_of_a_table_becomes_a_tag_or_an_attribute(first: str, second: str) -> None:
    table = Table(((Text(first),),), (((Text(second),),),), (Align.RIGHT,))
    tags = _Tags()

    tags.feed(writer().blocks((table,)))

    assert [tag for tag, _ in tags.seen] == ["table", "thead", "tr", "th", "tbody", "tr", "td"]
    assert set().union(*(names for _, names in tags.seen)) == {"class", "scope"}


@given(HOSTILE)
@settings(max_examples=60)
def test_no_anchor_or_heading_breaks_out(text: str) -> None:
    tags = _Tags()

    tags.feed(writer().heading(2, (Text(f"x{text}"),), anchor=text))

    assert tags.seen == [("h2", frozenset({"id", "class"} if text else {"class"}))]


def test_a_page_gets_classes_and_no_style_at_all() -> None:
    digest = parse(CITED, slug="x").digest
    slots = SlotAllocator("0" * 64, lambda text: False)
    html = HtmlWriter(slots, digest.sources, ClassStyles(), words_of("en"))

    whole = html.blocks(digest.stories[0].blocks) + html.sources(digest.sources)

    assert "style=" not in whole
    assert 'class="digest-citation-link"' in whole


@pytest.mark.parametrize("odd", ["e\u0301", "می\u200cخواهم", "عبّارة", "हिन्दी", "a\\b", "👍🏽"])
def test_words_of_any_script_stand_whole_in_labels_and_alternative_texts(odd: str) -> None:
    text = f"# {odd}\n\nL {odd} [^1].\n\n![{odd}](https://example.org/a.png)\n\n### Sources\n\n"
    page = _Values()

    page.feed(html_of(text + f"[^1]: [{odd}](https://example.org/1)\n"))

    assert page.values["alt"] == {odd}
    assert {odd, f"Source 1: {odd}"} <= page.values["aria-label"]
    assert not any("\\u{" in value for values in page.values.values() for value in values)


class _Values(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, set[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.values.setdefault(name, set()).add(value or "")
