"""Reads and writes of the pages, off the event loop; many small writes share one commit.

An embedded database takes one writer at a time: one thread of this process writes, so that
requests wait in order here and not against each other's locks. What is marked as shared, such as
one-click unsubscribes, goes into one transaction with all others that wait; each is answered only
once that is durable.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from newsletter.errors import TryAgainLater
from newsletter.storage.database import Database

SHARED_AT_ONCE = 250
"""Writes of one shared transaction at most: it must not keep a sender waiting."""
LONGEST_QUEUE = 10_000
READERS = 8
SERVER_WRITERS = 4
"""Threads that write at once where the database is a server."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Connection], Any] | None
    alone: Callable[[], Any] | None
    shared: bool
    done: Future[Any]


class Transactions:
    """Runs the database work of the pages; closed by `close`, which finishes what waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="page-read")
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._writers: list[threading.Thread] = []

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return what `work` finds in one consistent state of the database."""

        def run() -> Result:
            with self._database.read() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def write(self, work: Callable[[Connection], Result], *, shared: bool = False) -> Result:
        """Return what `work` returns, once its transaction is durable.

        `shared` work may run in one transaction with other such work, and twice when one of them
        fails: it must repeat well and stand alone. Raises `TryAgainLater` when too many wait.
        """
        done: Future[Result] = Future()
        self._put(_Job(work, None, shared, done))
        return await asyncio.wrap_future(done)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run work that opens its own transaction, while no other write of this process runs."""
        done: Future[Result] = Future()
        self._put(_Job(None, work, False, done))
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """Finish what waits and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._writers:
            thread.join()
        self._readers.shutdown()

    def _put(self, job: _Job) -> None:
        with self._changed:
            if self._closed or len(self._waiting) >= LONGEST_QUEUE:
                raise TryAgainLater("too much is being written", fix="try again in a moment")
            if not self._writers:
                self._start_writers()
            self._waiting.append(job)
            self._changed.notify()

    def _start_writers(self) -> None:
        count = 1 if self._database.embedded else SERVER_WRITERS
        for number in range(count):
            thread = threading.Thread(target=self._write_all, name=f"page-write-{number}")
            thread.start()
            self._writers.append(thread)

    def _write_all(self) -> None:
        while jobs := self._next():
            if len(jobs) > 1 and self._try_together(jobs):
                continue
            for job in jobs:
                self._try_one(job)

    def _next(self) -> list[_Job]:
        """Wait for work; returns one job, or all shared ones at the head; none: closed."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            jobs = [self._waiting.popleft()]
            while (
                jobs[0].shared
                and self._waiting
                and self._waiting[0].shared
                and len(jobs) < SHARED_AT_ONCE
            ):
                jobs.append(self._waiting.popleft())
            return [job for job in jobs if job.done.set_running_or_notify_cancel()] or self._next()

    def _try_together(self, jobs: list[_Job]) -> bool:
        try:
            with self._database.write() as connection:
                results = [job.work(connection) if job.work else None for job in jobs]
        except Exception:  # noqa: BLE001 - each is tried alone now, and tells its own error
            return False
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)
        return True

    def _try_one(self, job: _Job) -> None:
        try:
            if job.alone is not None:
                result = job.alone()
            else:
                with self._database.write() as connection:
                    result = job.work(connection) if job.work else None
        except Exception as error:  # noqa: BLE001 - told to the request that waits for it
            job.done.set_exception(error)
        else:
            job.done.set_result(result)
