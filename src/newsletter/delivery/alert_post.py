"""The post of alerts: tells each one by every configured way, again and again until it is told.

At least once: who is killed between telling and writing that down tells it twice. `AlertPost` does
one round, `AlertCarrier` works it in the background of a process that lives long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field

from newsletter.clock import Clock
from newsletter.delivery.alert_claims import (
    LEASE,
    AlertState,
    ClaimedAlert,
    any_due,
    claim_alert,
    note_way,
    renew_alert,
    settle_alert,
)
from newsletter.delivery.alert_mail import AlertMailer, ContentOf, MailWay, words_alone
from newsletter.delivery.alert_ways import CommandWay, LogWay, Notice, NotTold, Way, WebhookWay
from newsletter.delivery.alert_words import trial
from newsletter.delivery.alerts import BY_MAIL_ALONE
from newsletter.delivery.faults import Faults, Thing
from newsletter.delivery.leases import kept_alive
from newsletter.delivery.rounds import LOOK_SECONDS, Rounds
from newsletter.logs import get_logger, place_of
from newsletter.providers.base import Provider
from newsletter.settings import Settings
from newsletter.storage.database import Database

log = get_logger("alerts")


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one way: None is no problem."""

    way: str
    problem: str | None


@dataclass(slots=True)
class AlertPost:
    """Tells alerts. Any number of them may work on one database: each alert has one teller.

    `open_provider` gives a provider for this post alone; `content_of` says what a mail shows beyond
    an alert's words. Used by one thread at a time, but for `interrupt`.
    """

    database: Database
    settings: Settings
    clock: Clock
    open_provider: Callable[[], Provider]
    content_of: ContentOf = words_alone
    _under_way: Way | None = field(default=None)

    def tell(self, stop: threading.Event | None = None, *, seconds: float | None = None) -> int:
        """Tell what is due, and return how many alerts everybody has been told of now.

        `seconds`: begin no other alert after so long. What a way says no to is noted with the
        alert and tried again later. Raises `TryAgainLater` and `StorageError` for the database
        alone.
        """
        stop, told, began = stop or threading.Event(), 0, time.monotonic()
        with self.database.read() as connection:
            if not any_due(connection, self.clock.now()):
                return 0
        faults = Faults(self.database, self.clock)
        with self._ways() as ways:
            while not stop.is_set() and (seconds is None or time.monotonic() - began < seconds):
                with self.database.write(durable=True) as connection:
                    claimed = claim_alert(connection, self.clock.now())
                if claimed is None:
                    break
                # Its claim ends by itself, and then it is told again.
                with faults.holding(_thing(claimed)), self._lease_kept(claimed):
                    told += self._tell_one(claimed, ways, stop) is AlertState.TOLD
        return told

    def try_ways(self) -> list[Tried]:
        """Tell a test by every configured way and return what came of each; nothing is kept."""
        alert = trial()
        notice = Notice(
            0, alert.kind.value, alert.subject, alert.body, alert.campaign, self.clock.now()
        )
        with self._ways() as ways:
            return [Tried(way.label, self._try(way, notice)) for way in ways]

    def interrupt(self) -> None:
        """Break off what is under way, from another thread."""
        way = self._under_way
        if way is not None:
            way.interrupt()

    def _lease_kept(self, claimed: ClaimedAlert) -> AbstractContextManager[None]:
        def renew() -> None:
            with self.database.write(durable=False) as connection:
                renew_alert(connection, claimed, self.clock.now())

        return kept_alive(renew, LEASE)

    def _tell_one(
        self, claimed: ClaimedAlert, ways: list[Way], stop: threading.Event
    ) -> AlertState:
        notice = claimed.notice
        if notice.kind in BY_MAIL_ALONE:
            ways = [way for way in ways if isinstance(way, MailWay)]
        for way in ways:
            if way.name in claimed.told or stop.is_set():
                continue
            problem = self._try(way, notice)
            with self.database.write(durable=True) as connection:
                note_way(connection, claimed, way, self.clock.now(), problem)
            if problem is not None:
                log.warning("alert_not_told", alert=notice.alert, way=way.label, problem=problem)
        wanted = {way.name for way in ways}
        with self.database.write(durable=True) as connection:
            state = settle_alert(connection, claimed, wanted, self.clock.now())
        if state is AlertState.GIVEN_UP:
            log.error("alert_given_up", alert=notice.alert, subject=notice.subject)
        return state

    def _try(self, way: Way, notice: Notice) -> str | None:
        """Tell by one way; returns what went wrong. No fault of a way keeps the others from it."""
        self._under_way = way
        try:
            way.tell(notice)
        except NotTold as error:
            return error.problem[:300]
        except Exception as error:  # noqa: BLE001 - the other ways go on, and it is told
            log.error("alert_way_failed", way=way.label, at=place_of(error))  # noqa: TRY400
            return f"a fault of the program: {type(error).__name__}"
        finally:
            self._under_way = None
        return None

    @contextmanager
    def _ways(self) -> Iterator[list[Way]]:
        """Give the ways that the settings name, or the log where they name none."""
        part, name = self.settings.alerts, self.settings.newsletter.name
        mailer = AlertMailer(self.database, self.settings, self.open_provider, self.content_of)
        ways: list[Way] = [MailWay(mailer, address) for address in dict.fromkeys(part.mail_to)]
        if part.webhook is not None:
            ways.append(WebhookWay(part.webhook, name))
        if part.command is not None:
            ways.append(CommandWay(part.command, self.settings.root.resolve(), name))
        try:
            yield ways or [LogWay()]
        finally:
            # What is wrong with a connection is no matter once the ways were told.
            with suppress(Exception):
                mailer.close()


def _thing(claimed: ClaimedAlert) -> Thing:
    number = claimed.notice.alert
    # Quiet: an alert about it would go the way that just failed.
    return Thing("alert", str(number), f"alert {number}", quiet=True)


class AlertCarrier(Rounds):
    """Works a post in a thread: `start`, `wake` after an alert was raised, `stop`."""

    def __init__(self, post: AlertPost, *, look_seconds: float = LOOK_SECONDS) -> None:
        super().__init__("alerts", self._tell, look_seconds=look_seconds, interrupt=post.interrupt)
        self._post = post

    def _tell(self, stop: threading.Event) -> bool:
        if told := self._post.tell(stop):
            log.info("alerts_told", alerts=told)
        return True
