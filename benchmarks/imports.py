"""Imports against the plainest peer: the csv module and SQLite's executemany, checking nothing."""

from __future__ import annotations

import csv
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tests.builders import KEYS, Stage

from benchmarks.measuring import interleaved, say, spread
from newsletter.audience.imports import ImportPolicy, import_subscribers
from newsletter.audience.suppression_files import import_suppressions
from newsletter.clock import SystemClock
from newsletter.delivery.bounce_classes import BUILT_IN
from newsletter.delivery.suppression_replies import reply_reader

ROWS = 100_000
ROUNDS = 3
_NAMES = ("ada", "miguel", "siobhan", "yuki", "omar", "lena", "priya", "tom", "chloe", "noor")
_ZONES = ("Europe/Paris", "America/New_York", "Asia/Tokyo", "Africa/Accra", "")
_TABLES = """
CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, zone TEXT,
                     language TEXT, topic TEXT, at TEXT);
CREATE TABLE members (list INTEGER, person INTEGER, status TEXT, at TEXT,
                      PRIMARY KEY (list, person)) WITHOUT ROWID;
CREATE INDEX members_person ON members (person);
CREATE TABLE consents (id INTEGER PRIMARY KEY, person INTEGER, list INTEGER, act TEXT, source TEXT,
                       wording TEXT, at TEXT);
CREATE INDEX consents_person ON consents (person, list);
"""
_AT = "2026-11-24 06:00:00.000000"


def imports() -> None:
    """Print an import of new people as a ratio to the peer, the same file again, suppressions."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "people.csv"
        write_people(file, ROWS)
        fresh = (Path(folder) / f"stage{number}" for number in count())
        stages: list[Stage] = []
        locks: list[float] = []

        def ours() -> float:
            stage = _stage(next(fresh))
            stages.append(stage)
            start = time.perf_counter()
            locks.append(_import(stage, file))
            return ROWS / (time.perf_counter() - start)

        def again() -> float:
            start = time.perf_counter()
            _import(stages[-1], file)
            return ROWS / (time.perf_counter() - start)

        def peer() -> float:
            return _plain(file, next(fresh))

        def stops() -> float:
            start = time.perf_counter()
            _stop(stages[-1], file)
            return ROWS / (time.perf_counter() - start)

        acts = {"ours": ours, "again": again, "peer": peer, "suppressions": stops}
        rates = interleaved(ROUNDS, acts)
        ratios = [mine / plain for mine, plain in zip(rates["ours"], rates["peer"], strict=True)]
        say("import against csv and executemany, nothing checked", f"{spread(ratios)} ×")
        for name, values in rates.items():
            middle = spread(values).middle
            say(f"  {name}, {ROWS:,} rows", f"{middle:,.0f} rows/s")
        say("  longest the lock was held", f"{max(locks):.2f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say("  peak memory of this process", f"{peak:.0f} MB")
        for stage in stages:
            stage.database.close()


def write_people(file: Path, rows: int) -> None:
    """Write a file of people in no order, with a few that are there twice or are no address."""
    chance = random.Random(7)
    with file.open("w", encoding="utf-8") as out:
        out.write("email,name,timezone,language,topic\n")
        address = "first@example.org"
        for number in range(rows):
            if number % 100 == 0:
                out.write(f"no address {number},B,,,\n")
                continue
            if number % 100 != 1:
                local = f"{chance.choice(_NAMES)}.{chance.randrange(10**9)}"
                address = f"{local}@example{chance.randrange(3000)}.org"
            out.write(f"{address},Reader {number},{chance.choice(_ZONES)},en,tides\n")


def _stage(folder: Path) -> Stage:
    folder.mkdir()
    stage = Stage(folder, SystemClock(), readers=0)  # type: ignore[arg-type]
    stops = folder / "stop.csv"
    stops.write_text("email\n" + "\n".join(f"gone{n}@example.org" for n in range(1000)))
    _stop(stage, stops)
    return stage


def _stop(stage: Stage, file: Path) -> None:
    reply = reply_reader(BUILT_IN)
    import_suppressions(stage.database, KEYS, file, stage.clock, actor="a benchmark", reply=reply)


def _import(stage: Stage, file: Path) -> float:
    return import_subscribers(
        stage.database,
        file,
        "daily",
        consent="a benchmark",
        actor="a benchmark",
        keys=KEYS,
        clock=stage.clock,
        policy=ImportPolicy(),
    ).lock_seconds


def _plain(file: Path, path: Path) -> float:
    """Write the same columns with nothing checked but that an address is there once."""
    start = time.perf_counter()
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.executescript(_TABLES)

    def rows() -> Iterator[tuple[str, ...]]:
        with file.open(encoding="utf-8", newline="") as opened:
            reader = csv.reader(opened)
            next(reader)
            for email, name, zone, language, topic in reader:
                yield email, name, zone, language, topic, _AT

    with database:
        database.executemany(
            "INSERT OR IGNORE INTO people (email, name, zone, language, topic, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            rows(),
        )
        ids = [row[0] for row in database.execute("SELECT id FROM people")]
        database.executemany(
            "INSERT INTO members VALUES (1, ?, 'active', ?)", ((person, _AT) for person in ids)
        )
        database.executemany(
            "INSERT INTO consents (person, list, act, source, wording, at)"
            " VALUES (?, 1, 'granted', 'people.csv', 'a benchmark', ?)",
            ((person, _AT) for person in ids),
        )
    database.close()
    return ROWS / (time.perf_counter() - start)
