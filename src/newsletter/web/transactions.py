"""Reads and writes of the pages, off the event loop; many small writes share one commit.

An embedded database takes one writer at a time: one thread of this process writes, so that
requests wait in order here and not against each other's locks. Items that go together, such as
one-click unsubscribes, go into one transaction with all others that wait; each is answered only
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

TOGETHER_AT_ONCE = 250
"""Items of one transaction at most: it must not keep a sender waiting."""
LONGEST_QUEUE = 10_000
READERS = 8
SERVER_WRITERS = 4
"""Threads that write at once where the database is a server."""

Result = TypeVar("Result")


Together = Callable[[Connection, list[Any]], None]
"""Writes a few hundred items at once; may be asked again with one of them after it failed."""


@dataclass(frozen=True, slots=True)
class _Job:
    done: Future[Any]
    run: Callable[[], Any] | None = None
    together: Together | None = None
    item: Any = None


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

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Return what `work` returns, once its transaction is durable.

        Raises `TryAgainLater` when too much waits, or the database stays busy.
        """

        def run() -> Result:
            with self._database.write() as connection:
                return work(connection)

        return await self.run(run)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run work that opens its own transaction, in turn with the other writes."""
        done: Future[Result] = Future()
        self._put(_Job(done, run=work))
        return await asyncio.wrap_future(done)

    async def write_together(self, together: Together, item: Any) -> None:
        """Have an item written with all others that wait for the same; returns once durable."""
        done: Future[None] = Future()
        self._put(_Job(done, together=together, item=item))
        await asyncio.wrap_future(done)

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
            first = jobs[0]
            if first.run is not None:
                _settle(jobs, first.run)
            elif first.together is not None:
                for job in self._write_items(jobs, first.together):
                    self._write_items([job], first.together)

    def _next(self) -> list[_Job]:
        """Wait for work; returns one job, or all at the head that go together; none: closed."""
        with self._changed:
            while True:
                while not self._waiting:
                    if self._closed:
                        return []
                    self._changed.wait()
                jobs = [self._waiting.popleft()]
                together = jobs[0].together
                while together and self._waiting and len(jobs) < TOGETHER_AT_ONCE:
                    if self._waiting[0].together is not together:
                        break
                    jobs.append(self._waiting.popleft())
                if wanted := [job for job in jobs if job.done.set_running_or_notify_cancel()]:
                    return wanted

    def _write_items(self, jobs: list[_Job], together: Together) -> list[_Job]:
        """Write items in one transaction; returns those that may try alone where it failed."""

        def run() -> None:
            with self._database.write() as connection:
                together(connection, [job.item for job in jobs])

        return _settle(jobs, run, give_up=len(jobs) == 1)


def _settle(jobs: list[_Job], run: Callable[[], Any], *, give_up: bool = True) -> list[_Job]:
    """Run work and tell each waiting request what came of it; returns those not told yet."""
    try:
        result = run()
    except Exception as error:  # noqa: BLE001 - told to the request that waits for it
        if not give_up:
            return jobs
        for job in jobs:
            job.done.set_exception(error)
    else:
        for job in jobs:
            job.done.set_result(result)
    return []
