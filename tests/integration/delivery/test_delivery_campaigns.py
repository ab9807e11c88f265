"""Campaigns on a real database: frozen once, sent once, and every recipient accounted for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.campaigns import AlreadySent, change_status
from newsletter.delivery.flight import FlightLog, boot_id
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.resolving import decide_unknown, unknown_deliveries
from newsletter.delivery.states import CampaignStatus
from newsletter.errors import DeliveryError, ProviderError, TryAgainLater
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Outcome,
    OutcomeKind,
    Unavailable,
)
from newsletter.storage.tables import attempts, deliveries

K = OutcomeKind


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Stage:
    return Stage(tmp_path, clock)


def answers(**by_reader: OutcomeKind) -> Callable[[Envelope], OutcomeKind]:
    return lambda envelope: by_reader.get(envelope.address.split("@")[0], K.ACCEPTED)


def test_everybody_on_the_list_is_handed_over_once_and_the_campaign_is_sent(stage: Stage) -> None:
    provider = ScriptedProvider(batch_limit=2)
    campaign = stage.freeze()

    stage.sender(provider).run(campaign)

    assert sorted(e.address for e in provider.handed) == [
        f"reader{n}@example.org" for n in range(1, 6)
    ]
    assert stage.totals(campaign) == {"accepted": 5}
    assert stage.campaign(campaign).status is CampaignStatus.SENT


def test_a_second_send_of_the_same_digest_is_refused_and_again_makes_a_new_campaign(
    stage: Stage,
) -> None:
    first = stage.freeze()
    stage.sender(ScriptedProvider()).run(first)

    with pytest.raises(AlreadySent, match=r"was sent to 'daily' as campaign 1") as caught:
        stage.freeze()

    assert "--again" in str(caught.value.fix)
    assert stage.freeze(again=True) == first + 1


def test_a_cancelled_campaign_is_not_sent_anew_unasked(stage: Stage) -> None:
    campaign = stage.freeze()

    def cancel_at_once(_envelope: Envelope) -> OutcomeKind:
        change_status(stage.database, campaign, "cancel", stage.clock.now(), actor="test")
        return K.ACCEPTED

    stage.sender(ScriptedProvider(cancel_at_once, batch_limit=2)).run(campaign)

    with pytest.raises(AlreadySent, match="was cancelled"):
        stage.freeze()


def test_an_edited_digest_with_the_same_name_is_refused_too(stage: Stage) -> None:
    stage.freeze()

    with pytest.raises(AlreadySent, match="an earlier revision of '2026-11-24'"):
        stage.freeze(content_hash="another")


def test_an_empty_list_freezes_nothing(tmp_path: Path, clock: SettableClock) -> None:
    empty = Stage(tmp_path, clock, readers=0)

    with pytest.raises(DeliveryError, match="has no active subscribers"):
        empty.freeze()


def test_who_joins_after_the_freeze_is_not_in_the_campaign(stage: Stage) -> None:
    campaign = stage.freeze()
    stage.join("late@example.org")

    stage.sender(ScriptedProvider()).run(campaign)

    assert stage.campaign(campaign).recipients == 5
    assert stage.totals(campaign) == {"accepted": 5}


def test_unsubscribe_between_freeze_and_claim_is_skipped(stage: Stage) -> None:
    campaign = stage.freeze()
    provider = ScriptedProvider()
    with stage.database.write() as connection:
        leaver = find_subscriber(connection, parse_address("reader2@example.org"))
        unsubscribe(connection, leaver.id, None, stage.clock.now(), Origin("one-click"))

    stage.sender(provider).run(campaign)

    assert "reader2@example.org" not in {e.address for e in provider.handed}
    assert stage.totals(campaign) == {"accepted": 4, "skipped": 1}


def test_suppression_between_two_batches_is_skipped(stage: Stage) -> None:
    campaign = stage.freeze()

    def suppress_the_last(envelope: Envelope) -> OutcomeKind:
        if envelope.address == "reader1@example.org":
            with stage.database.write() as connection:
                add_suppression(
                    connection,
                    KEYS,
                    parse_address("reader5@example.org"),
                    SuppressionReason.COMPLAINT,
                    stage.clock.now(),
                    actor="test",
                )
        return K.ACCEPTED

    stage.sender(ScriptedProvider(suppress_the_last, batch_limit=2)).run(campaign)

    assert stage.totals(campaign) == {"accepted": 4, "skipped": 1}


def test_an_erased_subscriber_is_skipped_and_still_counted(stage: Stage) -> None:
    campaign = stage.freeze()
    with stage.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM subscribers WHERE id = 3")

    stage.sender(ScriptedProvider()).run(campaign)

    assert stage.totals(campaign) == {"accepted": 4, "skipped": 1}


def test_outcomes_become_states_and_the_campaign_stays_open_for_what_is_not_settled(
    stage: Stage,
) -> None:
    campaign = stage.freeze()
    script = answers(reader1=K.REJECTED_RECIPIENT, reader2=K.DEFERRED, reader3=K.UNKNOWN)

    stage.sender(ScriptedProvider(script)).run(campaign)

    assert stage.totals(campaign) == {"accepted": 2, "rejected": 1, "deferred": 1, "unknown": 1}
    assert stage.campaign(campaign).status is CampaignStatus.SENDING


def test_a_deferred_delivery_is_tried_again_when_it_is_due_and_not_before(stage: Stage) -> None:
    campaign = stage.freeze()
    stage.sender(ScriptedProvider(answers(reader2=K.DEFERRED))).run(campaign)
    early, late = ScriptedProvider(), ScriptedProvider()

    stage.sender(early).run(campaign)
    stage.clock.advance(timedelta(minutes=7))
    stage.sender(late).run(campaign)

    assert early.handed == []
    assert [e.address for e in late.handed] == ["reader2@example.org"]
    assert stage.campaign(campaign).status is CampaignStatus.SENT


def test_what_was_not_sent_by_expiry_is_expired(stage: Stage) -> None:
    campaign = stage.freeze()
    stage.sender(ScriptedProvider(answers(reader2=K.DEFERRED))).run(campaign)
    stage.clock.advance(timedelta(hours=13))

    stage.sender(ScriptedProvider()).run(campaign)

    assert stage.totals(campaign) == {"accepted": 4, "expired": 1}
    assert stage.campaign(campaign).status is CampaignStatus.SENT


def test_an_account_problem_pauses_the_campaign_and_loses_nobody(stage: Stage) -> None:
    campaign = stage.freeze()

    def refuse_from_the_third(envelope: Envelope) -> OutcomeKind:
        if envelope.delivery.subscriber >= 3:
            raise AccountProblem("the key is wrong")
        return K.ACCEPTED

    with pytest.raises(ProviderError, match="campaign 1 is paused, nobody was lost"):
        stage.sender(ScriptedProvider(refuse_from_the_third)).run(campaign)

    assert stage.totals(campaign) == {"accepted": 2, "pending": 3}
    assert stage.campaign(campaign).status is CampaignStatus.PAUSED
    assert stage.campaign(campaign).status_reason == "the key is wrong"


def test_a_provider_that_stays_away_ends_in_try_again_with_everybody_pending(
    stage: Stage,
) -> None:
    campaign = stage.freeze()

    def away(_envelope: Envelope) -> OutcomeKind:
        raise Unavailable("nobody answers", retry_after=1)

    with pytest.raises(TryAgainLater, match="is unfinished, nobody was lost"):
        stage.sender(ScriptedProvider(away)).run(campaign)

    assert stage.totals(campaign) == {"pending": 5}


def test_refusals_of_the_message_itself_pause_and_reject_nobody(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock, readers=8)
    campaign = stage.freeze()

    with pytest.raises(ProviderError, match="refused the message 5 times in a row"):
        stage.sender(ScriptedProvider(lambda _e: K.REJECTED_MESSAGE)).run(campaign)

    assert stage.totals(campaign) == {"deferred": 5, "pending": 3}


def test_bad_recipients_alone_never_pause(stage: Stage) -> None:
    campaign = stage.freeze()

    stage.sender(ScriptedProvider(lambda _e: K.REJECTED_RECIPIENT)).run(campaign)

    assert stage.campaign(campaign).status is CampaignStatus.SENT
    assert stage.totals(campaign) == {"rejected": 5}


def test_a_pause_takes_effect_within_one_batch_and_resuming_sends_the_rest(stage: Stage) -> None:
    campaign = stage.freeze()

    def pause_at_once(_envelope: Envelope) -> OutcomeKind:
        change_status(stage.database, campaign, "pause", stage.clock.now(), actor="test")
        return K.ACCEPTED

    stage.sender(ScriptedProvider(pause_at_once, batch_limit=2)).run(campaign)
    paused = stage.totals(campaign)
    change_status(stage.database, campaign, "resume", stage.clock.now(), actor="test")
    rest = ScriptedProvider()
    stage.sender(rest).run(campaign)

    assert paused == {"accepted": 2, "pending": 3}
    assert len(rest.handed) == 3
    assert stage.totals(campaign) == {"accepted": 5}


def test_cancel_skips_the_rest_and_keeps_what_was_sent(stage: Stage) -> None:
    campaign = stage.freeze()

    def cancel_at_once(_envelope: Envelope) -> OutcomeKind:
        change_status(stage.database, campaign, "cancel", stage.clock.now(), actor="test")
        return K.ACCEPTED

    stage.sender(ScriptedProvider(cancel_at_once, batch_limit=2)).run(campaign)

    assert stage.totals(campaign) == {"accepted": 2, "skipped": 3}
    assert stage.campaign(campaign).status is CampaignStatus.CANCELLED


def test_a_stop_finishes_what_is_on_the_wire_and_returns_the_rest(stage: Stage) -> None:
    campaign = stage.freeze()
    sender = stage.sender(ScriptedProvider())

    def stop(_envelope: Envelope) -> OutcomeKind:
        sender.stop.set()
        return K.ACCEPTED

    sender.provider = ScriptedProvider(stop)
    sender.run(campaign)

    assert stage.totals(campaign) == {"accepted": 1, "pending": 4}


def test_only_one_process_sends_from_an_embedded_database(stage: Stage) -> None:
    campaign = stage.freeze()

    with (
        sender_lock(stage.database),
        pytest.raises(TryAgainLater, match="another newsletter process is sending"),
    ):
        stage.sender(ScriptedProvider()).run(campaign)

    assert stage.totals(campaign) == {"pending": 5}


def test_another_provider_than_the_frozen_one_is_refused(stage: Stage) -> None:
    campaign = stage.freeze()
    provider = ScriptedProvider()
    provider.name = "smtp"

    with pytest.raises(ProviderError, match="was frozen for 'outbox'"):
        stage.sender(provider).run(campaign)


# ---------------------------------------------------------------- dead workers


def claimed_by_a_dead_worker(stage: Stage, campaign: int, boot: str | None) -> FlightLog:
    """Claim three readers as a worker that then dies: 1 answered, 2 in the air, 3 not begun."""
    worker = ledger.Worker("dead-worker", boot, timedelta(minutes=10))
    log = FlightLog(stage.folder / "flights", worker.name)
    batch = stage.claim(campaign, worker, limit=3)
    assert batch is not None
    log.begin(batch.attempt)
    log.launch([DeliveryId(campaign, 1)])
    log.land(Outcome(DeliveryId(campaign, 1), K.ACCEPTED, 250))
    log.launch([DeliveryId(campaign, 2)])
    return log


def test_after_a_kill_only_the_message_in_the_air_is_unknown(stage: Stage) -> None:
    campaign = stage.freeze()
    claimed_by_a_dead_worker(stage, campaign, boot_id())
    provider = ScriptedProvider()

    recovered = stage.sender(provider).run(campaign)

    assert recovered.counts == {K.ACCEPTED: 1, K.UNKNOWN: 1, K.NOT_SENT: 1}
    assert sorted(e.delivery.subscriber for e in provider.handed) == [3, 4, 5]
    assert stage.totals(campaign) == {"accepted": 4, "unknown": 1}


def test_after_a_power_cut_every_claim_is_unknown(stage: Stage) -> None:
    campaign = stage.freeze()
    claimed_by_a_dead_worker(stage, campaign, "another-boot")

    stage.sender(ScriptedProvider()).run(campaign)

    assert stage.totals(campaign) == {"accepted": 2, "unknown": 3}


def test_a_flight_log_that_is_gone_makes_every_claim_unknown(stage: Stage) -> None:
    campaign = stage.freeze()
    claimed_by_a_dead_worker(stage, campaign, boot_id()).discard()

    stage.sender(ScriptedProvider()).run(campaign)

    assert stage.totals(campaign) == {"accepted": 2, "unknown": 3}


def test_the_providers_own_proof_settles_what_would_be_unknown(stage: Stage) -> None:
    campaign = stage.freeze()
    claimed_by_a_dead_worker(stage, campaign, boot_id())
    provider = ScriptedProvider()
    provider.proven[DeliveryId(campaign, 2)] = Outcome(DeliveryId(campaign, 2), K.ACCEPTED)

    stage.sender(provider).run(campaign)

    assert stage.totals(campaign) == {"accepted": 5}
    assert 2 not in {e.delivery.subscriber for e in provider.handed}


def test_a_late_result_behind_its_fence_is_evidence_and_no_state_by_force(stage: Stage) -> None:
    campaign = stage.freeze()
    worker = ledger.Worker("slow", boot_id(), timedelta(minutes=10))
    now = stage.clock.now()
    batch = stage.claim(campaign, worker, limit=1)
    assert batch is not None
    with stage.database.write() as connection:
        connection.execute(
            update(deliveries).where(deliveries.c.subscriber_id == 1).values(attempt_id=999)
        )

    taken = ledger.record(
        stage.database,
        batch,
        [Outcome(DeliveryId(campaign, 1), K.ACCEPTED)],
        now,
        jitter=0.5,
        provider="outbox",
    )

    assert taken == 0
    assert stage.totals(campaign)["claimed"] == 1
    with stage.database.read() as connection:
        kinds = [row[0] for row in connection.exec_driver_sql("SELECT kind FROM events")]
    assert kinds == ["late_accepted"]


def test_a_late_row_makes_no_events_of_the_unknown_ones_beside_it(stage: Stage) -> None:
    campaign = stage.freeze()
    worker = ledger.Worker("slow", boot_id(), timedelta(minutes=10))
    batch = stage.claim(campaign, worker, limit=5)
    assert batch is not None
    with stage.database.write() as connection:
        connection.execute(
            update(deliveries).where(deliveries.c.subscriber_id == 1).values(attempt_id=999)
        )

    ledger.record(
        stage.database,
        batch,
        [
            Outcome(DeliveryId(campaign, 1), K.ACCEPTED),
            *(Outcome(DeliveryId(campaign, n), K.UNKNOWN) for n in (2, 3)),
        ],
        stage.clock.now(),
        jitter=0.5,
        provider="outbox",
    )

    assert stage.totals(campaign)["unknown"] == 2
    with stage.database.read() as connection:
        kinds = [row[0] for row in connection.exec_driver_sql("SELECT kind FROM events")]
    assert kinds == ["late_accepted"]


def test_a_claim_is_durable_and_names_its_worker_and_lease(stage: Stage) -> None:
    campaign = stage.freeze()
    worker = ledger.Worker("w1", "boot", timedelta(minutes=10))

    batch = stage.claim(campaign, worker, limit=2)

    assert batch is not None
    with stage.database.read() as connection:
        row = connection.execute(select(attempts).where(attempts.c.id == batch.attempt)).one()
    assert (row.worker, row.size, row.finished_at) == ("w1", 2, None)
    assert row.lease_until - row.claimed_at == timedelta(minutes=10)


# ---------------------------------------------------------------- unknown deliveries


def test_under_hold_unknown_deliveries_wait_for_the_operator(stage: Stage) -> None:
    campaign = stage.freeze(on_unknown="hold")
    stage.sender(ScriptedProvider(answers(reader2=K.UNKNOWN))).run(campaign)
    stage.clock.advance(timedelta(hours=1))
    later = ScriptedProvider()

    stage.sender(later).run(campaign)

    assert later.handed == []
    assert [row.address for row in unknown_deliveries(stage.database, campaign)] == [
        "reader2@example.org"
    ]


def test_under_retry_an_unknown_delivery_goes_out_once_more_after_the_wait(stage: Stage) -> None:
    campaign = stage.freeze(on_unknown="retry")
    unknown = answers(reader2=K.UNKNOWN)
    stage.sender(ScriptedProvider(unknown)).run(campaign)
    soon, later, last = ScriptedProvider(), ScriptedProvider(unknown), ScriptedProvider()

    stage.sender(soon).run(campaign)
    stage.clock.advance(timedelta(minutes=11))
    stage.sender(later).run(campaign)
    stage.clock.advance(timedelta(minutes=11))
    stage.sender(last).run(campaign)

    assert soon.handed == []
    assert [e.address for e in later.handed] == ["reader2@example.org"]
    assert last.handed == []
    assert stage.totals(campaign) == {"accepted": 4, "unknown": 1}


def test_an_operator_may_mark_or_retry_an_unknown_delivery(stage: Stage) -> None:
    campaign = stage.freeze()
    script = answers(reader1=K.UNKNOWN, reader2=K.UNKNOWN)
    stage.sender(ScriptedProvider(script)).run(campaign)
    now = stage.clock.now()

    marked = decide_unknown(stage.database, campaign, "accepted", now, actor="me", only=[1])
    retried = decide_unknown(stage.database, campaign, "retry", now, actor="me")
    provider = ScriptedProvider()
    stage.sender(provider).run(campaign)

    assert (marked, retried) == (1, 1)
    assert [e.address for e in provider.handed] == ["reader2@example.org"]
    assert stage.campaign(campaign).status is CampaignStatus.SENT


def test_what_a_dead_worker_of_a_cancelled_campaign_held_is_skipped_and_not_left_claimed(
    stage: Stage,
) -> None:
    campaign = stage.freeze()
    claimed_by_a_dead_worker(stage, campaign, boot_id())
    change_status(stage.database, campaign, "cancel", stage.clock.now(), actor="test")

    stage.sender(ScriptedProvider()).settle()

    assert stage.totals(campaign) == {"accepted": 1, "unknown": 1, "skipped": 3}
