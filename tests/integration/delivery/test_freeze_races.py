"""Two that freeze the same digest at once: one campaign, and the other is told of it (G1)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select
from tests.builders import Stage

from newsletter.clock import SettableClock
from newsletter.delivery import campaigns as life_cycle
from newsletter.delivery import freezing
from newsletter.delivery.campaigns import AlreadySent
from newsletter.storage.tables import campaigns, deliveries, digests


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgresql",
            marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")],
        ),
    ]
)
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Any:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    made = Stage(tmp_path, clock, url=url)
    yield made
    made.database.close()


def at_once(*works: Callable[[], int]) -> list[int | Exception]:
    """Let each do its work in a thread of its own; returns what came of each."""
    found: list[int | Exception] = []

    def go(work: Callable[[], int]) -> None:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001 - looked at by the test
            found.append(error)

    threads = [threading.Thread(target=go, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def look_before_anybody_wrote(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> None:
    """Let both have looked before either writes, as if they did not take the list's lock."""
    if stage.database.embedded:
        # There a transaction that writes sees all others: it is told what was there before.
        looks, next_key = [0, 0], freezing._next_key
        refuse = life_cycle.refuse_second

        def refuse_later(connection: Any, request: Any) -> None:
            looks[0] += 1
            if looks[0] > 2:
                refuse(connection, request)

        def first_key(connection: Any, request: Any) -> str:
            looks[1] += 1
            return next_key(connection, request) if looks[1] > 2 else "1/2026-11-24/1"

        monkeypatch.setattr(life_cycle, "refuse_second", refuse_later)
        monkeypatch.setattr(freezing, "_next_key", first_key)
        return
    both, key = threading.Barrier(2, timeout=20), freezing._next_key

    def wait_for_both(connection: Any, request: Any) -> str:
        found = key(connection, request)
        if found.endswith("/1"):
            both.wait()
        return found

    monkeypatch.setattr(life_cycle, "lock_list", lambda _connection, _list_id: None)
    monkeypatch.setattr(freezing, "_next_key", wait_for_both)


def test_of_two_that_freeze_a_digest_at_once_one_is_told_of_the_others_campaign(
    stage: Stage,
) -> None:
    found = at_once(stage.freeze, stage.freeze)

    (refused,) = [one for one in found if isinstance(one, AlreadySent)]
    assert [one for one in found if one is not refused] == [refused.campaign]


def test_who_loses_the_race_for_a_key_is_told_of_the_campaign_that_won(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_before_anybody_wrote(monkeypatch, stage)

    found = at_once(stage.freeze, stage.freeze)

    (refused,) = [one for one in found if isinstance(one, AlreadySent)]
    assert [one for one in found if one is not refused] == [refused.campaign]
    assert refused.same_audience
    with stage.database.read() as connection:
        assert len(connection.execute(select(campaigns.c.id)).all()) == 1
        assert len(connection.execute(select(deliveries.c.subscriber_id)).all()) == 5


def test_two_that_send_a_digest_again_at_once_make_two_campaigns(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_before_anybody_wrote(monkeypatch, stage)

    found = at_once(lambda: stage.freeze(again=True), lambda: stage.freeze(again=True))

    with stage.database.read() as connection:
        keys = connection.execute(select(campaigns.c.id, campaigns.c.key)).all()
    assert {number for number, _ in keys} == set(found)
    assert {key for _, key in keys} == {"1/2026-11-24/1", "1/2026-11-24/2"}


def test_a_digest_goes_out_again_where_one_of_its_campaigns_was_taken_out_of_the_database(
    stage: Stage,
) -> None:
    first, second = stage.freeze(), stage.freeze(again=True)
    with stage.database.write() as connection:
        connection.execute(delete(deliveries).where(deliveries.c.campaign_id == first))
        connection.execute(delete(campaigns).where(campaigns.c.id == first))

    third = stage.freeze(again=True)

    with stage.database.read() as connection:
        keys = {
            row.id: row.key for row in connection.execute(select(campaigns.c.id, campaigns.c.key))
        }
    assert keys == {second: "1/2026-11-24/2", third: "1/2026-11-24/3"}


def test_the_revision_of_a_digest_is_written_once_for_several_campaigns(stage: Stage) -> None:
    stage.freeze()
    stage.freeze(again=True)

    with stage.database.read() as connection:
        assert len(connection.execute(select(digests.c.id)).all()) == 1
