"""An operator decides about an edition on a phone or a desk: a real browser, the real page (H7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Reader
from tests.browser.test_journeys import READERS, Open, Picture, look
from tests.integration.delivery.alert_stage import OPS
from tests.integration.schedule.operators_stage import DIGEST, OperatorStage
from tests.integration.web.running import running_app

from newsletter.clock import SettableClock
from newsletter.schedule.model import Edition, EditionStatus

pytestmark = pytest.mark.heavy


@dataclass(frozen=True, slots=True)
class Morning:
    """An edition that waits for a yes, its mail, and the pages that are served."""

    stage: OperatorStage
    edition: Edition
    url: str

    @property
    def page(self) -> str:
        """Where it is decided about."""
        return self.url + self.stage.path(self.edition)

    @property
    def status(self) -> EditionStatus:
        """Where it stands now."""
        return self.stage.edition(self.edition).status


@pytest.fixture
def morning(tmp_path: Path) -> Iterator[Morning]:
    clock = SettableClock(datetime(2026, 11, 24, 6, 0, tzinfo=UTC))
    stage = OperatorStage(tmp_path, clock, readers=5)
    edition = stage.hold()
    stage.asker().send_proof(edition)
    stage.post(mail_to=[OPS]).tell()
    with running_app(stage, stage.settings(mail_to=[OPS])) as app:
        yield Morning(stage, edition, app.url)
    stage.database.close()


@pytest.mark.parametrize("reader", READERS)
def test_approving_by_the_link_in_the_mail(
    morning: Morning,
    open_page: Open,
    picture: Picture,
    reader: Reader,
    request: pytest.FixtureRequest,
) -> None:
    kind = request.node.callspec.id
    [mail] = morning.stage.mails()
    part = mail.get_body(("plain",))
    assert part is not None
    link = re.search(r"https://news\.example\.org(/e/\S+)", part.get_content())
    assert link is not None
    page = open_page(reader)

    page.goto(morning.url + link[1])
    expect(page.get_by_role("heading", level=1)).to_have_text("Send this digest?")
    look(page, picture, f"{kind}-edition", reader)
    seen_only = morning.status
    page.get_by_role("button", name="Approve: send it").click()
    expect(page.get_by_role("status")).to_have_text("Thank you, this is decided.")
    look(page, picture, f"{kind}-edition-approved", reader)
    page.goto(morning.url + link[1])
    expect(page.get_by_role("status")).to_contain_text("Decided by the link in a mail")
    look(page, picture, f"{kind}-edition-again", reader)

    assert (seen_only, morning.status) == (EditionStatus.HELD, EditionStatus.APPROVED)
    assert page.get_by_role("button").count() == 0
    assert page.context.cookies() == []


@pytest.mark.parametrize("reader", READERS)
def test_saying_no_and_links_that_do_not_work_any_more(
    morning: Morning,
    open_page: Open,
    picture: Picture,
    reader: Reader,
    request: pytest.FixtureRequest,
) -> None:
    kind = request.node.callspec.id
    page = open_page(reader)
    morning.stage.write_digest(DIGEST.replace("Good morning", "Good evening"))
    page.goto(morning.page)
    expect(page.get_by_role("heading", level=1)).to_have_text("The digest has changed")
    look(page, picture, f"{kind}-edition-changed", reader)

    morning.stage.write_digest(DIGEST)
    page.reload()
    page.get_by_role("button", name="Do not send it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not sent")
    look(page, picture, f"{kind}-edition-cancelled", reader)
    cancelled = morning.status
    morning.stage.put(morning.edition, status="missed", reason="no operator said yes in time")
    page.goto(morning.page)
    look(page, picture, f"{kind}-edition-over", reader)

    assert cancelled is EditionStatus.CANCELLED


@pytest.mark.parametrize("reader", READERS)
def test_the_mail_that_asks_fits_the_screen(
    morning: Morning,
    open_page: Open,
    picture: Picture,
    reader: Reader,
    request: pytest.FixtureRequest,
) -> None:
    [mail] = morning.stage.mails()
    part = mail.get_body(("html",))
    assert part is not None
    page = open_page(reader)

    page.set_content(part.get_content())

    width = picture(page, f"{request.node.callspec.id}-edition-mail")
    approve, cancel = (
        page.get_by_role("link", name=words).get_attribute("href")
        for words in ("Approve it", "Do not send it")
    )
    assert width == reader.width
    assert approve is not None
    assert cancel is not None
    assert approve.removesuffix("#approve") == cancel.removesuffix("#cancel")


def test_the_page_is_reached_by_keyboard_alone(morning: Morning, open_page: Open) -> None:
    page: Page = open_page(Reader(1280, "light"))
    page.goto(morning.page)

    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "approve":
            break
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Approved")
