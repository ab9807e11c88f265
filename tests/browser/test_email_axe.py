"""Axe finds nothing serious in any email or letter: light and dark, in both themes (B5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.browser.email_samples import THEMES, email_named, names
from tests.browser.email_stage import View, Window

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", names())
def test_axe_finds_nothing_serious(window: Window, name: str, theme: str, scheme: Any) -> None:
    page = window.show(email_named(name, theme).html, View(360, scheme))

    serious = [
        (found["id"], [node["html"] for node in found["nodes"]])
        for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]

    assert serious == [], json.dumps(serious, indent=1)


def test_axe_notices_what_is_wrong(window: Window) -> None:
    page = window.show(email_named("2026-11-24", "paper").html, View())
    page.evaluate("""() => {
        document.documentElement.removeAttribute("lang");
        document.querySelector("h1").style.color = "#cccccc";
    }""")

    found = {found["id"] for found in Axe().run(page).response["violations"]}

    assert found >= {"html-has-lang", "color-contrast"}
