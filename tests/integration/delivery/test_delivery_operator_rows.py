"""Rows that an operator put before the table of bounce classes count wherever a send classifies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider, in_smtp
from tests.integration.delivery.letter_stage import NEWCOMER, LetterStage

from newsletter.audience.address import parse_address
from newsletter.audience.suppressions import SuppressionReason, suppression_of
from newsletter.clock import SettableClock
from newsletter.delivery.domains import DomainWatch, held_domains
from newsletter.delivery.limits import Limits, open_limits
from newsletter.providers.base import OutcomeKind
from newsletter.settings import Settings
from newsletter.storage.tables import deliveries

UNKNOWN_USER = in_smtp("550 5.1.1 no such user here")
CLOSED = in_smtp("550 5.7.1 mailbox closed by its owner")
RULES: list[dict[str, Any]] = [
    {"status": "5.1.1", "words": "here$", "becomes": "blocked"},
    {"status": "5.7.*", "words": "mailbox closed", "becomes": "hard"},
]


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Stage:
    return Stage(tmp_path, clock, readers=12)


def limits_of(stage: Stage, watch: DomainWatch | None = None) -> Limits:
    settings = Settings(root=stage.folder, feedback={"rules": RULES})  # type: ignore[arg-type]
    opened = open_limits(settings, stage.database)
    return Limits(table=opened.table, watch=watch or opened.watch)


def reasons(stage: Stage, campaign: int) -> set[str | None]:
    with stage.database.read() as connection:
        rows = select(deliveries.c.reason).where(deliveries.c.campaign_id == campaign)
        return set(connection.execute(rows).scalars())


def suppressed(stage: Stage, address: str = "reader1@example.org") -> str | None:
    with stage.database.read() as connection:
        return suppression_of(connection, KEYS, parse_address(address))


def refusing(answer: tuple[int, str | None, str]) -> ScriptedProvider:
    return ScriptedProvider(lambda _envelope: OutcomeKind.REJECTED_RECIPIENT, answer=answer)


def test_a_row_that_makes_a_policy_refusal_hard_suppresses(stage: Stage) -> None:
    campaign = stage.freeze()

    stage.sender(refusing(CLOSED), limits_of(stage)).run(campaign)

    assert reasons(stage, campaign) == {"hard"}
    assert suppressed(stage) == SuppressionReason.HARD_BOUNCE


def test_a_row_that_makes_unknown_users_our_own_fault_suppresses_nobody_and_holds_the_domain(
    stage: Stage,
) -> None:
    campaign = stage.freeze()

    stage.sender(refusing(UNKNOWN_USER), limits_of(stage, DomainWatch(0.2))).run(campaign)

    assert "hard" not in reasons(stage, campaign)
    assert "blocked" in reasons(stage, campaign)
    assert suppressed(stage) is None
    with stage.database.read() as connection:
        assert set(held_domains(connection, stage.clock.now())) == {"example.org"}


def test_a_letter_is_judged_by_the_same_rows(tmp_path: Path, clock: SettableClock) -> None:
    stage = LetterStage(tmp_path, clock)
    stage.ask()
    carrier = stage.carrier(refusing(CLOSED))
    carrier.limits = limits_of(stage)

    carrier.deliver_due()

    assert [reason for _, _, reason in stage.states()] == ["hard"]
    assert suppressed(stage, NEWCOMER) == SuppressionReason.HARD_BOUNCE
