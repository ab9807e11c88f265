"""A database that is a copy is recognised and sends nothing by itself; its campaigns wait (G19).

The send is driven by hand here, claim by claim, as a sender does it: guard, claim, note, record.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, select, update
from tests.builders import Stage

from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.campaigns import AlreadySent, change_status
from newsletter.delivery.holding import HeldReport, announce_copy, guard_copy
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.restoring import Restored, restore
from newsletter.delivery.states import CampaignStatus
from newsletter.errors import DeliveryError, StorageError, TryAgainLater
from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind
from newsletter.storage import schema
from newsletter.storage.backups import backup
from newsletter.storage.copies import CopyMark, SuspicionKind, mark_path
from newsletter.storage.database import open_database
from newsletter.storage.tables import attempts, audit_log, campaigns, deliveries, installation

WORKER = ledger.Worker("a-worker", "a-boot", timedelta(minutes=10))
SIDES = ("-wal", "-shm")


class Copies:
    """A stage whose database is backed up, put back, and sent from."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.handed: list[int] = []
        """Subscribers whose message was handed to the provider, by whichever copy."""

    @property
    def path(self) -> Path:
        assert self.stage.database.path is not None
        return self.stage.database.path

    def guard(self) -> HeldReport | None:
        with sender_lock(self.stage.database):
            return guard_copy(self.stage.database, self.stage.clock.now(), "sender")

    def send(self, campaign: int, count: int = 100) -> HeldReport | None:
        """Send up to `count` deliveries as a sender does; one that may not sends nothing."""
        report = self.guard()
        batch = self.claim(campaign, count)
        if batch is not None:
            self.record(batch)
        states = self.stage.totals(campaign)
        status = self.stage.campaign(campaign).status
        if status is CampaignStatus.SENDING and not {"pending", "unknown"} & set(states):
            change_status(
                self.stage.database, campaign, "finish", self.stage.clock.now(), actor="sender"
            )
        return report

    def claim(self, campaign: int, count: int) -> ledger.Batch | None:
        batch = self.stage.claim(campaign, WORKER, limit=count)
        if batch is not None:
            mark = CopyMark(self.path)
            mark.note_claim(batch.attempt, campaign)
            mark.close()
            self.handed += [recipient.subscriber for recipient in batch.recipients]
        return batch

    def record(self, batch: ledger.Batch) -> None:
        stage, now = self.stage, self.stage.clock.now()
        outcomes = [
            Outcome(DeliveryId(batch.campaign, r.subscriber), OutcomeKind.ACCEPTED)
            for r in batch.recipients
        ]
        ledger.record(stage.database, batch, outcomes, now, jitter=0.5, provider="outbox")
        with stage.database.write() as connection:
            ledger.close_attempt_in(connection, batch, now)

    def backup(self) -> Path:
        self.stage.clock.advance(timedelta(minutes=1))
        return backup(self.stage.database, self.stage.clock)

    def put_back(self, file: Path) -> None:
        """Copy a file over the database, as somebody does who knows no better."""
        self.stage.database.close()
        for side in SIDES:
            self.path.with_name(self.path.name + side).unlink(missing_ok=True)
        shutil.copy(file, self.path)

    def restore(self, file: Path, *, other_installation: bool = False) -> Restored:
        self.stage.database.close()
        self.stage.clock.advance(timedelta(minutes=1))
        return restore(
            self.stage.database,
            file,
            self.stage.clock,
            actor="cli:maria",
            other_installation=other_installation,
        )

    def epoch(self) -> int:
        with self.stage.database.read() as connection:
            return connection.execute(select(installation.c.epoch)).scalar_one()


@pytest.fixture
def copies(tmp_path: Path, clock: SettableClock) -> Copies:
    return Copies(Stage(tmp_path, clock, readers=6))


def half_sent_then_backed_up_then_sent(copies: Copies) -> tuple[int, Path]:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    saved = copies.backup()
    copies.send(campaign)
    assert sorted(copies.handed) == [1, 2, 3, 4, 5, 6]
    return campaign, saved


def test_a_new_workspace_and_its_first_send_raise_no_suspicion(copies: Copies) -> None:
    campaign = copies.stage.freeze()

    first, second = copies.send(campaign, 3), copies.send(campaign)

    assert (first, second) == (None, None)
    assert copies.stage.totals(campaign) == {"accepted": 6}
    assert mark_path(copies.path).stat().st_mode & 0o077 == 0


def test_a_backup_put_back_by_hand_holds_its_campaign_and_hands_nothing_over(
    copies: Copies,
) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)
    copies.put_back(saved)

    report = copies.send(campaign)

    assert len(copies.handed) == 6, "nobody got it twice"
    assert report is not None
    assert "older copy" in report.problem
    assert [(h.campaign, h.pending, h.was) for h in report.held] == [
        (campaign, 4, CampaignStatus.SENDING)
    ]
    held = copies.stage.campaign(campaign)
    assert held.status is CampaignStatus.HELD
    assert "some may have had it already" in str(held.status_reason)
    assert copies.epoch() == 2
    assert f"newsletter campaigns resume {campaign}" in "\n".join(report.lines())
    with pytest.raises(DeliveryError, match="nothing was sent"):
        report.refuse(campaign)


def test_a_held_campaign_goes_on_by_the_operators_word_and_is_not_held_again(
    copies: Copies,
) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)
    copies.put_back(saved)
    copies.send(campaign)
    copies.handed.clear()

    change_status(
        copies.stage.database, campaign, "resume", copies.stage.clock.now(), actor="cli:maria"
    )
    report = copies.send(campaign)

    assert report is None
    assert sorted(copies.handed) == [3, 4, 5, 6]
    assert copies.stage.totals(campaign) == {"accepted": 6}


def test_what_was_being_sent_when_the_copy_was_made_is_unknown_and_never_retried_by_policy(
    copies: Copies,
) -> None:
    campaign = copies.stage.freeze(on_unknown="retry")
    copies.send(campaign, 2)
    batch = copies.claim(campaign, 3)
    saved = copies.backup()
    assert batch is not None
    copies.record(batch)
    copies.send(campaign)
    copies.put_back(saved)

    report = copies.guard()

    assert report is not None
    assert report.settled == 3
    assert copies.stage.totals(campaign) == {"accepted": 2, "pending": 1, "unknown": 3}
    assert copies.stage.campaign(campaign).on_unknown == "hold"
    with copies.stage.database.read() as connection:
        open_attempts = connection.execute(
            select(attempts.c.id).where(attempts.c.finished_at.is_(None))
        ).all()
    assert open_attempts == []


def test_a_fence_that_another_copy_used_is_never_used_again(copies: Copies) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)
    with copies.stage.database.read() as connection:
        used = max(connection.execute(select(attempts.c.id)).scalars())
    copies.put_back(saved)
    copies.guard()
    change_status(copies.stage.database, campaign, "resume", copies.stage.clock.now(), actor="me")

    batch = copies.claim(campaign, 1)

    assert batch is not None
    assert batch.attempt > used


@pytest.mark.parametrize("status", ["scheduled", "paused", "sending"])
def test_whatever_is_unfinished_in_a_copy_is_held_with_an_audit_row(
    copies: Copies, status: str
) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)
    copies.put_back(saved)
    with copies.stage.database.write() as connection:
        connection.execute(update(campaigns).values(status=status))

    copies.guard()

    assert copies.stage.campaign(campaign).status is CampaignStatus.HELD
    with copies.stage.database.read() as connection:
        rows = connection.execute(
            select(audit_log.c.action, audit_log.c.detail).order_by(audit_log.c.id.desc())
        ).all()
    assert [row.action for row in rows[:2]] == ["installation.copy", "campaign.held"]
    assert rows[1].detail["from"] == status


def test_a_lost_mark_alone_makes_the_database_a_copy_once(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    mark_path(copies.path).unlink()

    first, second = copies.send(campaign), copies.guard()

    assert first is not None
    assert "mark" in first.problem
    assert sorted(copies.handed) == [1, 2]
    assert second is None


@pytest.mark.parametrize("torn", [b"", b"{", b"[1]", b'{"installation": 1}', b"\xff\xfe"])
def test_a_torn_mark_counts_as_a_lost_one(copies: Copies, torn: bytes) -> None:
    copies.send(copies.stage.freeze(), 2)
    mark_path(copies.path).write_bytes(torn)

    suspicion = CopyMark(copies.path).check(copies.stage.database)

    assert suspicion is not None
    assert suspicion.kind is SuspicionKind.NO_MARK


def test_a_mark_that_a_power_cut_left_behind_the_database_is_harmless(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    lagging = mark_path(copies.path).read_bytes()
    copies.send(campaign, 2)
    mark_path(copies.path).write_bytes(lagging)

    assert copies.send(campaign) is None
    assert copies.stage.totals(campaign) == {"accepted": 6}


def test_a_new_container_on_the_same_volume_holds_nothing(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    mark = mark_path(copies.path)
    record = CopyMark(copies.path).read()
    assert record is not None
    here = f'"machine": "{record.machine}"'.encode()
    mark.write_bytes(mark.read_bytes().replace(here, b'"machine": "0123456789abcdef"'))

    assert CopyMark(copies.path).moved_machine()
    assert copies.send(campaign) is None
    assert copies.stage.totals(campaign) == {"accepted": 6}


def test_a_database_brought_from_elsewhere_with_a_newer_epoch_is_a_copy(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    with copies.stage.database.write() as connection:
        connection.execute(update(installation).values(epoch=7))

    report = copies.send(campaign)

    assert report is not None
    assert report.epoch == 8
    assert sorted(copies.handed) == [1, 2]


def test_another_newsletters_database_in_its_place_is_a_copy(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    with copies.stage.database.write() as connection:
        connection.execute(update(installation).values(installation_id="another"))

    report = copies.send(campaign)

    assert report is not None
    assert "another installation" in report.problem
    assert copies.guard() is None


def test_a_finished_history_in_a_copy_is_only_told(copies: Copies) -> None:
    first = copies.stage.freeze()
    copies.send(first)
    saved = copies.backup()
    copies.send(copies.stage.freeze(slug="second", content_hash="second"))
    copies.put_back(saved)

    report = copies.guard()

    assert report is not None
    assert report.held == ()
    assert "nothing in it is unfinished" in "\n".join(report.lines())
    report.refuse(first)
    assert copies.stage.campaign(first).status is CampaignStatus.SENT


def test_an_upgrade_of_a_database_without_a_mark_makes_one_without_suspicion(
    copies: Copies,
) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    as_the_first_schema_left_it(copies)

    schema.upgrade(copies.stage.database, copies.stage.clock)

    assert copies.send(campaign) is None
    assert copies.stage.totals(campaign) == {"accepted": 6}


def test_an_upgrade_does_not_whitewash_an_older_copy(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    mark = mark_path(copies.path).read_bytes()
    as_the_first_schema_left_it(copies)
    mark_path(copies.path).write_bytes(mark.replace(b'"attempt": 1', b'"attempt": 9'))

    schema.upgrade(copies.stage.database, copies.stage.clock)

    assert copies.send(campaign) is not None
    assert sorted(copies.handed) == [1, 2]


def as_the_first_schema_left_it(copies: Copies) -> None:
    """Take back what later migrations made, and the mark."""
    first = open_database("sqlite:///first.db", root=copies.stage.folder)
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with first.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        tables, indices = columns_of(connection), indices_of(connection)
    first.close()
    with copies.stage.database.write() as connection:
        for index in indices_of(connection) - indices:
            connection.exec_driver_sql(f"DROP INDEX {index}")
        for table, columns in columns_of(connection).items():
            if table not in tables:
                connection.exec_driver_sql(f"DROP TABLE {table}")
                continue
            for column in columns - tables[table]:
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    mark_path(copies.path).unlink()


def indices_of(connection: Connection) -> set[str]:
    rows = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    )
    return set(rows.scalars())


def columns_of(connection: Connection) -> dict[str, set[str]]:
    found = inspect(connection)
    return {
        table: {column["name"] for column in found.get_columns(table)}
        for table in found.get_table_names()
    }


def test_looking_at_the_mark_and_noting_a_claim_cost_next_to_nothing(copies: Copies) -> None:
    copies.send(copies.stage.freeze(), 2)
    mark = CopyMark(copies.path)

    looked = quickest(lambda: guard_copy(copies.stage.database, copies.stage.clock.now(), "me"))
    numbers = iter(range(100, 100_000))
    noted = quickest(lambda: mark.note_claim(next(numbers), 1))

    # Twenty times what a quiet machine needs.
    assert looked < 0.02
    assert noted < 0.0004


def quickest(act: Callable[[], object]) -> float:
    times = []
    for _ in range(50):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return min(times)


def test_a_restore_holds_the_campaign_and_keeps_what_it_replaced(copies: Copies) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)

    done = copies.restore(saved)

    assert copies.stage.campaign(campaign).status is CampaignStatus.HELD
    assert [(h.campaign, h.pending) for h in done.report.held] == [(campaign, 4)]
    assert done.lost is not None
    assert done.lost.had_it == ((campaign, 4),)
    assert done.report.epoch == copies.epoch() == 2
    assert done.kept is not None
    assert done.kept.stat().st_mode & 0o077 == 0
    assert copies.path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(done.kept) as kept:
        accepted = kept.execute("SELECT count(*) FROM deliveries WHERE state = 7").fetchone()
    kept.close()
    assert accepted == (6,)
    assert not copies.path.with_name(copies.path.name + ".restoring").exists()
    assert copies.guard() is None, "an announced copy is not held a second time"


def test_a_restored_campaign_goes_on_where_the_backup_stood_when_it_is_resumed(
    copies: Copies,
) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)
    copies.restore(saved)
    copies.handed.clear()
    assert copies.send(campaign) is None
    assert copies.handed == [], "held: nothing goes out without a word"

    change_status(copies.stage.database, campaign, "resume", copies.stage.clock.now(), actor="me")
    copies.send(campaign)

    assert sorted(copies.handed) == [3, 4, 5, 6]
    assert copies.stage.campaign(campaign).status is CampaignStatus.SENT


def test_a_restore_believes_no_flight_log(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.claim(campaign, 3)
    saved = copies.backup()
    flights = copies.path.with_name(copies.path.name + ".flights")
    flights.mkdir()
    (flights / "a-worker.log").write_text("B 1\nL 1\n")

    done = copies.restore(saved)

    assert done.report.settled == 3
    assert copies.stage.totals(campaign) == {"pending": 3, "unknown": 3}
    assert list(flights.iterdir()) == []


def test_a_campaign_sent_after_the_backup_is_named_and_its_digest_refused(copies: Copies) -> None:
    saved = copies.backup()
    campaign = copies.stage.freeze()
    copies.send(campaign)

    done = copies.restore(saved)

    assert done.lost is not None
    (lost,) = done.lost.campaigns
    assert (lost.campaign, lost.digest, lost.list, lost.status) == (
        1,
        "2026-11-24",
        "daily",
        "sent",
    )
    assert (lost.had_it, lost.recipients, lost.recorded) == (6, 6, True)
    with pytest.raises(AlreadySent, match="was cancelled"):
        copies.stage.freeze()
    another = copies.stage.freeze(slug="next", content_hash="next")
    assert another > campaign, "its number, which mail on its way carries, is not given again"


def test_restoring_twice_raises_the_epoch_twice_and_forgets_no_campaign(copies: Copies) -> None:
    saved = copies.backup()
    copies.send(copies.stage.freeze())
    first = copies.restore(saved)

    second = copies.restore(saved)

    assert (first.report.epoch, second.report.epoch, copies.epoch()) == (2, 3, 3)
    assert second.lost is not None
    assert [c.campaign for c in second.lost.campaigns] == [1]
    assert "6 of 6 had it" in str(copies.stage.campaign(1).status_reason)
    assert first.kept != second.kept
    assert copies.guard() is None


def test_who_left_after_the_backup_is_counted(copies: Copies) -> None:
    saved = copies.backup()
    with copies.stage.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE memberships SET status = 'unsubscribed' WHERE subscriber_id = 2"
        )

    done = copies.restore(saved)

    assert done.lost is not None
    assert done.lost.left == 1


def test_a_backup_of_an_older_schema_is_upgraded_on_its_way(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)
    as_the_first_schema_left_it(copies)
    saved = copies.backup()

    done = copies.restore(saved)

    assert done.upgraded_from == "0001"
    assert schema.current_revision(copies.stage.database) == schema.HEAD
    assert copies.stage.campaign(campaign).status is CampaignStatus.HELD


def test_a_restore_is_refused_while_another_process_sends(copies: Copies) -> None:
    saved = copies.backup()

    with sender_lock(copies.stage.database), pytest.raises(TryAgainLater, match="sending"):
        copies.restore(saved)

    assert copies.epoch() == 1


def test_a_restore_is_refused_while_another_process_has_the_database_open(
    copies: Copies,
) -> None:
    saved = copies.backup()
    copies.stage.database.close()
    reader = sqlite3.connect(copies.path)
    reader.execute("SELECT count(*) FROM subscribers").fetchone()

    with pytest.raises(TryAgainLater, match="has the database open"):
        copies.restore(saved)

    reader.close()
    assert copies.epoch() == 1
    assert list(copies.path.parent.glob("*.replaced.db")) == []


def test_a_file_that_is_no_sound_database_is_refused_and_nothing_changes(copies: Copies) -> None:
    saved = copies.backup()
    whole = saved.read_bytes()
    foreign = copies.path.with_name("foreign.db")
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE something (id)")
    connection.close()
    cases = {
        "garbage": b"this is not a database at all" * 100,
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "overwritten": whole[:8192] + b"\x5a" * 8192 + whole[16384:],
        "foreign": foreign.read_bytes(),
    }
    for name, content in cases.items():
        file = copies.path.with_name(f"{name}.bad")
        file.write_bytes(content)
        with pytest.raises(StorageError, match=r"not a sound newsletter|is damaged"):
            copies.restore(file)

    assert copies.epoch() == 1
    assert copies.guard() is None
    assert [p.name for p in copies.path.parent.glob("*.replaced.db*")] == []
    assert not copies.path.with_name(copies.path.name + ".restoring").exists()


def test_a_backup_of_a_newer_schema_is_refused(copies: Copies) -> None:
    saved = copies.backup()
    with sqlite3.connect(saved) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(StorageError, match="newer than this program knows"):
        copies.restore(saved)

    assert copies.epoch() == 1


def test_another_installations_backup_needs_to_be_meant(copies: Copies) -> None:
    saved = copies.backup()
    with sqlite3.connect(saved) as connection:
        connection.execute("UPDATE installation SET installation_id = 'another', epoch = 4")
    connection.close()
    copies.send(copies.stage.freeze())

    with pytest.raises(StorageError, match="another installation"):
        copies.restore(saved)
    done = copies.restore(saved, other_installation=True)

    assert done.report.epoch == 5
    assert done.lost is None, "another newsletter's campaigns say nothing about this one's"
    assert copies.guard() is None


def test_a_database_that_is_broken_is_moved_aside_and_the_marks_numbers_go_on(
    copies: Copies,
) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)
    copies.stage.database.close()
    copies.path.write_bytes(b"broken beyond reading" * 400)

    done = copies.restore(saved)

    assert done.lost is None
    assert done.kept is not None
    assert done.kept.read_bytes().startswith(b"broken")
    assert copies.stage.campaign(campaign).status is CampaignStatus.HELD
    change_status(copies.stage.database, campaign, "resume", copies.stage.clock.now(), actor="me")
    batch = copies.claim(campaign, 1)
    assert batch is not None
    assert batch.attempt == 3, "two were used before"


def test_a_database_that_is_gone_is_restored_too(copies: Copies) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)
    copies.stage.database.close()
    copies.path.unlink()
    copies.path.with_name(copies.path.name + "-wal").write_bytes(b"a log of the one that is gone")

    done = copies.restore(saved)

    assert (done.kept, done.report.epoch) == (None, 2)
    assert copies.stage.campaign(campaign).status is CampaignStatus.HELD


def test_a_crash_between_the_new_database_and_its_mark_holds_it_once_more(copies: Copies) -> None:
    campaign, saved = half_sent_then_backed_up_then_sent(copies)
    mark = mark_path(copies.path).read_bytes()
    copies.restore(saved)
    mark_path(copies.path).write_bytes(mark)

    report = copies.send(campaign)

    assert report is not None
    assert [held.campaign for held in report.held] == [campaign]
    assert len(copies.handed) == 6


def test_the_operator_can_declare_a_database_a_copy(copies: Copies) -> None:
    campaign = copies.stage.freeze()
    copies.send(campaign, 2)

    report = announce_copy(copies.stage.database, copies.stage.clock.now(), "cli:maria")

    assert [held.campaign for held in report.held] == [campaign]
    assert copies.send(campaign) is None
    assert sorted(copies.handed) == [1, 2]
    with copies.stage.database.read() as connection:
        states = connection.execute(select(deliveries.c.state)).scalars().all()
    assert len(states) == 6
