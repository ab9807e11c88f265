"""What SendGrid holds back is held back here too, once, and lifted only by the operator (D12)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.builders import KEYS
from tests.fakes.sendgrid_faults import Answer, Cut
from tests.fakes.sendgrid_server import KEY
from tests.fakes.sendgrid_suppressions import LISTS, SuppressionsServer
from tests.integration.feedback.feedback_stage import DAY, FeedbackStage

from newsletter.audience.address import parse_address
from newsletter.audience.suppressions import SuppressionReason, add_suppression, lift_suppression
from newsletter.clock import SettableClock
from newsletter.delivery.bounce_classes import BounceTable, bounce_table
from newsletter.errors import AudienceError, ProviderError, TryAgainLater
from newsletter.feedback.reconciling import (
    OVERLAP,
    Reconciled,
    Reconciler,
    delete_at_provider,
    last_reconciled,
    reconcile_if_due,
)
from newsletter.providers.sendgrid_suppressions import (
    PAGE,
    SendgridSuppressions,
    open_suppressions,
)
from newsletter.settings import SendgridPart, Settings
from newsletter.settings.feedback_parts import ClassRulePart
from newsletter.storage.tables import audit_log, events

ADA = "reader1@example.org"


@pytest.fixture
def sendgrid() -> Iterator[SuppressionsServer]:
    with SuppressionsServer() as running:
        yield running
        assert running.refused == []


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> FeedbackStage:
    """A stage with five readers, on each database."""
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    return FeedbackStage(tmp_path, clock, url=url)


def client(stage: FeedbackStage, sendgrid: SuppressionsServer) -> SendgridSuppressions:
    part = SendgridPart.model_validate({"host": sendgrid.url, "timeout": "2s"})
    return SendgridSuppressions(part, stage.clock, api_key=KEY, wait=lambda _seconds: None)


def reconcile(
    stage: FeedbackStage, sendgrid: SuppressionsServer, table: BounceTable | None = None
) -> Reconciled:
    api = client(stage, sendgrid)
    try:
        given = {} if table is None else {"table": table}
        reconciler = Reconciler(stage.database, KEYS, stage.clock, api, stage.applier, **given)
        return reconciler.reconcile()
    finally:
        api.close()


def stored(stage: FeedbackStage) -> list[Any]:
    with stage.database.read() as connection:
        return list(connection.execute(select(events).order_by(events.c.address, events.c.id)))


def ago(stage: FeedbackStage, **time: float) -> float:
    return (stage.clock.now() - timedelta(**time)).timestamp()


def lift(stage: FeedbackStage, address: str = ADA) -> None:
    with stage.database.write() as connection:
        now = stage.clock.now()
        lift_suppression(connection, KEYS, parse_address(address), now, actor="test")


def test_each_list_leads_to_what_it_means(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    sendgrid.add("bounces", "reader1@example.org", ago(stage, days=400))
    sendgrid.add("invalid_emails", "reader2@example.org", ago(stage, days=3))
    sendgrid.add("blocks", "reader3@example.org", ago(stage, days=3), status="5.7.1", reason="no")
    sendgrid.add("spam_reports", "reader4@example.org", ago(stage, days=3))
    sendgrid.add("unsubscribes", "reader5@example.org", ago(stage, days=3))
    stage.clock.advance(DAY)

    done = reconcile(stage, sendgrid)

    assert stage.suppressed() == {
        "reader1@example.org": "hard_bounce",
        "reader2@example.org": "hard_bounce",
        "reader4@example.org": "complaint",
    }
    assert [(row.kind, row.bounce, row.reason) for row in stored(stage)] == [
        ("bounced", "hard", None),
        ("bounced", "hard", "invalid"),
        ("blocked", "blocked", None),
        ("complained", None, None),
        ("unsubscribed", None, None),
    ]
    assert {name: pulled.new for name, pulled in done.lists.items()} == dict.fromkeys(LISTS, 1)
    assert (done.new, done.known, done.since, done.applied.suppressed) == (5, 0, None, 3)
    assert stage.broken() == {}


def test_whoever_left_at_sendgrid_after_joining_here_leaves_here(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    stage.clock.advance(2 * DAY)
    sendgrid.add("unsubscribes", "reader1@example.org", ago(stage, days=1))
    sendgrid.add("spam_reports", "reader2@example.org", ago(stage, days=1))

    reconcile(stage, sendgrid)

    assert [stage.standing(number)[0] for number in (1, 2, 3)] == [
        "unsubscribed",
        "unsubscribed",
        "active",
    ]


def test_an_event_says_where_it_is_from_and_holds_no_address_in_its_name(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    created = int(ago(stage, days=1))
    sendgrid.add("bounces", "Reader1@Example.org", created, status="5.1.1", reason="550 gone")

    reconcile(stage, sendgrid)

    (row,) = stored(stage)
    key = KEYS.hash_address("reader1@example.org")
    assert row.provider_event_id == f"sgs:bounces:{created}:{key}"
    assert (row.provider, row.delivery, row.believed) == ("sendgrid", None, True)
    assert row.at.timestamp() == created
    assert row.detail == {"list": "bounces", "status": "5.1.1", "diagnostic": "550 gone"}
    assert stage.suppressed() == {"reader1@example.org": "hard_bounce"}


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("5.1.1", "550 5.1.1 User unknown", ("bounced", "hard")),
        ("5.2.2", "552 5.2.2 Mailbox full", ("bounced", "soft")),
        ("5.0.0", "550 No such user here", ("bounced", "hard")),
        ("", "550 5.1.1 unknown", ("bounced", "hard")),
        ("4.0.0", "450 User unknown", ("bounced", "soft")),
        ("5.7.1", "550 5.7.1 blocked", ("blocked", "blocked")),
    ],
)
def test_a_bounce_gets_its_class_by_the_table(
    stage: FeedbackStage,
    sendgrid: SuppressionsServer,
    status: str,
    reason: str,
    expected: tuple[str, str],
) -> None:
    sendgrid.add("bounces", ADA, ago(stage, days=1), status=status, reason=reason)

    reconcile(stage, sendgrid)

    assert [(row.kind, row.bounce) for row in stored(stage)] == [expected]
    assert bool(stage.suppressed()) is ("hard" in expected)


def test_a_row_of_the_operator_counts_here_too(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    sendgrid.add("bounces", ADA, ago(stage, days=1))
    table = bounce_table([ClassRulePart(status="5.1.1", words="user", becomes="soft")])

    reconcile(stage, sendgrid, table)

    assert [row.bounce for row in stored(stage)] == ["soft"]


def test_only_what_is_new_is_read_again_with_a_day_of_overlap(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    sendgrid.add("bounces", "old@example.net", ago(stage, days=30))
    sendgrid.add("bounces", ADA, ago(stage, hours=1))
    first = reconcile(stage, sendgrid)
    began = stage.clock.now()
    stage.clock.advance(timedelta(hours=6))
    sendgrid.add("bounces", "reader2@example.org", ago(stage, minutes=1))
    sendgrid.script()

    second = reconcile(stage, sendgrid)

    assert (first.since, first.new) == (None, 2)
    assert second.since == began - OVERLAP
    assert (second.new, second.known) == (1, 1)
    assert all(f"start_time={int((began - OVERLAP).timestamp())}" in r for r in sendgrid.requests)
    assert last_reconciled(stage.database) == stage.clock.now()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Answer(401), ProviderError),
        (Answer(503), TryAgainLater),
        (Cut(after_reading=True), TryAgainLater),
    ],
)
def test_an_interrupted_reading_keeps_what_it_read_and_is_done_again_whole(
    stage: FeedbackStage,
    sendgrid: SuppressionsServer,
    fault: Answer | Cut,
    expected: type[Exception],
) -> None:
    for number in range(PAGE + 1):
        sendgrid.add("bounces", f"reader{number}@example.org", ago(stage, days=9, seconds=number))
    sendgrid.script(None, *[fault] * 5)

    with pytest.raises(expected):
        reconcile(stage, sendgrid)

    assert len(stored(stage)) == PAGE
    assert ADA in stage.suppressed()
    assert last_reconciled(stage.database) is None

    sendgrid.script()
    again = reconcile(stage, sendgrid)

    assert (again.new, again.known) == (1, PAGE)
    assert len(stored(stage)) == PAGE + 1


def test_a_repetition_changes_nothing(stage: FeedbackStage, sendgrid: SuppressionsServer) -> None:
    sendgrid.add("bounces", ADA, ago(stage, hours=1))
    sendgrid.add("spam_reports", "reader2@example.org", ago(stage, hours=1))
    reconcile(stage, sendgrid)
    before = stage.picture()

    again = reconcile(stage, sendgrid)

    assert (again.new, again.known, again.applied.events) == (0, 2, 0)
    assert stage.picture() == before


def test_an_entry_older_than_the_operators_lift_does_not_suppress_again(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    sendgrid.add("bounces", ADA, ago(stage, hours=2))
    reconcile(stage, sendgrid)
    stage.clock.advance(timedelta(hours=1))
    lift(stage)
    # The same bounce, as another of SendGrid's lists tells of it.
    sendgrid.add("invalid_emails", ADA, ago(stage, hours=2))
    stage.clock.advance(timedelta(hours=1))

    reconcile(stage, sendgrid)
    assert stage.suppressed() == {}

    sendgrid.add("bounces", ADA, ago(stage, minutes=5))
    reconcile(stage, sendgrid)
    assert stage.suppressed() == {ADA: "hard_bounce"}


def test_an_address_that_is_none_is_kept_and_suppresses_nobody(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    sendgrid.add("invalid_emails", "no address at all", ago(stage, days=1))
    sendgrid.add("invalid_emails", "x" * 400 + "@example.org", ago(stage, days=1))

    done = reconcile(stage, sendgrid)

    assert done.new == 2
    assert stage.suppressed() == {}
    assert all(row.applied_at is not None for row in stored(stage))
    assert all(len(row.provider_event_id) <= 128 for row in stored(stage))


# ---------------------------------------------------------------- a lift at the provider


def delete(stage: FeedbackStage, sendgrid: SuppressionsServer, address: str = ADA) -> list[str]:
    api = client(stage, sendgrid)
    try:
        return delete_at_provider(
            stage.database, KEYS, api, parse_address(address), at=stage.clock.now(), actor="test"
        )
    finally:
        api.close()


def test_a_deletion_takes_one_address_off_the_lists_that_an_operator_may_lift(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    for name in LISTS:
        sendgrid.add(name, ADA, 1)
        sendgrid.add(name, "reader2@example.org", 1)

    lists = delete(stage, sendgrid, "Reader1@example.org")

    assert lists == ["bounces", "blocks", "invalid_emails"]
    assert [ADA in sendgrid.addresses(name) for name in LISTS] == [False] * 3 + [True] * 2
    assert all("reader2@example.org" in sendgrid.addresses(name) for name in LISTS)
    with stage.database.read() as connection:
        row = connection.execute(
            select(audit_log).where(audit_log.c.action == "suppression.lift_at_provider")
        ).one()
    assert row.subject == f"suppression {KEYS.hash_address(ADA)[:16]}"
    assert row.detail == {"lists": lists}


@pytest.mark.parametrize("reason", [SuppressionReason.COMPLAINT, SuppressionReason.ERASED])
def test_the_persons_own_word_is_not_lifted_there_either(
    stage: FeedbackStage, sendgrid: SuppressionsServer, reason: SuppressionReason
) -> None:
    sendgrid.add("bounces", ADA, 1)
    with stage.database.write() as connection:
        now = stage.clock.now()
        add_suppression(connection, KEYS, parse_address(ADA), reason, now, actor="test")

    with pytest.raises(AudienceError, match="an operator cannot lift it"):
        delete(stage, sendgrid)

    assert sendgrid.requests == []


# ---------------------------------------------------------------- daily


def if_due(
    stage: FeedbackStage, sendgrid: SuppressionsServer, **delivery: Any
) -> Reconciled | None:
    part = {"host": sendgrid.url, "api_key": KEY}
    settings = Settings(  # type: ignore[arg-type]
        delivery={"provider": "sendgrid", "sendgrid": part, **delivery}, root=stage.folder
    )
    return reconcile_if_due(
        stage.database, KEYS, stage.clock, settings, applier=stage.applier, wait=lambda _: None
    )


def test_it_is_due_once_a_day(stage: FeedbackStage, sendgrid: SuppressionsServer) -> None:
    assert if_due(stage, sendgrid) is not None
    stage.clock.advance(timedelta(hours=23))
    assert if_due(stage, sendgrid) is None
    stage.clock.advance(timedelta(hours=1))
    assert if_due(stage, sendgrid) is not None


def test_it_is_never_due_with_another_provider(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    assert if_due(stage, sendgrid, provider="smtp") is None
    assert sendgrid.requests == []


def test_it_stays_due_after_a_failure(stage: FeedbackStage, sendgrid: SuppressionsServer) -> None:
    sendgrid.script(Answer(403))

    with pytest.raises(ProviderError):
        if_due(stage, sendgrid)

    assert if_due(stage, sendgrid) is not None


def test_a_client_of_the_settings_is_used(
    stage: FeedbackStage, sendgrid: SuppressionsServer
) -> None:
    key_file = stage.folder / "sendgrid.key"
    key_file.write_text(KEY)
    key_file.chmod(0o600)
    part = {"host": sendgrid.url, "api_key_file": "sendgrid.key"}
    settings = Settings(delivery={"provider": "sendgrid", "sendgrid": part}, root=stage.folder)  # type: ignore[arg-type]

    api = open_suppressions(settings, stage.clock)
    done = Reconciler(stage.database, KEYS, stage.clock, api, stage.applier).reconcile()
    api.close()

    assert done.new == 0
