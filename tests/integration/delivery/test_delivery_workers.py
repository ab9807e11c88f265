"""`newsletter worker`: several real processes share a real PostgreSQL server and an SMTP server."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.command import Desk, a_desk
from tests.fakes.smtp_server import SmtpServer
from tests.waiting import soon

from newsletter.delivery.work_queue import announce, lay_queue
from newsletter.errors import StorageError
from newsletter.storage.database import Database, open_database

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore::UserWarning")]

READERS = 600
OPEN = "SELECT 1 FROM deliveries WHERE state IN (0, 1, 2)"
PATIENCE = 90.0
"""Seconds for what happens in one or two, on a machine that does other things too."""


class Yard:
    """A workspace on a database of its own, its SMTP server, and the workers that run there."""

    def __init__(self, folder: Path, url: str, smtp: SmtpServer, readers: int) -> None:
        self.smtp = smtp
        self.database: Database = open_database(url, root=folder)
        self.desk: Desk = a_desk(
            folder,
            readers=readers,
            NEWSLETTER_DATABASE__URL=url,
            NEWSLETTER_DELIVERY__PROVIDER="smtp",
            NEWSLETTER_DELIVERY__BATCH_SIZE="10",
            NEWSLETTER_DELIVERY__LEASE="30s",
            NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
            NEWSLETTER_DELIVERY__SMTP__PORT=str(smtp.port),
            NEWSLETTER_DELIVERY__SMTP__SECURITY="none",
        )
        self.workers: list[subprocess.Popen[str]] = []

    def start_worker(self, *words: str) -> subprocess.Popen[str]:
        """Start a worker and wait until it is at work."""
        process = self.desk.start("--log-level", "info", "worker", *words)
        self.workers.append(process)
        assert process.stderr is not None
        assert "working on campaigns" in process.stderr.readline()
        return process

    def send(self, *words: str) -> None:
        """Freeze the newest digest for the list; whoever works there sends it."""
        self.desk.run("send", "latest", "--list", "daily", "--yes", "--no-wait", *words)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(text(statement), values).all())

    def change(self, statement: str) -> None:
        with self.database.write() as connection:
            connection.execute(text(statement))

    def alerts(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT subject FROM alerts")]

    def status(self) -> str:
        return str(self.rows("SELECT status FROM campaigns")[0][0])

    def states(self) -> dict[str, int]:
        """Count the deliveries of all campaigns by the name of their state."""
        shown = self.desk.json("campaigns", "list")
        named = ("accepted", "unknown", "pending", "claimed", "deferred", "skipped", "expired")
        return {n: sum(c.get(n, 0) for c in shown) for n in named if any(c.get(n) for c in shown)}

    def shares(self) -> dict[int, int]:
        """Return how many deliveries each process has claimed."""
        found: Counter[int] = Counter()
        for worker, size in self.rows("SELECT worker, size FROM attempts"):
            found[int(re.search(r"-(\d+)-[0-9a-f]{8}-\d+$", worker)[1])] += size  # type: ignore[index]
        return dict(found)

    def received(self) -> Counter[str]:
        """Count what the SMTP server took, by recipient."""
        return Counter(message.recipients[0] for message in list(self.smtp.messages))

    def close(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.database.close()


def stop(process: subprocess.Popen[str]) -> str:
    """Ask a worker to stop; returns what it said. It must end well and soon (G6)."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    return said


@pytest.fixture
def make_yard(server_url: str, tmp_path: Path) -> Iterator[Callable[..., Yard]]:
    pytest.importorskip("procrastinate", reason="needs the extra 'scale'")
    made: list[Yard] = []
    with SmtpServer(delay=0.02) as smtp:

        def make(readers: int = READERS) -> Yard:
            made.append(Yard(tmp_path, server_url, smtp, readers))
            return made[-1]

        yield make
        for yard in made:
            yard.close()


def everybody(readers: int = READERS) -> Counter[str]:
    return Counter(f"reader{number}@example.org" for number in range(1, readers + 1))


def test_two_workers_that_wait_already_share_a_campaign_and_everybody_has_it_once(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard()
    workers = [yard.start_worker(), yard.start_worker()]
    # Held back until the slower one has begun too.
    yard.smtp.delay = 0.5

    yard.send()

    assert soon(lambda: set(yard.shares()) == {worker.pid for worker in workers}, PATIENCE)
    yard.smtp.delay = 0.02
    assert soon(lambda: yard.status() == "sent", PATIENCE)
    assert yard.received() == everybody()
    assert yard.desk.run("verify")
    said = [stop(worker) for worker in workers]
    assert all("campaign_begun" in words and "campaign_left" in words for words in said)


def test_a_worker_waits_for_campaigns_and_takes_one_up_within_seconds(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(5)
    yard.start_worker()
    time.sleep(2)

    yard.send()

    # A process of its own, started since, has frozen it before this line.
    assert soon(lambda: yard.status() == "sent", PATIENCE)
    assert yard.received() == everybody(5)


def test_a_killed_worker_is_taken_over_and_nobody_is_lost_or_has_it_twice(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard()
    victim, other = yard.start_worker(), yard.start_worker()
    # Held back until the slower one has begun too.
    yard.smtp.delay = 0.5
    yard.send()
    assert soon(lambda: len(yard.shares()) == 2, PATIENCE)
    yard.smtp.delay = 0.02
    assert soon(lambda: len(yard.smtp.messages) > 100, PATIENCE)

    victim.kill()
    victim.wait()

    ready = "SELECT count(*) FROM deliveries WHERE state IN (0, 2)"
    assert soon(lambda: yard.rows(ready) == [(0,)], PATIENCE)
    claimed = "SELECT count(*) FROM deliveries WHERE state = 1"
    assert soon(lambda: len(yard.received()) + yard.rows(claimed)[0][0] >= READERS, PATIENCE)
    yard.change("UPDATE attempts SET lease_until = lease_until - interval '1 h'")
    assert soon(
        lambda: not yard.rows("SELECT 1 FROM deliveries WHERE state IN (0, 1, 2)"), PATIENCE
    )

    received, unknown = yard.received(), yard.states().get("unknown", 0)
    assert set(received.values()) == {1}
    # One message of each of the victim's four connections may have been on its way.
    assert unknown <= 4
    assert READERS - unknown <= len(received) <= READERS
    assert yard.states()["accepted"] == READERS - unknown
    assert other.poll() is None
    assert yard.desk.run("verify")


def test_a_worker_told_to_stop_finishes_what_is_on_the_wire_and_leaves_the_rest_to_others(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard()
    leaver = yard.start_worker()
    yard.send()
    assert soon(lambda: len(yard.smtp.messages) > 50, PATIENCE)

    stop(leaver)

    states = yard.states()
    assert set(states) == {"accepted", "pending"}
    assert states["accepted"] == len(yard.smtp.messages)
    yard.start_worker()
    assert soon(lambda: yard.status() == "sent", PATIENCE)
    assert yard.received() == everybody()


def test_a_second_signal_cuts_what_is_on_the_wire_and_the_worker_ends_at_once(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(40)
    worker = yard.start_worker()
    yard.smtp.delay = 60
    yard.send()
    assert soon(lambda: bool(yard.rows("SELECT 1 FROM deliveries WHERE state = 1")), PATIENCE)
    time.sleep(1)

    worker.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    began = time.monotonic()
    stop(worker)

    assert time.monotonic() - began < 30
    states = yard.states()
    assert states["unknown"] <= 4
    assert states["unknown"] + states["pending"] == 40


def test_a_scheduled_campaign_is_started_once_by_two_workers(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(40)
    workers = [yard.start_worker(), yard.start_worker()]
    begin = datetime.now(UTC) + timedelta(seconds=6)

    yard.send("--at", begin.strftime("%Y-%m-%dT%H:%M:%S"))

    assert yard.status() == "scheduled"
    assert soon(lambda: yard.status() == "sent", PATIENCE)
    starts = yard.rows("SELECT at FROM audit_log WHERE action = 'campaign.start'")
    assert len(starts) == 1
    assert starts[0].at >= begin.replace(microsecond=0)
    assert yard.received() == everybody(40)
    assert all(worker.poll() is None for worker in workers)


def test_workers_go_on_after_the_database_has_dropped_every_connection(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard()
    worker = yard.start_worker()
    yard.send()
    assert soon(lambda: len(yard.smtp.messages) > 50, PATIENCE)

    yard.change(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    yard.change("UPDATE attempts SET lease_until = lease_until - interval '1 h'")

    assert soon(
        lambda: not yard.rows("SELECT 1 FROM deliveries WHERE state IN (0, 1, 2)"), PATIENCE
    )
    assert yard.received() == everybody()
    assert "Traceback" not in stop(worker)


def test_a_refusing_provider_pauses_the_campaign_and_the_worker_lives_on(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(3)
    yard.desk.environment |= {
        "NEWSLETTER_DELIVERY__SMTP__USERNAME": "somebody",
        "NEWSLETTER_DELIVERY__SMTP__PASSWORD": "wrong",
    }
    worker = yard.start_worker()

    yard.send()

    assert soon(lambda: yard.status() == "paused", PATIENCE)
    assert worker.poll() is None
    assert "campaign_stopped" in stop(worker)


def test_a_key_that_is_gone_is_told_of_and_leaves_the_campaign_to_others(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(3)
    key = yard.desk.folder / "sendgrid.key"
    key.write_text("SG.of-a-test", encoding="ascii")
    key.chmod(0o600)
    yard.desk.environment |= {
        "NEWSLETTER_DELIVERY__PROVIDER": "sendgrid",
        "NEWSLETTER_DELIVERY__SENDGRID__API_KEY_FILE": key.name,
        "NEWSLETTER_DELIVERY__SENDGRID__HOST": "http://127.0.0.1:9",
    }
    worker = yard.start_worker()
    key.unlink()

    yard.desk.environment["NEWSLETTER_DELIVERY__SENDGRID__API_KEY"] = "SG.of-a-test"
    yard.send()

    assert soon(lambda: any("does not get through" in told for told in yard.alerts()))
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    assert key.name in said
    assert yard.status() == "sending"
    assert yard.states() == {"pending": 3}


def test_a_worker_refuses_an_embedded_database_and_says_what_to_do(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)

    refused = desk.run("worker", code=3)

    assert "PostgreSQL" in refused.stderr
    assert "newsletter[scale]" in refused.stderr


def test_an_announced_campaign_waits_once_in_the_queue_however_often_it_is_announced(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(3)
    yard.send()
    before = announce(yard.database, 1)
    lay_queue(yard.database)

    told = [announce(yard.database, 1), announce(yard.database, 1)]

    jobs = yard.rows("SELECT status, args FROM newsletter_queue.procrastinate_jobs")
    assert before is False
    assert told == [True, True]
    assert [(job.status, job.args["campaign"]) for job in jobs] == [("todo", 1)]


def test_a_queue_of_another_layout_is_refused_until_the_operator_replaces_it(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(0)
    lay_queue(yard.database)
    yard.change("COMMENT ON SCHEMA newsletter_queue IS '99.00.00_01_of_tomorrow'")

    refused = yard.desk.run("worker", code=1)
    with pytest.raises(StorageError, match="layout"):
        lay_queue(yard.database)
    replaced = lay_queue(yard.database, replace=True)

    assert "newsletter db upgrade" in refused.stderr
    assert replaced
    assert lay_queue(yard.database) is False
