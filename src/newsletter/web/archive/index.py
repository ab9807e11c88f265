"""What the archive names of a list: its issues by month, kept in memory while nothing changes.

An issue is the newest campaign of a digest's name. Read only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
)

from newsletter.clock import Clock, zone_to_show
from newsletter.delivery.states import CampaignStatus
from newsletter.storage.tables import attempts, campaigns, digests
from newsletter.web.archive.shelf import Shelf
from newsletter.web.shown_lists import ShownList

INDEXES_KEPT = 200
"""Lists whose issues are kept in memory."""
_S = CampaignStatus

_LEFT: ColumnElement[bool] = exists().where(attempts.c.campaign_id == campaigns.c.id)
BEGAN: ColumnElement[bool] = or_(
    campaigns.c.status.in_((_S.SENDING, _S.SENT)),
    and_(campaigns.c.status.in_((_S.PAUSED, _S.HELD, _S.CANCELLED, _S.FAILED)), _LEFT),
)
"""Whether readers may have a campaign's mail, and so the address of its page."""
NAMED: ColumnElement[bool] = and_(
    BEGAN, campaigns.c.listed, campaigns.c.status.not_in((_S.CANCELLED, _S.FAILED))
)
"""Whether the archive names a campaign of a public list."""
SENT_AT: ColumnElement[datetime] = func.coalesce(
    campaigns.c.not_before, campaigns.c.created_at, type_=campaigns.c.created_at.type
)
"""When its sending was due to begin."""

# Another text is another index. Without the rows, which hold whole mails, where the database has
# an index of these columns.
_FINGERPRINT = select(func.aggregate_strings(cast(campaigns.c.id, String), ",")).where(
    campaigns.c.list_id == bindparam("list"), NAMED
)
_LINES = (
    select(
        campaigns.c.id,
        campaigns.c.digest_id,
        digests.c.slug,
        digests.c.title,
        SENT_AT.label("at"),
    )
    .join(digests, digests.c.id == campaigns.c.digest_id)
    .where(campaigns.c.list_id == bindparam("list"), NAMED)
    .order_by(SENT_AT, campaigns.c.id)
)


@dataclass(frozen=True, slots=True)
class IssueLine:
    """One sent digest in a list of them; `at` is the instant, `local` the list's own time."""

    campaign: int
    digest: int
    slug: str
    title: str
    at: datetime
    local: datetime

    @property
    def month(self) -> str:
        """The month it was sent in, as 2026-11."""
        return f"{self.local:%Y-%m}"


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a list: `first` and `count` say where its issues stand in the index."""

    year: int
    month: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """Return it as addresses name it: 2026-11."""
        return f"{self.year:04}-{self.month:02}"


@dataclass(frozen=True, eq=False)
class ArchiveIndex:
    """The issues of one list, the newest first; `seen` is when they were first as they are.

    Each state of a list has an index of its own: two are equal where they are the same one.
    """

    issues: Sequence[IssueLine]
    seen: datetime

    @cached_property
    def months(self) -> Sequence[Month]:
        """The months that hold issues, the newest first."""
        found: list[Month] = []
        for name, lines in groupby(self.issues, lambda line: line.month):
            first = found[-1].first + found[-1].count if found else 0
            year, _, month = name.partition("-")
            found.append(Month(int(year), int(month), first, len(list(lines))))
        return found

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each slug stands."""
        return {line.slug: place for place, line in enumerate(self.issues)}

    def of_month(self, name: str) -> Month | None:
        """Return a month by its name."""
        return next((month for month in self.months if month.name == name), None)

    def beside(self, slug: str) -> tuple[IssueLine | None, IssueLine | None]:
        """Return the issue before and the one after."""
        place = self.places.get(slug)
        if place is None:
            return None, None
        older = self.issues[place + 1] if place + 1 < len(self.issues) else None
        return older, self.issues[place - 1] if place else None


class Indexes:
    """The index of each list, made anew when what it is made of has changed."""

    def __init__(self, clock: Clock, zone: str) -> None:
        self._clock = clock
        self._zone = zone
        self._kept: Shelf[int, tuple[object, ArchiveIndex]] = Shelf(INDEXES_KEPT)

    def of(self, connection: Connection, shown: ShownList) -> ArchiveIndex:
        """Return the index of a list."""
        state = (shown, connection.execute(_FINGERPRINT, {"list": shown.id}).scalar())
        kept = self._kept.get(shown.id)
        if kept is not None and kept[0] == state:
            return kept[1]
        zone = zone_to_show(shown.timezone, self._zone)
        index = ArchiveIndex(_read(connection, shown, zone), self._clock.now())
        self._kept.put(shown.id, (state, index))
        return index


def _read(connection: Connection, shown: ShownList, zone: ZoneInfo) -> list[IssueLine]:
    rows = connection.execute(_LINES, {"list": shown.id})
    newest: dict[str, IssueLine] = {}
    for row in rows:
        local = row.at.astimezone(zone)
        newest[row.slug] = IssueLine(row.id, row.digest_id, row.slug, row.title, row.at, local)
    # By month first: where clocks go back at the turn of a month, its last hour comes twice.
    return sorted(
        newest.values(), key=lambda line: (line.month, line.at, line.campaign), reverse=True
    )
