"""Alerts by mail, through the provider that also takes the campaigns.

Each is a message of its own to each operator: no list mail, no campaign, no letter, and no ledger
but the alert's own row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from sqlalchemy import select

from newsletter.delivery.alert_ways import Notice, NotTold
from newsletter.delivery.alerts import mask_addresses
from newsletter.delivery.preparing import list_identity
from newsletter.delivery.proofs import NO_CAMPAIGN
from newsletter.errors import NewsletterError
from newsletter.logs import mask_address
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Mailing,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)
from newsletter.rendering.alerts import render_alert
from newsletter.rendering.content import EmailContent
from newsletter.settings import Settings
from newsletter.storage.database import Database
from newsletter.storage.tables import installation

_FIRST, _END = 10**16, 10**17
"""The numbers of alerts among the messages without a campaign: tests have smaller ones, letters
larger ones."""


def alert_delivery(notice: Notice, address: str) -> DeliveryId:
    """Return the name of an alert to one address at the provider, the same on every try (A2).

    The instant is part of it: a restored backup gives an alert's number once more.
    """
    seed = f"{notice.alert} {notice.at.isoformat()} {address}"
    number = int.from_bytes(hashlib.sha256(seed.encode("utf-8", "replace")).digest()[:16])
    return DeliveryId(NO_CAMPAIGN, _FIRST + number % (_END - _FIRST))


def is_alert(delivery: DeliveryId) -> bool:
    """Return whether a delivery is an alert's: what comes back for it is about no reader."""
    return delivery.campaign == NO_CAMPAIGN and _FIRST <= delivery.subscriber < _END


ContentOf = Callable[[Notice], EmailContent | None]
"""Says what a mail about an alert shows; None: its words alone."""


def words_alone(_notice: Notice) -> None:
    """Show no more than the words of an alert."""


class AlertMailer:
    """Hands alerts to a provider that is opened for the first of them; closed by `close`.

    `open_provider` gives one of its own: an interrupt breaks it off.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        open_provider: Callable[[], Provider],
        content_of: ContentOf = words_alone,
    ) -> None:
        self._content_of = content_of
        self._database = database
        self._settings = settings
        self._open_provider = open_provider
        self._provider: Provider | None = None

    def send(self, notice: Notice, address: str) -> Outcome:
        """Send one alert to one address; raises `NotTold` where the provider takes nothing."""
        if not self._settings.sender.from_email:
            raise NotTold("'sender.from_email' is missing")
        delivery = alert_delivery(notice, address)
        try:
            if self._provider is None:
                self._provider = self._open_provider()
            envelope = Envelope(delivery, address, "", {})
            outcomes = list(self._provider.send(self._mailing(notice), [envelope], _NoFlight()))
        except (AccountProblem, Unavailable) as refused:
            raise NotTold(mask_addresses(refused.problem)) from None
        except NewsletterError as error:
            raise NotTold(mask_addresses(str(error))) from None
        return outcomes[0] if outcomes else Outcome(delivery, OutcomeKind.NOT_SENT)

    def interrupt(self) -> None:
        """Break off what is on the wire, from another thread."""
        provider = self._provider
        if provider is not None:
            provider.interrupt()

    def close(self) -> None:
        """End connections in good order."""
        if self._provider is not None:
            self._provider.close()
            self._provider = None

    def _mailing(self, notice: Notice) -> Mailing:
        name = self._settings.newsletter.name
        identity = list_identity(self._settings, None)
        content = self._content_of(notice)
        if content is None:
            content = render_alert(notice.subject, notice.body, newsletter=name)
        return Mailing(NO_CAMPAIGN, content, identity, self._salt(), transactional=True)

    def _salt(self) -> str:
        """Return the part of a Message-ID that is this installation's for good (A2)."""
        with self._database.read() as connection:
            own = connection.execute(select(installation.c.installation_id)).scalar_one()
        return hashlib.sha256(f"alerts of {own}".encode()).hexdigest()[:16]


class MailWay:
    """Mail to one operator."""

    def __init__(self, mailer: AlertMailer, address: str) -> None:
        self._mailer = mailer
        self._address = address
        mark = hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[:12]
        self.name = f"mail {mark}"
        self.label = f"mail to {mask_address(address)}"

    def tell(self, notice: Notice) -> None:
        """Send one message; an answer that was lost counts as not told, the next try is the same
        message.
        """
        outcome = self._mailer.send(notice, self._address)
        if outcome.kind is OutcomeKind.ACCEPTED:
            return
        words = (outcome.code, outcome.status, outcome.detail)
        said = " ".join(str(word) for word in words if word)
        raise NotTold(mask_addresses(f"{_PROBLEMS[outcome.kind]}: {said}".removesuffix(": ")))

    def interrupt(self) -> None:
        """Break off what is on the wire."""
        self._mailer.interrupt()


_PROBLEMS = {
    OutcomeKind.REJECTED_RECIPIENT: "the address was refused",
    OutcomeKind.REJECTED_MESSAGE: "the message was refused",
    OutcomeKind.DEFERRED: "not taken for now",
    OutcomeKind.NOT_SENT: "not sent",
    OutcomeKind.UNKNOWN: "the answer was lost",
}


class _NoFlight:
    """A message that may go out twice needs no notes."""

    def launch(self, deliveries: Sequence[DeliveryId]) -> None:
        """Note nothing."""

    def land(self, outcome: Outcome) -> None:
        """Note nothing."""

    def land_all(self, outcomes: Sequence[Outcome]) -> None:
        """Note nothing."""
