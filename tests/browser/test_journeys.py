"""Readers join, choose, pause, leave and are forgotten: a real browser, real letters."""

from __future__ import annotations

import email
import email.policy
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.browser.conftest import Reader
from tests.command import Desk, a_desk

pytestmark = pytest.mark.heavy

Open = Callable[[Reader], Page]
Picture = Callable[[Page, str], int]

READERS = [
    pytest.param(Reader(360, "light"), id="phone-light"),
    pytest.param(Reader(360, "dark", javascript=False), id="phone-dark-no-javascript"),
    pytest.param(Reader(1280, "dark"), id="desktop-dark"),
]


@dataclass(frozen=True, slots=True)
class Town:
    """A newsletter whose pages are served, and whose mail falls into a folder."""

    desk: Desk
    url: str

    def letter_to(self, address: str, about: str) -> str:
        """Wait for a letter and return its plain text."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for path in sorted((self.desk.folder / "outbox").rglob("*.eml")):
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                if message["To"].addresses[0].addr_spec == address and about in message["Subject"]:
                    part = message.get_body(("plain",))
                    assert part is not None
                    text: str = part.get_content()
                    return text
            time.sleep(0.1)
        raise AssertionError(f"no letter about '{about}' came")

    def story(self, address: str) -> dict[str, object]:
        """Return what the operator sees of an address."""
        found: dict[str, object] = self.desk.json("subscribers", "show", address)
        return found

    def status(self, address: str) -> str:
        """Return how somebody stands on the first list."""
        memberships = self.story(address)["memberships"]
        assert isinstance(memberships, list)
        return str(memberships[0]["status"])


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    desk = a_desk(
        tmp_path_factory.mktemp("town"),
        readers=0,
        NEWSLETTER_NEWSLETTER__BASE_URL=url,
        NEWSLETTER_NEWSLETTER__POSTAL_ADDRESS="1 Sample Street",
        NEWSLETTER_WEB__LIMITS__PER_NETWORK="1000",
    )
    desk.run("lists", "create", "weekly", "--title", "The Weekly")
    serving = desk.start("serve", "--port", str(port))
    try:
        _wait_for(port, serving)
        yield Town(desk, url)
    finally:
        serving.terminate()
        serving.communicate(timeout=60)


def _wait_for(port: int, serving: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert serving.poll() is None, serving.communicate()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the pages did not come up")


def look(page: Page, picture: Picture, name: str, reader: Reader) -> None:
    """Hold a page to what every page must be: readable, accessible, no wider than the screen."""
    width = picture(page, name)
    assert width == reader.width, f"{name} scrolls sideways: {width} wide"
    # Axe is a script itself; the pages are the same with and without.
    if reader.javascript:
        serious = [
            (found["id"], [node["html"] for node in found["nodes"]])
            for found in Axe().run(page).response["violations"]
            if found["impact"] in ("serious", "critical")
        ]
        assert serious == [], f"{name}: {json.dumps(serious)}"


def link_in(text: str) -> str:
    """Return the first link of a letter."""
    found = re.search(r"http://127\.0\.0\.1:\d+/[cmnp]/\S+", text)
    assert found is not None, text
    return found[0]


@pytest.mark.parametrize("reader", READERS)
def test_joining_by_double_opt_in(
    town: Town, open_page: Open, picture: Picture, reader: Reader, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.id
    address = f"join-{kind}@example.org"
    page = open_page(reader)

    page.goto(f"{town.url}/")
    look(page, picture, f"{kind}-front", reader)
    page.get_by_role("link", name="Subscribe to The Daily").click()
    look(page, picture, f"{kind}-subscribe", reader)
    page.get_by_label("Your email address").fill("no address")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look(page, picture, f"{kind}-subscribe-error", reader)
    page.get_by_label("Your email address").fill(address)
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your inbox")
    look(page, picture, f"{kind}-sent", reader)
    pending = town.status(address)

    page.goto(link_in(town.letter_to(address, "The Daily")))
    look(page, picture, f"{kind}-confirm", reader)
    still_pending = town.status(address)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are subscribed")
    look(page, picture, f"{kind}-confirmed", reader)

    assert (pending, still_pending, town.status(address)) == ("pending", "pending", "active")
    assert page.context.cookies() == []


@pytest.mark.parametrize("reader", READERS)
def test_preferences_from_pause_to_being_forgotten(
    town: Town, open_page: Open, picture: Picture, reader: Reader, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.id
    address = f"choose-{kind}@example.org"
    page = open_page(reader)
    page.goto(f"{town.url}/subscribe/daily")
    page.get_by_label("Your email address").fill(address)
    page.get_by_role("button", name="Subscribe").click()
    page.goto(link_in(town.letter_to(address, "The Daily")))
    page.get_by_role("button").click()
    page.get_by_role("link", name="Choose when and how it comes").click()
    look(page, picture, f"{kind}-preferences", reader)
    expect(page.get_by_label("Your name")).to_have_count(0)
    page.get_by_label("The Weekly").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")

    page.get_by_role("button", name="Send me the link").click()
    expect(page.get_by_role("status")).to_contain_text("on its way")
    page.goto(link_in(town.letter_to(address, "manage")))
    own_page = page.url
    expect(page.get_by_label("The Weekly")).to_be_checked()
    page.get_by_label("Your name").fill("Grace Hopper")
    page.get_by_label("Your time zone").select_option("Europe/Paris")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    look(page, picture, f"{kind}-preferences-saved", reader)
    story = town.story(address)

    page.get_by_label("Nothing until").fill("2031-01-15")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("alert").or_(page.get_by_role("status"))).to_be_visible()
    page.get_by_label("Nothing until").fill("2027-01-15")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Paused")
    look(page, picture, f"{kind}-preferences-paused", reader)
    paused = town.status(address)
    page.get_by_role("button", name="End the pause").click()
    expect(page.get_by_role("status")).to_contain_text("over")

    new = f"moved-{kind}@example.org"
    page.get_by_label("New email address").fill(new)
    page.get_by_role("button", name="Change address").click()
    expect(page.get_by_role("status")).to_contain_text("on its way")
    page.goto(link_in(town.letter_to(new, "address")))
    look(page, picture, f"{kind}-new-address", reader)
    page.get_by_role("button").click()
    look(page, picture, f"{kind}-new-address-done", reader)
    onward = page.get_by_role("link", name="Back to your preferences").get_attribute("href")
    told = town.letter_to(address, "another address")

    page.goto(own_page)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link has expired")
    look(page, picture, f"{kind}-old-link", reader)
    page.goto(f"{town.url}{onward}")
    page.get_by_role("button", name="Send me the link").click()
    expect(page.get_by_role("status")).to_contain_text("on its way")
    own_page = link_in(town.letter_to(new, "manage"))
    page.goto(own_page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download my data").click()
    data = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    page.get_by_role("link", name="Delete me").click()
    look(page, picture, f"{kind}-delete", reader)
    page.get_by_role("button", name="Delete me").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Yes, delete everything about me").check()
    page.get_by_role("button", name="Delete me").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are forgotten")
    look(page, picture, f"{kind}-deleted", reader)
    page.goto(own_page)
    look(page, picture, f"{kind}-gone", reader)
    own_links = re.findall(r"http://127\.0\.0\.1:\d+/\w/\S+", told)

    assert (story["name"], story["timezone"], paused) == ("Grace Hopper", "Europe/Paris", "paused")
    assert told
    assert own_links == []
    assert (data["address"], data["name"]) == (new, "Grace Hopper")
    assert town.story(new)["suppressed"] == "erased"


@pytest.mark.parametrize("reader", READERS)
def test_leaving_by_the_link_in_a_digest_and_coming_back(
    town: Town, open_page: Open, picture: Picture, reader: Reader, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.id
    address = f"leave-{kind}@example.org"
    town.desk.run("subscribers", "add", address, "--list", "daily", "--consent", "a test")
    town.desk.run("send", "latest", "--list", "daily", "--yes", "--again")
    text = town.letter_to(address, "")
    page = open_page(reader)

    link = re.search(r"http://127\.0\.0\.1:\d+/u/\S+", text)
    assert link is not None
    page.goto(link[0])
    look(page, picture, f"{kind}-leave", reader)
    before = town.status(address)
    page.get_by_role("link", name="Pause for a while").click()
    look(page, picture, f"{kind}-options", reader)
    page.get_by_label("Nothing until").fill("2031-01-15")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("alert").or_(page.get_by_role("status"))).to_be_visible()
    page.goto(link[0])
    page.get_by_role("button", name="Unsubscribe", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    look(page, picture, f"{kind}-left", reader)
    left = town.status(address)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome back")
    look(page, picture, f"{kind}-undone", reader)
    back = town.status(address)
    page.goto(f"{town.url}/archive/daily")
    look(page, picture, f"{kind}-archive", reader)
    page.get_by_role("main").get_by_role("link").first.click()
    look(page, picture, f"{kind}-issue", reader)
    page.goto(f"{town.url}/u/forged")
    look(page, picture, f"{kind}-bad-link", reader)

    assert (before, left, back) == ("active", "unsubscribed", "active")
