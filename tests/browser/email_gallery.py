"""Pictures of all sample emails for people to look at, with contact sheets; nothing is judged.

    python -m tests.browser.email_gallery FOLDER [NAME…]

writes `NAME-THEME-VIEW.png` for each sample, and `sheet-NAME-THEME.png` with its views side by
side, in the fonts of this machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from tests.browser.email_pictures import Shot, take
from tests.browser.email_samples import THEMES, names
from tests.browser.email_stage import CHROMIUM, FLAGS, View, Window

VIEWS = (
    View(360, "light"),
    View(360, "dark"),
    View(360, "light", images=False),
    View(360, "light", styles=False),
    View(360, "dark", styles=False),
    View(640, "light"),
    View(1280, "light"),
    View(1280, "dark"),
)
_GAP = 24


def hang(folder: Path, samples: Iterable[str]) -> None:
    """Take and write all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        window = Window.of(browser.new_page())
        window.pinned = False
        for name in samples:
            for theme in THEMES:
                pictures = []
                for view in VIEWS:
                    shot = Shot(name, theme, view)
                    pictures.append(take(window, shot).convert("RGB"))
                    pictures[-1].save(folder / f"{shot.name}.png")
                _sheet(pictures).save(folder / f"sheet-{name}-{theme}.png")
                print(f"{name} {theme}: {len(pictures)} pictures")
        browser.close()


def _sheet(pictures: list[Image.Image]) -> Image.Image:
    halves = [picture.reduce(2) for picture in pictures]
    width = sum(half.width + _GAP for half in halves) + _GAP
    height = max(half.height for half in halves) + 2 * _GAP
    sheet = Image.new("RGB", (width, height), "#808080")
    left = _GAP
    for half in halves:
        sheet.paste(half, (left, _GAP))
        left += half.width + _GAP
    return sheet


if __name__ == "__main__":
    if not sys.argv[1:]:
        raise SystemExit(__doc__)
    hang(Path(sys.argv[1]), sys.argv[2:] or names())
