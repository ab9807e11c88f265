"""The flight log: what a process that was killed leaves behind for the next one."""

from pathlib import Path

import pytest

from newsletter.delivery.flight import FlightLog, FlightRecord, log_path, read_flight
from newsletter.errors import StorageError
from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind

WORKER = "host-1-abcd"


def test_launches_and_answers_are_read_back(tmp_path: Path) -> None:
    log = FlightLog(tmp_path, WORKER)
    log.begin(5)
    answer = Outcome(DeliveryId(7, 1), OutcomeKind.ACCEPTED, 250, "2.0.0", "queued é", "A1")

    log.launch([DeliveryId(7, 1)])
    log.land(answer)
    log.launch([DeliveryId(7, 2)])

    record = read_flight(tmp_path, WORKER, attempt=5, campaign=7)
    assert record == FlightRecord(launched={1, 2}, landed={1: answer})


def test_a_log_that_is_gone_proves_nothing(tmp_path: Path) -> None:
    assert read_flight(tmp_path, WORKER, attempt=5, campaign=7) is None


def test_a_log_without_the_attempt_proves_that_nothing_of_it_left(tmp_path: Path) -> None:
    log = FlightLog(tmp_path, WORKER)
    log.begin(4)
    log.launch([DeliveryId(7, 1)])

    assert read_flight(tmp_path, WORKER, attempt=5, campaign=7) == FlightRecord()


def test_beginning_an_attempt_drops_the_one_before(tmp_path: Path) -> None:
    log = FlightLog(tmp_path, WORKER)
    log.begin(4)
    log.launch([DeliveryId(7, 1)])

    log.begin(5)

    assert read_flight(tmp_path, WORKER, attempt=5, campaign=7) == FlightRecord()


def test_a_half_written_answer_counts_as_none_and_a_half_written_launch_as_one(
    tmp_path: Path,
) -> None:
    log = FlightLog(tmp_path, WORKER)
    log.begin(5)
    log.launch([DeliveryId(7, 1)])
    with log_path(tmp_path, WORKER).open("ab") as file:
        file.write(b'A [1, "accepted", 25')
    half_answer = read_flight(tmp_path, WORKER, attempt=5, campaign=7)
    log.begin(6)
    with log_path(tmp_path, WORKER).open("ab") as file:
        file.write(b"L 3")
    half_launch = read_flight(tmp_path, WORKER, attempt=6, campaign=7)

    assert half_answer == FlightRecord(launched={1})
    assert half_launch == FlightRecord(launched={3})


def test_a_disk_without_room_stops_the_launch(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full, which this system does not have")
    log_path(tmp_path, WORKER).symlink_to(full)
    log = FlightLog(tmp_path, WORKER)

    with pytest.raises(StorageError, match="flight log cannot be kept"):
        log.launch([DeliveryId(7, 1)])
    assert log.record.launched == set()


def test_a_discarded_log_is_gone(tmp_path: Path) -> None:
    log = FlightLog(tmp_path, WORKER)

    log.discard()

    assert list(tmp_path.iterdir()) == []
