"""What an operator says of the archive: unlisted sends, and taking a campaign out and back."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.command import Desk, a_desk

pytestmark = pytest.mark.slow

A_DIGEST = """\
# Tides Were Early

By The Editor, {day:%d %B %Y}

The sea came at noon and left before the clocks did.

## Coast

### A harbour counts its boats

There were eleven.

**Why it matters:** There had been twelve.
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return a_desk(
        tmp_path,
        readers=2,
        NEWSLETTER_NEWSLETTER__POSTAL_ADDRESS="1 Sample Street",
    )


def address_in_mails(folder: Path, campaign: int) -> set[str]:
    """Return the addresses of public pages that the mails of a campaign name."""
    found: set[str] = set()
    for path in (folder / "outbox").rglob("*.eml"):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if f".{campaign}." not in str(message["Message-ID"]):
            continue
        part = message.get_body(("html",))
        assert part is not None
        found |= set(re.findall(r'href="([^"]+/(?:archive|issue)/[^"]+)"', part.get_content()))
    return found


def test_the_address_of_the_page_is_told_in_mails_and_to_the_operator(desk: Desk) -> None:
    rehearsed = desk.json("send", "latest", "--list", "daily", "--dry-run", "--unlisted")
    desk.run("send", "latest", "--list", "daily", "--yes", "--unlisted")
    quiet = desk.json("campaigns", "show", "1")
    desk.run("send", "latest", "--list", "daily", "--yes", "--again")
    open_ = desk.json("campaigns", "show", "2")

    assert (quiet["listed"], open_["listed"], rehearsed["listed"]) == (False, True, False)
    assert re.search(r"/issue/1-[\w-]{27}/[\w-]+$", quiet["archive_url"])
    assert rehearsed["archive_url"] == quiet["archive_url"]
    assert open_["archive_url"].endswith(f"/archive/daily/{open_['digest']}")
    assert address_in_mails(desk.folder, 1) == {quiet["archive_url"]}
    assert address_in_mails(desk.folder, 2) == {open_["archive_url"]}
    assert quiet["accepted"] == 2
    assert "(unlisted)" in desk.run("campaigns", "show", "1").stdout


def test_a_schedule_says_whether_the_archive_names_its_campaigns(desk: Desk) -> None:
    terms = ("--list", "daily", "--time", "07:00", "--days", "daily", "--timezone", "UTC")
    quiet = desk.json("schedule", "add", "quiet", *terms, "--unlisted")
    shown = desk.run("schedule", "show", "quiet").stdout
    plain = desk.json("schedule", "add", "plain", *terms)
    open_ = desk.json("schedule", "update", "quiet", "--listed")
    again = desk.json("schedule", "update", "quiet", "--unlisted")
    day = (datetime.now(UTC) + timedelta(days=1)).date()
    folder = desk.folder / "digests"
    (folder / f"{day}.md").write_text(A_DIGEST.format(day=day), encoding="utf-8")

    campaign = desk.json("schedule", "run-now", "quiet", str(day), "--yes")["campaign"]
    sent = desk.json("campaigns", "show", str(campaign))

    assert [one["listed"] for one in (quiet, plain, open_, again)] == [False, True, True, False]
    assert "archive   does not name its campaigns" in shown
    assert (sent["listed"], sent["accepted"]) == (False, 2)
    assert re.search(r"/issue/1-[\w-]{27}/", sent["archive_url"])
    assert address_in_mails(desk.folder, campaign) == {sent["archive_url"]}


def test_a_campaign_is_taken_out_and_put_back_and_the_address_stays(desk: Desk) -> None:
    desk.run("send", "latest", "--list", "daily", "--yes")
    before = desk.json("campaigns", "show", "1")["archive_url"]

    out = desk.json("campaigns", "unlist", "1")
    again = desk.json("campaigns", "unlist", "1")
    back = desk.run("campaigns", "relist", "1").stdout

    assert out == {"campaign": 1, "changed": True, "listed": False, "archive_url": before}
    assert again["changed"] is False
    assert "campaign 1 is listed" in back
    assert desk.json("campaigns", "show", "1")["listed"] is True
    refused = desk.run("campaigns", "unlist", "99", code=None)
    assert refused.returncode != 0
    assert "there is no campaign 99" in refused.stderr
