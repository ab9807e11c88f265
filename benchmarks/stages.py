"""Workspaces to measure on: a database with so many readers and a frozen campaign of real size."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from tests.builders import KEYS, Stage
from tests.fakes.mailings import a_mailing

from newsletter.audience.links import personal_links
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import SystemClock
from newsletter.delivery.campaigns import freeze
from newsletter.delivery.freeze_request import FreezeRequest
from newsletter.delivery.limits import Limits
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.delivery.sender import Sender
from newsletter.providers.base import Provider
from newsletter.rendering.content import EmailContent

LINE = "A line of a digest, as long as lines of a digest are, and then a word more.\n"


def content_of(size: int) -> EmailContent:
    """Return an email whose message is about `size` bytes, with the slots of a real one."""
    content = a_mailing().content
    lines = max(1, (size - 2500) // 2 // len(LINE))
    return replace(
        content,
        text=content.text + LINE * lines,
        html=content.html.replace("</body>", f"<p>{LINE * lines}</p></body>"),
    )


class Yard(Stage):
    """A stage with many readers, written by the database itself, and the system's clock."""

    def __init__(self, folder: Path, readers: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, SystemClock(), readers=0)  # type: ignore[arg-type]
        with self.database.write() as connection:
            for statement in _PEOPLE:
                connection.execute(text(statement), {"n": readers, "list": self.list_id})

    def campaign_for(self, provider: str, content: EmailContent) -> int:
        """Freeze one more campaign for everybody."""
        mailing = a_mailing()
        with self.database.read() as connection:
            earlier = connection.exec_driver_sql("SELECT count(*) FROM campaigns").scalar_one()
        request = FreezeRequest(
            list_id=self.list_id,
            list_name="daily",
            slug=f"digest-{earlier}",
            title="A digest",
            content_hash=f"hash-{earlier}",
            markdown="# A digest",
            content=content,
            identity=mailing.identity,
            provider=provider,
            on_unknown="hold",
            expires_after=timedelta(hours=12),
        )
        return freeze(self.database, request, self.clock.now(), actor="bench")

    def full_sender(self, provider: Provider, *, bounce_domain: str | None = None) -> Sender:
        """Return the sender as the command line builds it: signed links, return paths, limits."""
        signer = TokenSigner(KEYS)
        return Sender(
            database=self.database,
            provider=provider,
            keys=KEYS,
            clock=self.clock,
            links=lambda identity, recipient: personal_links(
                signer, identity.base_url, recipient.subscriber, self.list_id, recipient.epoch
            ),
            flights=self.folder / "flights",
            batch_size=None,
            lease=timedelta(minutes=10),
            return_path=ReturnPaths(KEYS, bounce_domain).of,
            limits=Limits(),
        )


_NUMBERS = (
    "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :n) "
)
_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
_PEOPLE = (
    _NUMBERS
    + "INSERT INTO subscribers (id, address, address_key, name, timezone, created_at, updated_at) "
    "SELECT i, 'reader' || i || '@host' || (i % 50) || '.example', "
    "'reader' || i || '@host' || (i % 50) || '.example', 'Reader ' || i, 'Europe/Paris', "
    f"{_NOW}, {_NOW} FROM numbers WHERE :list > 0",
    _NUMBERS + "INSERT INTO memberships (list_id, subscriber_id, status, changed_at) "
    f"SELECT :list, i, 'active', {_NOW} FROM numbers",
    _NUMBERS + "INSERT INTO consents (subscriber_id, list_id, act, how, at) "
    f"SELECT i, :list, 'subscribe', 'import', {_NOW} FROM numbers",
)
