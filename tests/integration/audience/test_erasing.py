"""Being forgotten (C15): from every table, from the file itself, and again after a restore."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.erasing import erase_again, erase_subscriber
from newsletter.audience.joining import JoinRequest, ask_to_join
from newsletter.audience.letters import LetterLimits
from newsletter.audience.privacy import forget_unconfirmed
from newsletter.audience.subscribers import find_subscriber
from newsletter.audience.suppressions import suppression_of
from newsletter.clock import SettableClock
from newsletter.delivery.personal_data import whole_record
from newsletter.errors import AudienceError
from newsletter.feedback.kept_mail import forget_mail_of, keep_mail
from newsletter.storage.scrubbing import scrub, scrub_is_due
from newsletter.storage.tables import (
    consents,
    deliveries,
    events,
    letters,
    subscribers,
    suppressions,
)

ADA = parse_address("ada.lovelace@engines.example")
KEPT = "ab" * 16 + ".eml"


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    made = Stage(tmp_path, clock, readers=3)
    made.join(ADA.text, "Ada Lovelace")
    yield made
    made.database.close()


def number_of(stage: Stage) -> int:
    with stage.database.read() as connection:
        return find_subscriber(connection, ADA).id


def live_a_little(stage: Stage) -> int:
    """Send to Ada, hear back, and let her ask for another list: traces in every table."""
    campaign = stage.freeze()
    stage.sender(ScriptedProvider(batch_limit=10)).run(campaign)
    number = number_of(stage)
    with stage.database.write() as connection:
        said = f"250 queued for {ADA.text}"
        connection.execute(
            update(deliveries).where(deliveries.c.subscriber_id == number).values(answer=said)
        )
        connection.execute(
            insert(events).values(
                at=stage.clock.now(),
                kind="bounced",
                campaign_id=campaign,
                subscriber_id=number,
                detail={"to": ADA.text, "kept": KEPT},
            )
        )
        keep_mail(stage.folder / "kept", KEPT.removesuffix(".eml"), ADA.text.encode())
        origin = Origin("form", network="192.0.2.0")
        request = JoinRequest(ADA, stage.list_id, origin)
        ask_to_join(connection, request, KEYS, stage.clock.now(), LetterLimits())
    return number


def erase(stage: Stage, number: int) -> None:
    erase_subscriber(
        stage.database,
        number,
        KEYS,
        stage.clock.now(),
        actor="test",
        forget_mail=lambda names: forget_mail_of(stage.folder / "kept", names),
    )


def files_that_hold(stage: Stage, words: list[bytes]) -> list[str]:
    return [
        path.name
        for path in sorted(stage.folder.rglob("*"))
        if path.is_file() and any(word in path.read_bytes().lower() for word in words)
    ]


def test_no_file_of_the_database_holds_an_erased_person(stage: Stage) -> None:
    number = live_a_little(stage)
    words = [b"ada.lovelace", b"lovelace", b"engines.example"]
    before = files_that_hold(stage, words)

    erase(stage, number)
    scrubbed = scrub(stage.database)

    assert "ledger.db" in " ".join(before)
    assert scrubbed
    assert files_that_hold(stage, words) == []
    assert not scrub_is_due(stage.database)


def test_only_the_hash_and_bare_numbers_stay(stage: Stage) -> None:
    number = live_a_little(stage)

    erase(stage, number)

    with stage.database.read() as connection:
        assert suppression_of(connection, KEYS, ADA) == "erased"
        of_her = deliveries.c.subscriber_id == number
        assert connection.execute(select(deliveries.c.answer).where(of_her)).scalars().all() == [
            None
        ]
        assert connection.execute(
            select(events.c.subscriber_id, events.c.detail, events.c.address)
        ).all() == [(number, None, None)]
        left = connection.execute(
            select(consents.c.network).where(consents.c.subscriber_id.is_(None))
        )
        assert set(left.scalars()) == {None}
        assert connection.execute(select(letters.c.id)).all() == []


def test_a_campaign_being_sent_skips_an_erased_person(stage: Stage) -> None:
    number = number_of(stage)
    campaign = stage.freeze()
    erase(stage, number)

    stage.sender(ScriptedProvider(batch_limit=10)).run(campaign)

    assert stage.totals(campaign) == {"accepted": 3, "skipped": 1}


def test_the_number_of_an_erased_person_is_never_given_again(stage: Stage) -> None:
    number = number_of(stage)
    erase(stage, number)

    stage.join("next@example.org")

    with stage.database.read() as connection:
        new = find_subscriber(connection, parse_address("next@example.org")).id
    assert new > number


def test_somebody_unknown_cannot_be_erased(stage: Stage) -> None:
    number = number_of(stage)
    erase(stage, number)

    with pytest.raises(AudienceError, match="no subscriber"):
        erase(stage, number)


def test_an_earlier_state_of_the_database_forgets_again(stage: Stage) -> None:
    number = number_of(stage)
    stage.clock.advance(timedelta(hours=1))
    erase(stage, number)
    with stage.database.write() as connection:
        connection.execute(suppressions.delete())
    stage.clock.advance(timedelta(hours=-2))
    stage.join(ADA.text, "Ada Lovelace")
    stage.clock.advance(timedelta(hours=3))

    again = erase_again(stage.database, KEYS, stage.clock.now(), actor="test")

    assert again == 1
    with stage.database.read() as connection:
        assert suppression_of(connection, KEYS, ADA) == "erased"


def test_who_came_anew_after_being_erased_stays(stage: Stage) -> None:
    erase(stage, number_of(stage))
    with stage.database.write() as connection:
        connection.execute(suppressions.delete())
    stage.clock.advance(timedelta(days=1))
    stage.join(ADA.text)

    assert erase_again(stage.database, KEYS, stage.clock.now(), actor="test") == 0


def test_who_never_confirmed_is_forgotten_and_not_suppressed(stage: Stage) -> None:
    eve = parse_address("eve@example.org")
    with stage.database.write() as connection:
        request = JoinRequest(eve, stage.list_id, Origin("form"))
        ask_to_join(connection, request, KEYS, stage.clock.now(), LetterLimits())
    with stage.database.write() as connection:
        early = forget_unconfirmed(connection, stage.clock.now())
        late = forget_unconfirmed(connection, stage.clock.now() + timedelta(seconds=1))

    assert (early, late) == (0, 1)
    with stage.database.read() as connection:
        assert suppression_of(connection, KEYS, eve) is None
        assert (
            connection.execute(
                select(subscribers.c.id).where(subscribers.c.address_key == eve.key)
            ).all()
            == []
        )


def test_a_reader_gets_all_that_is_known(stage: Stage) -> None:
    number = live_a_little(stage)

    with stage.database.read() as connection:
        record = whole_record(connection, number, KEYS)

    assert record["address"] == ADA.text
    assert [piece["act"] for piece in record["consents"]] == ["granted"]
    assert record["deliveries"][0]["state"] == "accepted"
    assert record["deliveries"][0]["claimed_at"].startswith("20")
