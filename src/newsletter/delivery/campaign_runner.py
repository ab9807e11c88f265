"""Sends campaigns in the background of a process that lives long, such as `serve` (G7).

Whose time has come is started, what a dead process had claimed is settled, and each campaign that
wants hands is sent. Any number of runners, workers and foreground sends may share a database: on
SQLite the sender lock lets one of them send, on PostgreSQL the ledger's claims share the work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from newsletter.clock import Clock
from newsletter.delivery.campaign_troubles import CampaignTroubles, Tell
from newsletter.delivery.campaigns import Campaign, get_campaign, totals
from newsletter.delivery.due_work import (
    dead_claims,
    new_editions,
    open_claims,
    sending,
    start_due,
    wants_hands,
)
from newsletter.delivery.faults import Faults, campaign_thing
from newsletter.delivery.locking import is_sending
from newsletter.delivery.pauses import Pauses
from newsletter.delivery.rounds import Rounds
from newsletter.delivery.sender import Sender
from newsletter.delivery.states import CampaignStatus
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.logs import get_logger, trace_of
from newsletter.storage.database import Database

log = get_logger("delivery")

LOOK_SECONDS = 2.0
"""How often it looks for work; other processes freeze, resume and cancel too."""
CREATOR_SECONDS = 3.0
"""So long a campaign is left to whoever froze or resumed it: a `send` in a terminal shows how far
it is, and must not find its campaign taken. Nobody waits for that of an edition."""
IDLE_SECONDS = (2.0, 10.0)
"""The shortest and the longest pause in looking at a campaign where nothing is due."""
LATE_SECONDS = 90.0
"""No look for so long: something is wrong with the runner."""
COMPLAINT_SECONDS = 60.0
"""How often the log is told that the database cannot be looked into."""
SERVER_CAMPAIGNS = 4
"""Campaigns at once on a server; an embedded database is sent from one after the other."""

OpenSender = Callable[[Campaign], AbstractContextManager[Sender]]
"""Makes the sender of one campaign, with a provider of its own, and closes that afterwards."""


@dataclass(frozen=True, slots=True)
class Told:
    """Whom the runner tells.

    `after` gets a campaign's number each time the runner leaves it; `trouble` what
    `CampaignTroubles` tells.
    """

    after: Callable[[int], None]
    trouble: Tell


class CampaignRunner(Rounds):
    """Looks round after round, and sends each campaign in a thread of its own.

    `start`, `wake` once something is to be sent, `stop_soon` and `stop` (G6). `provider` names
    what it sends by; campaigns frozen for another are not its own.
    """

    def __init__(
        self,
        database: Database,
        provider: str,
        clock: Clock,
        open_sender: OpenSender,
        told: Told,
        *,
        lease: timedelta,
        look_seconds: float = LOOK_SECONDS,
        creator_seconds: float = CREATOR_SECONDS,
    ) -> None:
        super().__init__("campaigns", self._look, look_seconds=look_seconds)
        self._database = database
        self._provider = provider
        self._clock = clock
        self._open_sender = open_sender
        self._told = told
        self._lease = lease
        self._creator_seconds = creator_seconds
        self._most = 1 if database.embedded else SERVER_CAMPAIGNS
        self._pauses = Pauses()
        self._faults = Faults(database, clock)
        self._troubles = CampaignTroubles(database, clock, told.trouble, self._pauses, self._faults)
        self._seen: dict[int, float] = {}
        """Of the thread that looks alone."""
        # What the threads of the campaigns share with the one that looks, and with who stops them.
        self._shared = threading.Lock()
        self._ours: set[int] = set()
        self._working: dict[int, threading.Thread] = {}
        self._senders: dict[int, Sender] = {}
        self._looked_at = time.monotonic()
        self._complained_at: float | None = None

    @property
    def working_on(self) -> list[int]:
        """The campaigns that this runner is sending now."""
        with self._shared:
            return sorted(self._working)

    def problem(self) -> str | None:
        """Say what is wrong with the runner itself; None: nothing."""
        if self._thread is None or not self._thread.is_alive():
            return "not running"
        late = time.monotonic() - self._looked_at
        return f"no look for {late:.0f} s" if late > LATE_SECONDS else None

    def stop_soon(self) -> None:
        """Begin no campaign and claim nothing any more; returns at once, from a signal too."""
        self._stop.set()
        self.wake()

    def stop(self) -> None:
        """End it: what is on the wire is finished, or broken off by its sender in time (G6)."""
        self.stop_soon()
        super().stop()
        with self._shared:
            threads = list(self._working.values())
        for thread in threads:
            thread.join()

    def break_off(self) -> None:
        """Cut what is on the wire: a second signal. What was under way becomes unknown."""
        with self._shared:
            senders = list(self._senders.values())
        for sender in senders:
            sender.provider.interrupt()

    def _look(self, stop: threading.Event) -> bool:
        """Start what is due and take up what wants hands; never rests, for the morning comes."""
        try:
            found = self._find_work()
        except NewsletterError as error:
            self._complain(error)
            return True
        self._looked_at, self._complained_at = time.monotonic(), None
        for campaign in found:
            if stop.is_set() or len(self.working_on) >= self._most:
                break
            self._take(campaign)
        return True

    def _complain(self, error: NewsletterError) -> None:
        now = time.monotonic()
        if self._complained_at is None or now - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = now
            log.error("campaigns_not_seen", problem=str(error), fix=error.fix)

    def _find_work(self) -> list[int]:
        """Return the campaigns to work on now: those of editions first, then the oldest."""
        now, provider = self._clock.now(), self._provider
        for started in start_due(self._database, provider, self._faults, now):
            log.info("campaign_started", campaign=started)
        working = self.working_on
        alone = self._database.embedded and not working
        if alone and is_sending(self._database):
            # A send in a terminal, or another `serve`: what it leaves is looked at anew.
            self._seen.clear()
            return []
        with self._database.read() as connection:
            # Nobody sends: whoever claimed something on an embedded database is dead.
            dead = (
                open_claims(connection, provider)
                if alone
                else dead_claims(connection, provider, now)
            )
            being_sent = sending(connection, provider)
            wanting = [
                campaign
                for campaign in sorted({*dead, *being_sent})
                if campaign not in working and self._pauses.over(campaign)
                if not self._faults.is_held(campaign_thing(campaign))
                if campaign in dead or self._wants_hands(connection, campaign)
            ]
            new = new_editions(connection, provider)
        with self._shared:
            self._ours &= set(being_sent)
        self._troubles.forget_others(being_sent)
        return self._ripe(wanting, new)

    def _wants_hands(self, connection: Connection, campaign: int) -> bool:
        with self._faults.holding(campaign_thing(campaign)):
            if wants_hands(connection, campaign, self._clock.now(), self._lease):
                return True
            self._pauses.begin(campaign, *IDLE_SECONDS)
        return False

    def _ripe(self, wanting: list[int], new: set[int]) -> list[int]:
        """Leave what was frozen or resumed just now to its creator."""
        now = time.monotonic()
        with self._shared:
            ours = set(self._ours)
        self._seen = {campaign: self._seen.get(campaign, now) for campaign in wanting}
        ripe = [
            campaign
            for campaign in wanting
            if campaign in new
            or campaign in ours
            or now - self._seen[campaign] >= self._creator_seconds
        ]
        return sorted(ripe, key=lambda campaign: (campaign not in new, campaign))

    def _take(self, campaign: int) -> None:
        thread = threading.Thread(
            target=self._work_on, args=(campaign,), name=f"campaign-{campaign}"
        )
        with self._shared:
            self._working[campaign] = thread
        thread.start()

    def _work_on(self, campaign: int) -> None:
        log.info("campaign_begun", campaign=campaign)
        try:
            self._send(campaign)
        except Exception as error:  # noqa: BLE001 - whatever it is holds this campaign alone
            self._fail(campaign, error)
        else:
            with self._shared:
                self._ours.add(campaign)
            self._troubles.over(campaign)
        finally:
            self._leave(campaign)

    def _send(self, campaign: int) -> None:
        with self._database.read() as connection:
            current = get_campaign(connection, campaign)
        with self._open_sender(current) as sender:
            sender.stop = self._stop
            with self._shared:
                self._senders[campaign] = sender
            try:
                sender.run(campaign)
            finally:
                with self._shared:
                    del self._senders[campaign]

    def _leave(self, campaign: int) -> None:
        try:
            self._say_what_is_left(campaign)
            self._told.after(campaign)
        except Exception as error:  # noqa: BLE001 - no matter of the campaign
            log.error("campaign_not_told", campaign=campaign, trace=trace_of(error))  # noqa: TRY400
        finally:
            with self._shared:
                del self._working[campaign]
            self.wake()

    def _say_what_is_left(self, campaign: int) -> None:
        with suppress(NewsletterError), self._database.read() as connection:
            states = totals(connection, campaign)
            status = get_campaign(connection, campaign).status
            counts = {state.label: count for state, count in states.counts.items()}
            log.info("campaign_left", campaign=campaign, status=status.value, **counts)
            if status is CampaignStatus.SENDING and self._pauses.over(campaign):
                # Something may be left at once; a look now and then is enough for it.
                self._pauses.begin(campaign, *IDLE_SECONDS)

    def _fail(self, campaign: int, error: Exception) -> None:
        """Wait before the next try; tell of a campaign that does not get through for long."""
        with self._shared:
            self._ours.discard(campaign)
        if isinstance(error, TryAgainLater) and is_sending(self._database):
            # A send in a terminal was quicker: no trouble at all.
            log.info("campaign_left_to_another", campaign=campaign)
            self._pauses.begin(campaign, *IDLE_SECONDS)
            return
        self._troubles.met(campaign, error)
