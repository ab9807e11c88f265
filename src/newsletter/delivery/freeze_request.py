"""What a campaign is made of, before the audience is taken: the request to freeze it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from newsletter.audience.segment_model import Segment
from newsletter.rendering.content import EmailContent, ListIdentity


@dataclass(frozen=True, slots=True)
class Waves:
    """A wall time of each reader's own zone, on one day; readers without one take `timezone`."""

    day: date
    time: time
    timezone: str

    def __str__(self) -> str:
        return f"{self.day} {self.time:%H:%M} {self.timezone}"


@dataclass(frozen=True, slots=True)
class FreezeRequest:
    """Everything a campaign is made of, before the audience is taken."""

    list_id: int
    list_name: str
    slug: str
    title: str
    content_hash: str
    markdown: str
    content: EmailContent
    identity: ListIdentity
    provider: str
    on_unknown: str
    expires_after: timedelta
    again: bool = False
    not_before: datetime | None = None
    canary: int = 0
    """So many get it first, alone; never more than half of the recipients (D7)."""
    segment: Segment | None = None
    """Only they of the list; None: everybody on it."""
    edition: int | None = None
    """The edition that this is the one campaign of (I8)."""
    waves: Waves | None = None
    """Each reader gets it at that time of their own zone (H6)."""
    listed: bool = True
    """Whether the archive names it; the address in `identity` has to fit."""

    @property
    def segment_name(self) -> str | None:
        """The name that is kept with the campaign."""
        return self.segment.name if self.segment else None

    @property
    def audience(self) -> str:
        """Whom it is for, in words."""
        part = f"in segment '{self.segment.name}' of" if self.segment else "on"
        return f"{part} '{self.list_name}'"
