"""The post carries letters in the background: at once when woken, whatever goes wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.provider import ScriptedProvider
from tests.integration.delivery.letter_stage import NEWCOMER, LetterStage
from tests.waiting import soon

from newsletter.clock import SettableClock
from newsletter.delivery import rounds
from newsletter.delivery.letter_post import LetterPost
from newsletter.delivery.states import DeliveryState
from newsletter.providers.base import AccountProblem, Envelope, OutcomeKind


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[LetterStage]:
    made = LetterStage(tmp_path, clock)
    yield made
    made.database.close()


def test_a_woken_post_sends_at_once_and_stops_quickly(stage: LetterStage) -> None:
    provider = ScriptedProvider()
    post = LetterPost(stage.carrier(provider), look_seconds=3600)
    post.start()
    stage.ask(NEWCOMER)
    post.wake()

    assert soon(lambda: len(provider.handed) == 1)
    stage.ask("second@example.org")
    post.wake()
    assert soon(lambda: len(provider.handed) == 2)
    began = time.monotonic()
    post.stop()
    assert time.monotonic() - began < 10


def test_a_post_that_nobody_wakes_looks_by_itself(stage: LetterStage) -> None:
    provider = ScriptedProvider()
    post = LetterPost(stage.carrier(provider), look_seconds=0.1)
    post.start()
    try:
        stage.ask(NEWCOMER)
        assert soon(lambda: len(provider.handed) == 1)
    finally:
        post.stop()


def test_it_ends_by_the_event_of_whoever_runs_it(stage: LetterStage) -> None:
    stop = threading.Event()
    thread = threading.Thread(
        target=LetterPost(stage.carrier(ScriptedProvider())).run, args=(stop,)
    )
    thread.start()
    stop.set()
    thread.join(5)

    assert not thread.is_alive()


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [RuntimeError("a fault of ours"), AccountProblem("the key is wrong")]
)
def test_no_error_ends_it_and_a_rest_follows(
    stage: LetterStage,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(rounds, "REST_SECONDS", (0.3, 0.6))
    tries = 0

    def refuse(_envelope: Envelope) -> OutcomeKind:
        nonlocal tries
        tries += 1
        raise error

    def tried_thrice() -> bool:
        # Past the rest of the letter itself.
        stage.later(minutes=3)
        return tries >= 3

    post = LetterPost(stage.carrier(ScriptedProvider(refuse)), look_seconds=0.05)
    stage.ask(NEWCOMER)
    post.start()
    try:
        post.wake()
        assert soon(lambda: tries >= 1)
        for _ in range(20):
            post.wake()
        time.sleep(0.1)
        assert tries == 1, "a wake does not cut the rest short"
        assert soon(tried_thrice)
    finally:
        post.stop()
    assert [state for _, state, _ in stage.states()] == [DeliveryState.PENDING]
    assert NEWCOMER not in capsys.readouterr().out


def test_a_stop_breaks_off_a_letter_that_takes_too_long(
    stage: LetterStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "STOP_SECONDS", 0.3)
    begun = threading.Event()

    def hang(_envelope: Envelope) -> OutcomeKind:
        begun.set()
        provider.interrupted.wait(20)
        return OutcomeKind.NOT_SENT

    provider = ScriptedProvider(hang)
    post = LetterPost(stage.carrier(provider))
    stage.ask(NEWCOMER)
    post.start()
    assert begun.wait(60)

    post.stop()

    assert provider.interrupted.is_set()
    assert soon(lambda: [s for _, s, _ in stage.states()] == [DeliveryState.PENDING])
