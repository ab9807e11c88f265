"""Letters on their way: who gets them, when not, and what becomes of each."""

from __future__ import annotations

import email
import email.policy
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.builders import KEYS
from tests.fakes.provider import ScriptedProvider, in_smtp
from tests.integration.delivery.letter_stage import FORM, NEWCOMER, LetterStage

from newsletter.audience.address import parse_address
from newsletter.audience.joining import Joined, confirm_joining
from newsletter.audience.preferences import may_manage
from newsletter.audience.privacy import erase, forget
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.audience.suppressions import SuppressionReason, suppression_of
from newsletter.audience.tokens import Purpose, TokenClaims
from newsletter.clock import SettableClock
from newsletter.delivery.domains import hold_domain
from newsletter.delivery.invariants import verify_invariants
from newsletter.delivery.letter_claims import claim_letter, letter_delivery, letter_number
from newsletter.delivery.letter_reports import list_letters, look_at_letters
from newsletter.delivery.letters import Delivered
from newsletter.delivery.states import DeliveryState
from newsletter.errors import ConfigurationError, ProviderError, TryAgainLater
from newsletter.providers.base import (
    AccountProblem,
    Envelope,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)
from newsletter.providers.outbox import Outbox
from newsletter.settings import Settings
from newsletter.storage.tables import letters

S = DeliveryState


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[LetterStage]:
    made = LetterStage(tmp_path, clock)
    yield made
    made.database.close()


@pytest.fixture
def outbox(stage: LetterStage) -> Outbox:
    return Outbox(stage.folder / "outbox", stage.clock)


def deliver(stage: LetterStage, provider: Provider, settings: Settings | None = None) -> Delivered:
    return stage.carrier(provider, settings).deliver_due()


def written(stage: LetterStage) -> list[EmailMessage]:
    """Read what lies in the outbox, by whom it is to."""
    found = []
    for path in (stage.folder / "outbox").rglob("*.eml"):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        found.append(message)
    return sorted(found, key=lambda m: m["Date"].datetime)


def link_in(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return next(line for line in body.get_content().splitlines() if "://" in line)


def claims_in(stage: LetterStage, message: EmailMessage, purpose: Purpose) -> TokenClaims:
    claims = stage.signer.read(purpose, link_in(message).rpartition("/")[2])
    assert claims is not None
    return claims


def left_behind(stage: LetterStage, *, lease: timedelta = timedelta(minutes=10)) -> None:
    """Claim a letter as a carrier does that is killed before it records anything."""
    with stage.database.write(durable=True) as connection:
        claim_letter(connection, KEYS, stage.clock.now(), lease=lease, held_until=None)


# ------------------------------------------------------------ what goes out


def test_the_letter_of_a_newcomer_holds_a_link_that_confirms(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.ask(NEWCOMER)

    done = deliver(stage, outbox)

    [message] = written(stage)
    claims = claims_in(stage, message, Purpose.CONFIRM)
    with stage.database.write() as connection:
        joined = confirm_joining(connection, claims, KEYS, stage.clock.now(), FORM)
    assert done.counts == {"accepted": 1}
    assert joined is Joined.JOINED
    assert link_in(message).startswith("https://news.example.org/c/")
    assert message["To"] == NEWCOMER
    assert message["Subject"] == "Confirm your subscription to Daily"
    assert message["Auto-Submitted"] == "auto-generated"
    assert not [name for name in message if name.lower().startswith("list-")]
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "text/html",
    ]


def test_a_letter_speaks_the_readers_language(stage: LetterStage, outbox: Outbox) -> None:
    stage.ask(NEWCOMER, language="de")

    deliver(stage, outbox)

    [message] = written(stage)
    assert str(message["Subject"]).startswith("Bitte bestätigen")


def test_who_is_on_the_list_is_told_so_with_the_links_to_change_that(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.join("reader@example.org")
    stage.ask("reader@example.org")

    deliver(stage, outbox)

    [message] = written(stage)
    claims = claims_in(stage, message, Purpose.PREFERENCES)
    assert message["Subject"] == "You are subscribed to Daily already"
    assert claims == TokenClaims(1, stage.list_id)


def test_a_change_of_address_writes_to_the_new_one_and_then_to_the_old(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.join("old@example.org")
    stage.change_address("old@example.org", "new@example.net")
    deliver(stage, outbox)
    [asked] = written(stage)
    stage.later(seconds=5)

    moved = stage.confirm_new(claims_in(stage, asked, Purpose.NEW_ADDRESS))
    deliver(stage, outbox)

    told = written(stage)[1]
    body = told.get_body(("plain",))
    assert moved
    assert (asked["To"], told["To"]) == ("new@example.net", "old@example.org")
    assert link_in(asked).startswith("https://news.example.org/n/")
    assert body is not None
    assert "n…@example.net" in body.get_content()
    assert "new@example.net" not in body.get_content()
    assert "://" not in body.get_content()


def test_who_asks_for_it_gets_a_link_to_manage_everything(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.join("reader@example.org")
    stage.ask_for_link("reader@example.org")

    deliver(stage, outbox)

    [message] = written(stage)
    claims = claims_in(stage, message, Purpose.MANAGE)
    with stage.database.read() as connection:
        opens = may_manage(connection, claims, stage.clock.now(), to_act=False)
    assert (message["To"], message["Subject"]) == (
        "reader@example.org",
        "Your link to manage Daily",
    )
    assert link_in(message).startswith("https://news.example.org/m/")
    assert opens


def test_what_was_written_before_a_change_of_address_is_not_sent_after_it(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.join("old@example.org")
    for new in ("first@example.net", "second@example.net"):
        stage.change_address("old@example.org", new)
    first, second = stage.rows()
    with stage.database.write() as connection:
        connection.execute(
            letters.update().where(letters.c.id == second.id).values(not_before=stage.clock.now())
        )
    stage.ask_for_link("old@example.org")
    assert stage.confirm_new(TokenClaims(1, stage.list_id, first.id))

    deliver(stage, outbox)

    assert [(kind, reason) for kind, state, reason in stage.states() if state == S.SKIPPED] == [
        ("new_address", "answered"),
        ("new_address", "moved"),
        ("manage", "moved"),
    ]
    assert [message["To"] for message in written(stage)] == ["old@example.org"]


def test_links_in_letters_to_a_new_address_are_of_that_address(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.join("old@example.org")
    stage.change_address("old@example.org", "new@example.net")
    assert stage.confirm_new(TokenClaims(1, stage.list_id, stage.rows()[0].id))
    stage.later(hours=2)
    stage.ask("new@example.net")

    deliver(stage, outbox)

    [already] = [message for message in written(stage) if message["To"] == "new@example.net"]
    claims = claims_in(stage, already, Purpose.PREFERENCES)
    assert (claims.subscriber, claims.list_id) == (1, stage.list_id)
    assert claims.epoch == stage.rows()[-1].address_epoch > 0


def test_letters_are_no_campaign(stage: LetterStage, outbox: Outbox) -> None:
    stage.ask(NEWCOMER)

    deliver(stage, outbox)

    with stage.database.read() as connection:
        for table in ("campaigns", "deliveries", "attempts"):
            count = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            assert count == 0, table


def test_the_hour_between_two_letters_is_kept(stage: LetterStage, outbox: Outbox) -> None:
    stage.ask(NEWCOMER)
    deliver(stage, outbox)
    stage.later(minutes=10)
    stage.ask(NEWCOMER)

    too_early = deliver(stage, outbox)
    stage.later(minutes=50)
    in_time = deliver(stage, outbox)

    assert not too_early.counts
    assert in_time.counts["accepted"] == 1
    assert len(written(stage)) == 2


# ------------------------------------------------------------ what does not


def test_a_suppression_after_the_asking_is_seen_by_the_claim(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.ask(NEWCOMER)
    stage.suppress(NEWCOMER, SuppressionReason.COMPLAINT)

    deliver(stage, outbox)

    assert stage.states() == [("confirm", S.SKIPPED, "suppressed")]
    assert written(stage) == []


def test_an_operators_letter_goes_to_who_was_suppressed_before_it(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.suppress("a@example.org", SuppressionReason.COMPLAINT)
    stage.later(minutes=1)
    stage.invite("a@example.org")
    stage.invite("b@example.org")
    stage.later(minutes=1)
    stage.suppress("b@example.org", SuppressionReason.COMPLAINT)

    deliver(stage, outbox)

    assert [state for _, state, _ in stage.states()] == [S.ACCEPTED, S.SKIPPED]
    assert [message["To"] for message in written(stage)] == ["a@example.org"]


def test_who_confirmed_left_or_was_forgotten_meanwhile_gets_none(
    stage: LetterStage, outbox: Outbox
) -> None:
    for name in ("confirms", "leaves", "goes"):
        stage.ask(f"{name}@example.org")
    stage.later(minutes=1)
    stage.join("confirms@example.org")
    with stage.database.write() as connection:
        leaver = find_subscriber(connection, parse_address("leaves@example.org"))
        unsubscribe(connection, leaver.id, None, stage.clock.now(), FORM)
        forget(connection, find_subscriber(connection, parse_address("goes@example.org")).id)

    deliver(stage, outbox)

    reasons = [reason for _, state, reason in stage.states() if state == S.SKIPPED]
    assert reasons == ["on the list", "unsubscribed"]
    assert len(stage.rows()) == 2
    assert written(stage) == []


def test_an_erased_reader_leaves_no_letter(stage: LetterStage, outbox: Outbox) -> None:
    stage.ask(NEWCOMER)
    with stage.database.write() as connection:
        subscriber = find_subscriber(connection, parse_address(NEWCOMER)).id
        erase(connection, subscriber, KEYS, stage.clock.now(), actor="test")

    deliver(stage, outbox)

    assert stage.rows() == []
    assert written(stage) == []


def test_a_letter_whose_link_is_over_is_not_sent(stage: LetterStage, outbox: Outbox) -> None:
    stage.ask(NEWCOMER)
    stage.later(days=7)

    done = deliver(stage, outbox)

    assert done.counts == {"expired": 1}
    assert stage.states() == [("confirm", S.EXPIRED, None)]


def test_a_held_domain_is_left_alone_until_its_hold_ends(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.join("reader@example.net")
    campaign = stage.freeze()
    with stage.database.write() as connection:
        hold_domain(
            connection,
            "example.org",
            duration=timedelta(hours=1),
            reason="421",
            campaign=campaign,
            at=stage.clock.now(),
        )
    stage.ask(NEWCOMER)

    held = deliver(stage, outbox)
    states = stage.states()
    stage.later(hours=1)
    freed = deliver(stage, outbox)

    assert held.counts["deferred"] == 1
    assert states == [("confirm", S.DEFERRED, "domain held")]
    assert freed.counts["accepted"] == 1


# ------------------------------------------------------------ answers


def test_a_refused_address_is_suppressed_at_once(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    refusing = ScriptedProvider(
        lambda _envelope: OutcomeKind.REJECTED_RECIPIENT,
        answer=in_smtp(f"550 5.1.1 <{NEWCOMER}> unknown"),
    )

    deliver(stage, refusing)

    [row] = stage.rows()
    with stage.database.read() as connection:
        reason = suppression_of(connection, KEYS, parse_address(NEWCOMER))
    assert (row.state, row.reason, reason) == (S.REJECTED, "hard", "hard_bounce")
    assert NEWCOMER not in row.answer, "an answer outlives a forgotten reader"


def test_a_deferred_letter_is_tried_again_with_the_same_name(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    kinds = iter([OutcomeKind.DEFERRED, OutcomeKind.ACCEPTED])
    provider = ScriptedProvider(lambda _envelope: next(kinds))

    first = deliver(stage, provider)
    at_once = deliver(stage, provider)
    stage.later(minutes=10)
    later = deliver(stage, provider)

    assert first.counts["deferred"] == later.counts["accepted"] == 1
    assert not at_once.counts
    assert len({envelope.delivery for envelope in provider.handed}) == 1
    assert len(provider.handed) == 2


def test_a_message_that_is_refused_three_times_is_given_up(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    provider = ScriptedProvider(lambda _envelope: OutcomeKind.REJECTED_MESSAGE)

    for _ in range(5):
        deliver(stage, provider)
        stage.later(hours=3)

    assert stage.states() == [("confirm", S.REJECTED, "message")]
    assert len(provider.handed) == 3


@pytest.mark.parametrize(
    ("second", "state", "reason"),
    [(OutcomeKind.ACCEPTED, S.ACCEPTED, None), (OutcomeKind.UNKNOWN, S.UNKNOWN, "retried")],
)
def test_a_lost_answer_is_waited_for_and_the_letter_sent_once_more(
    stage: LetterStage, second: OutcomeKind, state: DeliveryState, reason: str | None
) -> None:
    stage.ask(NEWCOMER)
    kinds = iter([OutcomeKind.UNKNOWN, second])
    provider = ScriptedProvider(lambda _envelope: next(kinds))

    for _ in range(6):
        deliver(stage, provider)
        stage.later(minutes=4)

    assert stage.states() == [("confirm", state, reason)]
    assert len({envelope.delivery for envelope in provider.handed}) == 1
    assert len(provider.handed) == 2, "at most once more, whatever comes of it"


def test_a_killed_carrier_leaves_its_letter_to_the_next_one_after_the_lease(
    stage: LetterStage,
) -> None:
    stage.ask(NEWCOMER)
    left_behind(stage)
    provider = ScriptedProvider()

    within = deliver(stage, provider)
    stage.later(minutes=11)
    after = deliver(stage, provider)

    assert not within.counts
    assert after.counts["accepted"] == 1
    assert len(provider.handed) == 1


def test_a_carrier_killed_twice_makes_a_letter_unknown_for_good(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    provider = ScriptedProvider()
    left_behind(stage)
    stage.later(minutes=11)
    stage.carrier(ScriptedProvider()).deliver_due(_set())
    left_behind(stage)
    stage.later(minutes=11)

    for _ in range(3):
        deliver(stage, provider)
        stage.later(hours=1)

    assert stage.states() == [("confirm", S.UNKNOWN, "retried")]
    assert provider.handed == []


def test_the_outbox_proves_that_a_killed_carriers_letter_left(
    stage: LetterStage, outbox: Outbox
) -> None:
    stage.ask(NEWCOMER)
    deliver(stage, outbox)
    with stage.database.write() as connection:
        connection.execute(
            text("UPDATE letters SET state = 1, settled_at = NULL, lease_until = :at"),
            {"at": "2026-11-24 06:00:00.000000"},
        )
    stage.later(minutes=11)

    deliver(stage, outbox)

    assert stage.states() == [("confirm", S.ACCEPTED, "evidence")]
    assert len(written(stage)) == 1


def test_a_late_answer_proves_a_lost_letter_and_changes_no_other(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    rival = ScriptedProvider()

    def slow(_envelope: Envelope) -> OutcomeKind:
        stage.later(minutes=11)
        # Another carrier finds the claim dead; its retry is not due for a stop comes first.
        stage.carrier(rival).deliver_due(_set())
        return OutcomeKind.ACCEPTED

    deliver(stage, ScriptedProvider(slow))
    deliver(stage, rival)

    assert stage.states() == [("confirm", S.ACCEPTED, "evidence")]
    assert rival.handed == []


# ------------------------------------------------------------ the provider is away


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (AccountProblem("the key is wrong", fix="make a new one"), ProviderError),
        (Unavailable("nobody answers", retry_after=60), TryAgainLater),
    ],
)
def test_what_keeps_all_letters_from_leaving_is_told_and_nobody_is_lost(
    stage: LetterStage, problem: Exception, kind: type[Exception]
) -> None:
    def refuse(_envelope: Envelope) -> OutcomeKind:
        raise problem

    for number in range(3):
        stage.ask(f"n{number}@example.org")
    working = ScriptedProvider()

    stopped = deliver(stage, ScriptedProvider(refuse))
    with stage.database.read() as connection:
        first = list_letters(connection)[-1]
        health = look_at_letters(connection, stage.clock.now())
    stage.later(minutes=3)
    done = deliver(stage, working)

    assert isinstance(stopped.problem, kind)
    assert stopped.blocked
    assert stopped.counts["pending"] == 1, "the second is not tried"
    assert (first.state, first.reason) == ("pending", "not sent")
    assert str(problem) in str(first.answer)
    assert first.address == "n…@example.org"
    assert not health[0].ok
    assert str(problem) in health[0].detail
    assert done.counts["accepted"] == 3
    assert all(row.tries == 0 for row in stage.rows())


def test_settings_with_which_nothing_may_leave_are_told(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    unsafe = stage.settings(sender={"from_email": ""})
    provider = ScriptedProvider()

    done = deliver(stage, provider, unsafe)
    stage.later(minutes=3)
    deliver(stage, provider)

    assert isinstance(done.problem, ConfigurationError)
    assert not done.blocked
    assert len(provider.handed) == 1


def test_a_stop_ends_the_round_before_the_next_letter(stage: LetterStage) -> None:
    stop = threading.Event()

    def last(_envelope: Envelope) -> OutcomeKind:
        stop.set()
        return OutcomeKind.ACCEPTED

    for number in range(3):
        stage.ask(f"n{number}@example.org")

    done = stage.carrier(ScriptedProvider(last)).deliver_due(stop)

    assert done.counts["accepted"] == 1
    assert [state for _, state, _ in stage.states()] == [S.ACCEPTED, S.PENDING, S.PENDING]


def test_a_crash_in_the_middle_leaves_a_row_that_is_true(stage: LetterStage) -> None:
    class Crashing(ScriptedProvider):
        def answer_badly(self, envelope: Envelope, _kind: OutcomeKind) -> Outcome:
            raise KeyboardInterrupt(str(envelope.delivery))

    provider = Crashing()
    provider.answer = provider.answer_badly
    stage.ask(NEWCOMER)

    with pytest.raises(KeyboardInterrupt):
        deliver(stage, provider)

    assert stage.states() == [("confirm", S.UNKNOWN, "no answer")]


# ------------------------------------------------------------ many at once


def test_two_carriers_at_once_send_each_letter_once(stage: LetterStage) -> None:
    for number in range(30):
        stage.ask(f"n{number}@example.org")
    providers = [ScriptedProvider(), ScriptedProvider()]
    threads = [threading.Thread(target=deliver, args=(stage, p)) for p in providers]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    handed = sorted(e.address for provider in providers for e in provider.handed)
    assert handed == sorted(f"n{number}@example.org" for number in range(30))
    assert {state for _, state, _ in stage.states()} == {S.ACCEPTED}


def test_letters_go_out_while_a_campaign_is_being_sent(stage: LetterStage) -> None:
    for number in range(1, 6):
        stage.join(f"reader{number}@example.org")
    campaign = stage.freeze()
    stage.ask(NEWCOMER)
    post = ScriptedProvider()

    def meanwhile(_envelope: Envelope) -> OutcomeKind:
        deliver(stage, post)
        return OutcomeKind.ACCEPTED

    stage.sender(ScriptedProvider(meanwhile)).run(campaign)

    assert [envelope.address for envelope in post.handed] == [NEWCOMER]
    assert stage.totals(campaign) == {"accepted": 5}


# ------------------------------------------------------------ names and invariants


def test_a_letters_name_gives_its_number_back_and_is_never_used_twice(
    stage: LetterStage, clock: SettableClock
) -> None:
    name = letter_delivery(17, clock.now())

    assert letter_number(name) == 17
    assert name.campaign == 0
    assert len(str(name.subscriber)) <= 18
    assert name == letter_delivery(17, clock.now())
    # A restored backup gives the number anew, at a later time.
    assert name != letter_delivery(17, clock.now() + timedelta(seconds=1))


def broken(stage: LetterStage) -> dict[str, tuple[str, ...]]:
    found = verify_invariants(stage.database, KEYS, stage.clock.now())
    return {verdict.name: verdict.examples for verdict in found if not verdict.ok}


def test_verify_is_content_with_what_letters_leave(stage: LetterStage) -> None:
    stage.join("reader@example.org")
    for address in ("reader@example.org", NEWCOMER, "a@example.org"):
        stage.ask(address)
    stage.suppress("a@example.org", SuppressionReason.MANUAL)
    deliver(stage, ScriptedProvider())
    stage.later(hours=2)
    stage.suppress(NEWCOMER, SuppressionReason.COMPLAINT)

    assert broken(stage) == {}


def test_verify_names_a_claim_that_outlived_its_lease(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    left_behind(stage)

    within = broken(stage)
    stage.later(minutes=11)

    assert within == {}
    assert broken(stage) == {"I5": ("letter 1",)}


def test_verify_names_a_letter_that_went_to_somebody_suppressed(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    deliver(stage, ScriptedProvider())
    stage.later(hours=1)
    stage.suppress(NEWCOMER, SuppressionReason.COMPLAINT)
    with stage.database.write() as connection:
        connection.execute(text("UPDATE letters SET settled_at = '2026-11-24 12:00:00.000000'"))

    assert broken(stage) == {"I3": ("letter 1",)}
