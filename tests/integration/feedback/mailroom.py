"""A mailroom: a campaign went out to five readers, and mail comes back, true or forged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from tests.builders import KEYS
from tests.fakes.returned_mail import complaint, plain_mail, returned_headers, status_report
from tests.integration.feedback.feedback_stage import FeedbackStage

from newsletter.audience.keys import Keys
from newsletter.audience.tokens import Purpose, TokenSigner
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.feedback.ingesting import Intake, Taken
from newsletter.providers.base import DeliveryId
from newsletter.settings.feedback_parts import Believe
from newsletter.storage.tables import campaigns, events

SIGNER = TokenSigner(KEYS)
FORGER = Keys(("cd" * 32,), b"x" * 32)


class Mailroom:
    """A campaign that was sent to five readers, and mail that comes back."""

    def __init__(self, stage: FeedbackStage) -> None:
        self.stage = stage
        self.campaign = stage.send()
        self.kept = stage.folder / "kept-mail"
        with stage.database.read() as connection:
            self.salt: str = connection.execute(select(campaigns.c.message_id_salt)).scalar_one()
        stage.clock.advance(timedelta(minutes=5))

    def path(self, reader: int, keys: Keys = KEYS) -> str:
        return ReturnPaths(keys, "bounces.example.org").of(DeliveryId(self.campaign, reader))

    def token(self, reader: int, keys: Keys = KEYS) -> str:
        return TokenSigner(keys).sign(Purpose.UNSUBSCRIBE, reader, self.stage.list_id)

    def message_id(self, reader: int, salt: str = "") -> str:
        return f"<{reader}.{self.campaign}.{salt or self.salt}@news.example.org>"

    def intake(self, believe: Believe | None = None) -> Intake:
        stage = self.stage
        return Intake(stage.database, KEYS, SIGNER, stage.settings, stage.clock, believe=believe)

    def take(self, mail: bytes, believe: Believe | None = None) -> Taken:
        taken = self.intake(believe).take(mail, "test")
        self.stage.applier.apply_waiting()
        return taken

    def stored(self) -> list[Any]:
        with self.stage.database.read() as connection:
            return list(connection.execute(select(events).order_by(events.c.id)))

    def standing(self) -> dict[int, tuple[Any, Any]]:
        return {n: (self.stage.row(n), self.stage.standing(n)) for n in range(1, 6)}


Forgery = Callable[[Mailroom], bytes]

FORGERIES: dict[str, Forgery] = {
    "an address alone": lambda room: status_report("reader4@example.org"),
    "a Message-ID with a wrong salt": lambda room: status_report(
        "reader4@example.org", returned=returned_headers(message_id=room.message_id(4, "0" * 16))
    ),
    "a Message-ID with the salt that every reader knows": lambda room: status_report(
        "reader4@example.org", returned=returned_headers(message_id=room.message_id(4))
    ),
    "a return path with a wrong seal": lambda room: status_report(
        "reader4@example.org", to=room.path(4, FORGER)
    ),
    "the own seal on another's return path": lambda room: status_report(
        "reader4@example.org", to=room.path(2).replace("-2-", "-4-")
    ),
    "the own return path with a victim's recipient": lambda room: status_report(
        "reader4@example.org", to=room.path(2)
    ),
    "the own link with a victim's Message-ID": lambda room: status_report(
        "reader4@example.org",
        returned=returned_headers(message_id=room.message_id(4), token=room.token(2)),
    ),
    "a link with a wrong seal": lambda room: status_report(
        "reader4@example.org", returned=returned_headers(token=room.token(4, FORGER))
    ),
    "a complaint of another": lambda room: complaint("reader4@example.org"),
    "a complaint with the Message-ID of another": lambda room: complaint(
        "reader4@example.org", returned=returned_headers(message_id=room.message_id(4))
    ),
    "a wish under another's name": lambda room: plain_mail(
        "unsubscribe", sender="reader4@example.org"
    ),
    "a wish with a forged link": lambda room: plain_mail(
        room.token(4, FORGER), sender="reader4@example.org"
    ),
}
