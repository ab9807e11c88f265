"""`newsletter verify` on real databases: what the program writes holds, what breaks it is named."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.audience.suppression_files import import_suppressions
from newsletter.audience.suppressions import (
    SuppressionReason,
    add_suppression,
)
from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.bounce_classes import BUILT_IN
from newsletter.delivery.campaigns import change_status
from newsletter.delivery.invariants import Verdict, verify_invariants
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.resolving import decide_unknown
from newsletter.delivery.suppression_replies import reply_reader
from newsletter.errors import DeliveryError
from newsletter.providers.base import DeliveryId, Envelope, Outcome, OutcomeKind

HOUR = timedelta(hours=1)
WORKER = ledger.Worker("a-worker", "a-boot", timedelta(minutes=10))


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Stage:
    return Stage(tmp_path, clock)


@pytest.fixture
def sent(stage: Stage) -> Stage:
    """A stage whose campaign 1 was accepted for all five readers."""
    stage.sender(ScriptedProvider(batch_limit=2)).run(stage.freeze())
    return stage


def verdicts(stage: Stage, campaign: int | None = None) -> dict[str, Verdict]:
    found = verify_invariants(stage.database, KEYS, stage.clock.now(), campaign=campaign)
    return {verdict.name: verdict for verdict in found}


def broken(stage: Stage, campaign: int | None = None) -> dict[str, tuple[str, ...]]:
    """Return what does not hold, with the violations it names."""
    return {n: v.examples for n, v in verdicts(stage, campaign).items() if not v.ok}


def note(stage: Stage, name: str) -> str:
    return verdicts(stage)[name].note or ""


def tamper(stage: Stage, *statements: str) -> None:
    """Change the database behind the program's back."""
    with stage.database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def rebuild(stage: Stage, table: str, columns: str) -> None:
    """Copy a table into one without any key, as a careless restore does."""
    tamper(
        stage,
        "PRAGMA defer_foreign_keys = ON",
        f"CREATE TABLE copied AS SELECT {columns} FROM {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE copied RENAME TO {table}",
    )


def leave(stage: Stage, address: str) -> None:
    with stage.database.write() as connection:
        reader = find_subscriber(connection, parse_address(address))
        unsubscribe(connection, reader.id, None, stage.clock.now(), Origin("one-click"))


def suppress(stage: Stage, address: str) -> None:
    with stage.database.write() as connection:
        add_suppression(
            connection,
            KEYS,
            parse_address(address),
            SuppressionReason.MANUAL,
            stage.clock.now(),
            actor="test",
        )


def test_all_eight_are_told_in_their_order_and_hold_for_what_the_program_writes(
    sent: Stage,
) -> None:
    found = verify_invariants(sent.database, KEYS, sent.clock.now())

    assert [verdict.name for verdict in found] == [f"I{number}" for number in range(1, 9)]
    assert all(verdict.ok and verdict.says for verdict in found)


def test_an_empty_database_holds(tmp_path: Path, clock: SettableClock) -> None:
    assert broken(Stage(tmp_path, clock, readers=0)) == {}


def test_every_kind_of_outcome_holds(tmp_path: Path, clock: SettableClock) -> None:
    stage = Stage(tmp_path, clock, readers=len(OutcomeKind))
    kinds = iter([kind for kind in OutcomeKind if kind is not OutcomeKind.NOT_SENT])

    def each(_envelope: Envelope) -> OutcomeKind:
        return next(kinds, OutcomeKind.ACCEPTED)

    stage.sender(ScriptedProvider(each)).run(stage.freeze())
    stage.clock.advance(HOUR)

    assert {"unknown", "deferred", "rejected"} <= stage.totals(1).keys()
    assert broken(stage) == {}


def test_a_campaign_that_is_cancelled_half_way_holds(stage: Stage) -> None:
    campaign = stage.freeze()
    batch = stage.claim(campaign, WORKER, limit=2)
    assert batch is not None
    change_status(stage.database, campaign, "cancel", stage.clock.now(), actor="test")

    assert broken(stage) == {}
    assert stage.totals(campaign) == {"claimed": 2, "skipped": 3}


def test_a_row_that_vanished_is_named(sent: Stage) -> None:
    tamper(sent, "DELETE FROM deliveries WHERE subscriber_id = 4")

    assert broken(sent) == {"I1": ("campaign 1",)}
    assert "1 has 4 rows for 5 recipients" in note(sent, "I1")


def test_a_state_that_does_not_exist_is_named(sent: Stage) -> None:
    tamper(sent, "UPDATE deliveries SET state = 11 WHERE subscriber_id = 3")

    assert broken(sent) == {"I1": ("1-3",)}


@pytest.mark.parametrize("state", [0, 2])
def test_a_sent_campaign_with_deliveries_that_wait_is_named(sent: Stage, state: int) -> None:
    tamper(sent, f"UPDATE deliveries SET state = {state} WHERE subscriber_id IN (2, 5)")

    assert broken(sent) == {"I1": ("1-2", "1-5")}


def test_a_sent_campaign_with_a_claim_is_named(sent: Stage) -> None:
    tamper(
        sent,
        "UPDATE attempts SET finished_at = NULL WHERE id = 1",
        "UPDATE deliveries SET state = 1 WHERE subscriber_id = 1",
    )

    assert broken(sent) == {"I1": ("1-1",)}


def test_a_cancelled_campaign_with_deliveries_that_wait_is_named(stage: Stage) -> None:
    campaign = stage.freeze()
    change_status(stage.database, campaign, "cancel", stage.clock.now(), actor="test")
    tamper(stage, "UPDATE deliveries SET state = 0 WHERE subscriber_id = 2")

    assert broken(stage) == {"I1": ("1-2",)}


def test_a_finished_campaign_without_its_time_is_named(sent: Stage) -> None:
    tamper(sent, "UPDATE campaigns SET finished_at = NULL")

    assert broken(sent) == {"I1": ("campaign 1",)}


def test_a_ledger_without_its_key_is_named_and_so_is_who_is_in_it_twice(sent: Stage) -> None:
    rebuild(sent, "deliveries", "*")
    tamper(
        sent,
        "INSERT INTO deliveries SELECT * FROM deliveries WHERE subscriber_id = 2",
        "UPDATE campaigns SET recipients = 6",
        "UPDATE attempts SET size = 3 WHERE id = 1",
    )

    assert broken(sent) == {"I2": ("deliveries (campaign_id, subscriber_id)", "1-2")}


def test_a_late_answer_to_a_message_that_went_out_anew_is_told_and_is_no_violation(
    sent: Stage,
) -> None:
    tamper(
        sent,
        "INSERT INTO events (at, kind, campaign_id, subscriber_id, attempt_id) "
        "VALUES ('2026-11-24 06:00:00', 'late_accepted', 1, 5, 1)",
    )

    assert broken(sent) == {}
    assert note(sent, "I2").startswith("had twice")


def test_who_left_before_the_claim_and_was_skipped_is_no_violation(stage: Stage) -> None:
    campaign = stage.freeze()
    leave(stage, "reader2@example.org")
    suppress(stage, "reader3@example.org")
    stage.clock.advance(HOUR)
    stage.sender(ScriptedProvider()).run(campaign)

    assert stage.totals(campaign) == {"accepted": 3, "skipped": 2}
    assert broken(stage) == {}


def test_who_left_after_the_claim_or_in_the_same_instant_is_no_violation(sent: Stage) -> None:
    leave(sent, "reader1@example.org")
    suppress(sent, "reader2@example.org")
    sent.clock.advance(HOUR)
    leave(sent, "reader3@example.org")
    suppress(sent, "reader4@example.org")

    assert broken(sent) == {}


def test_who_was_claimed_given_back_and_then_left_is_no_violation(stage: Stage) -> None:
    campaign = stage.freeze()
    stage.sender(ScriptedProvider(lambda _e: OutcomeKind.DEFERRED)).run(campaign)
    stage.clock.advance(HOUR)
    leave(stage, "reader2@example.org")
    stage.sender(ScriptedProvider()).run(campaign)

    assert stage.totals(campaign) == {"accepted": 4, "skipped": 1}
    assert broken(stage) == {}


def test_who_left_and_came_back_is_no_violation(stage: Stage) -> None:
    leave(stage, "reader2@example.org")
    stage.clock.advance(HOUR)
    stage.join("reader2@example.org")
    stage.clock.advance(HOUR)
    stage.sender(ScriptedProvider()).run(stage.freeze())

    assert broken(stage) == {}


def test_a_claim_after_the_reader_had_left_is_named(sent: Stage) -> None:
    tamper(
        sent,
        "UPDATE memberships SET status = 'unsubscribed', changed_at = '2026-11-24 05:59:59.999999' "
        "WHERE subscriber_id IN (2, 4)",
    )

    assert broken(sent) == {"I3": ("1-2", "1-4")}


def test_a_claim_after_the_address_was_suppressed_is_named_without_the_address(
    sent: Stage,
) -> None:
    suppress(sent, "reader3@example.org")
    tamper(sent, "UPDATE suppressions SET at = '2026-11-24 05:00:00'")

    assert broken(sent) == {"I3": ("1-3",)}
    assert "@" not in note(sent, "I3")


def test_an_imported_suppression_takes_effect_when_it_is_imported(sent: Stage) -> None:
    file = sent.folder / "suppressions.csv"
    file.write_text("email,at\nreader3@example.org,2020-01-01T00:00:00Z\n", encoding="utf-8")
    sent.clock.advance(HOUR)
    reply = reply_reader(BUILT_IN)
    import_suppressions(sent.database, KEYS, file, sent.clock, actor="test", reply=reply)
    imported = broken(sent)
    tamper(sent, "UPDATE attempts SET claimed_at = '2026-11-24 08:00:00'")

    assert imported == {}
    assert broken(sent) == {"I3": ("1-3",)}


def test_an_import_does_not_excuse_what_was_suppressed_here_before(sent: Stage) -> None:
    suppress(sent, "reader3@example.org")
    tamper(sent, "UPDATE attempts SET claimed_at = '2026-11-24 06:30:00'")
    file = sent.folder / "suppressions.csv"
    file.write_text("email\nreader5@example.org\n", encoding="utf-8")
    sent.clock.advance(HOUR)
    reply = reply_reader(BUILT_IN)
    import_suppressions(sent.database, KEYS, file, sent.clock, actor="test", reply=reply)

    assert broken(sent) == {"I3": ("1-3",)}


def test_accepted_deliveries_without_an_attempt_are_named(sent: Stage) -> None:
    tamper(
        sent,
        "UPDATE deliveries SET attempt_id = NULL WHERE subscriber_id = 1",
        "UPDATE deliveries SET attempt_id = 99, state = 8 WHERE subscriber_id = 2",
        "UPDATE deliveries SET attempt_id = NULL, state = 10 WHERE subscriber_id = 3",
    )

    assert broken(sent) == {"I4": ("1-1", "1-2", "1-3")}


def test_an_event_is_evidence_too(sent: Stage) -> None:
    tamper(
        sent,
        "UPDATE deliveries SET attempt_id = NULL, state = 8 WHERE subscriber_id = 1",
        "INSERT INTO events (at, kind, campaign_id, subscriber_id, provider_event_id) "
        "VALUES ('2026-11-24 06:00:00', 'delivered', 1, 1, 'sg-1')",
    )

    assert broken(sent) == {}


def test_an_attempt_of_another_campaign_is_no_evidence(sent: Stage) -> None:
    sent.sender(ScriptedProvider()).run(sent.freeze(again=True))
    tamper(sent, "UPDATE deliveries SET attempt_id = 1 WHERE campaign_id = 2 AND subscriber_id = 5")

    found = broken(sent)

    assert found["I4"] == ("2-5",)
    assert found["I5"] == ("attempt 1",)


def test_an_operators_word_needs_its_audit_row_and_evidence_its_event(stage: Stage) -> None:
    campaign = stage.freeze()
    stage.sender(ScriptedProvider(lambda _e: OutcomeKind.UNKNOWN)).run(campaign)
    decide_unknown(
        stage.database, campaign, "accepted", stage.clock.now(), actor="test", only=[1, 2]
    )
    said = broken(stage)
    tamper(
        stage,
        "DELETE FROM audit_log WHERE action = 'campaign.resolve.accepted'",
        "UPDATE deliveries SET state = 7, reason = 'evidence' WHERE subscriber_id = 3",
    )

    assert said == {}
    assert broken(stage) == {"I4": ("1-1", "1-2", "1-3")}


def test_a_late_answer_that_explains_an_unknown_delivery_holds(stage: Stage) -> None:
    campaign = stage.freeze()
    batch = stage.claim(campaign, WORKER, limit=2)
    assert batch is not None
    stage.sender(ScriptedProvider()).run(campaign)
    outcomes = [Outcome(DeliveryId(campaign, 1), OutcomeKind.ACCEPTED, code=250, detail="ok")]
    ledger.record(stage.database, batch, outcomes, stage.clock.now(), jitter=0.5, provider="outbox")

    assert stage.totals(campaign) == {"accepted": 4, "unknown": 1}
    assert broken(stage) == {}


def test_a_batch_that_is_being_recorded_holds_and_is_told(stage: Stage) -> None:
    campaign = stage.freeze()
    batch = stage.claim(campaign, WORKER, limit=3)
    assert batch is not None
    outcomes = [Outcome(DeliveryId(campaign, 1), OutcomeKind.ACCEPTED)]
    ledger.record(stage.database, batch, outcomes, stage.clock.now(), jitter=0.5, provider="outbox")

    with sender_lock(stage.database):
        assert broken(stage) == {}
        assert note(stage, "I4") == "accepted deliveries in open batches on their way: 1"
        assert note(stage, "I5") == "claims on their way: 2"


def test_claims_of_a_dead_process_are_told_and_are_no_violation(stage: Stage) -> None:
    stage.claim(stage.freeze(), WORKER, limit=3)
    stage.clock.advance(HOUR)

    assert broken(stage) == {}
    assert note(stage, "I5") == (
        "claims of a process that ended: 3; the next send or resume settles them"
    )


def test_looking_does_not_keep_a_sender_from_its_lock(stage: Stage) -> None:
    stage.claim(stage.freeze(), WORKER, limit=3)

    verdicts(stage)

    with sender_lock(stage.database) as alone:
        assert alone


def test_claims_that_nothing_settles_are_named(stage: Stage) -> None:
    stage.claim(stage.freeze(), WORKER, limit=4)
    tamper(
        stage,
        "UPDATE attempts SET finished_at = claimed_at",
        "UPDATE deliveries SET attempt_id = 99 WHERE subscriber_id = 3",
        "UPDATE deliveries SET attempt_id = NULL WHERE subscriber_id = 4",
    )

    assert verdicts(stage)["I5"].violations == 4
    assert set(broken(stage)["I5"]) == {"1-1", "1-2", "1-3", "1-4"}


def test_unknown_deliveries_without_their_attempt_are_named(stage: Stage) -> None:
    stage.sender(ScriptedProvider(lambda _e: OutcomeKind.UNKNOWN)).run(stage.freeze())
    tamper(stage, "UPDATE deliveries SET attempt_id = NULL WHERE subscriber_id = 2")

    assert broken(stage) == {"I5": ("1-2",)}


def test_an_attempt_with_more_deliveries_than_it_claimed_is_named(sent: Stage) -> None:
    tamper(sent, "UPDATE deliveries SET attempt_id = 2")

    assert broken(sent) == {"I5": ("attempt 2",)}


def test_a_member_without_consent_is_named_by_number(stage: Stage) -> None:
    tamper(stage, "DELETE FROM consents WHERE subscriber_id = 2")

    assert broken(stage) == {"I6": ("subscriber 2 on list 1",)}


def test_events_without_their_key_are_named_and_so_is_one_that_is_there_twice(
    sent: Stage,
) -> None:
    rebuild(sent, "events", "*")
    event = "(id, at, kind, provider_event_id) VALUES ({}, '2026-11-24 06:00:00', 'open', 'sg-1')"
    tamper(sent, *(f"INSERT INTO events {event.format(number)}" for number in (8, 9)))

    assert broken(sent) == {"I7": ("events (provider_event_id)", "event 8")}


def test_a_late_answer_that_was_not_applied_or_is_kept_twice_is_named(stage: Stage) -> None:
    stage.sender(ScriptedProvider(lambda _e: OutcomeKind.UNKNOWN)).run(stage.freeze())
    late = "('2026-11-24 06:00:00', 'late_accepted', 1, {}, 1)"
    tamper(
        stage,
        "INSERT INTO events (at, kind, campaign_id, subscriber_id, attempt_id) VALUES "
        + ", ".join(late.format(subscriber) for subscriber in (2, 4, 4)),
        "UPDATE deliveries SET state = 7, reason = 'evidence' WHERE subscriber_id = 4",
    )

    assert set(broken(stage)["I7"]) == {"1-2", "1-4"}


def test_campaign_keys_count_without_holes(sent: Stage) -> None:
    sent.sender(ScriptedProvider()).run(sent.freeze(again=True))
    counted = broken(sent)
    tamper(sent, "UPDATE campaigns SET key = '1/2026-11-24/3' WHERE id = 2")

    assert counted == {}
    assert broken(sent) == {"I8": ("campaign 2",)}


def test_campaigns_without_their_key_are_named(sent: Stage) -> None:
    columns = "id, list_id, digest_id, key, status, recipients, edition_id"
    sent.sender(ScriptedProvider()).run(sent.freeze(again=True))
    tamper(sent, "PRAGMA writable_schema = OFF")
    with sent.database.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute(f"CREATE TABLE copied AS SELECT {columns}, finished_at FROM campaigns")
        raw.execute("DROP TABLE campaigns")
        raw.execute("ALTER TABLE copied RENAME TO campaigns")
        raw.execute("UPDATE campaigns SET key = '1/2026-11-24/1'")
        raw.execute("PRAGMA foreign_keys = ON")

    assert broken(sent) == {"I8": ("campaigns (key)", "campaign 2", "campaigns (edition_id)")}


def test_one_campaign_can_be_looked_at_alone(sent: Stage) -> None:
    second = sent.freeze(slug="2026-11-25", content_hash="another")
    sent.sender(ScriptedProvider()).run(second)
    tamper(
        sent,
        "UPDATE deliveries SET state = 0 WHERE campaign_id = 1 AND subscriber_id = 2",
        "UPDATE campaigns SET key = '1/2026-11-24/7' WHERE id = 1",
    )

    assert broken(sent, 1).keys() == {"I1", "I8"}
    assert broken(sent, second) == {}
    with pytest.raises(DeliveryError, match="there is no campaign 9"):
        broken(sent, 9)


def test_only_the_first_few_of_many_are_named(tmp_path: Path, clock: SettableClock) -> None:
    stage = Stage(tmp_path, clock, readers=12)
    tamper(stage, "DELETE FROM consents")

    found = verdicts(stage)["I6"]

    assert (found.violations, len(found.examples)) == (12, 5)


def test_a_send_under_way_gives_no_false_alarm(tmp_path: Path, clock: SettableClock) -> None:
    stage = Stage(tmp_path, clock, readers=60)
    campaign = stage.freeze()
    seen: list[dict[str, tuple[str, ...]]] = []

    def look(envelope: Envelope) -> OutcomeKind:
        seen.append(broken(stage))
        if envelope.delivery.subscriber % 10 == 1:
            leave(stage, f"reader{envelope.delivery.subscriber + 8}@example.org")
        return OutcomeKind.ACCEPTED

    sender = threading.Thread(
        target=stage.sender(ScriptedProvider(look, batch_limit=7)).run, args=(campaign,)
    )
    sender.start()
    sender.join()

    assert len(seen) > 40
    assert [found for found in seen if found] == []
    assert broken(stage) == {}
