"""Segments on real databases: the same people on SQLite and PostgreSQL; saved, changed, removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from tests.builders import Stage

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.eligibility import freeze_selection
from newsletter.audience.lists import count_active, create_list
from newsletter.audience.segment_parser import parse_condition
from newsletter.audience.segment_sql import segment_filter
from newsletter.audience.segments import (
    add_segment,
    doubts,
    get_segment,
    list_segments,
    remove_segment,
    sample_of,
    update_segment,
)
from newsletter.audience.subscribers import activate, find_subscriber, unsubscribe
from newsletter.audience.tags import change_tags
from newsletter.clock import SettableClock
from newsletter.errors import AudienceError
from newsletter.storage.tables import audit_log, memberships, segments, subscribers

PEOPLE: dict[str, dict[str, object]] = {
    "ada@example.org": {
        "tags": ["beta", "long reads"],
        "timezone": "Europe/Paris",
        "language": "fr",
        "name": "Ada Ö",
        "attributes": {"topic": "Food", "score": "10.5"},
    },
    "bob@mail.example.org": {
        "tags": ["beta"],
        "timezone": "America/New_York",
        "name": "Bob 50%",
        "attributes": {"topic": "food & wine", "score": "9"},
    },
    "cem@xn--bcher-kva.example": {
        "timezone": "Europe/Berlin",
        "name": 'Cem "C\\"',
        "attributes": {"score": "ten"},
    },
    "dan@example.com": {"tags": ["pro"], "language": "EN-us", "attributes": None},
}

WHO = {
    'tag = "BETA" and timezone starts with "europe/"': "a",
    'tag != "beta"': "cd",
    'tag in ("pro", "long reads")': "ad",
    'tag starts with "long"': "a",
    "tag is not set": "c",
    "timezone is not set or not language is set": "bcd",
    'language = "en-US"': "d",
    'language != "fr"': "bcd",
    'name contains "Ö"': "a",
    'name contains "ö"': "",
    'name contains "%"': "b",
    'name contains "_"': "",
    r'name ends with "\"c\\\""': "c",
    'domain = "bücher.example"': "c",
    'domain ends with "example.org"': "ab",
    'domain in ("example.com", "example.org")': "ad",
    'domain contains "bob"': "",
    'attribute.topic = "food"': "a",
    'attribute.topic starts with "FOOD"': "ab",
    'attribute.topic not in ("food")': "bcd",
    "attribute.score > 9": "a",
    "attribute.score <= 10.5": "ab",
    "attribute.score = 9": "b",
    "attribute.score != 9": "acd",
    "not attribute.score in (9, 10.5)": "cd",
    'attribute.score = "ten"': "c",
    'attribute "a\'b" is not set': "abcd",
    "joined before 2026-11-25": "a",
    "joined on 2026-11-26": "c",
    "joined after 2026-11-26": "d",
    "joined within 2 days": "cd",
    "created over 60 hours ago": "ab",
    'list = "weekly"': "",
    'list != "weekly" and list in ("daily", "weekly")': "abcd",
}
"""Conditions, and the first letters of those who meet them."""


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    opened = Stage(tmp_path, clock, readers=0, url=url)
    with opened.database.write() as connection:
        create_list(
            connection,
            clock.now(),
            name="weekly",
            title="Weekly",
            base_url="https://news.example.org",
            actor="test",
        )
    for address, given in PEOPLE.items():
        join(opened, address, given)
        clock.advance(timedelta(days=1))
    yield opened
    opened.database.close()


def join(stage: Stage, address: str, given: dict[str, object]) -> None:
    stage.join(address)
    columns = {key: value for key, value in given.items() if key != "tags"}
    with stage.database.write() as connection:
        found = find_subscriber(connection, parse_address(address))
        connection.execute(update(subscribers).where(subscribers.c.id == found.id).values(columns))
        tags = given.get("tags", [])
        assert isinstance(tags, list)
        change_tags(connection, found.id, add=tags)


def holds(stage: Stage, condition: str) -> set[str]:
    with stage.database.read() as connection:
        chosen = segment_filter(
            connection,
            parse_condition(condition),
            stage.list_id,
            stage.clock.now(),
            zone="Europe/Paris",
        )
        members = sample_of(connection, stage.list_id, stage.clock.now(), chosen, size=100)
    return {member.address[0] for member in members}


def test_both_databases_choose_the_same(stage: Stage) -> None:
    chosen = {condition: "".join(sorted(holds(stage, condition))) for condition in WHO}

    assert chosen == WHO


def test_an_escaped_nul_among_the_attributes_of_one_hurts_nobody(stage: Stage) -> None:
    with stage.database.write() as connection:
        connection.execute(
            update(subscribers)
            .where(subscribers.c.address_key == "dan@example.com")
            .values(attributes={"evil": "\0", "topic": "none"})
        )

    assert holds(stage, 'attribute.topic contains "food"') == {"a", "b"}
    assert holds(stage, 'attribute.topic = "none"') <= {"d"}


def test_another_list_counts_only_while_its_mail_comes(stage: Stage) -> None:
    now = stage.clock.now()
    with stage.database.write() as connection:
        weekly = connection.execute(text("SELECT id FROM lists WHERE name = 'weekly'")).scalar_one()
        numbers = {
            address[0]: find_subscriber(connection, parse_address(address)).id for address in PEOPLE
        }
        for letter in "abc":
            activate(connection, weekly, numbers[letter], now)
        unsubscribe(connection, numbers["b"], weekly, now, Origin("page"))
        for letter, until in (("a", now + timedelta(days=1)), ("c", now - timedelta(days=1))):
            connection.execute(
                update(memberships)
                .where(
                    memberships.c.list_id == weekly, memberships.c.subscriber_id == numbers[letter]
                )
                .values(status="paused", paused_until=until)
            )

    assert holds(stage, 'list = "weekly"') == {"c"}
    assert holds(stage, 'list != "weekly"') == {"a", "b", "d"}


def test_who_left_is_in_no_segment_and_joins_anew_on_coming_back(stage: Stage) -> None:
    with stage.database.write() as connection:
        ada = find_subscriber(connection, parse_address("ada@example.org"))
        unsubscribe(connection, ada.id, None, stage.clock.now(), Origin("one-click"))
    assert holds(stage, 'tag = "beta"') == {"b"}
    stage.join("ada@example.org")

    assert holds(stage, "joined within 1 hour") == {"a"}
    assert holds(stage, "created within 1 hour") == set()


def test_a_saved_segment_is_found_changed_and_removed_with_a_trace(stage: Stage) -> None:
    now = stage.clock.now()
    with stage.database.write() as connection:
        made = add_segment(connection, now, name="beta-eu", text='  TAG = "Beta"', actor="cli:eva")
        changed = update_segment(
            connection, now, name="beta-eu", text='tag = "pro"', actor="cli:eva"
        )
        listed = list_segments(connection)
        remove_segment(connection, now, name="beta-eu", actor="cli:eva")
        acts = connection.execute(
            select(audit_log.c.actor, audit_log.c.action, audit_log.c.subject, audit_log.c.detail)
            .where(audit_log.c.action.like("segment.%"))
            .order_by(audit_log.c.id)
        ).all()
        left = list_segments(connection)

    assert (made.text, str(made.condition)) == ('TAG = "Beta"', 'tag = "beta"')
    assert listed == [changed]
    assert left == []
    assert [(act.actor, act.action, act.subject) for act in acts] == [
        ("cli:eva", "segment.add", "segment beta-eu"),
        ("cli:eva", "segment.update", "segment beta-eu"),
        ("cli:eva", "segment.remove", "segment beta-eu"),
    ]
    assert acts[1].detail == {"before": 'TAG = "Beta"', "condition": 'tag = "pro"'}


def test_an_unknown_a_taken_and_an_odd_name_are_refused(stage: Stage) -> None:
    with stage.database.write() as connection:
        add_segment(connection, stage.clock.now(), name="beta", text='tag = "b"', actor="test")

    with stage.database.write() as connection:
        with pytest.raises(AudienceError, match="no segment 'betta'") as caught:
            get_segment(connection, "betta")
        for name, words in (("beta", "exists already"), ("Beta EU", "no name for a segment")):
            with pytest.raises(AudienceError, match=words):
                add_segment(
                    connection, stage.clock.now(), name=name, text='tag = "b"', actor="test"
                )

    assert caught.value.fix == "did you mean 'beta'?"


def test_a_wrong_condition_is_not_saved(stage: Stage) -> None:
    with stage.database.write() as connection, pytest.raises(AudienceError, match="no field 'tga'"):
        add_segment(connection, stage.clock.now(), name="b", text='tga = "x"', actor="test")

    with stage.database.read() as connection:
        assert connection.execute(select(segments)).all() == []


def test_what_nobody_has_is_doubted_with_what_may_have_been_meant(stage: Stage) -> None:
    condition = parse_condition(
        'tag in ("betta", "beta") and attribute.topik = "x" and timezone = "Europe/Pari"'
        ' and tag starts with "z" and attribute.topic is set and timezone = "europe/paris"'
    )

    with stage.database.read() as connection:
        doubted = doubts(connection, condition)

    assert doubted == [
        "nobody has the tag 'betta'; did you mean 'beta'?",
        "nobody has the attribute 'topik'; did you mean 'topic'?",
        "there is no time zone 'Europe/Pari'; did you mean 'Europe/Paris'?",
    ]


@pytest.mark.slow
def test_a_segment_of_many_is_found_by_keys_alone(tmp_path: Path, clock: SettableClock) -> None:
    stage = Stage(tmp_path, clock, readers=0)
    many = 50_000
    with stage.database.write() as connection:
        connection.execute(
            insert(subscribers),
            [
                {
                    "id": n,
                    "address": f"r{n}@example.org",
                    "address_key": f"r{n}@example.org",
                    "timezone": "Europe/Paris" if n % 2 else "Asia/Tokyo",
                    "created_at": clock.now(),
                    "updated_at": clock.now(),
                }
                for n in range(1, many + 1)
            ],
        )
        connection.execute(
            text(
                "INSERT INTO memberships (list_id, subscriber_id, status, changed_at) "
                "SELECT :list, id, 'active', created_at FROM subscribers"
            ),
            {"list": stage.list_id},
        )
        connection.execute(
            text("INSERT INTO subscriber_tags SELECT 'beta', id FROM subscribers WHERE id % 3 = 0")
        )
        condition = parse_condition('tag = "beta" and timezone starts with "Europe/"')
        chosen = segment_filter(connection, condition, stage.list_id, clock.now(), zone="UTC")
        query = freeze_selection(stage.list_id, clock.now(), chosen).compile(
            connection, compile_kwargs={"literal_binds": True}
        )
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]

        assert count_active(connection, stage.list_id, clock.now(), chosen) == 8_333
    assert not [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step]
    stage.database.close()
