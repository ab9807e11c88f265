"""The suppressions of a file in temporary tables, sorted, and written in one short transaction."""

# ruff: noqa: S608 - put together from the constants of this module; every value is bound
from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, Text, insert, text

from newsletter.audience.suppressions import STRENGTH
from newsletter.storage.columns import Instant

CHUNK = 5000
_COLUMNS = ("key", "reason", "note", "at")
_temporary = MetaData()


def _table(name: str, place: str) -> Table:
    return Table(
        name,
        _temporary,
        Column(place, Integer, primary_key=True),
        Column("key", String(64), nullable=False),
        Column("reason", String(16), nullable=False),
        Column("note", Text),
        Column("at", Instant, nullable=False),
        prefixes=["TEMPORARY"],
    )


_staged = _table("suppressions_staged", "n")
_new = _table("suppressions_new", "place")

_INDEX_KEYS = "CREATE INDEX suppressions_staged_keys ON suppressions_staged (key)"
_COUNT_DIFFERENT = text("SELECT count(DISTINCT key) FROM suppressions_staged")
# Sorted, for so they lie in the table.
_SETTLE = """
    INSERT INTO suppressions_new (key, reason, note, at)
    SELECT s.key, s.reason, s.note, s.at FROM suppressions_staged s
    WHERE {chosen} NOT EXISTS (SELECT 1 FROM suppressions p WHERE p.key = s.key)
    ORDER BY s.key
"""
_SETTLE_ALL = text(_SETTLE.format(chosen=""))
_MANY = 10_000_000_000
"""More than the rows of any file."""
# The gravest row of an address counts, the first of several.
_GRAVITY = " ".join(
    f"WHEN '{reason.value}' THEN {place}" for place, reason in enumerate(reversed(STRENGTH))
)
_SETTLE_GRAVEST = text(
    _SETTLE.format(
        chosen=f"s.n IN (SELECT min((CASE reason {_GRAVITY} END) * {_MANY} + n) % {_MANY}"
        " FROM suppressions_staged GROUP BY key) AND"
    )
)
_REASONS = text("SELECT reason, count(*) FROM suppressions_new GROUP BY reason ORDER BY 2 DESC, 1")
_APPLY = text("""
    INSERT INTO suppressions (key, reason, note, at)
    SELECT s.key, s.reason, s.note, s.at FROM suppressions_new s WHERE true ORDER BY s.place
    ON CONFLICT (key) DO NOTHING
""")
_ERASED = text("SELECT 1 FROM suppressions_new WHERE reason = 'erased' LIMIT 1")


class SuppressionStaging:
    """The temporary tables of one import; they go with the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.rows = 0
        self.different = 0
        """Rows that are not about an address of a row before."""
        self.erased = False
        """Whether somebody is new whose reason is an erasure."""
        self.reasons: dict[str, int] = {}
        """How many of the new have which reason."""

    def fill(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write the rows of the file (key, reason, note, at) in its order."""
        with self._connection.begin():
            _temporary.create_all(self._connection, checkfirst=False)
        arriving = iter(rows)
        while chunk := list(islice(arriving, CHUNK)):
            with self._connection.begin():
                self._connection.execute(
                    insert(_staged), [dict(zip(_COLUMNS, row, strict=True)) for row in chunk]
                )
            self.rows += len(chunk)

    def settle(self) -> int:
        """Find out who is new here; returns how many. Reads one state, and locks nobody out."""
        with self._connection.begin():
            self._connection.exec_driver_sql(_INDEX_KEYS)
            self.different = self._connection.execute(_COUNT_DIFFERENT).scalar_one()
            alone = self.different == self.rows
            settle = _SETTLE_ALL if alone else _SETTLE_GRAVEST
            new: int = self._connection.execute(settle).rowcount
            self.reasons = {row[0]: row[1] for row in self._connection.execute(_REASONS)}
            self.erased = self._connection.execute(_ERASED).first() is not None
        return new

    def apply(self) -> int:
        """Write those who are new still; returns how many."""
        written: int = self._connection.execute(_APPLY).rowcount
        return written
