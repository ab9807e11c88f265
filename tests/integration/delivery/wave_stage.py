"""What tests of waves arrange: readers with zones, a campaign in waves, and a watch over a day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import text, update
from tests.builders import KEYS, Stage
from tests.fakes.mailings import a_mailing
from tests.fakes.smtp_sending import a_provider
from tests.fakes.smtp_server import SmtpServer

from newsletter.audience.preferences import Details, change_details
from newsletter.delivery.campaigns import freeze
from newsletter.delivery.due_work import wants_hands
from newsletter.delivery.freeze_request import FreezeRequest, Waves
from newsletter.delivery.invariants import verify_invariants
from newsletter.delivery.reports import build_report, what_next
from newsletter.storage.tables import subscribers

DAY = date(2026, 11, 24)
WAVES = Waves(DAY, time(8, 0), "Europe/Paris")
ZONES = (
    "Pacific/Kiritimati",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Auckland",
    "Pacific/Noumea",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Asia/Tokyo",
    "Australia/Eucla",
    "Asia/Shanghai",
    "Asia/Jakarta",
    "Asia/Yangon",
    "Asia/Dhaka",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Karachi",
    "Asia/Kabul",
    "Asia/Dubai",
    "Asia/Tehran",
    "Africa/Nairobi",
    "Africa/Cairo",
    "Europe/Paris",
    "Africa/Abidjan",
    "Atlantic/Azores",
    "Atlantic/South_Georgia",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Halifax",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Marquesas",
    "Pacific/Honolulu",
    "Pacific/Pago_Pago",
)
QUARTER = timedelta(minutes=15)
LEASE = timedelta(minutes=10)


def a_request(
    list_id: int, waves: Waves = WAVES, *, canary: int = 0, provider: str = "smtp"
) -> FreezeRequest:
    """Return what a campaign in waves is made of."""
    mailing = a_mailing()
    return FreezeRequest(
        list_id=list_id,
        list_name="daily",
        slug=f"{waves.day}",
        title="A digest",
        content_hash=f"hash of {waves.day}",
        markdown="# A digest",
        content=mailing.content,
        identity=mailing.identity,
        provider=provider,
        on_unknown="hold",
        expires_after=timedelta(hours=12),
        canary=canary,
        waves=waves,
    )


class WaveStage(Stage):
    """A stage whose readers have zones, and whose campaigns go out in waves."""

    def settle(self, *zones: str | None) -> None:
        """Put one more reader on the list for each zone: reader1@, reader2@, …"""
        with self.database.read() as connection:
            known = connection.execute(text("SELECT count(*) FROM subscribers")).scalar_one()
        for number, zone in enumerate(zones, start=known + 1):
            self.join(f"reader{number}@example.org")
            with self.database.write() as connection:
                # As it is stored, whoever wrote it: an old import, another version's zones.
                connection.execute(
                    update(subscribers)
                    .where(subscribers.c.address == f"reader{number}@example.org")
                    .values(timezone=zone)
                )

    def freeze_waves(self, waves: Waves = WAVES, *, canary: int = 0, provider: str = "smtp") -> int:
        """Freeze a campaign in waves; returns its number."""
        asked = a_request(self.list_id, waves, canary=canary, provider=provider)
        return freeze(self.database, asked, self.clock.now(), actor="test")

    def wants_hands(self, campaign: int) -> bool:
        """Ask as a worker does whether there is something to do."""
        with self.database.read() as connection:
            return wants_hands(connection, campaign, self.clock.now(), LEASE)

    def move_to(self, zone: str, reader: int) -> None:
        """Let a reader choose another zone."""
        with self.database.write() as connection:
            number = connection.execute(
                text(f"SELECT id FROM subscribers WHERE address = 'reader{reader}@example.org'")
            ).scalar_one()
            change_details(connection, number, self.clock.now(), Details(timezone=zone))

    def verdicts(self) -> list[str]:
        """Return what `verify` finds wrong."""
        found = verify_invariants(self.database, KEYS, self.clock.now())
        return [str(verdict) for verdict in found if not verdict.ok]

    def told(self, campaign: int) -> list[str]:
        """Return what the report says will happen."""
        with self.database.read() as connection:
            return what_next(build_report(connection, campaign))


def watch(
    stage: WaveStage, campaign: int, server: SmtpServer, hours: int
) -> dict[str, list[datetime]]:
    """Let a quarter of an hour pass after the other; return when the server saw each reader.

    At each the campaign is sent if it wants hands, as a runner does.
    """
    seen: dict[str, list[datetime]] = {}
    end = stage.clock.now() + timedelta(hours=hours)
    sender = stage.sender(a_provider(server.port, stage.clock))
    while stage.clock.now() <= end:
        before = len(server.messages)
        if stage.campaign(campaign).status == "sending" and stage.wants_hands(campaign):
            sender.run(campaign)
        for message in server.messages[before:]:
            seen.setdefault(message.recipients[0], []).append(stage.clock.now())
        stage.clock.advance(QUARTER)
    sender.provider.close()
    return seen
