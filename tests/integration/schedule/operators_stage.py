"""A stage whose schedule asks for approval, with a digest in its folder and operators to tell."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from tests.builders import KEYS
from tests.integration.delivery.alert_stage import OPS, AlertStage

from newsletter.audience.tokens import TokenSigner
from newsletter.clock import SettableClock
from newsletter.delivery.alert_post import AlertPost
from newsletter.digest.parser import load
from newsletter.providers.base import Provider
from newsletter.providers.outbox import Outbox
from newsletter.schedule.editions import get_edition, make_edition, move_edition
from newsletter.schedule.model import Edition, EditionStatus
from newsletter.schedule.operator_mail import OperatorMails
from newsletter.schedule.proof_mail import Asker, edition_path
from newsletter.schedule.schedules import add_schedule
from newsletter.settings import Settings
from newsletter.storage.schedule_tables import editions

SIGNER = TokenSigner(KEYS)
DIGEST = """\
---
subject: Ferries for everybody
---

# Night Ferries Are Shared

By The Editor, 24 November 2026

Good morning, {{ first_name | default("reader") }}. Four towns share their late boats <b>now</b>.

## Harbours

### Four towns, one timetable

The councils agreed [^1].

**Why it matters:** Nobody is stranded.

## Sources

[^1]: The council's minutes
"""


class OperatorStage(AlertStage):
    """A workspace in which editions wait for an operator; its clock stands at 06:00 UTC."""

    def __init__(self, folder: Path, clock: SettableClock, **options: Any) -> None:
        super().__init__(folder, clock, **options)
        self.woken: list[None] = []
        (folder / "digests").mkdir(exist_ok=True)
        self.write_digest(DIGEST)
        with self.database.write() as connection:
            self.schedule_id = add_schedule(
                connection,
                clock.now(),
                name="morning",
                list_name="daily",
                actor="test",
                time="08:00",
                timezone="Europe/Paris",
                approval=True,
            ).id

    def write_digest(self, text: str) -> None:
        """Put down the digest of the day."""
        (self.folder / "digests" / "2026-11-24.md").write_text(text, encoding="utf-8")

    def settings(self, **alerts_part: Any) -> Settings:
        """Return settings that name these ways."""
        given: dict[str, Any] = {
            "newsletter": {
                "name": "The Example",
                "base_url": "https://news.example.org",
                "postal_address": "1 Sample Street",
                "timezone": "Europe/Paris",
            },
            "sender": {"from_email": "daily@news.example.org"},
            "alerts": alerts_part,
            "root": self.folder,
        }
        return Settings(**given)

    def post(self, provider: Provider | None = None, **alerts_part: Any) -> AlertPost:
        """Build a post as `serve` has it."""
        settings = self.settings(**alerts_part)
        chosen = provider or Outbox(self.folder / "outbox", self.clock)
        mails = OperatorMails(self.database, settings, lambda: SIGNER, self.clock)
        return AlertPost(
            self.database, settings, self.clock, lambda: chosen, content_of=mails.content_of
        )

    def asker(self, **alerts_part: Any) -> Asker:
        """Build what asks the operators."""
        return Asker(
            self.database,
            self.settings(**(alerts_part or {"mail_to": [OPS]})),
            SIGNER,
            self.clock,
            wake=lambda: self.woken.append(None),
        )

    def hold(self) -> Edition:
        """Make today's edition and hold it for a yes to the digest as it is now."""
        digest = load(self.folder / "digests" / "2026-11-24.md").digest
        now, due = self.clock.now(), datetime(2026, 11, 24, 7, tzinfo=UTC)
        with self.database.write() as connection:
            number = make_edition(
                connection,
                self.schedule_id,
                date(2026, 11, 24),
                now,
                due_at=due,
                deadline_at=due + timedelta(hours=3),
                status=EditionStatus.WAITING,
            )
            assert number is not None
            move_edition(
                connection,
                get_edition(connection, number),
                EditionStatus.HELD,
                now,
                digest_slug=digest.slug,
                content_hash=digest.content_hash,
                asked_at=now,
            )
            return get_edition(connection, number)

    def hold_again(self, edition: Edition) -> Edition:
        """Hold it for the digest as it is by now."""
        digest = load(self.folder / "digests" / "2026-11-24.md").digest
        now = self.clock.now()
        return self.put(edition, content_hash=digest.content_hash, asked_at=now)

    def put(self, edition: Edition, **values: Any) -> Edition:
        """Force what an edition is, as somebody else may have made it."""
        with self.database.write() as connection:
            connection.execute(update(editions).where(editions.c.id == edition.id).values(**values))
        return self.edition(edition)

    def edition(self, edition: Edition) -> Edition:
        """Read an edition anew."""
        with self.database.read() as connection:
            return get_edition(connection, edition.id)

    def path(self, edition: Edition) -> str:
        """Return the path of its page."""
        return edition_path(SIGNER, edition)
