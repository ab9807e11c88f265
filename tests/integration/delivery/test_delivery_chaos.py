"""A short run of `make chaos`: disturbed sends by each provider, judged by what arrived."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.plans import PROVIDERS, plan_round
from tests.chaos.series import Series

SEED = 9
ROUNDS = (1, 2, 3, 7)
"""Outbox, SMTP and SendGrid with the sender killed, and SMTP with a server full of faults."""
USUAL_SECONDS = 1.5


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_however_a_send_is_disturbed_nobody_is_lost_and_nobody_has_it_twice_unasked(
    tmp_path: Path,
) -> None:
    plans = [plan_round(SEED, number) for number in ROUNDS]
    said: list[str] = []
    series = Series(tmp_path, tell=said.append, usual=dict.fromkeys(PROVIDERS, USUAL_SECONDS))

    tally = series.run(plans, jobs=3)

    assert not tally.failures, "\n".join(said)
    assert not tally.broken, "\n".join(said)
    assert sorted(played.plan.number for played in tally.played) == [*ROUNDS]
    assert {played.plan.provider for played in tally.played} == set(PROVIDERS)
    assert sum(played.kills for played in tally.played) >= 1
    assert all(played.messages for played in tally.played)
