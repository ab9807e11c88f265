"""A machine's clock that is set by an hour in the middle of sending: nobody twice, nobody lost."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.clock import SettableClock
from newsletter.delivery.invariants import verify_invariants
from newsletter.providers.base import Envelope, OutcomeKind

READERS = 40
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_clock_set_while_sending_repeats_and_loses_nobody(
    database: str,
    by: timedelta,
    tmp_path: Path,
    clock: SettableClock,
    request: pytest.FixtureRequest,
) -> None:
    url = "sqlite:///ledger.db"
    if database == "postgresql":
        url = request.getfixturevalue("server_url")
    stage = Stage(tmp_path, clock, readers=READERS, url=url)
    set_at = iter(range(READERS))

    def answer(_envelope: Envelope) -> OutcomeKind:
        # In the middle of a batch: its lease is then an hour old, or an hour in the future.
        if next(set_at) == 15:
            clock.advance(by)
        return OutcomeKind.ACCEPTED

    provider = ScriptedProvider(answer, batch_limit=10)
    campaign = stage.freeze()
    stage.sender(provider).run(campaign)
    stage.sender(provider).run(campaign)

    handed = Counter(envelope.delivery for envelope in provider.handed)
    assert (len(handed), set(handed.values())) == (READERS, {1})
    assert stage.totals(campaign) == {"accepted": READERS}
    assert stage.campaign(campaign).status == "sent"
    found = verify_invariants(stage.database, KEYS, clock.now())
    assert [verdict.name for verdict in found if not verdict.ok] == []
    stage.database.close()


@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forward", "back"])
def test_who_is_put_off_when_the_clock_is_set_gets_it_once_when_their_time_comes(
    by: timedelta, tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock, readers=READERS)
    put_off = {3, 17}

    def answer(envelope: Envelope) -> OutcomeKind:
        if envelope.delivery.subscriber in put_off:
            put_off.discard(envelope.delivery.subscriber)
            return OutcomeKind.DEFERRED
        return OutcomeKind.ACCEPTED

    provider = ScriptedProvider(answer, batch_limit=10)
    campaign = stage.freeze()
    stage.sender(provider).run(campaign)
    clock.advance(by)
    stage.sender(provider).run(campaign)
    clock.advance(2 * HOUR)
    stage.sender(provider).run(campaign)

    handed = Counter(envelope.delivery.subscriber for envelope in provider.handed)
    assert handed == {n: 2 if n in (3, 17) else 1 for n in range(1, READERS + 1)}
    assert stage.totals(campaign) == {"accepted": READERS}
    stage.database.close()
