"""Writes of the pages: in turn, and many small ones in one transaction."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection
from tests.builders import Stage

from newsletter.audience.consent import Origin
from newsletter.audience.leaving import Click, leave_together
from newsletter.audience.subscribers import unsubscribe
from newsletter.errors import TryAgainLater
from newsletter.web.transactions import Transactions


def test_an_item_that_cannot_be_written_fails_alone(stage: Stage) -> None:
    transactions = Transactions(stage.database)
    sizes: list[int] = []

    def name(connection: Connection, numbers: list[Any]) -> None:
        sizes.append(len(numbers))
        for number in numbers:
            connection.exec_driver_sql(f"UPDATE subscribers SET name = 'x' WHERE id = {number}")
        if 3 in numbers:
            raise ValueError

    hold, held = threading.Event(), threading.Event()

    def wait() -> None:
        held.set()
        hold.wait(10)

    async def all_at_once() -> list[BaseException | None]:
        first = asyncio.ensure_future(transactions.run(wait))
        await asyncio.to_thread(held.wait)
        waiting = [
            asyncio.ensure_future(transactions.write_together(name, number))
            for number in range(1, 6)
        ]
        await asyncio.sleep(0.05)
        hold.set()
        await first
        return await asyncio.gather(*waiting, return_exceptions=True)

    results = asyncio.run(all_at_once())
    transactions.close()

    assert sizes == [5, 1, 1, 1, 1, 1]
    assert [type(result) for result in results] == [type(None)] * 2 + [ValueError] + [
        type(None)
    ] * 2
    with stage.database.read() as connection:
        named = connection.exec_driver_sql(
            "SELECT id FROM subscribers WHERE name = 'x' ORDER BY id"
        )
        assert named.scalars().all() == [1, 2, 4, 5]


def test_what_waits_is_finished_and_nothing_more_is_taken_once_closed(stage: Stage) -> None:
    transactions = Transactions(stage.database)

    async def begin_and_close() -> int:
        begun = asyncio.ensure_future(
            transactions.write(
                lambda connection: connection.exec_driver_sql("DELETE FROM consents").rowcount
            )
        )
        await asyncio.sleep(0)
        with ThreadPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, transactions.close)
        with pytest.raises(TryAgainLater):
            await transactions.run(lambda: None)
        return await begun

    assert asyncio.run(begin_and_close()) == 5


def test_leaving_together_does_what_leaving_alone_does(stage: Stage) -> None:
    now, origin = stage.clock.now(), Origin("one-click", source="/u", network="203.0.113.0/24")
    with stage.database.write() as connection:
        unsubscribe(connection, 1, stage.list_id, now, origin)
        unsubscribe(connection, 2, stage.list_id, now, origin)
        clicks = [Click(n, stage.list_id, origin) for n in (2, 3, 3, 99)]
        leave_together(connection, [*clicks, Click(4, 77, origin)], now)

    with stage.database.read() as connection:
        stands = connection.exec_driver_sql(
            "SELECT subscriber_id, status, changed_at, paused_until FROM memberships ORDER BY 1"
        ).all()
        left = connection.exec_driver_sql(
            "SELECT subscriber_id, list_id, act, how, source, wording, version, network, at"
            " FROM consents WHERE act = 'withdrawn' ORDER BY subscriber_id"
        ).all()
    assert [row[1] for row in stands] == ["unsubscribed"] * 3 + ["active"] * 2
    assert stands[0][1:] == stands[2][1:]
    assert [row[0] for row in left] == [1, 2, 3]
    assert left[0][1:] == left[2][1:]
