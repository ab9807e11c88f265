"""Somebody reads the archive: by month, by search, from a mark to its source and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.browser.conftest import Reader
from tests.builders import Stage
from tests.integration.web.archive_stage import Press, a_digest
from tests.integration.web.running import running_app

from newsletter.clock import SettableClock

pytestmark = pytest.mark.heavy

Open = Callable[[Reader], Page]
Picture = Callable[[Page, str], int]

READERS = [
    pytest.param(Reader(360, "light"), id="phone-light"),
    pytest.param(Reader(360, "dark"), id="phone-dark"),
    pytest.param(Reader(360, "light", javascript=False), id="phone-no-javascript"),
    pytest.param(Reader(1280, "light"), id="desktop-light"),
    pytest.param(Reader(1280, "dark"), id="desktop-dark"),
]
STORY = """
### Story {number}, about what neighbours keep in common

Some words about it [^1], and a few more [^2].

**Why it matters:** It can be copied.
"""
RICH = """\
# Tables, code and pictures

*By Ada Example • November 20, 2026*

What a digest can hold besides words.

## Numbers

| Boat | Passengers | Change |
|:-----|-----------:|:------:|
| Aldermouth | 4,100 | +12 % |

```
$ ferries --month 11 --everything-that-can-be-said-about-them-on-one-very-long-line
```

![The tower of Dunsea at dusk](https://pictures.example.net/tower.jpg)

> Said once.

[^1]: [A study](https://www.example.com/a)
[^2]: A book
"""
RIGHT_TO_LEFT = """\
---
language: ar
---
# المدن الساحلية تتشارك عباراتها الليلية

صباح الخير. أربعة مجالس ساحلية جمعت قواربها المتأخرة [^1].

## على الماء

### أربعة مجالس على جدول واحد

قالت المجالس إن العبارات الخمس ستعمل كخدمة واحدة [^1].

- تذكرة واحدة لكل القوارب

[^1]: [بيان مشترك](https://ferries.example.org/ar)
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages of a list with ninety issues, three of them unlike the others."""
    stage = Stage(
        tmp_path_factory.mktemp("archive"),
        SettableClock(datetime(2026, 8, 24, 6, 0, tzinfo=UTC)),
        readers=1,
    )
    press = Press(stage)
    for number in range(90):
        title = f"Neighbours share what they have, issue {number}"
        press.freeze(f"n{number}", a_digest(title), title=title)
        stage.clock.advance(timedelta(days=1))
    stories = "".join(STORY.format(number=number) for number in range(1, 6))
    long = a_digest("Five stories on one page").replace("### Sources", f"{stories}\n### Sources")
    press.freeze("five", long, title="Five stories on one page")
    press.freeze("rich", RICH + STORY.format(number=1), title="Tables, code and pictures")
    press.freeze("rtl", RIGHT_TO_LEFT, title="المدن الساحلية تتشارك عباراتها الليلية")
    with running_app(stage) as app:
        yield app.url
    stage.database.close()


def look(page: Page, picture: Picture, name: str, reader: Reader) -> None:
    """Hold a page to what every page must be: readable, accessible, no wider than the screen."""
    width = picture(page, name)
    assert width == reader.width, f"{name} scrolls sideways: {width} wide"
    if reader.javascript:
        serious = [
            (found["id"], [node["html"] for node in found["nodes"]])
            for found in Axe().run(page).response["violations"]
            if found["impact"] in ("serious", "critical")
        ]
        assert serious == [], f"{name}: {json.dumps(serious)}"


@pytest.mark.parametrize("reader", READERS)
def test_reading_the_archive(
    url: str, open_page: Open, picture: Picture, reader: Reader, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.id
    page = open_page(reader)
    asked: list[str] = []
    page.on("request", lambda made: asked.append(made.url))

    page.goto(f"{url}/archive")
    look(page, picture, f"{kind}-archive-lists", reader)
    page.get_by_role("link", name="Daily", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Past issues of Daily")
    look(page, picture, f"{kind}-archive-list", reader)
    page.get_by_role("navigation", name="By month").get_by_role("link", name="September").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Daily, September 2026")
    look(page, picture, f"{kind}-archive-month", reader)
    page.get_by_role("searchbox").fill("five stories")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_have_text("1 issue with “five stories”")
    look(page, picture, f"{kind}-archive-search", reader)
    page.get_by_role("searchbox").fill("zeppelin")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_contain_text("No issue holds “zeppelin”")
    look(page, picture, f"{kind}-archive-nothing", reader)
    page.go_back()
    page.get_by_role("link", name="Five stories on one page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Five stories on one page")
    look(page, picture, f"{kind}-archive-issue", reader)

    page.get_by_role("link", name="Source 2: A conversation on the pier").first.click()
    expect(page.locator("#source-2")).to_be_in_viewport()
    page.get_by_role("link", name="Back to the text (2.1)").click()
    expect(page.locator("#cited-2-1")).to_be_in_viewport()
    contents = page.get_by_role("navigation", name="In this issue")
    contents.get_by_role("link", name="Story 5").click()
    expect(page.get_by_role("heading", name="Story 5")).to_be_in_viewport()
    page.get_by_role("link", name="Previous issue").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("issue 89")
    page.get_by_label("Your email address").fill("archive@example.org")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your inbox")

    assert page.context.cookies() == []
    assert {made for made in asked if not made.startswith(url)} == set()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("slug", ["rich", "rtl"])
def test_issues_that_are_unlike_the_others(
    url: str,
    open_page: Open,
    picture: Picture,
    *,
    slug: str,
    reader: Reader,
    request: pytest.FixtureRequest,
) -> None:
    page = open_page(reader)

    page.goto(f"{url}/archive/daily/{slug}")

    expect(page.get_by_role("article")).to_have_attribute("dir", "rtl" if slug == "rtl" else "ltr")
    look(page, picture, f"{request.node.callspec.id}-archive", reader)


def test_a_printed_issue_is_the_issue_alone(url: str, open_page: Open) -> None:
    page = open_page(Reader(1280, "dark"))
    page.goto(f"{url}/archive/daily/five")

    page.emulate_media(media="print")

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("#source-1")).to_be_visible()
    for away in (".join", ".beside", ".digest-contents", ".digest-back", "form"):
        expect(page.locator(away).first).to_be_hidden()
    ink = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
    assert ink == "rgb(28, 31, 34)"
