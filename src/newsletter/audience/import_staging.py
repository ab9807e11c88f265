"""The people of a file in temporary tables of one connection, and how each stands here already.

Where these tables lie, and how they end, is said in `import_connection`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from newsletter.audience import import_statements as sql
from newsletter.audience.import_rows import Person, Refusal
from newsletter.audience.import_statements import Kind
from newsletter.audience.keys import Keys
from newsletter.audience.status_words import Away

CHUNK = 5000
"""People written, or compared, together."""
BLOCK = 250_000
"""People of a large file that are numbered by address instead of by their place in it."""


@dataclass(frozen=True, slots=True)
class Standings:
    """How many people of the file stand how. `joining`: known here, but not on this list."""

    new: int
    joining: int
    updated: int
    unchanged: int
    unsubscribed: int
    suppressed: int
    duplicate: int
    stays: int


class Staging:
    """The temporary tables of one import; they go with the connection."""

    def __init__(self, connection: Connection, keys: Keys, list_id: int) -> None:
        self.connection, self._keys, self._list = connection, keys, list_id
        self._few_suppressions = False
        self.people = 0
        self.tagged = False

    @property
    def _dialect(self) -> str:
        return self.connection.dialect.name

    def create(self) -> None:
        """Make the tables."""
        with self.connection.begin():
            for words in sql.CREATE[self._dialect]:
                self.connection.exec_driver_sql(words)

    def fill(self, people: Iterable[Person]) -> None:
        """Write the people of the file, in its order."""
        arriving = iter(people)
        while chunk := list(islice(arriving, CHUNK)):
            first = self.people + 1
            hashed = self._keys.hash_address
            rows = [
                (n, *person[:9], hashed(person.key)) for n, person in enumerate(chunk, start=first)
            ]
            tags = [(n, tag) for n, p in enumerate(chunk, start=first) for tag in p.tags]
            with self.connection.begin():
                self._write("import_staged", sql.STAGED_COLUMNS, rows)
                self._write("import_tags", ("n", "tag"), tags)
            self.people += len(chunk)
            self.tagged = self.tagged or bool(tags)

    def keep_cells(self, rows: Sequence[tuple[int, list[str]]]) -> None:
        """Keep the cells of rows, for those that are not imported in the end."""
        kept = [(line, json.dumps(cells)) for line, cells in rows]
        with self.connection.begin():
            self._write("import_cells", ("line", "cells"), kept)

    def settle(self) -> Standings:
        """Find out how everybody stands; reads one consistent state, and locks nobody out."""
        with self.connection.begin():
            self.connection.exec_driver_sql(sql.INDEX_KEYS)
            self.connection.exec_driver_sql(sql.INDEX_HASHES)
            most = {"most": self.people}
            few = self.connection.execute(sql.COUNT_SUPPRESSIONS, most).scalar_one()
            self._few_suppressions = few < self.people
            if self._dialect == "postgresql":
                self.connection.exec_driver_sql("ANALYZE import_staged")
            if self.connection.execute(sql.SETTLE_DUPLICATES).rowcount:
                self.connection.execute(sql.SETTLE_STRICTEST)
            self.settle_suppressed()
            self.connection.execute(sql.SETTLE_KNOWN, {"list": self._list})
            self._compare_attributes()
            self.connection.execute(sql.SETTLE_STAYING)
            if self.tagged:
                self.connection.exec_driver_sql(sql.INDEX_TAGS)
                self.connection.execute(sql.SETTLE_TAGS)
            return self.count()

    def settle_suppressed(self) -> int:
        """Settle everybody who is suppressed at this moment, whatever was found before.

        Returns how many were found anew.
        """
        anew = 0
        found = self.connection.execute(
            sql.SUPPRESSED_BY_FEW if self._few_suppressions else sql.SUPPRESSED_BY_MANY,
            {"duplicate": Kind.DUPLICATE, "suppressed": Kind.SUPPRESSED},
        )
        while chunk := found.fetchmany(CHUNK):
            self._settle([(n, int(Kind.SUPPRESSED), None, 0, 0, reason) for n, reason in chunk])
            anew += len(chunk)
        return anew

    def line_up(self) -> None:
        """Line up those who are new, so that writing them holds the lock for a shorter time."""
        with self.connection.begin():
            order = {"block": BLOCK, "sorted": int(self.people > BLOCK)}
            self.connection.execute(sql.LINE_UP_NEW, order)
            if self._dialect == "postgresql":
                self.connection.exec_driver_sql("ANALYZE import_new")

    def settle_overtaken(self, base: int) -> None:
        """Settle those who subscribed between settling and applying."""
        self.connection.exec_driver_sql(sql.INDEX_OVERTAKEN)
        self.connection.execute(sql.SETTLE_OVERTAKEN, {"list": self._list, "base": base})
        self._compare_attributes()
        if self.tagged:
            self.connection.execute(sql.SETTLE_TAGS)
        self.drop_settled()

    def drop_settled(self) -> None:
        """Take those out of the line who turned out not to be new."""
        self.connection.execute(sql.DROP_NO_LONGER_NEW)

    def count(self) -> Standings:
        """Count how everybody stands."""
        found: dict[tuple[int, int], int] = {
            (row[0], row[1]): row[2] for row in self.connection.execute(sql.COUNTS)
        }

        def of(kind: Kind) -> int:
            return found.get((kind, 0), 0) + found.get((kind, 1), 0)

        return Standings(
            new=self.people - sum(found.values()),
            joining=of(Kind.JOINS),
            updated=found.get((Kind.MEMBER, 1), 0),
            unchanged=found.get((Kind.MEMBER, 0), 0),
            unsubscribed=of(Kind.LEFT),
            suppressed=of(Kind.SUPPRESSED),
            duplicate=of(Kind.DUPLICATE),
            stays=of(Kind.STAYS),
        )

    def kept_away(self) -> dict[str, int]:
        """Count whom the file itself keeps away, by why."""
        return {row[0]: row[1] for row in self.connection.execute(sql.KEPT_AWAY)}

    def on_the_list_still(self) -> list[int]:
        """Return the rows that would keep people away who are active on this list."""
        found = self.connection.execute(sql.ON_THE_LIST_STILL, {"list": self._list})
        return [row[0] for row in found]

    def refusals(self) -> Iterator[Refusal]:
        """Tell who was not imported though the row was right, in the order of the file."""
        with self.connection.begin():
            found = self.connection.execute(sql.TOLD)
            while chunk := found.fetchmany(CHUNK):
                for line, kind, reason, says, cells in chunk:
                    code, problem = _told(Kind(kind), reason, says)
                    yield Refusal(line, code, problem, tuple(json.loads(cells)) if cells else ())

    def _compare_attributes(self) -> None:
        after = 0
        while rows := self.connection.execute(
            sql.DOUBTFUL_PEOPLE, {"after": after, "limit": CHUNK}
        ).fetchall():
            after = rows[-1][0]
            found = [{"n": n, "changed": int(_adds(new, old))} for n, new, old in rows]
            self.connection.execute(sql.SETTLE_CHANGED, found)

    def _settle(self, rows: Sequence[tuple[Any, ...]]) -> None:
        mark = "?" if self._dialect == "sqlite" else "%s"
        marks = ", ".join([mark] * 6)
        self.connection.exec_driver_sql(
            "INSERT INTO import_settled (n, kind, subscriber, changed, tagged, reason)"  # noqa: S608 - marks only
            f" VALUES ({marks}) ON CONFLICT (n) DO UPDATE"
            " SET kind = excluded.kind, reason = excluded.reason",
            list(rows),
        )

    def _write(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        names = ", ".join(columns)
        if self._dialect == "sqlite":
            marks = ", ".join("?" * len(columns))
            self.connection.exec_driver_sql(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - our own names
                list(rows),
            )
            return
        driver: Any = self.connection.connection.dbapi_connection
        with driver.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _adds(attributes: str, stored: str | None) -> bool:
    old = json.loads(stored) if stored else None
    new: dict[str, str] = json.loads(attributes)
    return not isinstance(old, dict) or any(old.get(key) != value for key, value in new.items())


def _told(kind: Kind, reason: str | None, says: str | None) -> tuple[str, str]:
    if kind is Kind.SUPPRESSED:
        return "suppressed", f"suppressed ({reason}); stays away"
    if kind is Kind.LEFT:
        return "unsubscribed", "left this list; stays away"
    return "status-unknown" if reason == Away.UNKNOWN else "status", f"not added: {says}"
