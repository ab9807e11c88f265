"""The outbox: exactly one file for each delivery, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes

from newsletter.clock import SettableClock
from newsletter.providers.base import AccountProblem, DeliveryId, Envelope, OutcomeKind, Unavailable
from newsletter.providers.factory import build_provider
from newsletter.settings import Settings


def an_outbox(directory: Path, clock: SettableClock):  # type: ignore[no-untyped-def]
    settings = Settings(delivery={"outbox": {"directory": directory}})  # type: ignore[arg-type]
    return build_provider(settings, clock)


def test_a_file_is_named_by_its_delivery(tmp_path: Path, clock: SettableClock) -> None:
    list(an_outbox(tmp_path, clock).send(a_mailing(), envelopes(2), RecordingFlight()))

    assert sorted(path.name for path in tmp_path.rglob("*.eml")) == ["7-1.eml", "7-2.eml"]


def test_a_second_try_leaves_the_first_file(tmp_path: Path, clock: SettableClock) -> None:
    outbox = an_outbox(tmp_path, clock)
    list(outbox.send(a_mailing(), envelopes(1), RecordingFlight()))
    (path,) = tmp_path.rglob("*.eml")
    before = (path.stat().st_ino, path.read_bytes())

    again = [an_envelope(1, first_name="Another")]
    (outcome,) = outbox.send(a_mailing(), again, RecordingFlight())

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert (path.stat().st_ino, path.read_bytes()) == before


def test_nothing_but_messages_stays_behind(tmp_path: Path, clock: SettableClock) -> None:
    list(an_outbox(tmp_path, clock).send(a_mailing(), envelopes(5), RecordingFlight()))

    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".eml"}


def test_a_message_that_a_killed_process_did_not_finish_is_no_message(
    tmp_path: Path, clock: SettableClock
) -> None:
    outbox = an_outbox(tmp_path, clock)
    list(outbox.send(a_mailing(), envelopes(1), RecordingFlight()))
    (tmp_path / "7" / ".4711-1.part").write_bytes(b"From: half a mess")

    absent = outbox.evidence(a_mailing(), DeliveryId(7, 2))
    list(outbox.send(a_mailing(), envelopes(3), RecordingFlight()))

    assert absent is not None
    assert absent.kind is OutcomeKind.NOT_SENT
    assert sorted(path.name for path in tmp_path.rglob("*.eml")) == [
        "7-1.eml",
        "7-2.eml",
        "7-3.eml",
    ]


def test_a_file_that_is_there_is_accepted_without_being_launched(
    tmp_path: Path, clock: SettableClock
) -> None:
    outbox = an_outbox(tmp_path, clock)
    list(outbox.send(a_mailing(), envelopes(2), RecordingFlight()))
    flight = RecordingFlight()

    outcomes = list(outbox.send(a_mailing(), envelopes(3), flight))

    assert {o.kind for o in outcomes} == {OutcomeKind.ACCEPTED}
    assert flight.launched == [DeliveryId(7, 3)]
    assert flight.landed == [DeliveryId(7, n) for n in (1, 2, 3)]


def test_a_message_that_cannot_be_written_was_surely_not_sent(
    tmp_path: Path, clock: SettableClock
) -> None:
    flight = RecordingFlight()

    def until_the_folder_is_gone() -> Iterator[Envelope]:
        yield an_envelope(1)
        shutil.rmtree(tmp_path / "7")
        yield an_envelope(2)

    with pytest.raises(AccountProblem, match="outbox"):
        list(an_outbox(tmp_path, clock).send(a_mailing(), until_the_folder_is_gone(), flight))

    assert flight.outcomes[DeliveryId(7, 2)].kind is OutcomeKind.NOT_SENT
    assert flight.in_the_air == set()


def test_the_file_is_evidence(tmp_path: Path, clock: SettableClock) -> None:
    outbox = an_outbox(tmp_path, clock)
    list(outbox.send(a_mailing(), envelopes(1), RecordingFlight()))

    there = outbox.evidence(a_mailing(), DeliveryId(7, 1))
    absent = outbox.evidence(a_mailing(), DeliveryId(7, 2))

    assert there is not None
    assert there.kind is OutcomeKind.ACCEPTED
    assert absent is not None
    assert absent.kind is OutcomeKind.NOT_SENT


def test_an_outbox_that_cannot_be_written_stops_the_sending(
    tmp_path: Path, clock: SettableClock
) -> None:
    (tmp_path / "outbox").write_text("a file where a folder should be")
    flight = RecordingFlight()

    with pytest.raises((AccountProblem, Unavailable), match="outbox"):
        list(an_outbox(tmp_path / "outbox", clock).send(a_mailing(), envelopes(1), flight))

    assert flight.in_the_air == set()
