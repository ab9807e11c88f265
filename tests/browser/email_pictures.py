"""The golden pictures of emails: which there are, how one is taken, and how all are renewed.

python -m tests.browser.email_pictures --write     renew the pictures in tests/browser/golden
GOLDEN=write pytest tests/browser/test_email_pictures.py     the same
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import sync_playwright
from tests.browser.email_comparison import reduced
from tests.browser.email_samples import email_named
from tests.browser.email_stage import CHROMIUM, FLAGS, View, Window

GOLDEN = Path(__file__).parent / "golden"
EVERY_BLOCK, SHORT = "blocks", "one-story"
WIDTHS = (360, 640, 1280)
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: an email, its theme, how it is looked at."""

    email: str
    theme: str
    view: View

    @property
    def name(self) -> str:
        """Return the name of its file, without suffix."""
        return f"{self.email}-{self.theme}-{self.view}"

    @property
    def path(self) -> Path:
        """Return where it is kept."""
        return GOLDEN / f"{self.name}.png"


def shots() -> Iterator[Shot]:
    """Yield all pictures: every variant of the email with every block, a few of the others."""
    for width, scheme, styles, images in product(WIDTHS, _SCHEMES, (True, False), (True, False)):
        yield Shot(EVERY_BLOCK, "paper", View(width, scheme, styles, images))
    for width, scheme in product(WIDTHS, _SCHEMES):
        yield Shot(SHORT, "paper", View(width, scheme))
    for scheme in _SCHEMES:
        yield Shot(EVERY_BLOCK, "plain", View(360, scheme))
        yield Shot("right-to-left", "paper", View(360, scheme))
        yield Shot("letter-confirm-en", "paper", View(360, scheme))


def take(window: Window, shot: Shot) -> Image.Image:
    """Take a picture of the whole page."""
    window.show(email_named(shot.email, shot.theme).html, shot.view)
    return window.picture()


def keep(window: Window, shot: Shot) -> None:
    """Renew the golden picture."""
    GOLDEN.mkdir(exist_ok=True)
    reduced(take(window, shot)).save(shot.path, optimize=True)


def renew() -> None:
    """Renew all golden pictures and remove those that nothing asks for any more."""
    wanted = {shot.path for shot in shots()}
    for path in set(GOLDEN.glob("*.png")) - wanted:
        path.unlink()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        window = Window.of(browser.new_page())
        for shot in shots():
            keep(window, shot)
            print(f"{shot.path.stat().st_size:8,} {shot.name}")
        browser.close()
    print(f"{sum(path.stat().st_size for path in wanted):8,} in all")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(__doc__)
    renew()
