"""An operator writes a digest beside its preview: a real browser, the real command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page, Request, expect
from tests.browser.conftest import Reader
from tests.integration.web.previewing import DIGEST, Previewed, a_workspace, previewed
from tests.waiting import soon

pytestmark = pytest.mark.heavy

Open = Callable[[Reader], Page]
Picture = Callable[[Page, str], int]

BROKEN = DIGEST.replace("paint [^1]", "paint [^7]").replace("Good morning", "GOOD MORNING")
WATCHERS = [
    pytest.param(Reader(360, "light"), id="phone-light"),
    pytest.param(Reader(360, "dark"), id="phone-dark"),
    pytest.param(Reader(1280, "light"), id="desktop-light"),
    pytest.param(Reader(1280, "dark"), id="desktop-dark"),
]
DESK = Reader(1280, "light")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Previewed]:
    desk = a_workspace(tmp_path_factory.mktemp("preview"))
    with previewed(desk) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_was(shown: Previewed) -> None:
    shown.write()


def mail(page: Page) -> FrameLocator:
    """Return the frame of the message; while it changes, the one that stays."""
    return page.frame_locator(".device iframe:not(.coming)")


def follows(page: Page) -> None:
    """Wait until the page hears of changes."""
    expect(page.get_by_role("status").first).to_contain_text("Follows each save", timeout=60_000)


def mail_style(page: Page, element: str, name: str) -> str:
    """Return how an element of the message looks, once the message is there."""
    expect(mail(page).locator("body")).to_contain_text("Good morning")
    found: str = (
        mail(page).locator(element).evaluate("(node, name) => getComputedStyle(node)[name]", name)
    )
    return found


def mail_ground(page: Page) -> str:
    """Return the colour behind the message."""
    return mail_style(page, "body", "backgroundColor")


def brightness(colour: str) -> float:
    """Return how bright a colour of a browser is, 0 to 255."""
    red, green, blue = (int(part) for part in colour.strip("rgba()").split(",")[:3])
    return 0.3 * red + 0.6 * green + 0.1 * blue


def look(page: Page, picture: Picture, name: str, reader: Reader) -> None:
    """Hold the page to what each page of ours must be: accessible, no wider than the screen."""
    assert picture(page, name) == reader.width, f"{name} scrolls sideways"
    serious = [
        (found["id"], [node["html"] for node in found["nodes"]])
        for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]
    assert serious == [], f"{name}: {json.dumps(serious)}"


def test_new_words_show_by_themselves_and_the_place_is_kept(
    shown: Previewed, open_page: Open
) -> None:
    shown.write(DIGEST.replace("It took", "It took and took\n\n" * 40 + "It took"))
    page = open_page(DESK)
    page.goto(shown.url)
    follows(page)
    body = mail(page).locator("html")
    body.evaluate("html => html.ownerDocument.defaultView.scrollTo(0, 700)")
    page.evaluate("window.untouched = true")

    shown.write(DIGEST.replace("It took", "It took and took\n\n" * 40 + "Painting took"))

    expect(mail(page).locator("body")).to_contain_text("Painting took", timeout=60_000)
    assert soon(lambda: body.evaluate("html => html.ownerDocument.defaultView.scrollY") == 700)
    expect(page.get_by_role("status").first).to_contain_text("Updated")
    assert page.evaluate("window.untouched") is True


def test_a_broken_digest_shows_its_error_with_the_line_and_mending_it_brings_the_mail_back(
    shown: Previewed, open_page: Open, picture: Picture
) -> None:
    page = open_page(DESK)
    page.goto(shown.url)
    follows(page)

    shown.write(BROKEN)
    expect(page.locator(".findings .error")).to_contain_text("[^7]", timeout=60_000)
    expect(mail(page).locator("body")).to_contain_text("GOOD MORNING")
    shown.write("---\ntitle: [never closed\n---\n\nNo title.\n")
    expect(page.get_by_role("heading", name="This cannot be shown")).to_be_visible(timeout=60_000)
    expect(page.locator(".problem")).to_contain_text("2026-11-25.md")
    expect(page.get_by_role("status").first).to_contain_text("Error since")
    picture(page, "preview-broken-digest")
    shown.write()

    expect(mail(page).locator("body")).to_contain_text("Good morning, reader.", timeout=60_000)
    expect(page.locator(".problem")).to_have_count(0)


def test_a_template_edit_shows_by_itself_its_mistake_with_the_line_and_its_end(
    shown: Previewed, open_page: Open, picture: Picture
) -> None:
    template = shown.desk.folder / "templates" / "email" / "digest.mjml.j2"
    whole = template.read_text(encoding="utf-8")
    page = open_page(DESK)
    page.goto(shown.url)
    follows(page)
    try:
        template.write_text(
            whole.replace(
                "</mj-body>",
                "<mj-section><mj-column><mj-text>Printed at home</mj-text></mj-column></mj-section>"
                "</mj-body>",
            ),
            encoding="utf-8",
        )
        expect(mail(page).locator("body")).to_contain_text("Printed at home", timeout=60_000)
        template.write_text(f"{whole.rstrip()}\n{{% if %}}\n", encoding="utf-8")
        line = len(whole.rstrip().splitlines()) + 1
        expect(page.locator(".problem .where")).to_contain_text(
            f"digest.mjml.j2:{line}", timeout=60_000
        )
        expect(page.locator(".problem .wrong")).to_contain_text("{% if %}")
        picture(page, "preview-broken-template")
    finally:
        template.write_text(whole, encoding="utf-8")
    expect(mail(page).locator("body")).to_contain_text("Good morning", timeout=60_000)


def test_settings_are_followed(shown: Previewed, open_page: Open) -> None:
    settings = shown.desk.folder / "newsletter.toml"
    whole = settings.read_text(encoding="utf-8")
    page = open_page(DESK)
    page.goto(shown.url)
    follows(page)
    try:
        settings.write_text(
            whole.replace('from_name = "', 'from_name = "Evening ', 1), encoding="utf-8"
        )
        expect(page.locator(".inbox .from")).to_contain_text("Evening", timeout=60_000)
    finally:
        settings.write_text(whole, encoding="utf-8")


def test_a_subscriber_is_found_and_the_mail_is_merged_for_them(
    shown: Previewed, open_page: Open
) -> None:
    page = open_page(DESK)
    page.goto(shown.url)

    page.get_by_label("Find a subscriber of The Daily").fill("reader2")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("list", name="Found subscribers").get_by_role("link").click()

    expect(mail(page).locator("body")).to_contain_text("Good morning, Reader.")
    expect(page.locator("#readers [aria-current]").first).to_contain_text("reader2@example.org")
    page.get_by_role("link", name="The longest values").click()
    expect(mail(page).locator("body")).to_contain_text("Maximiliane")


def test_the_views_really_differ(shown: Previewed, open_page: Open, picture: Picture) -> None:
    page = open_page(DESK)
    page.goto(shown.url)
    light = mail_ground(page)
    page.get_by_role("link", name="Dark").click()
    page.wait_for_url("**scheme=dark**")
    dark = mail_ground(page)
    picture(page, "preview-dark")
    page.get_by_role("link", name="Inverted").click()
    page.wait_for_url("**scheme=inverted**")
    turned = mail_style(page, "html", "filter")
    inverted = mail_ground(page)
    picture(page, "preview-inverted")

    assert brightness(light) > 200
    assert brightness(dark) < 60
    assert (inverted, "invert" in turned) == (light, True)

    page.get_by_role("link", name="Light").click()
    for width in (360, 640, 1280):
        page.get_by_role("group", name="Width").get_by_role("link", name=str(width)).click()
        page.wait_for_url(f"**width={width}**")
        assert mail_style(page, "html", "width") == f"{width}px"
    picture(page, "preview-1280")
    image = mail(page).get_by_role("img", name="The lighthouse from the pier")
    assert image.get_attribute("src") is not None
    page.get_by_role("group", name="Images").get_by_role("link", name="Off").click()
    page.wait_for_url("**images=off**")
    expect(image).not_to_have_attribute("src", re.compile(""))
    assert mail(page).locator("style").count() > 0
    page.get_by_role("group", name="Styles").get_by_role("link", name="Off").click()
    page.wait_for_url("**styles=off**")
    expect(mail(page).locator("style")).to_have_count(0)
    picture(page, "preview-stripped")


def test_dark_is_shown_by_a_light_browser_and_light_by_a_dark_one(
    shown: Previewed, open_page: Open
) -> None:
    grounds = {}
    for browser_scheme in (Reader(1280, "light"), Reader(1280, "dark")):
        page = open_page(browser_scheme)
        for scheme in ("light", "dark"):
            page.goto(f"{shown.url}?scheme={scheme}")
            grounds[browser_scheme.scheme, scheme] = mail_ground(page)

    assert grounds["light", "light"] == grounds["dark", "light"]
    assert grounds["light", "dark"] == grounds["dark", "dark"]
    assert grounds["light", "light"] != grounds["light", "dark"]


def test_text_source_and_message_are_shown(
    shown: Previewed, open_page: Open, picture: Picture
) -> None:
    page = open_page(DESK)
    page.goto(shown.url)

    page.get_by_role("link", name="Text", exact=True).click()
    text = page.get_by_role("region", name="The text part")
    expect(text).to_contain_text("https://harbour.example.org/paint")
    expect(page.locator(".sheet mark")).to_have_count(0)
    picture(page, "preview-text")
    page.get_by_role("link", name="HTML", exact=True).click()
    expect(page.get_by_role("region", name="The HTML part")).to_contain_text("<!doctype html>")
    page.get_by_role("link", name="Source", exact=True).click()
    wire = page.get_by_role("region", name="The message on the wire")
    expect(wire).to_contain_text("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    picture(page, "preview-message")
    with page.expect_download() as saving:
        page.get_by_role("link", name="Save message.eml").click()
    assert b"Subject: Harbour News" in saving.value.path().read_bytes()


def test_a_finding_leads_to_its_line_of_the_markdown(
    shown: Previewed, open_page: Open, picture: Picture
) -> None:
    shown.write(BROKEN)
    page = open_page(DESK)
    page.goto(shown.url)

    page.locator(".findings .error").get_by_role("link").first.click()

    expect(page.locator(".row.wanted")).to_contain_text("paint [^7]")
    expect(page.locator(".row.wanted")).to_be_in_viewport()
    picture(page, "preview-markdown")


def test_links_of_the_mail_go_nowhere_and_say_where_they_would(
    shown: Previewed, open_page: Open
) -> None:
    page = open_page(DESK)
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.goto(shown.url)
    expect(mail(page).locator("body")).to_contain_text("Good morning")
    page.on("request", note)
    before = page.url
    mail(page).get_by_role("link", name="Unsubscribe").click()

    expect(page.locator("#leads")).to_contain_text("/u/test")
    assert page.url == before
    assert not [url for url in asked if not url.startswith(shown.url)]
    assert len(page.context.pages) == 1


def test_nothing_but_images_of_the_mail_comes_from_elsewhere(
    shown: Previewed, open_page: Open
) -> None:
    page = open_page(DESK)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: asked.append(message.text))

    page.goto(f"{shown.url}?images=off")
    follows(page)
    without = [url for url in asked if not url.startswith(shown.url)]
    page.goto(shown.url)
    expect(mail(page).locator("body")).to_contain_text("Good morning")

    assert without == []
    assert any("pictures.example.org" in url for url in asked)
    assert page.context.cookies() == []


def test_without_javascript_everything_is_a_link_or_a_button(
    shown: Previewed, open_page: Open, picture: Picture
) -> None:
    page = open_page(Reader(1280, "light", javascript=False))
    page.goto(shown.url)

    page.get_by_role("link", name="Dark").click()
    assert "scheme=dark" in page.url
    shown.write(DIGEST.replace("It took", "It needed"))
    page.get_by_role("link", name="Reload").click()
    page.get_by_role("link", name="Markdown").click()
    expect(page.get_by_role("region", name="The Markdown")).to_contain_text("It needed")
    page.get_by_label("Find a subscriber").fill("Reader 3")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("list", name="Found subscribers").get_by_role("link").click()
    page.get_by_role("link", name="Mail", exact=True).click()
    expect(page.locator(".device iframe")).to_have_attribute("src", "mail?as=3&scheme=dark")
    picture(page, "preview-without-javascript")


def test_it_is_used_by_keyboard_alone(shown: Previewed, open_page: Open) -> None:
    page = open_page(DESK)
    page.goto(shown.url)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the message")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Dark":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**scheme=dark**")

    assert brightness(mail_ground(page)) < 60


@pytest.mark.parametrize("reader", WATCHERS)
def test_the_page_is_accessible_and_fits_the_screen(
    shown: Previewed,
    open_page: Open,
    picture: Picture,
    reader: Reader,
    request: pytest.FixtureRequest,
) -> None:
    kind = request.node.callspec.id
    shown.write(BROKEN)
    page = open_page(reader)

    for name, query in (
        ("mail", "?scheme=dark&find=reader"),
        ("desktop", "?width=1280"),
        ("text", "?view=text"),
        ("markdown", "?view=markdown&line=12"),
        ("html", "?view=html"),
        ("message", "?view=message&as=2"),
        ("error", "?digest=2000-01-01.md"),
    ):
        page.goto(shown.url + query)
        follows(page)
        look(page, picture, f"preview-{kind}-{name}", reader)
