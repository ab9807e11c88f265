"""Metrics for Prometheus, where `web.metrics` is set: numbers and states, never a person.

Counting walks the ledger, so what was counted is shown for a while, longer where it took longer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from newsletter import __version__
from newsletter.errors import NewsletterError
from newsletter.web.figures import Figures, count_figures
from newsletter.web.office import Vitals
from newsletter.web.site import Site

FRESH_SECONDS = 5.0
FRESH_SHARE = 20
"""At least so many times longer is shown than counted, however often it is asked for."""


class Metrics:
    """Makes the page, from a registry of its own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._one_at_a_time = asyncio.Lock()
        self._fresh_until = 0.0
        self._shown = _Shown()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._shown)
        ProcessCollector(registry=self._registry)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """Return the page and its type, as the header `Accept` asks for it.

        Where the database cannot be read, it says so and leaves out what is counted there.
        """
        async with self._one_at_a_time:
            if time.monotonic() >= self._fresh_until:
                await self._count()
            self._shown.vitals = self._site.office.vitals()
            encode, media_type = choose_encoder(accept)
            return encode(self._registry), media_type

    async def _count(self) -> None:
        began = time.monotonic()
        try:
            self._shown.figures = await self._site.transactions.read(count_figures)
        except NewsletterError:
            self._shown.figures = None
        now = time.monotonic()
        self._fresh_until = now + max(FRESH_SECONDS, FRESH_SHARE * (now - began))


class _Shown(Collector):
    """What was counted last, in the form of Prometheus."""

    def __init__(self) -> None:
        self.figures: Figures | None = None
        self.vitals = Vitals()

    def collect(self) -> Iterable[Metric]:
        """Return all metrics of ours."""
        yield _gauge("build_info", "The program.", 1, {"version": __version__})
        yield _gauge(
            "database_up", "Whether the database can be read.", int(self.figures is not None)
        )
        yield from self._of_the_process()
        if self.figures is not None:
            yield from _counted(self.figures)

    def _of_the_process(self) -> Iterator[Metric]:
        vitals = self.vitals
        up = _family("part_up", "Whether a part in the background works.", "part")
        for part, problem in vitals.problems.items():
            up.add_metric([part], int(problem is None))
        yield up
        yield _gauge("sending_campaigns", "Campaigns that this process sends.", vitals.sending)
        if vitals.seconds_since_look is not None:
            yield _gauge(
                "schedule_last_look_age_seconds",
                "Seconds since the scheduler last looked.",
                vitals.seconds_since_look,
            )
        if vitals.next_due is not None:
            yield _gauge(
                "schedule_next_due_timestamp_seconds",
                "When a schedule is due next.",
                vitals.next_due.timestamp(),
            )


def _counted(figures: Figures) -> Iterator[Metric]:
    campaigns = _family("campaigns", "Campaigns.", "status")
    for status, count in figures.campaigns.items():
        campaigns.add_metric([status.value], count)
    yield campaigns
    editions = _family("editions", "Editions of schedules.", "status")
    for standing, count in figures.editions.items():
        editions.add_metric([standing.value], count)
    yield editions
    about = "Deliveries of unfinished campaigns and of the last ones."
    states = _family("deliveries", about, "campaign", "list", "state")
    for campaign in figures.deliveries:
        for state, count in campaign.states.items():
            states.add_metric([str(campaign.campaign), campaign.list, state.label], count)
    yield states
    yield _gauge("events_waiting", "Events that wait to be applied.", figures.events_waiting)
    yield _gauge("alerts_untold", "Alerts that somebody has to be told.", figures.alerts_untold)
    yield _gauge("letters_waiting", "Letters that wait to be sent.", figures.letters_waiting)
    if figures.last_finished_at is not None:
        yield _gauge(
            "last_campaign_finished_timestamp_seconds",
            "When a campaign last ended.",
            figures.last_finished_at.timestamp(),
        )


def _gauge(
    name: str, words: str, value: float, labels: Mapping[str, str] | None = None
) -> GaugeMetricFamily:
    family = _family(name, words, *(labels or {}))
    family.add_metric(list((labels or {}).values()), value)
    return family


def _family(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"newsletter_{name}", words, labels=labels)
