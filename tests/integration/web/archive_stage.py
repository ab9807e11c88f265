"""Sends digests of a test's own to a list, as the command does, for the pages of the archive."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta

from tests.builders import KEYS, Stage
from tests.fakes.mailings import a_mailing
from tests.fakes.provider import ScriptedProvider

from newsletter.audience.lists import get_list, update_list
from newsletter.delivery.archive_addresses import archive_url
from newsletter.delivery.campaign_listing import set_listed
from newsletter.delivery.campaigns import change_status, freeze
from newsletter.delivery.freeze_request import FreezeRequest

BASE_URL = "https://news.example.org"
A_DIGEST = """\
# {title}

*By Ada Example • November 24, 2026*

Good morning, {{{{ first_name | default("reader") }}}}. A short look ahead.

## On the water

### {story}

The boats run as one service [^1], and nobody minds [^2][^1].

**Why it matters:** Fewer empty boats.

### Sources

[^1]: [Joint statement](https://ferries.example.org/statement) — with tables
[^2]: A conversation on the pier
"""


def a_digest(title: str = "Night ferries", story: str = "Four councils agree") -> str:
    """Return a digest with a story, two sources and a merge field."""
    return A_DIGEST.format(title=title, story=story)


class Press:
    """Freezes and sends digests to the list of a stage."""

    def __init__(self, stage: Stage, base_url: str = BASE_URL) -> None:
        self.stage = stage
        self.base_url = base_url

    def freeze(
        self,
        slug: str = "2026-11-24",
        markdown: str | None = None,
        *,
        title: str = "Night ferries",
        list_name: str = "daily",
        listed: bool = True,
        again: bool = False,
        not_before: datetime | None = None,
    ) -> int:
        """Freeze a digest; its mails name its page, as `send` makes them."""
        markdown = a_digest(title) if markdown is None else markdown
        mailing, stage = a_mailing(), self.stage
        with stage.database.read() as connection:
            to = get_list(connection, list_name)
        told = archive_url(self.base_url, KEYS, to, slug, listed=listed)
        request = FreezeRequest(
            list_id=to.id,
            list_name=list_name,
            slug=slug,
            title=title,
            content_hash=hashlib.sha256(markdown.encode()).hexdigest(),
            markdown=markdown,
            content=mailing.content,
            identity=replace(mailing.identity, archive_url=told),
            provider="outbox",
            on_unknown="hold",
            expires_after=timedelta(hours=12),
            again=again,
            not_before=not_before,
            listed=listed,
        )
        return freeze(stage.database, request, stage.clock.now(), actor="test")

    def send(self, slug: str = "2026-11-24", markdown: str | None = None, **options: object) -> int:
        """Freeze a digest and send it to everybody."""
        campaign = self.freeze(slug, markdown, **options)  # type: ignore[arg-type]
        self.stage.sender(ScriptedProvider()).run(campaign)
        return campaign

    def change(self, campaign: int, word: str) -> None:
        """Pause, resume or cancel a campaign."""
        change_status(self.stage.database, campaign, word, self.stage.clock.now(), actor="test")

    def list_it(self, campaign: int, *, listed: bool) -> None:
        """Take a campaign out of the archive, or put it back."""
        now = self.stage.clock.now()
        set_listed(self.stage.database, campaign, now, listed=listed, actor="test")

    def change_list(self, **values: str | bool) -> None:
        """Change the list."""
        with self.stage.database.write() as connection:
            update_list(connection, self.stage.clock.now(), "daily", values, actor="test")

    def told(self, campaign: int) -> str:
        """Return the path that a campaign's mails name."""
        with self.stage.database.read() as connection:
            found = connection.exec_driver_sql(
                f"SELECT identity FROM campaigns WHERE id = {campaign}"
            ).scalar_one()
        identity = json.loads(found) if isinstance(found, str) else found
        return str(identity["archive_url"]).removeprefix(self.base_url)
