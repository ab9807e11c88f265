"""The same letters on a real PostgreSQL server: several carriers, leases by the server's time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.builders import KEYS
from tests.fakes.provider import ScriptedProvider, in_smtp
from tests.integration.delivery.letter_stage import NEWCOMER, LetterStage

from newsletter.audience.suppressions import SuppressionReason
from newsletter.clock import SettableClock
from newsletter.delivery.holding import announce_copy
from newsletter.delivery.invariants import verify_invariants
from newsletter.delivery.letter_claims import claim_letter
from newsletter.delivery.letter_holding import release_letters
from newsletter.delivery.letter_reports import list_letters, look_at_letters
from newsletter.delivery.states import DeliveryState
from newsletter.providers.base import OutcomeKind

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

S = DeliveryState


@pytest.fixture
def stage(server_url: str, tmp_path: Path, clock: SettableClock) -> Iterator[LetterStage]:
    made = LetterStage(tmp_path, clock, url=server_url)
    yield made
    made.database.close()


def broken(stage: LetterStage) -> dict[str, tuple[str, ...]]:
    found = verify_invariants(stage.database, KEYS, stage.clock.now())
    return {verdict.name: verdict.examples for verdict in found if not verdict.ok}


def test_several_carriers_at_once_send_each_letter_once(stage: LetterStage) -> None:
    for number in range(40):
        stage.ask(f"n{number}@example.org")
    providers = [ScriptedProvider() for _ in range(3)]
    threads = [
        threading.Thread(target=stage.carrier(provider).deliver_due) for provider in providers
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    handed = sorted(e.address for provider in providers for e in provider.handed)
    assert handed == sorted(f"n{number}@example.org" for number in range(40))
    assert {row.state for row in stage.rows()} == {S.ACCEPTED}


def test_a_dead_carriers_letter_waits_for_the_servers_clock(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    with stage.database.write() as connection:
        claim_letter(
            connection, KEYS, stage.clock.now(), lease=timedelta(minutes=10), held_until=None
        )
    provider = ScriptedProvider()
    # A clock of ours that jumps frees nothing (G17).
    stage.later(minutes=11)
    stage.carrier(provider).deliver_due()
    jumped = len(provider.handed)
    sound = broken(stage)
    with stage.database.write() as connection:
        connection.execute(text("UPDATE letters SET lease_until = lease_until - interval '1 h'"))
    overdue = broken(stage)
    stage.carrier(provider).deliver_due()

    assert jumped == 0
    assert sound == {}
    assert overdue == {"I5": ("letter 1",)}
    assert len(provider.handed) == 1
    assert [row.state for row in stage.rows()] == [S.ACCEPTED]


def test_answers_suppressions_reports_and_holds_work_there_too(stage: LetterStage) -> None:
    stage.ask("suppressed@example.org")
    stage.suppress("suppressed@example.org", SuppressionReason.MANUAL)
    stage.ask("refused@example.org")
    refusing = ScriptedProvider(
        lambda _envelope: OutcomeKind.REJECTED_RECIPIENT, answer=in_smtp("550 5.1.1 no such user")
    )
    stage.carrier(refusing).deliver_due()
    stage.ask("late@example.org")
    announce_copy(stage.database, stage.clock.now(), "test")
    stage.carrier(ScriptedProvider()).deliver_due()
    with stage.database.read() as connection:
        listed = list_letters(connection)
        [health] = look_at_letters(connection, stage.clock.now())
    release_letters(stage.database, stage.clock.now(), actor="test")
    stage.carrier(ScriptedProvider()).deliver_due()

    assert [row.state for row in listed] == ["pending", "rejected", "skipped"]
    assert not health.ok
    assert [row.state for row in stage.rows()] == [S.SKIPPED, S.REJECTED, S.ACCEPTED]
    assert broken(stage) == {}
