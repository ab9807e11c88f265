"""A short run of `make chaos`: a few disturbed sends by each provider, judged by what arrived."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.plans import plan_round
from tests.chaos.series import Series

SEED = 4
USUAL_SECONDS = 1.5


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("provider", "rounds"),
    [
        pytest.param("outbox", (1, 4), id="outbox: killed twice; killed, then paused"),
        pytest.param("smtp", (2, 7), id="smtp: killed; a server full of faults"),
        pytest.param("sendgrid", (3, 8), id="sendgrid: killed thrice; a server full of faults"),
    ],
)
def test_however_a_send_is_disturbed_nobody_is_lost_and_nobody_has_it_twice_unasked(
    tmp_path: Path, provider: str, rounds: tuple[int, ...]
) -> None:
    plans = [plan_round(SEED, number) for number in rounds]
    assert {plan.provider for plan in plans} == {provider}
    said: list[str] = []

    tally = Series(tmp_path, tell=said.append, usual={provider: USUAL_SECONDS}).run(plans, jobs=2)

    assert not tally.failures, "\n".join(said)
    assert not tally.broken, "\n".join(said)
    assert len(tally.played) == len(plans)
    assert sum(played.kills for played in tally.played) >= 1
    assert sum(played.messages for played in tally.played) > 0
