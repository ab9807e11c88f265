"""Emails look as they did: golden pictures by a real browser, compared as a reader would.

After a change on purpose: `GOLDEN=write pytest tests/browser/test_email_pictures.py`, then look at
what changed in `tests/browser/golden`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter
from tests.browser.email_comparison import compare, reduced
from tests.browser.email_pictures import GOLDEN, SHORT, Shot, keep, shots, take
from tests.browser.email_stage import View, Window

pytestmark = pytest.mark.heavy

MOST_BYTES = 4_000_000
SHORT_ONE = Shot(SHORT, "paper", View(640))


@pytest.mark.parametrize("shot", list(shots()), ids=lambda shot: shot.name)
def test_an_email_looks_as_it_did(window: Window, shot: Shot, tmp_path: Path) -> None:
    if os.environ.get("GOLDEN") == "write":
        assert os.environ.get("CI") != "true", "pictures are renewed by people who look at them"
        keep(window, shot)
    assert shot.path.is_file(), "no picture is kept; make them: GOLDEN=write pytest …"

    actual = reduced(take(window, shot))

    with Image.open(shot.path) as expected:
        verdict = compare(expected, actual)
        if not verdict.same:
            expected.save(tmp_path / f"{shot.name}-expected.png")
            actual.save(tmp_path / f"{shot.name}-actual.png")
            verdict.picture.save(tmp_path / f"{shot.name}-difference.png")
    assert verdict.same, f"{'; '.join(verdict.problems)}: see {tmp_path}"


def test_the_folder_holds_these_pictures_and_stays_small() -> None:
    kept = set(GOLDEN.glob("*"))

    assert kept == {shot.path for shot in shots()}
    assert sum(path.stat().st_size for path in kept) < MOST_BYTES


MUTATIONS = {
    "another-ground-of-a-panel": "const e = document.querySelector('[class~=why]');"
    " e.style.backgroundColor = '#f1eef7'",
    "a-panel-a-shade-darker": "document.querySelector('[class~=why]').style.backgroundColor"
    " = '#f2ece0'",
    "a-slightly-other-ground": "for (const e of document.querySelectorAll('body div, body table'))"
    " if (getComputedStyle(e).backgroundColor !== 'rgba(0, 0, 0, 0)')"
    " e.style.setProperty('background-color', '#f4f6f0', 'important')",
    "another-colour-of-headings": "for (const e of document.querySelectorAll('h1, h2, h3'))"
    " e.style.color = '#8a1c1c'",
    "another-colour-of-links": "for (const e of document.querySelectorAll('a'))"
    " e.style.setProperty('color', '#b3261e', 'important')",
    "a-paragraph-less": "[...document.querySelectorAll('p')]"
    ".filter((p) => p.textContent.length > 90)[0].remove()",
    "a-citation-less": "document.querySelector('sup').remove()",
    "12-pixels-more-space": "[...document.querySelectorAll('p')]"
    ".filter((p) => p.textContent.length > 90)[0].style.paddingBottom = '12px'",
    "8-pixels-moved-to-the-side": "document.querySelector('h1').style.paddingLeft = '8px'",
    "left-and-right-swapped": "for (const e of document.querySelectorAll('h1, h2, h3, p, li'))"
    " e.style.textAlign = 'right'",
    "larger-letters": "document.querySelector('h1').style.fontSize = '40px'",
    "thinner-letters": "for (const e of document.querySelectorAll('h1, h3'))"
    " e.style.fontWeight = '400'",
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_change_of_the_design_is_seen(window: Window, mutation: str) -> None:
    before = reduced(take(window, SHORT_ONE))

    window.page.evaluate(f"() => {{ {mutation} }}")
    after = reduced(window.picture())

    assert not compare(before, after).same


def _moved(picture: Image.Image, right: int, down: int) -> Image.Image:
    moved = picture.copy()
    moved.paste(picture, (right, down))
    return moved


HARMLESS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "softer-edges": lambda picture: picture.filter(ImageFilter.GaussianBlur(0.7)),
    "sharper-edges": lambda picture: picture.filter(ImageFilter.UnsharpMask(1, 60, 0)),
    "bolder-letters": lambda picture: ImageEnhance.Contrast(picture).enhance(1.01),
    "one-pixel-lower": lambda picture: _moved(picture, 0, 1),
    "half-a-pixel-aside": lambda picture: Image.blend(picture, _moved(picture, 1, 0), 0.5),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_another_way_to_draw_the_same_is_not_taken_for_a_change(
    window: Window, change: Callable[[Image.Image], Image.Image]
) -> None:
    picture = take(window, SHORT_ONE).convert("RGB")

    verdict = compare(reduced(picture), reduced(change(picture)))

    assert verdict.problems == ()
