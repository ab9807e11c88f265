"""The figures of a campaign's report: values that add up, and the document they are told as.

Nothing here reads the database; `campaign_report` gathers them, `report_text` shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

from newsletter.delivery.reports import Report, summary
from newsletter.delivery.states import DeliveryState
from newsletter.feedback.report_curves import AnswerCurve, SendingCurve

_S = DeliveryState

HANDED_OVER = (_S.ACCEPTED, _S.DELIVERED, _S.BOUNCED, _S.COMPLAINED)
"""States of messages that the provider took, whatever became of them then."""

CLASSES = ("hard", "soft", "blocked", "dropped")
"""The classes of D3, and what the provider did not even try (D10): `reason` of the ledger."""

ERASED = "(erased)"
"""Stands for the domain of those who were forgotten."""


@dataclass(frozen=True, slots=True)
class Failures:
    """How many failed, by class; `other` is what has no class: a message refused, an unfit form."""

    hard: int = 0
    soft: int = 0
    blocked: int = 0
    dropped: int = 0
    other: int = 0

    @classmethod
    def of(cls, report: Report, state: DeliveryState) -> Self:
        """Count the recipients of a campaign who are in a state of failure."""
        counts = {
            reason: count
            for label, reason, count in report.reasons
            if label == state.label and reason in CLASSES
        }
        return cls(**counts, other=report.states.of(state) - sum(counts.values()))

    @property
    def all(self) -> int:
        """Return how many failed."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class DomainFigures:
    """What became of the recipients at one remote domain, or at several together.

    `hard` to `dropped` count at sending and afterwards. All but `handed_over` add up to
    `recipients`: `other` is whoever is skipped, expired, unknown or not sent, or failed otherwise.
    """

    domain: str
    recipients: int = 0
    handed_over: int = 0
    accepted: int = 0
    delivered: int = 0
    hard: int = 0
    soft: int = 0
    blocked: int = 0
    dropped: int = 0
    complained: int = 0
    other: int = 0

    def without(self, others: Sequence[DomainFigures], name: str) -> DomainFigures:
        """Return what is left of these figures without those of others."""
        return DomainFigures(
            name,
            *(
                getattr(self, field.name) - sum(getattr(one, field.name) for one in others)
                for field in fields(self)[1:]
            ),
        )


@dataclass(frozen=True, slots=True)
class Domains:
    """The largest domains of a campaign, and all others in one row; together all recipients."""

    largest: tuple[DomainFigures, ...]
    others: DomainFigures
    number_of_others: int


@dataclass(frozen=True, slots=True)
class Departures:
    """Who was sent the campaign and left its list before the list's next one began.

    Each is counted once, by the last way they left: `ways` are (way, how many), the most first.
    `since` is when the campaign began, None where it did not; `until` when the next one did, None
    where there is none yet.
    """

    since: datetime | None
    until: datetime | None
    ways: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """Return how many left."""
        return sum(count for _way, count in self.ways)


@dataclass(frozen=True, slots=True)
class Attention:
    """How often messages were opened or clicked, and by whom (C16).

    `events` is how many were told of; `deliveries` are counted once each: those of which a person
    did it, and those of which only machines did.
    """

    events: int
    people: int
    machines_only: int

    @property
    def deliveries(self) -> int:
        """Return how many deliveries were opened or clicked at all."""
        return self.people + self.machines_only


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many events of a kind name the campaign; nothing follows from what is not believed."""

    kind: str
    believed: bool
    count: int


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """All that is known of a campaign, in numbers.

    `opened` and `clicked` are None where nothing tells of either. `waiting` is how many events, of
    whatever campaign, are stored and not counted in yet.
    """

    ledger: Report
    at_sending: Failures
    afterwards: Failures
    domains: Domains
    departures: Departures
    sending: SendingCurve
    answers: AnswerCurve
    events: tuple[EventCount, ...]
    opened: Attention | None
    clicked: Attention | None
    waiting: int

    @property
    def recipients(self) -> int:
        """Return how many were frozen."""
        return self.ledger.campaign.recipients

    @property
    def handed_over(self) -> int:
        """Return how many messages the provider took."""
        return self.ledger.states.of(*HANDED_OVER)

    @property
    def complaint_rate(self) -> float | None:
        """Return the complaints as a share of what was handed over; None where nothing was."""
        complained = self.ledger.states.of(_S.COMPLAINED)
        return complained / self.handed_over if self.handed_over else None

    @property
    def reports_delivery(self) -> bool:
        """Return whether anything ever told of this campaign that a message was delivered."""
        told = any(one.kind == "delivered" and one.believed for one in self.events)
        return told or self.ledger.states.of(_S.DELIVERED) > 0

    @property
    def unproven(self) -> int:
        """Return how many reports name the campaign and prove nothing (D8)."""
        return sum(one.count for one in self.events if not one.believed)

    def document(self) -> dict[str, Any]:
        """Return what `campaigns report --json` prints, without the rows of single recipients."""
        rate = self.complaint_rate
        return {
            **summary(self.ledger.campaign, self.ledger.states),
            "reasons": [
                {"state": state, "reason": reason, "count": count}
                for state, reason, count in self.ledger.reasons
            ],
            "provider": self.ledger.campaign.provider,
            "waves": _waves(self.ledger),
            "handed_over": self.handed_over,
            "reports_delivery": self.reports_delivery,
            "bounces": {
                "at_sending": asdict(self.at_sending),
                "afterwards": asdict(self.afterwards),
            },
            "complaint_rate": None if rate is None else round(rate, 6),
            "unsubscribed": {
                "count": self.departures.count,
                "by_way": dict(self.departures.ways),
                "since": self.departures.since,
                "until": self.departures.until,
            },
            "opened": _attention(self.opened),
            "clicked": _attention(self.clicked),
            "domains": {
                "largest": [asdict(one) for one in self.domains.largest],
                "others": asdict(self.domains.others),
                "number_of_others": self.domains.number_of_others,
            },
            "sending": {
                "started_at": self.sending.started_at,
                "bin_seconds": _seconds(self.sending.width),
                "handed_over": list(self.sending.counts),
                "undated": self.sending.undated,
            },
            "answers": [
                {
                    "within_seconds": _seconds(one.within),
                    "dated": one.dated,
                    "delivered": one.delivered,
                    "bounced": one.bounced,
                    "complained": one.complained,
                }
                for one in self.answers.bins
            ],
            "events": [asdict(one) for one in self.events],
            "events_waiting": self.waiting,
        }


def _waves(report: Report) -> dict[str, Any] | None:
    """Return what waits for its readers' own time; None for a campaign without waves."""
    if report.campaign.wave_time is None:
        return None
    if report.waves is None:
        return {"to_come": 0, "readers": 0, "next": None, "last": None}
    ahead = report.waves
    return {
        "to_come": ahead.waves,
        "readers": ahead.readers,
        "next": ahead.first,
        "last": ahead.last,
    }


def _attention(found: Attention | None) -> dict[str, int] | None:
    return None if found is None else {**asdict(found), "deliveries": found.deliveries}


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())
