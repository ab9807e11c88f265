"""`newsletter db` as an operator meets it: backups, restores, and copies that nobody announced."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from tests.command import Desk, a_desk

pytestmark = pytest.mark.slow

READERS = 6
LATER = "2026-11-23"
"""The digest that is sent after the backup."""


def a_bare_desk(folder: Path) -> Desk:
    folder.mkdir()
    desk = Desk(folder)
    desk.run("init", ".")
    return desk


def outbox(desk: Desk, campaign: int) -> list[str]:
    return sorted(file.name for file in (desk.folder / "outbox" / str(campaign)).glob("*.eml"))


def wait_for_files(desk: Desk, sending: subprocess.Popen[str], least: int) -> None:
    """Wait until a running send has written so many messages."""
    deadline = time.monotonic() + 60
    while sending.poll() is None and time.monotonic() < deadline:
        if len(outbox(desk, 1)) >= least:
            return
        time.sleep(0.005)


def test_a_backup_restored_holds_what_was_unfinished_until_the_operator_resumes_it(
    tmp_path: Path,
) -> None:
    desk = a_desk(tmp_path, readers=READERS)
    desk.run("send", "latest", "--list", "daily", "--yes", "--no-wait", code=None)
    saved = desk.json("db", "backup")["backup"]
    desk.run("campaigns", "resume", "1")
    desk.run("send", LATER, "--list", "daily", "--yes")

    done = desk.json("db", "restore", saved, "--yes")

    (held,) = done["held"]
    assert (held["campaign"], held["pending"], held["was"]) == (1, READERS, "sending")
    assert done["had_it_since"] == [[1, READERS]]
    (lost,) = done["not_in_backup"]
    assert (lost["campaign"], lost["list"], lost["had_it"]) == (2, "daily", READERS)
    assert lost["digest"] == LATER
    assert Path(done["replaced"]).is_file()
    assert done["epoch"] == 2
    shown = desk.json("campaigns", "show", "1")
    assert shown["status"] == "held"
    assert shown["reason"].startswith("restored from a backup of ")
    again = desk.run("send", LATER, "--list", "daily", "--yes", code=1)
    assert "was cancelled" in again.stderr

    resumed = desk.json("campaigns", "resume", "1")

    assert (resumed["status"], resumed["accepted"]) == ("sent", READERS)


def test_a_restore_tells_what_it_did_and_what_to_do_next(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=READERS)
    desk.run("send", "latest", "--list", "daily", "--yes", "--no-wait", code=None)
    desk.run("db", "backup", "--to", "saved.db")
    desk.run("send", LATER, "--list", "daily", "--yes")

    told = desk.run("db", "restore", "saved.db", "--yes").stdout

    assert "saved.db is the database now" in told
    assert "is held: 6 of 6 not sent yet" in told
    assert f"campaign 2, '{LATER}' to 'daily', is not in the backup" in told
    assert "newsletter campaigns resume 1" in told
    assert "@" not in told


def test_a_restore_asks_first(tmp_path: Path) -> None:
    desk = a_bare_desk(tmp_path / "desk")
    desk.run("db", "backup", "--to", "saved.db")

    refused = desk.run("db", "restore", "saved.db", code=2)

    assert "--yes" in refused.stderr
    assert list(desk.folder.glob("*.replaced.db")) == []


def test_files_that_are_no_backup_of_this_newsletter_are_refused(tmp_path: Path) -> None:
    desk = a_bare_desk(tmp_path / "desk")
    (desk.folder / "garbage.db").write_bytes(b"no database" * 1000)
    shutil.copy(desk.folder / "newsletter.db", desk.folder / "newer.db")
    with sqlite3.connect(desk.folder / "newer.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    garbage = desk.run("db", "restore", "garbage.db", "--yes", code=1)
    newer = desk.run("db", "restore", "newer.db", "--yes", code=1)
    itself = desk.run("db", "restore", "newsletter.db", "--yes", code=1)

    assert "not a sound newsletter database" in garbage.stderr
    assert "newer than this program knows" in newer.stderr
    assert "the database itself" in itself.stderr
    assert list(desk.folder.glob("*.replaced.db")) == []


def test_another_installations_backup_needs_a_word_and_its_key_file(tmp_path: Path) -> None:
    desk, other = a_bare_desk(tmp_path / "one"), a_bare_desk(tmp_path / "two")
    other.run("lists", "create", "daily", "--title", "Another Daily")
    other.run("db", "backup", "--to", "saved.db")
    foreign = str(other.folder / "saved.db")

    refused = desk.run("db", "restore", foreign, "--yes", code=1)
    meant = desk.json("db", "restore", foreign, "--yes", "--other-installation")

    assert "--other-installation" in refused.stderr
    assert meant["epoch"] == 2
    unsent = desk.run("send", "latest", "--list", "daily", "--yes", code=3)
    assert "suppression key" in unsent.stderr


@pytest.mark.heavy
def test_a_restore_while_another_process_sends_is_for_later(tmp_path: Path) -> None:
    # Slow enough to be met in the middle: ten seconds.
    desk = a_desk(tmp_path, readers=300, NEWSLETTER_DELIVERY__RATE_PER_SECOND="30")
    desk.run("db", "backup", "--to", "saved.db")
    sending = desk.start("send", "latest", "--list", "daily", "--yes")
    wait_for_files(desk, sending, 1)

    refused = desk.run("db", "restore", "saved.db", "--yes", code=75)

    sending.communicate(timeout=100)
    assert sending.returncode == 0
    assert "sending" in refused.stderr
    assert desk.json("campaigns", "show", "1")["accepted"] == 300


def test_a_send_killed_and_resumed_is_no_copy(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=5000, NEWSLETTER_DELIVERY__RATE_PER_SECOND="3000")
    sending = desk.start("send", "latest", "--list", "daily", "--yes")
    wait_for_files(desk, sending, 20)
    sending.kill()
    sending.communicate()

    result = desk.json("campaigns", "resume", "1")

    assert (result["status"], result["accepted"]) == ("sent", 5000)


def test_a_backup_copied_back_by_hand_is_held_by_the_next_send(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=READERS)
    desk.run("send", "latest", "--list", "daily", "--yes", "--no-wait", code=None)
    desk.run("db", "backup", "--to", "saved.db")
    desk.run("campaigns", "resume", "1")
    shutil.rmtree(tmp_path / "outbox")
    shutil.copy(tmp_path / "saved.db", tmp_path / "newsletter.db")

    refused = desk.run("send", "latest", "--list", "daily", "--yes", code=1)

    assert "older copy" in refused.stderr
    assert "campaigns resume 1" in refused.stderr
    assert outbox(desk, 1) == [], "nothing was handed to the provider"
    assert desk.json("campaigns", "show", "1")["status"] == "held"
    assert desk.json("campaigns", "resume", "1")["accepted"] == READERS


def test_hold_makes_every_unfinished_campaign_wait(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=READERS)
    desk.run("send", "latest", "--list", "daily", "--yes", "--no-wait", code=None)

    held = desk.json("db", "hold", "--yes")

    assert [campaign["campaign"] for campaign in held["held"]] == [1]
    assert desk.json("campaigns", "show", "1")["status"] == "held"
    refused = desk.run("send", "latest", "--list", "daily", "--yes", code=1)
    assert "is held" in refused.stderr
