"""A real browser: Debian's Chromium, driven by Playwright, with or without JavaScript."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.browser.email_stage import CHROMIUM, FLAGS, FONTS_INSTALL, Window, font_files

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
PATIENCE = 60_000
"""Milliseconds for what a busy machine may take its time with."""

expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True, slots=True)
class Reader:
    """How somebody looks at a page."""

    width: int = 360
    scheme: Literal["light", "dark"] = "light"
    javascript: bool = True


# Of a module and no longer: while the driver runs, no test of its thread can begin an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests; skipped with the command that installs it where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[Reader], Page]]:
    """Open a fresh window, without cookies of an earlier one."""
    contexts: list[BrowserContext] = []

    def make(reader: Reader) -> Page:
        size = {"width": reader.width, "height": PHONE["height"]}
        context = browser.new_context(
            viewport=size if reader.width < DESKTOP["width"] else DESKTOP,
            color_scheme=reader.scheme,
            java_script_enabled=reader.javascript,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Window]:
    """One window for all emails of a module; skipped where its fonts are missing."""
    if not font_files():
        pytest.skip(FONTS_INSTALL)
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    yield Window.of(context.new_page())
    context.close()


@pytest.fixture
def picture() -> Callable[[Page, str], int]:
    """Take a picture of a whole page and return its width in pixels.

    Kept where PICTURES names a folder, for people to look at.
    """
    folder = os.environ.get("PICTURES")

    def take(page: Page, name: str) -> int:
        taken = page.screenshot(full_page=True)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(taken)
        # A PNG begins with its size: 8 bytes of signature, 8 of the header chunk, then the width.
        return int.from_bytes(taken[16:20], "big")

    return take
