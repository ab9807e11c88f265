"""Sending past one machine: any number of worker processes share the campaigns (G7).

Workers meet in the queue (`work_queue`) and in the ledger alone. Which deliveries a worker takes is
the ledger's matter: a job that runs twice, or is lost, changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from newsletter.clock import Clock
from newsletter.delivery.campaign_troubles import CampaignTroubles, Tell
from newsletter.delivery.campaigns import Campaign, get_campaign, totals
from newsletter.delivery.due_work import dead_claims, sending, start_due, wants_hands
from newsletter.delivery.faults import Faults, campaign_thing
from newsletter.delivery.pauses import Pauses
from newsletter.delivery.sender import Sender
from newsletter.delivery.states import CampaignStatus
from newsletter.delivery.work_queue import TASK, connecting, lay_queue, offer, queue_of
from newsletter.errors import NewsletterError, StorageError, TryAgainLater
from newsletter.logs import get_logger
from newsletter.storage.database import Database

if TYPE_CHECKING:
    from procrastinate import App

log = get_logger("delivery")

LOOK_SECONDS = 3.0
"""How often a worker looks for campaigns that want hands."""
IDLE_SECONDS = (3.0, 12.0)
"""The shortest and the longest pause in looking at a campaign where nothing is due."""
POLL_SECONDS = 1.0
"""How often the queue is asked; a new job wakes a worker at once."""
STALLED_SECONDS = 30.0
"""A worker not heard of for so long is dead for the queue; the ledger goes by leases alone."""
GIVE_BACKS = 5
"""So often a worker passes on a job for a campaign that it works on already."""
RECONNECT_SECONDS = 5.0

OpenSender = Callable[[Campaign], AbstractContextManager[Sender]]
"""Makes the sender of one campaign, with a provider of its own, and closes that afterwards."""


@dataclass(slots=True)
class CampaignWorker:
    """One worker process: takes jobs from the queue and sends, until it is told to stop (G6).

    `provider` names what this worker sends by; campaigns frozen for another are other workers'.
    `concurrency`: campaigns at once. `trouble` gets what `CampaignTroubles` tells.
    """

    database: Database
    provider: str
    clock: Clock
    lease: timedelta
    open_sender: OpenSender
    concurrency: int
    trouble: Tell
    stop: threading.Event = field(default_factory=threading.Event)
    _pauses: Pauses = field(default_factory=Pauses)
    _working: dict[int, Sender | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)
    _faults: Faults = field(init=False)
    _troubles: CampaignTroubles = field(init=False)

    def __post_init__(self) -> None:
        self._faults = Faults(self.database, self.clock)
        self._troubles = CampaignTroubles(
            self.database, self.clock, self.trouble, self._pauses, self._faults
        )

    def run(self) -> None:
        """Work until `stop` is set, then finish what is on the wire; outages are waited for."""
        lay_queue(self.database)
        _quiet_libraries()
        asyncio.run(self._work_through_outages())

    def break_off(self) -> None:
        """Cut what is on the wire: a second signal. What was under way becomes unknown."""
        with self._lock:
            senders = list(self._working.values())
        for sender in senders:
            if sender is not None:
                sender.provider.interrupt()

    async def _work_through_outages(self) -> None:
        import psycopg
        from procrastinate.exceptions import ConnectorException

        threads = ThreadPoolExecutor(self.concurrency + 2, thread_name_prefix="campaign")
        asyncio.get_running_loop().set_default_executor(threads)
        while not self.stop.is_set():
            try:
                await self._work()
            except (TryAgainLater, StorageError) as error:
                problem = error.problem
            except (ConnectorException, psycopg.Error):
                problem = "the queue cannot be reached"
            else:
                continue
            log.warning("worker_waits", problem=problem, seconds=RECONNECT_SECONDS)
            await asyncio.to_thread(self.stop.wait, RECONNECT_SECONDS)

    async def _work(self) -> None:
        """Work on one connection to the queue; its loss also ends the senders, which are lost too.

        Returns when told to stop.
        """
        from procrastinate import App, PsycopgConnector

        self._ending.clear()
        # Tells an outage at once, where opening the queue would wait for its end.
        await asyncio.to_thread(self._reach_database)
        app = App(connector=PsycopgConnector(**connecting(self.database), min_size=1, max_size=4))
        async with app.open_async():
            loop = asyncio.get_running_loop()

            def work_on(campaign: int, fresh: bool = False, given_back: int = 0) -> None:
                def pass_on(**words: Any) -> None:
                    job = offer(app, self.provider, campaign, **words)
                    asyncio.run_coroutine_threadsafe(job, loop).result()

                self._take(campaign, pass_on, fresh=fresh, given_back=given_back)

            app.task(name=TASK)(work_on)
            queue = asyncio.create_task(
                app.run_worker_async(
                    queues=[queue_of(self.provider)],
                    concurrency=self.concurrency,
                    fetch_job_polling_interval=POLL_SECONDS,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    stalled_worker_timeout=STALLED_SECONDS,
                )
            )
            look = asyncio.create_task(self._look_around(app))
            told = asyncio.create_task(self._wait_for_stop())
            tasks = (queue, look, told)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._ending.set()
                # Cancelled, the queue takes no more jobs and waits for those it has.
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result
        if not self.stop.is_set():
            raise TryAgainLater("the queue ended its work")

    def _reach_database(self) -> None:
        with self.database.read() as connection:
            connection.execute(select(1))

    async def _wait_for_stop(self) -> None:
        while not self.stop.is_set():
            await asyncio.sleep(0.1)

    async def _look_around(self, app: App) -> None:
        """Offer what wants hands, every few seconds; let the queue forget its dead."""
        from procrastinate.jobs import Status

        while True:
            for campaign in await asyncio.to_thread(self._find_work):
                await offer(app, self.provider, campaign)
            for job in await app.job_manager.get_stalled_jobs(
                seconds_since_heartbeat=STALLED_SECONDS
            ):
                # Another worker may be quicker.
                with suppress(Exception):
                    await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
            await asyncio.sleep(LOOK_SECONDS)

    def _find_work(self) -> list[int]:
        """Start what is due, and return the campaigns that want a hand which is not ours yet."""
        now = self.clock.now()
        for started in start_due(self.database, self.provider, self._faults, now):
            log.info("campaign_started", campaign=started)
        found = []
        with self.database.read() as connection:
            dead = dead_claims(connection, self.provider, now)
            being_sent = sending(connection, self.provider)
            for campaign in sorted({*dead, *being_sent}):
                thing = campaign_thing(campaign)
                if self._works_on(campaign) or not self._pauses.over(campaign):
                    continue
                if self._faults.is_held(thing):
                    continue
                with self._faults.holding(thing):
                    if campaign in dead or wants_hands(connection, campaign, now, self.lease):
                        self._pauses.clear(campaign)
                        found.append(campaign)
                    else:
                        self._pauses.begin(campaign, *IDLE_SECONDS)
        self._troubles.forget_others(being_sent)
        return found

    def _works_on(self, campaign: int) -> bool:
        with self._lock:
            return campaign in self._working

    def _take(
        self, campaign: int, pass_on: Callable[..., None], *, fresh: bool, given_back: int
    ) -> None:
        """Run one job: work on the campaign, or pass the job on to another worker."""
        if fresh:
            self._pauses.clear(campaign)
        with self._lock:
            mine = not self._ending.is_set() and campaign not in self._working
            mine = mine and self._pauses.over(campaign)
            if mine:
                self._working[campaign] = None
        if not mine:
            if given_back < GIVE_BACKS:
                pass_on(fresh=fresh, given_back=given_back + 1)
            return
        try:
            self._send(campaign)
        finally:
            with self._lock:
                del self._working[campaign]
        if self._ending.is_set():
            self._hand_on(campaign, pass_on)

    def _send(self, campaign: int) -> None:
        log.info("campaign_begun", campaign=campaign)
        try:
            with self.database.read() as connection:
                current = get_campaign(connection, campaign)
            with self.open_sender(current) as sender:
                sender.stop = self._ending
                with self._lock:
                    self._working[campaign] = sender
                sender.run(campaign)
            self._troubles.over(campaign)
        except Exception as error:  # noqa: BLE001 - whatever it is holds this campaign alone
            self._troubles.met(campaign, error)
        with suppress(NewsletterError), self.database.read() as connection:
            states = totals(connection, campaign)
            status = get_campaign(connection, campaign).status
            counts = {state.label: count for state, count in states.counts.items()}
            log.info("campaign_left", campaign=campaign, status=status, **counts)

    def _hand_on(self, campaign: int, pass_on: Callable[..., None]) -> None:
        """Tell the others at once of what a stop leaves undone."""
        with suppress(Exception):
            with self.database.read() as connection:
                left = get_campaign(connection, campaign).status is CampaignStatus.SENDING
                left = left and wants_hands(connection, campaign, self.clock.now(), self.lease)
            if left:
                pass_on(fresh=True)


class _ToOurLog(logging.Handler):
    """Tells the queue's troubles in our log: in a line each, without a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        words = " ".join(record.getMessage().split())
        log.warning("queue_troubled", problem=words[:200])


def _quiet_libraries() -> None:
    # An outage is told by this module; what they would add is a line for each connection.
    for name in ("psycopg", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logger = logging.getLogger("procrastinate")
    logger.handlers, logger.propagate = [_ToOurLog(logging.WARNING)], False
