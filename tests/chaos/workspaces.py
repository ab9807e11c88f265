"""Workspaces for rounds: one is made for each number of readers and copied; the ledger in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from newsletter.delivery.states import DeliveryState
from tests.chaos.judge import Row
from tests.command import a_desk

DOMAINS = 9
DISK_BYTES = 96 * 1024 * 1024
_RETRIED = "retried"
_WAITING = {DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.DEFERRED}


class Templates:
    """Makes each workspace once and hands out copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = threading.Lock()

    def copy(self, readers: int, target: Path) -> None:
        """Lay out a fresh workspace with a list `daily` and so many readers."""
        source = self._folder / str(readers)
        with self._making:
            if not source.is_dir():
                self._make(source, readers)
        shutil.copytree(source, target, dirs_exist_ok=True)

    def _make(self, source: Path, readers: int) -> None:
        unfinished = source.with_suffix(".making")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        desk = a_desk(unfinished)
        # Several domains: one that refuses us as a whole is held, and the others go on.
        rows = "\n".join(
            f"reader{n}@d{n % DOMAINS}.example.org,Reader {n}" for n in range(1, readers + 1)
        )
        (unfinished / "readers.csv").write_text(f"email,name\n{rows}\n", encoding="utf-8")
        words = ("subscribers", "import", "readers.csv", "--list", "daily", "--consent", "a test")
        desk.run(*words)
        unfinished.rename(source)


@dataclass(frozen=True)
class Ledger:
    """The database of a round, read and nudged past the program; only while nobody sends."""

    path: Path

    def status(self) -> str | None:
        """Return the status of campaign 1; None when it does not exist yet."""
        with self._open() as connection:
            found = connection.execute("SELECT status FROM campaigns WHERE id = 1").fetchone()
        return str(found[0]) if found else None

    def recipients(self) -> int:
        """Return how many recipients campaign 1 was frozen with; 0 when it does not exist."""
        with self._open() as connection:
            found = connection.execute("SELECT recipients FROM campaigns WHERE id = 1").fetchone()
        return int(found[0]) if found else 0

    def rows(self) -> tuple[Row, ...]:
        """Read every recipient."""
        with self._open() as connection:
            found = connection.execute(
                "SELECT d.subscriber_id, s.address, d.state, d.reason FROM deliveries d "
                "JOIN subscribers s ON s.id = d.subscriber_id WHERE d.campaign_id = 1"
            ).fetchall()
        return tuple(Row(n, address, DeliveryState(s).label, r) for n, address, s, r in found)

    def unknown(self) -> set[str]:
        """Return the addresses that are unknown now."""
        return {row.address for row in self.rows() if row.state == "unknown"}

    def settled(self) -> bool:
        """Tell whether nothing more will happen by itself."""
        with self._open() as connection:
            status, policy = connection.execute(
                "SELECT status, on_unknown FROM campaigns WHERE id = 1"
            ).fetchone()
            states = connection.execute(
                "SELECT state, reason FROM deliveries WHERE campaign_id = 1"
            ).fetchall()
        waits = any(state in _WAITING for state, _ in states)
        retries = policy == "retry" and any(
            state == DeliveryState.UNKNOWN and reason != _RETRIED for state, reason in states
        )
        match status:
            case "sent":
                return True
            case "cancelled":
                # What a killed sender had claimed is settled all the same.
                return not waits
            case _:
                return status == "sending" and not waits and not retries

    def make_due(self) -> None:
        """Let all waits be over: of deferred rows, of held domains, of unknown rows to retry."""
        with self._open() as connection:
            connection.execute(
                "UPDATE deliveries SET not_before = NULL WHERE state = ?",
                (int(DeliveryState.DEFERRED),),
            )
            connection.execute("DELETE FROM domain_holds")
            # Only what recovery has settled: else a row would be sent anew unseen by us.
            connection.execute(
                "UPDATE attempts SET claimed_at = datetime(claimed_at, '-1 hour') "
                "WHERE finished_at IS NOT NULL AND id IN (SELECT attempt_id FROM deliveries d "
                "JOIN campaigns c ON c.id = d.campaign_id "
                "WHERE d.state = ? AND c.on_unknown = 'retry')",
                (int(DeliveryState.UNKNOWN),),
            )
            connection.commit()

    def claimed_after_leaving(self) -> int:
        """Count recipients whose last claim is younger than their unsubscription (I3)."""
        with self._open() as connection:
            found = connection.execute(
                "SELECT count(*) FROM deliveries d JOIN attempts a ON a.id = d.attempt_id "
                "JOIN memberships m ON m.subscriber_id = d.subscriber_id "
                "WHERE d.campaign_id = 1 AND m.status = 'unsubscribed' "
                "AND d.state NOT IN (?, ?) AND a.claimed_at > m.changed_at",
                (int(DeliveryState.PENDING), int(DeliveryState.SKIPPED)),
            ).fetchone()
        return int(found[0])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the write lock, as another process would."""
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        with closing(connection):
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            yield connection


class SmallDisk:
    """A file system of its own for a workspace, which can be filled up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Mount it; raises `CalledProcessError` or `OSError` where that is not allowed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options = f"size={DISK_BYTES},mode=700"
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._folder)]
        subprocess.run(words, check=True, capture_output=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=True, capture_output=True)

    def fill(self, spare: int) -> None:
        """Leave only so many bytes free."""
        status = os.statvfs(self._folder)
        size = max(0, status.f_bavail * status.f_frsize - spare)
        with self._ballast.open("wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, size))

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)
