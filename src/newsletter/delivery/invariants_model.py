"""What the checks of the invariants share: what they look at, and how they say what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

EXAMPLES = 5
"""So many of the violations are named; the rest is counted."""

SEND_NOTHING = "send nothing more from this database before it is understood: restore a backup"
"""What to do about what this program never writes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one invariant holds: `violations` is 0 when it does.

    `says` is the invariant in plain words, `examples` names the first few violations (a delivery
    as `7-1234`, never an address), `note` says, a line each, what they are and what to do, and what
    else is worth knowing.
    """

    name: str
    says: str
    violations: int
    examples: tuple[str, ...]
    note: str | None

    @property
    def ok(self) -> bool:
        """Whether the invariant holds."""
        return self.violations == 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of violation: how many, which first, what they are, and what to do."""

    count: int
    examples: tuple[str, ...]
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class View:
    """One consistent state of a live database.

    `now` is the database's own time where it has one (G17). `campaign` and `list_id` narrow the
    look. `sending` says whether a process sends from this embedded database; None on a server,
    where any number may and only leases tell.
    """

    connection: Connection
    now: datetime
    campaign: int | None
    list_id: int | None
    sending: bool | None

    @property
    def embedded(self) -> bool:
        """Whether this is a SQLite file of our own."""
        return self.sending is not None


def verdict(name: str, says: str, troubles: Iterable[Trouble], *notes: str) -> Verdict:
    """Sum up what was found of one invariant; `notes` are worth knowing though nothing is wrong."""
    found = list(troubles)
    named = [example for trouble in found for example in trouble.examples]
    lines = [f"{trouble.what}: {trouble.count} → {trouble.fix}" for trouble in found]
    return Verdict(
        name,
        says,
        violations=sum(trouble.count for trouble in found),
        examples=tuple(dict.fromkeys(named))[:EXAMPLES],
        note="\n".join([*lines, *notes]) or None,
    )


AnyRow = Row[*tuple[Any, ...]]


def delivery_name(row: AnyRow) -> str:
    """Name a row of (campaign, subscriber) as the delivery it is."""
    return f"{row[0]}-{row[1]}"


def search(
    view: View,
    query: Select[Any],
    *,
    what: str,
    fix: str,
    name: Callable[[AnyRow], str] = delivery_name,
) -> Iterator[Trouble]:
    """Yield a trouble when a query finds rows; they are counted where they lie, and a few named."""
    connection = view.connection
    count = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    if count:
        rows = connection.execute(query.limit(EXAMPLES)).all()
        yield Trouble(count, tuple(map(name, rows)), what, fix)
