"""A digest to segments of a list: whom each campaign is frozen for, and nobody twice (G1)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.builders import KEYS, Stage
from tests.fakes.mailings import a_mailing
from tests.fakes.provider import ScriptedProvider

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.segments import add_segment, get_segment, update_segment
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.audience.tags import change_tags
from newsletter.clock import SettableClock
from newsletter.delivery.campaigns import AlreadySent, change_status, freeze
from newsletter.delivery.freeze_request import FreezeRequest
from newsletter.delivery.rehearsal import rehearse
from newsletter.errors import DeliveryError
from newsletter.storage.tables import audit_log, deliveries

TAGS = {1: ["beta"], 2: ["beta", "pro"], 3: ["pro"], 4: [], 5: []}


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    opened = Stage(tmp_path, clock, readers=5, url=url)
    for reader, tags in TAGS.items():
        tag(opened, reader, add=tags)
    with opened.database.write() as connection:
        for name in ("beta", "pro", "none"):
            add_segment(connection, clock.now(), name=name, text=f'tag = "{name}"', actor="test")
    yield opened
    opened.database.close()


def tag(stage: Stage, reader: int, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    with stage.database.write() as connection:
        change_tags(connection, number(stage, reader), add=add, remove=remove)


def number(stage: Stage, reader: int) -> int:
    with stage.database.read() as connection:
        return find_subscriber(connection, parse_address(f"reader{reader}@example.org")).id


def request(
    stage: Stage, segment: str | None, *, again: bool = False, content_hash: str = "hash"
) -> FreezeRequest:
    mailing = a_mailing()
    with stage.database.read() as connection:
        chosen = get_segment(connection, segment) if segment else None
    return FreezeRequest(
        list_id=stage.list_id,
        list_name="daily",
        slug="2026-11-24",
        title="A digest",
        content_hash=content_hash,
        markdown="# A digest",
        content=mailing.content,
        identity=mailing.identity,
        provider="outbox",
        on_unknown="hold",
        expires_after=timedelta(hours=12),
        again=again,
        segment=chosen,
    )


def send(stage: Stage, segment: str | None, *, again: bool = False) -> int:
    wanted = request(stage, segment, again=again)
    return freeze(stage.database, wanted, stage.clock.now(), actor="test")


def chosen(stage: Stage, campaign: int) -> list[int]:
    """Return the numbers in the addresses of those a campaign is frozen for."""
    readers = {number(stage, reader): reader for reader in TAGS}
    with stage.database.read() as connection:
        rows = connection.execute(
            select(deliveries.c.subscriber_id).where(deliveries.c.campaign_id == campaign)
        )
        return sorted(readers[row.subscriber_id] for row in rows)


def test_a_segment_gets_it_and_the_campaign_keeps_name_and_condition(stage: Stage) -> None:
    campaign = send(stage, "beta")
    with stage.database.write() as connection:
        update_segment(connection, stage.clock.now(), name="beta", text='tag = "pro"', actor="test")
    provider = ScriptedProvider()

    stage.sender(provider).run(campaign)

    assert sorted(e.address[6] for e in provider.handed) == ["1", "2"]
    found = stage.campaign(campaign)
    assert (found.recipients, found.segment, found.segment_condition) == (2, "beta", 'tag = "beta"')
    with stage.database.read() as connection:
        detail = connection.execute(
            select(audit_log.c.detail).where(audit_log.c.action == "campaign.freeze")
        ).scalar_one()
    assert (detail["segment"], detail["recipients"]) == ("beta", 2)


def test_who_loses_the_tag_after_the_freeze_still_gets_it_and_who_leaves_does_not(
    stage: Stage,
) -> None:
    campaign = send(stage, "beta")
    tag(stage, 1, remove=["beta"])
    tag(stage, 3, add=["beta"])
    with stage.database.write() as connection:
        unsubscribe(connection, number(stage, 2), None, stage.clock.now(), Origin("one-click"))
    provider = ScriptedProvider()

    stage.sender(provider).run(campaign)

    assert [e.address for e in provider.handed] == ["reader1@example.org"]
    assert stage.totals(campaign) == {"accepted": 1, "skipped": 1}


def test_another_segment_and_then_the_whole_list_get_it_without_anybody_twice(
    stage: Stage,
) -> None:
    first, second, rest = send(stage, "beta"), send(stage, "pro"), send(stage, None)

    assert [chosen(stage, campaign) for campaign in (first, second, rest)] == [[1, 2], [3], [4, 5]]


def test_the_same_segment_again_is_refused_also_when_its_condition_is_new(stage: Stage) -> None:
    first = send(stage, "beta")
    with stage.database.write() as connection:
        update_segment(connection, stage.clock.now(), name="beta", text='tag = "pro"', actor="test")

    with pytest.raises(AlreadySent, match="for segment 'beta' of 'daily' as campaign") as caught:
        send(stage, "beta")

    assert (caught.value.campaign, caught.value.same_audience) == (first, True)


def test_after_the_whole_list_no_segment_gets_it_unasked(stage: Stage) -> None:
    whole = send(stage, None)

    with pytest.raises(AlreadySent, match="for 'daily' as campaign") as caught:
        send(stage, "beta")

    assert (caught.value.campaign, caught.value.same_audience) == (whole, False)
    assert chosen(stage, send(stage, "beta", again=True)) == [1, 2]


def test_again_leaves_nobody_out(stage: Stage) -> None:
    stage.sender(ScriptedProvider()).run(send(stage, "beta"))

    with pytest.raises(AlreadySent) as caught:
        send(stage, "beta")

    assert caught.value.fix == (
        "--again sends it a second time to everybody in segment 'beta' of 'daily'"
    )
    assert chosen(stage, send(stage, "beta", again=True)) == [1, 2]
    assert chosen(stage, send(stage, "pro", again=True)) == [2, 3]


def test_who_was_in_a_cancelled_campaign_is_left_out_too(stage: Stage) -> None:
    first = send(stage, "beta")
    change_status(stage.database, first, "cancel", stage.clock.now(), actor="test")

    assert chosen(stage, send(stage, None)) == [3, 4, 5]


def test_a_corrected_digest_leaves_out_who_had_the_one_before(stage: Stage) -> None:
    send(stage, "beta")

    corrected = request(stage, "pro", content_hash="another")
    campaign = freeze(stage.database, corrected, stage.clock.now(), actor="test")

    assert chosen(stage, campaign) == [3]


def test_an_empty_segment_freezes_nothing_and_says_why(stage: Stage) -> None:
    with pytest.raises(
        DeliveryError, match="'none' holds none of the 5 active subscribers of 'daily'"
    ):
        send(stage, "none")
    send(stage, "beta")
    tag(stage, 3, remove=["pro"])

    with pytest.raises(
        DeliveryError, match="everybody in segment 'pro' of 'daily' had '2026-11-24'"
    ) as caught:
        send(stage, "pro")

    assert "--again" in str(caught.value.fix)


def test_a_rehearsal_counts_what_the_freeze_would_take(stage: Stage) -> None:
    with stage.database.write() as connection:
        add_suppression(
            connection,
            KEYS,
            parse_address("reader3@example.org"),
            SuppressionReason.MANUAL,
            stage.clock.now(),
            actor="test",
        )
    send(stage, "beta")

    told = rehearse(stage.database, request(stage, "pro"), KEYS, stage.clock.now())
    refused = rehearse(stage.database, request(stage, "beta"), KEYS, stage.clock.now())

    assert (told.recipients, told.skips, told.left_out, told.refusal) == (
        *(1, {"suppressed": 1}, 1),
        None,
    )
    assert refused.refusal is not None
    assert (refused.recipients, refused.left_out) == (2, 0)


def test_two_segments_frozen_at_once_share_nobody(stage: Stage) -> None:
    gate = threading.Barrier(2)
    made: list[int] = []

    def freeze_at_once(wanted: FreezeRequest) -> None:
        gate.wait()
        made.append(freeze(stage.database, wanted, stage.clock.now(), actor="test"))

    threads = [
        threading.Thread(target=freeze_at_once, args=(request(stage, name),))
        for name in ("beta", "pro")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(chosen(stage, made[0]) + chosen(stage, made[1])) == [1, 2, 3]
