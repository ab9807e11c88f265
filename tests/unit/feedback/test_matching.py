"""Whose delivery a mail speaks of, and how well that is proven (D8)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from tests.builders import KEYS, Stage
from tests.fakes.returned_mail import (
    complaint,
    plain_mail,
    returned_headers,
    status_report,
)

from newsletter.audience.address import parse_address
from newsletter.audience.keys import Keys
from newsletter.audience.letters import LetterKind
from newsletter.audience.tokens import Purpose, TokenSigner
from newsletter.clock import SettableClock
from newsletter.delivery.ledger import Worker
from newsletter.delivery.letter_claims import letter_delivery
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.delivery.states import DeliveryState
from newsletter.feedback.bounces import parse_bounce
from newsletter.feedback.matching import Match, Matcher, Proof
from newsletter.providers.base import DeliveryId
from newsletter.storage.tables import letters, subscribers

SIGNER = TokenSigner(KEYS)
FORGER = Keys(("cd" * 32,), b"x" * 32)
BOUNCES = "bounces.example.org"


class Post:
    """A campaign that went out to five readers, and who matches what comes back."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.campaign = stage.freeze()
        worker = Worker("test", None, timedelta(minutes=10))
        stage.claim(self.campaign, worker, limit=10)
        for reader in range(1, 6):
            stage.set_state(self.campaign, reader, DeliveryState.ACCEPTED)
        with stage.database.read() as connection:
            row = connection.exec_driver_sql("SELECT message_id_salt FROM campaigns").first()
        assert row is not None
        self.salt = str(row[0])

    def path(self, reader: int, *, keys: Keys = KEYS) -> str:
        return ReturnPaths(keys, BOUNCES).of(DeliveryId(self.campaign, reader))

    def message_id(self, reader: int, *, salt: str = "") -> str:
        return f"<{reader}.{self.campaign}.{salt or self.salt}@news.example.org>"

    def token(self, reader: int, *, list_id: int = 0) -> str:
        return SIGNER.sign(Purpose.UNSUBSCRIBE, reader, list_id or self.stage.list_id)

    def match(self, mail: bytes) -> tuple[Match, ...]:
        with self.stage.database.read() as connection:
            return Matcher(KEYS, SIGNER).match(
                connection, parse_bounce(mail), self.stage.clock.now()
            )

    def only(self, mail: bytes) -> Match:
        (match,) = self.match(mail)
        return match

    def delivery(self, reader: int) -> DeliveryId:
        return DeliveryId(self.campaign, reader)


@pytest.fixture
def post(tmp_path: Path, clock: SettableClock) -> Post:
    return Post(Stage(tmp_path, clock))


def test_a_return_path_of_ours_proves_the_delivery(post: Post) -> None:
    match = post.only(status_report("reader2@example.org", to=post.path(2)))

    assert (match.proof, match.delivery) == (Proof.PROVEN, post.delivery(2))
    assert match.list_id == post.stage.list_id
    assert match.address == "reader2@example.org"


def test_a_return_path_of_another_key_proves_nothing(post: Post) -> None:
    match = post.only(status_report("reader2@example.org", to=post.path(2, keys=FORGER)))

    assert match.proof is Proof.ADDRESS


def test_a_signed_link_with_the_right_message_id_proves_the_delivery(post: Post) -> None:
    returned = returned_headers(message_id=post.message_id(3), token=post.token(3))

    match = post.only(status_report("reader3@example.org", returned=returned))

    assert (match.proof, match.delivery) == (Proof.PROVEN, post.delivery(3))


@pytest.mark.parametrize("salt", ["", "0" * 16])
def test_a_signed_link_alone_proves_the_reader_and_the_list(post: Post, salt: str) -> None:
    message_id = post.message_id(3, salt=salt) if salt else ""
    returned = returned_headers(message_id=message_id, token=post.token(3))

    match = post.only(status_report("reader3@example.org", returned=returned))

    assert (match.proof, match.delivery) == (Proof.PROVEN, None)
    assert (match.subscriber, match.list_id) == (3, post.stage.list_id)


def test_a_preferences_link_proves_nothing(post: Post) -> None:
    token = SIGNER.sign(Purpose.PREFERENCES, 3, post.stage.list_id)

    match = post.only(status_report("reader3@example.org", returned=returned_headers(token=token)))

    assert match.proof is Proof.ADDRESS


def test_a_message_id_counts_only_beside_its_readers_address(post: Post) -> None:
    returned = returned_headers(message_id=post.message_id(3))

    named = post.only(status_report("Reader3@EXAMPLE.org", returned=returned))
    other = post.only(status_report("reader4@example.org", returned=returned))
    stranger = post.only(status_report("stranger@example.org", returned=returned))

    assert (named.proof, named.delivery) == (Proof.NAMED, post.delivery(3))
    assert (other.proof, other.delivery) == (Proof.ADDRESS, post.delivery(4))
    assert stranger.proof is Proof.NONE


def test_a_message_id_with_a_wrong_salt_names_nobody(post: Post) -> None:
    returned = returned_headers(message_id=post.message_id(3, salt="f" * 16))

    assert post.only(status_report("reader3@example.org", returned=returned)).proof is Proof.ADDRESS


def test_an_address_alone_stands_for_its_newest_delivery_for_a_week(post: Post) -> None:
    mail = status_report("reader5@example.org")

    assert post.only(mail) == Match(
        Proof.ADDRESS,
        post.delivery(5),
        5,
        post.stage.list_id,
        "the address alone",
        post.stage.clock.now(),
        "reader5@example.org",
    )
    post.stage.clock.advance(timedelta(days=8))
    assert post.only(mail).proof is Proof.NONE


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.SKIPPED])
def test_an_address_does_not_stand_for_what_never_left(post: Post, state: DeliveryState) -> None:
    post.stage.set_state(post.campaign, 5, state)

    assert post.only(status_report("reader5@example.org")).proof is Proof.NONE


def test_proofs_that_contradict_each_other_prove_nothing(post: Post) -> None:
    for returned in (
        returned_headers(token=post.token(3)),
        returned_headers(message_id=post.message_id(3)),
        returned_headers(message_id=post.message_id(2, salt="0" * 16)),
        returned_headers(token=post.token(2, list_id=99)),
        f"Return-Path: <{post.path(3)}>\n" + returned_headers(),
    ):
        match = post.only(status_report("reader2@example.org", to=post.path(2), returned=returned))
        assert match.proof is Proof.NONE, returned


def test_a_proven_message_that_names_another_reader_leads_to_nobody(post: Post) -> None:
    assert post.only(status_report("reader4@example.org", to=post.path(2))).proof is Proof.NONE


def test_a_victim_named_beside_the_own_address_is_not_touched(post: Post) -> None:
    own, victim = post.match(
        status_report("reader2@example.org", "reader4@example.org", to=post.path(2))
    )
    original = post.only(
        status_report("reader4@example.org", original="reader2@example.org", to=post.path(2))
    )

    assert (own.delivery, victim.proof) == (post.delivery(2), Proof.NONE)
    assert (original.delivery, original.address) == (post.delivery(2), "reader2@example.org")


def test_mail_that_was_forwarded_is_still_the_readers(post: Post) -> None:
    match = post.only(status_report("elsewhere@forward.example.net", to=post.path(2)))

    assert (match.delivery, match.address) == (post.delivery(2), "reader2@example.org")


def test_of_several_strangers_nobody_can_tell_who_is_the_reader(post: Post) -> None:
    matches = post.match(status_report("a@one.example.net", "b@two.example.net", to=post.path(2)))

    assert [match.proof for match in matches] == [Proof.NONE, Proof.NONE]


def test_who_moved_since_is_not_held_to_what_their_old_address_says(post: Post) -> None:
    mail = status_report("reader2@example.org", to=post.path(2))
    now = post.stage.clock.now() + timedelta(hours=1)
    with post.stage.database.write() as connection:
        new = parse_address("new@example.net")
        connection.execute(
            update(subscribers)
            .where(subscribers.c.id == 2)
            .values(address=new.text, address_key=new.key, address_changed_at=now)
        )

    assert post.only(mail).proof is Proof.NONE
    named = post.only(status_report("new@example.net", to=post.path(2)))
    assert named.delivery == post.delivery(2)


def test_a_return_path_of_a_message_that_is_not_in_the_database_leads_to_nobody(
    post: Post,
) -> None:
    lost = ReturnPaths(KEYS, BOUNCES).of(DeliveryId(post.campaign + 7, 2))

    assert post.only(status_report("reader2@example.org", to=lost)).proof is Proof.NONE


def test_a_letter_is_proven_by_its_return_path(post: Post) -> None:
    now = post.stage.clock.now()
    with post.stage.database.write() as connection:
        number = connection.execute(
            insert(letters).values(
                kind=LetterKind.CONFIRM.value,
                subscriber_id=4,
                list_id=post.stage.list_id,
                address_hash="0" * 64,
                state=DeliveryState.ACCEPTED,
                created_at=now,
                expires_at=now + timedelta(days=7),
            )
        ).inserted_primary_key
    assert number is not None
    delivery = letter_delivery(number[0], now)
    path = ReturnPaths(KEYS, BOUNCES).of(delivery)

    match = post.only(status_report("reader4@example.org", to=path))
    other = ReturnPaths(KEYS, BOUNCES).of(letter_delivery(number[0], now - timedelta(days=1)))

    assert (match.proof, match.delivery, match.subscriber) == (Proof.PROVEN, delivery, 4)
    assert post.only(status_report("reader4@example.org", to=other)).proof is Proof.NONE


def test_a_complaint_that_hides_its_reader_is_proven_by_the_returned_link(post: Post) -> None:
    returned = returned_headers(message_id=post.message_id(1), token=post.token(1), to="redacted")

    assert post.only(complaint("", returned=returned)).delivery == post.delivery(1)


def test_a_mail_with_a_signed_link_as_its_subject_is_a_wish(post: Post) -> None:
    matcher = Matcher(KEYS, SIGNER)
    with post.stage.database.read() as connection:

        def wish(subject: str) -> Match | None:
            report = parse_bounce(plain_mail(subject, sender="other@example.net"))
            return matcher.match_wish(connection, report.subject_token)

        made = wish(post.token(3))
        forged = wish(TokenSigner(FORGER).sign(Purpose.UNSUBSCRIBE, 3, post.stage.list_id))
        preferences = wish(SIGNER.sign(Purpose.PREFERENCES, 3, post.stage.list_id))

        assert made is not None
        assert (made.proof, made.subscriber, made.list_id) == (
            Proof.PROVEN,
            3,
            post.stage.list_id,
        )
        assert forged is None
        assert preferences is None
        assert wish("unsubscribe") is None


def test_a_wish_in_mail_to_an_earlier_address_is_still_one(post: Post) -> None:
    with post.stage.database.write() as connection:
        connection.execute(subscribers.update().values(address_epoch=3))
    with post.stage.database.read() as connection:
        for epoch in (0, 2, 3):
            token = SIGNER.sign_links(3, post.stage.list_id, epoch)[0]
            report = parse_bounce(plain_mail(token, sender="other@example.net"))
            made = Matcher(KEYS, SIGNER).match_wish(connection, report.subject_token)
            assert made is not None
            assert made.subscriber == 3
