"""Joining by double opt-in: who becomes active, who gets a letter, and who gets none (C5–C11)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.builders import KEYS, Stage

from newsletter.audience.address import Address, parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.joining import (
    Joined,
    JoinRequest,
    ask_to_join,
    confirm_joining,
    invite_back,
    undo_leaving,
)
from newsletter.audience.letters import LetterLimits
from newsletter.audience.privacy import forget
from newsletter.audience.story import story_of
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.audience.suppressions import (
    SuppressionReason,
    add_suppression,
    suppression_of,
)
from newsletter.audience.tokens import TokenClaims
from newsletter.clock import SettableClock
from newsletter.storage.tables import letters, subscribers

FORM = Origin("form", source="/subscribe/daily", wording="Send it to me", version="1")
ADA = parse_address("Ada@example.org")


class Door(Stage):
    """A stage on which people come and go."""

    def ask(self, address: Address = ADA, *, name: str | None = None) -> None:
        request = JoinRequest(address, self.list_id, FORM, name=name)
        with self.database.write() as connection:
            ask_to_join(connection, request, KEYS, self.clock.now(), LetterLimits())

    def letters(self) -> list[tuple[int, str]]:
        with self.database.read() as connection:
            rows = connection.execute(select(letters.c.id, letters.c.kind).order_by(letters.c.id))
            return [(row.id, row.kind) for row in rows]

    def press(self, letter: int, address: Address = ADA) -> Joined:
        with self.database.write() as connection:
            claims = TokenClaims(find_subscriber(connection, address).id, self.list_id, letter)
            return confirm_joining(connection, claims, KEYS, self.clock.now(), FORM)

    def leave(self, address: Address = ADA) -> TokenClaims:
        with self.database.write() as connection:
            subscriber = find_subscriber(connection, address).id
            now = self.clock.now()
            unsubscribe(connection, subscriber, self.list_id, now, Origin("page"))
        return TokenClaims(subscriber, self.list_id, int(now.timestamp()))

    def suppress(self, reason: SuppressionReason, address: Address = ADA) -> None:
        with self.database.write() as connection:
            add_suppression(connection, KEYS, address, reason, self.clock.now(), actor="test")

    def status(self, address: Address = ADA) -> str | None:
        with self.database.read() as connection:
            found = story_of(connection, address, KEYS).memberships
        return found[0].status if found else None

    def acts(self, address: Address = ADA) -> list[str]:
        with self.database.read() as connection:
            return [piece.act for piece in story_of(connection, address, KEYS).consents]


@pytest.fixture(params=["sqlite", "postgresql"])
def door(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Door]:
    if request.param == "sqlite":
        made = Door(tmp_path, clock, readers=0)
    else:
        made = Door(tmp_path, clock, readers=0, url=request.getfixturevalue("server_url"))
    yield made
    made.database.close()


def test_who_asks_is_pending_until_the_link_in_the_letter_is_pressed(door: Door) -> None:
    door.ask(name="Ada")
    ((letter, kind),) = door.letters()
    before = door.status()

    pressed = door.press(letter)

    assert (kind, before, pressed, door.status()) == ("confirm", "pending", "joined", "active")
    assert door.acts() == ["requested", "granted"]


def test_a_link_works_once(door: Door) -> None:
    door.ask()
    ((letter, _),) = door.letters()
    door.press(letter)
    again = door.press(letter)
    door.clock.advance(timedelta(minutes=1))
    door.leave()

    after_leaving = door.press(letter)

    assert (again, after_leaving) == (Joined.OVER, Joined.OVER)
    assert door.status() == "unsubscribed"


def test_a_link_is_over_after_seven_days(door: Door) -> None:
    door.ask()
    ((letter, _),) = door.letters()
    door.clock.advance(timedelta(days=7))

    assert door.press(letter) is Joined.OVER
    assert door.status() == "pending"


def test_a_letter_of_another_list_or_person_opens_nothing(door: Door) -> None:
    door.ask()
    door.ask(parse_address("eve@example.org"))
    (of_ada, _), _ = door.letters()

    assert door.press(of_ada, parse_address("eve@example.org")) is Joined.OVER
    assert door.status(parse_address("eve@example.org")) == "pending"


def test_who_left_stays_unsubscribed_until_the_new_letter_is_confirmed(door: Door) -> None:
    door.ask()
    door.press(door.letters()[0][0])
    door.leave()
    door.clock.advance(timedelta(hours=2))
    door.ask()
    before = door.status()

    door.press(door.letters()[1][0])

    assert (before, door.status()) == ("unsubscribed", "active")


def test_who_leaves_after_asking_is_not_brought_back_by_the_older_letter(door: Door) -> None:
    door.ask()
    door.press(door.letters()[0][0])
    door.clock.advance(timedelta(hours=2))
    door.leave()
    door.ask()
    door.clock.advance(timedelta(minutes=1))
    door.leave()
    letter = door.letters()[-1][0]
    with door.database.write() as connection:
        connection.execute(
            letters.update().values(created_at=door.clock.now() - timedelta(hours=1))
        )
        subscriber = find_subscriber(connection, ADA).id
        connection.exec_driver_sql(
            f"UPDATE memberships SET changed_at = '{door.clock.now():%Y-%m-%d %H:%M:%S.%f}' "
            f"WHERE subscriber_id = {subscriber}"
        )

    assert door.press(letter) is Joined.OVER


def test_who_is_on_the_list_gets_a_letter_that_says_so(door: Door) -> None:
    door.ask()
    door.press(door.letters()[0][0])
    door.clock.advance(timedelta(hours=2))

    door.ask(name="Somebody else")

    assert [kind for _, kind in door.letters()] == ["confirm", "already"]
    with door.database.read() as connection:
        assert connection.execute(select(subscribers.c.name)).scalar() is None


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_a_suppressed_address_gets_no_letter_by_the_form(
    door: Door, reason: SuppressionReason
) -> None:
    door.suppress(reason)

    door.ask()

    assert door.letters() == []


def test_confirming_a_letter_that_an_operator_sent_lifts_a_complaint(door: Door) -> None:
    door.suppress(SuppressionReason.COMPLAINT)
    request = JoinRequest(ADA, door.list_id, Origin("operator"))
    with door.database.write() as connection:
        invite_back(connection, request, KEYS, door.clock.now(), lifts=True)

    pressed = door.press(door.letters()[0][0])

    assert (pressed, door.status()) == (Joined.JOINED, "active")
    with door.database.read() as connection:
        assert suppression_of(connection, KEYS, ADA) is None


def test_a_complaint_after_the_operators_letter_stays(door: Door) -> None:
    request = JoinRequest(ADA, door.list_id, Origin("operator"))
    with door.database.write() as connection:
        invite_back(connection, request, KEYS, door.clock.now(), lifts=True)
    door.clock.advance(timedelta(minutes=1))
    door.suppress(SuppressionReason.COMPLAINT)

    assert door.press(door.letters()[0][0]) is Joined.REFUSED


def test_who_was_suppressed_after_asking_is_refused(door: Door) -> None:
    door.ask()
    door.suppress(SuppressionReason.COMPLAINT)

    assert door.press(door.letters()[0][0]) is Joined.REFUSED
    assert door.status() == "pending"


def test_an_address_gets_one_letter_an_hour_and_three_in_three_days(door: Door) -> None:
    for _ in range(5):
        door.ask()
        door.clock.advance(timedelta(minutes=10))
    waiting_once = len(door.letters())
    sent(door)
    written = []
    for _ in range(60):
        door.clock.advance(timedelta(hours=2))
        before = len(door.letters())
        door.ask()
        sent(door)
        if len(door.letters()) > before:
            written.append(door.clock.now())

    assert waiting_once == 1
    # Within any three days there are three; and whenever there were, the next one comes.
    assert len(door.letters()) == 6
    assert all(
        later - first >= timedelta(days=3)
        for first, later in zip(written, written[3:], strict=False)
    )


def sent(door: Door) -> None:
    """Let all letters be sent."""
    with door.database.write() as connection:
        connection.execute(letters.update().values(state=7))


def test_addresses_of_one_mailbox_share_the_limit_and_stay_subscribers_of_their_own(
    door: Door,
) -> None:
    same = [parse_address(f"{one}@gmail.com") for one in ("a.da", "ada+x", "ADA", "ad.a+y")]
    for address in (*same, ADA):
        door.ask(address)
        sent(door)
        door.clock.advance(timedelta(hours=2))

    assert len(door.letters()) == 4
    assert [door.status(address) for address in same] == ["pending"] * 4


def test_who_never_confirmed_and_is_forgotten_begins_anew(door: Door) -> None:
    for _ in range(3):
        door.ask()
        sent(door)
        door.clock.advance(timedelta(hours=2))
    with door.database.write() as connection:
        forget(connection, find_subscriber(connection, ADA).id)

    door.ask()

    assert len(door.letters()) == 1
    assert door.status() == "pending"


def test_a_clock_that_ran_ahead_does_not_keep_letters_back(door: Door) -> None:
    door.clock.advance(timedelta(days=400))
    for _ in range(3):
        door.ask()
        sent(door)
        door.clock.advance(timedelta(hours=2))
    door.clock.advance(timedelta(days=-400))

    door.ask()

    with door.database.read() as connection:
        due = connection.execute(
            select(letters.c.not_before).order_by(letters.c.id.desc()).limit(1)
        ).scalar_one()
    assert len(door.letters()) == 4
    assert due is None


def test_a_second_list_within_the_hour_is_put_off_and_not_lost(door: Door) -> None:
    from newsletter.audience.lists import create_list

    door.ask()
    with door.database.write() as connection:
        weekly = create_list(
            connection,
            door.clock.now(),
            name="weekly",
            title="Weekly",
            base_url="https://news.example.org",
            actor="test",
        )
        request = JoinRequest(ADA, weekly.id, FORM)
        ask_to_join(connection, request, KEYS, door.clock.now(), LetterLimits())
        due = connection.execute(
            select(letters.c.not_before).order_by(letters.c.id.desc()).limit(1)
        ).scalar_one()

    assert due == door.clock.now() + timedelta(hours=1)


def test_undoing_a_leaving_is_a_new_consent_and_works_once(door: Door) -> None:
    door.ask()
    door.press(door.letters()[0][0])
    door.clock.advance(timedelta(days=3))
    left = door.leave()
    door.clock.advance(timedelta(minutes=5))
    with door.database.write() as connection:
        first = undo_leaving(connection, left, KEYS, door.clock.now(), Origin("page"))
        second = undo_leaving(connection, left, KEYS, door.clock.now(), Origin("page"))

    assert (first, second, door.status()) == (True, False, "active")
    assert door.acts() == ["requested", "granted", "withdrawn", "granted"]


def test_undoing_is_over_after_an_hour_and_never_beats_a_suppression(door: Door) -> None:
    door.ask()
    door.press(door.letters()[0][0])
    left = door.leave()
    door.suppress(SuppressionReason.COMPLAINT)
    with door.database.write() as connection:
        suppressed = undo_leaving(connection, left, KEYS, door.clock.now(), Origin("page"))
        late = door.clock.now() + timedelta(hours=1, seconds=2)
        too_late = undo_leaving(connection, left, KEYS, late, Origin("page"))

    assert (suppressed, too_late, door.status()) == (False, False, "unsubscribed")
