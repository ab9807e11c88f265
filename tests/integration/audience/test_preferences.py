"""What a reader changes by the personal link: details, lists, pauses, the address (C14)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.audience.address import parse_address
from newsletter.audience.consent import MembershipStatus, Origin
from newsletter.audience.eligibility import Recipient, freeze_selection
from newsletter.audience.letters import LetterLimits
from newsletter.audience.links import personal_links
from newsletter.audience.lists import create_list
from newsletter.audience.preferences import (
    Details,
    Preferences,
    ask_for_link,
    ask_to_change_address,
    change_details,
    choose_lists,
    confirm_new_address,
    end_pause,
    may_manage,
    pause,
    preferences_of,
)
from newsletter.audience.subscribers import find_subscriber, make_pending, make_subscriber
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.audience.tokens import Purpose, TokenClaims, TokenSigner
from newsletter.clock import SettableClock
from newsletter.errors import AudienceError
from newsletter.rendering.content import ListIdentity
from newsletter.storage.tables import letters, memberships, subscribers

PAGE = Origin("preferences", source="/p")
READER = "reader1@example.org"
NEW = parse_address("new@example.net")


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    made = Stage(tmp_path, clock, readers=2, url=url)
    yield made
    made.database.close()


def another_list(stage: Stage, name: str) -> int:
    with stage.database.write() as connection:
        return create_list(
            connection,
            stage.clock.now(),
            name=name,
            title=name.title(),
            base_url="https://news.example.org",
            actor="test",
        ).id


def reader(stage: Stage) -> int:
    with stage.database.read() as connection:
        return find_subscriber(connection, parse_address(READER)).id


def seen(stage: Stage) -> Preferences:
    with stage.database.read() as connection:
        found = preferences_of(connection, reader(stage), KEYS)
    assert found is not None
    return found


def test_details_are_set_kept_and_cleared(stage: Stage) -> None:
    with stage.database.write() as connection:
        number, now = reader(stage), stage.clock.now()
        change_details(connection, number, now, Details("  Ada  Lovelace ", "Europe/Paris", "fr"))
        change_details(connection, number, now, Details(timezone=""))

    found = seen(stage)

    assert (found.name, found.timezone, found.language) == ("Ada Lovelace", None, "fr")


@pytest.mark.parametrize(
    "details",
    [
        Details(name="x" * 201),
        Details(name="a\x00b"),
        Details(timezone="Mars/Olympus"),
        Details(timezone="../../etc/passwd"),
        Details(language="english, please"),
    ],
)
def test_details_that_cannot_be_are_refused(stage: Stage, details: Details) -> None:
    with stage.database.write() as connection, pytest.raises(AudienceError):
        change_details(connection, reader(stage), stage.clock.now(), details)


def test_lists_are_joined_and_left_in_one_step(stage: Stage) -> None:
    weekly = another_list(stage, "weekly")
    before = seen(stage)
    with stage.database.write() as connection:
        choose_lists(connection, before, {weekly}, stage.clock.now(), origin=PAGE)

    stands = {choice.name: choice.status for choice in seen(stage).choices}

    assert stands == {
        "daily": MembershipStatus.UNSUBSCRIBED,
        "weekly": MembershipStatus.ACTIVE,
    }


def test_who_is_suppressed_can_leave_and_cannot_join(stage: Stage) -> None:
    weekly = another_list(stage, "weekly")
    with stage.database.write() as connection:
        add_suppression(
            connection,
            KEYS,
            parse_address(READER),
            SuppressionReason.COMPLAINT,
            stage.clock.now(),
            actor="test",
        )
    shown = seen(stage)
    with stage.database.write() as connection:
        choose_lists(connection, shown, {weekly}, stage.clock.now(), origin=PAGE)

    stands = {choice.name: choice.status for choice in seen(stage).choices}

    assert shown.suppressed == "complaint"
    assert stands == {"daily": MembershipStatus.UNSUBSCRIBED, "weekly": None}


def test_a_pending_list_is_not_made_active_by_the_page(stage: Stage) -> None:
    weekly = another_list(stage, "weekly")
    with stage.database.write() as connection:
        connection.execute(
            insert(memberships).values(
                list_id=weekly,
                subscriber_id=reader(stage),
                status="pending",
                changed_at=stage.clock.now(),
            )
        )
        shown = preferences_of(connection, reader(stage), KEYS)
        assert shown is not None
        wanted = {stage.list_id, weekly}
        choose_lists(connection, shown, wanted, stage.clock.now(), origin=PAGE)

    assert {c.name: c.status for c in seen(stage).choices}["weekly"] is MembershipStatus.PENDING


def test_a_pause_ends_by_itself_on_its_day(stage: Stage) -> None:
    until = stage.clock.now() + timedelta(days=7)
    with stage.database.write() as connection:
        pause(connection, reader(stage), stage.clock.now(), until=until)

    def chosen() -> int:
        with stage.database.read() as connection:
            selection = freeze_selection(stage.list_id, stage.clock.now())
            return len(connection.execute(selection).all())

    during = chosen()
    stage.clock.advance(timedelta(days=7))

    assert (during, chosen()) == (1, 2)


def test_a_pause_can_be_ended_and_never_ends_in_the_past(stage: Stage) -> None:
    with stage.database.write() as connection:
        number, now = reader(stage), stage.clock.now()
        pause(connection, number, now, until=None)
        with pytest.raises(AudienceError, match="future"):
            pause(connection, number, now, until=now)
        ended = end_pause(connection, number, now)

    assert ended == 1
    assert seen(stage).choices[0].status is MembershipStatus.ACTIVE


def ask_for(stage: Stage, address: str = "new@example.net") -> list[int]:
    with stage.database.write() as connection:
        ask_to_change_address(
            connection,
            reader(stage),
            stage.list_id,
            parse_address(address),
            KEYS,
            now=stage.clock.now(),
            limits=LetterLimits(),
        )
        return list(connection.execute(select(letters.c.id).order_by(letters.c.id)).scalars())


def press(stage: Stage, letter: int) -> bool:
    with stage.database.write() as connection:
        claims = TokenClaims(reader(stage), stage.list_id, letter)
        return confirm_new_address(connection, claims, KEYS, stage.clock.now())


def test_a_new_address_is_taken_once_it_confirms_and_the_old_one_is_told(stage: Stage) -> None:
    number = reader(stage)
    (letter,) = ask_for(stage)
    before = seen(stage).address

    changed = press(stage, letter)

    with stage.database.read() as connection:
        found = preferences_of(connection, number, KEYS)
        told = connection.execute(select(letters.c.kind, letters.c.address)).all()
    assert (before, changed) == (READER, True)
    assert found is not None
    assert found.address == "new@example.net"
    assert [tuple(row) for row in told] == [("new_address", "new@example.net"), ("moved", READER)]


@pytest.mark.parametrize("address", ["reader2@example.org", READER])
def test_an_address_that_somebody_has_gets_no_letter(stage: Stage, address: str) -> None:
    assert ask_for(stage, address) == []


def test_a_suppressed_address_is_not_taken(stage: Stage) -> None:
    (letter,) = ask_for(stage)
    with stage.database.write() as connection:
        add_suppression(
            connection, KEYS, NEW, SuppressionReason.MANUAL, stage.clock.now(), actor="test"
        )

    assert press(stage, letter) is False
    assert ask_for(stage) == [letter]
    assert seen(stage).address == READER


def test_the_link_for_a_new_address_is_over_after_seven_days(stage: Stage) -> None:
    (letter,) = ask_for(stage)
    stage.clock.advance(timedelta(days=7))

    assert press(stage, letter) is False


def epoch(stage: Stage) -> int:
    with stage.database.read() as connection:
        return int(
            connection.execute(
                select(subscribers.c.address_epoch).where(subscribers.c.id == 1)
            ).scalar_one()
        )


def test_a_change_of_address_raises_the_epoch_and_ends_what_was_written_before(
    stage: Stage,
) -> None:
    first, second = ask_for(stage, "first@example.net"), ask_for(stage, "second@example.net")[1:]
    before = epoch(stage)

    taken, late = press(stage, first[0]), press_as(stage, 1, second[0])

    assert (before, taken, late) == (0, True, False)
    assert epoch(stage) == int(stage.clock.now().timestamp())


def test_two_changes_within_a_second_raise_the_epoch_twice(stage: Stage) -> None:
    number = reader(stage)
    epochs = []
    for address in ("first@example.net", "second@example.net"):
        with stage.database.write() as connection:
            ask_to_change_address(
                connection,
                number,
                stage.list_id,
                parse_address(address),
                KEYS,
                now=stage.clock.now(),
                limits=LetterLimits(),
            )
            newest = select(letters.c.id).order_by(letters.c.id.desc()).limit(1)
            kind = letters.c.kind == "new_address"
            letter = int(connection.execute(newest.where(kind)).scalar_one())
        assert press_as(stage, number, letter)
        epochs.append(epoch(stage))

    assert epochs[1] == epochs[0] + 1


def press_as(stage: Stage, number: int, letter: int) -> bool:
    with stage.database.write() as connection:
        claims = TokenClaims(number, stage.list_id, letter)
        return confirm_new_address(connection, claims, KEYS, stage.clock.now())


def test_other_changes_leave_the_epoch_alone(stage: Stage) -> None:
    with stage.database.write() as connection:
        change_details(connection, 1, stage.clock.now(), Details("Ada", "Europe/Paris", "fr"))

    assert epoch(stage) == 0


def ask_link(stage: Stage, number: int = 1) -> list[int]:
    with stage.database.write() as connection:
        ask_for_link(
            connection, number, stage.list_id, KEYS, now=stage.clock.now(), limits=LetterLimits()
        )
        query = select(letters.c.id).where(letters.c.kind == "manage").order_by(letters.c.id)
        return list(connection.execute(query).scalars())


def manages(stage: Stage, letter: int, number: int = 1) -> bool:
    with stage.database.write() as connection:
        claims = TokenClaims(number, stage.list_id, letter)
        return may_manage(connection, claims, stage.clock.now(), to_act=True)


def test_a_fresh_link_is_of_one_reader_for_one_day(stage: Stage) -> None:
    (letter,) = ask_link(stage)
    at_once, of_another = manages(stage, letter), manages(stage, letter, number=2)
    stage.clock.advance(timedelta(hours=23))
    later = manages(stage, letter)
    stage.clock.advance(timedelta(hours=1))

    assert (at_once, of_another, later, manages(stage, letter)) == (True, False, True, False)


def test_a_fresh_link_is_over_with_another_address(stage: Stage) -> None:
    (letter,) = ask_link(stage)
    (new,) = [number for number in ask_for(stage) if number != letter]
    press(stage, new)

    assert not manages(stage, letter)
    assert len(ask_link(stage)) == 2, "what waits for the old address does not stand in the way"


def test_a_suppressed_reader_gets_no_fresh_link(stage: Stage) -> None:
    with stage.database.write() as connection:
        add_suppression(
            connection,
            KEYS,
            parse_address(READER),
            SuppressionReason.COMPLAINT,
            stage.clock.now(),
            actor="test",
        )

    assert ask_link(stage) == []


def test_who_only_asked_to_join_with_an_address_does_not_have_it(stage: Stage) -> None:
    with stage.database.write() as connection:
        now = stage.clock.now()
        stranger = make_subscriber(connection, NEW, now)
        make_pending(connection, stage.list_id, stranger, now)
    number = reader(stage)
    (letter,) = ask_for(stage)

    assert press_as(stage, number, letter)
    with stage.database.read() as connection:
        found = find_subscriber(connection, NEW)
        gone = connection.execute(
            select(memberships.c.status).where(memberships.c.subscriber_id == stranger)
        ).all()
    assert (found.id, gone) == (number, [])


def test_links_in_the_next_campaign_are_of_the_new_address(stage: Stage) -> None:
    (letter,) = ask_for(stage)
    press(stage, letter)
    provider = ScriptedProvider()

    def links(identity: ListIdentity, recipient: Recipient) -> dict[str, str]:
        return personal_links(
            TokenSigner(KEYS),
            identity.base_url,
            recipient.subscriber,
            stage.list_id,
            recipient.epoch,
        )

    replace(stage.sender(provider), links=links).run(stage.freeze())

    tokens = {
        envelope.address: envelope.values["preferences_url"].rpartition("/")[2]
        for envelope in provider.handed
    }
    read = TokenSigner(KEYS).read
    assert {to: read(Purpose.PREFERENCES, token) for to, token in tokens.items()} == {
        "new@example.net": TokenClaims(1, stage.list_id, epoch=epoch(stage)),
        "reader2@example.org": TokenClaims(2, stage.list_id),
    }
