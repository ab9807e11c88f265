"""What an email is to its reader once a browser has laid it out: every sample, in both themes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import pytest
from tests.browser.email_contrast import contrast, forced_dark, luminance
from tests.browser.email_samples import THEMES, email_named, names
from tests.browser.email_stage import View, Window

pytestmark = pytest.mark.heavy

PHONE = View(360)
ENOUGH = 4.5
"""Contrast of text on its ground (B3)."""
THUMB = 44
"""Height of what a thumb should meet, in CSS pixels (B2)."""
RUNNING = 60
"""Characters from which a run of text is reading matter and no label."""
RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")

Found = Mapping[str, Any]
Look = Callable[[View], Found]
"""Everything `email_measures.js` sees of one email in a view."""
Scheme = Literal["light", "dark"]


EMAILS = [pytest.param((name, theme), id=f"{name}-{theme}") for name in names() for theme in THEMES]


@pytest.fixture(scope="module", params=EMAILS)
def look(request: pytest.FixtureRequest, window: Window) -> Look:
    """One email in one theme, each view of it measured once."""
    html = email_named(*request.param).html
    seen: dict[View, Found] = {}

    def at(view: View) -> Found:
        if view not in seen:
            window.show(html, view)
            seen[view] = {**window.measure("everything"), "asked": [*window.asked]}
            assert seen[view]["texts"]
        return seen[view]

    return at


def faint(texts: Sequence[Found], *, forced: bool = False) -> list[str]:
    """Return the texts that stand out too little from their ground."""
    weak = []
    for text in texts:
        ink, ground = text["ink"], text["ground"]
        if forced:
            ink, ground = forced_dark(ink), forced_dark(ground)
        if (ratio := contrast(ink, ground)) < ENOUGH:
            weak.append(f"{ratio:.2f} {text['element']}: {text['words'][:40]}")
    return weak


def reads(text: Found) -> bool:
    """Return whether a text is reading matter: running text of the digest or letter itself."""
    return bool(text["matter"]) and len(text["words"]) >= RUNNING


def words(found: Found) -> list[str]:
    """Return all texts in reading order."""
    return [text["words"] for text in found["texts"]]


@pytest.mark.parametrize(
    "view",
    # 320 is also what a window of 640 comes to at 200 %. Without styles a table of four columns
    # takes 281 pixels in the widest of fonts: 320 less all margins is not that wide.
    [View(320), View(360), View(640), View(1280), View(1280, zoom=2), View(360, styles=False)],
    ids=["320", "360", "640", "1280", "1280-at-200-percent", "360-stripped"],
)
def test_nothing_scrolls_sideways(look: Look, view: View) -> None:
    found = look(view)["sideways"]

    assert found["width"] <= found["room"], found
    assert found["out"] == []


def test_the_column_is_at_most_640_pixels_wide(look: Look) -> None:
    assert look(View(1280))["column"] <= 640


@pytest.mark.parametrize("styles", [True, False], ids=["styled", "stripped"])
def test_reading_matter_is_large_and_airy_on_phones(look: Look, styles: bool) -> None:
    texts = look(View(360, styles=styles))["texts"]

    matter = [text for text in texts if reads(text)]
    dense = [
        f"{text['size']:g}/{text['line']:g} px: {text['words'][:40]}"
        for text in matter
        if text["size"] < 16 or text["line"] < 1.5 * text["size"]
    ]
    tiny = [
        f"{text['size']:g} px: {text['words'][:40]}"
        for text in texts
        if text["size"] < (11 if "sup" in text["inside"] else 13)
    ]
    assert matter
    assert dense == []
    assert tiny == []


def test_a_thumb_meets_the_links_of_footer_sources_and_contents(look: Look) -> None:
    small = [
        f"{link['height']:g} (row {link['row']:g}) px: {link['words'] or link['href']}"
        for link in look(PHONE)["links"]
        if (link["source"] or link["footer"] or link["href"].startswith("#"))
        and not link["citation"]
        and max(link["height"], link["row"]) < THUMB
    ]

    assert small == []


def test_one_title_and_no_level_of_heading_is_left_out(look: Look) -> None:
    headings = look(PHONE)["headings"]

    levels = [heading["level"] for heading in headings]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels)), levels
    assert all(heading["words"] for heading in headings)


def test_the_page_says_its_language_and_direction_and_runs_nothing(look: Look) -> None:
    found = look(PHONE)

    page = found["page"]
    direction = "rtl" if page["lang"].partition("-")[0] in RIGHT_TO_LEFT else "ltr"
    assert page["lang"]
    assert page["dir"] == direction
    assert page["title"]
    assert page["forbidden"] == []
    assert found["asked"] == []
    read_as_data = [t for t in found["tables"] if t["role"] not in ("presentation", "none")]
    assert [table for table in read_as_data if not table["headed"]] == []


def test_links_have_names_and_lead_somewhere(look: Look) -> None:
    found = look(PHONE)

    addresses = {source["href"] for source in found["sources"]}
    addresses |= {f"#{source['id']}" for source in found["sources"]}
    citations = [link for link in found["links"] if link["citation"]]
    assert [link for link in found["links"] if not link["name"] or not link["leads"]] == []
    assert [link for link in citations if link["href"] not in addresses] == []
    # More than its number: a screen reader says whose words these are.
    assert [link for link in citations if link["name"] == link["words"]] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("images", [True, False], ids=["images", "no-images"])
def test_every_text_stands_out_from_its_ground(look: Look, scheme: Scheme, images: bool) -> None:
    assert faint(look(View(640, scheme, images=images))["texts"]) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_style_the_same_words_stand_in_the_same_order_and_stand_out(
    look: Look, scheme: Scheme
) -> None:
    stripped = look(View(640, scheme, styles=False))

    assert words(stripped) == words(look(View(640, scheme)))
    assert faint(stripped["texts"]) == []


def test_colours_survive_a_forced_inversion(look: Look) -> None:
    assert faint(look(View(640))["texts"], forced=True) == []


def test_a_reader_who_prefers_dark_gets_a_dark_ground_and_light_ink(look: Look) -> None:
    light, dark = look(View(640)), look(View(640, "dark"))

    assert words(light) == words(dark)
    assert min(luminance(text["ground"]) for text in light["texts"] if reads(text)) > 0.5
    assert max(luminance(text["ground"]) for text in dark["texts"] if reads(text)) < 0.2


def test_pictures_have_a_width_and_words_that_stand_in_for_them(look: Look) -> None:
    found = look(View(640, images=False))

    pictures = found["pictures"]
    instead = [text["words"] for text in found["texts"] if text["alternative"]]
    assert [each for each in pictures if each["alt"] is None or not each["width"]] == []
    assert instead == [each["alt"] for each in pictures if each["alt"]]
    assert [each for each in pictures if each["alt"] and min(each["box"]) < 16] == []
