"""`newsletter serve` killed around the time of a schedule, and two of them at once (H4, H9, G7).

Schedules know minutes, so all that is looked at here happens in one and the same minute: each
scene has a workspace of its own, and all wait together for their time to come.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select, text
from tests.command import ROOT, Desk
from tests.simulation.digests import a_digest

from newsletter.delivery.states import READY, DeliveryState
from newsletter.storage.database import open_database
from newsletter.storage.tables import deliveries

# All of them wait for the same minute in the first one.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

READERS = 60
CONNECTIONS = 4
WARMING_UP = 12.0
"""Seconds before the time at which all scenes have begun, on a busy machine too."""
AT_WORK = (*READY, DeliveryState.CLAIMED)


@dataclass
class Morning:
    """One scene: its workspace, what is done in it, and what came of it."""

    name: str
    desk: Desk
    log: Path
    due: datetime
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    killed_at: float | None = None
    """Seconds behind the time of the schedule."""
    taken_by_then: int = 0
    problem: BaseException | None = None

    def serve(self) -> subprocess.Popen[str]:
        """Start the real thing."""
        process = self.desk.start("serve", "--port", "0")
        self.running.append(process)
        # Whoever is not read would stand still once the pipe is full.
        threading.Thread(target=process.communicate, daemon=True).start()
        return process

    def wait_until(self, seconds: float) -> None:
        """Sleep until so many seconds behind the time of the schedule."""
        at = self.due + timedelta(seconds=seconds)
        time.sleep(max((at - datetime.now(UTC)).total_seconds(), 0.0))

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill it, and note when."""
        self.taken_by_then = len(self.taken())
        process.kill()
        process.wait()
        self.killed_at = (datetime.now(UTC) - self.due).total_seconds()

    def taken(self) -> list[str]:
        """Return the addresses the server took a message for, in order."""
        if not self.log.exists():
            return []
        return [line.split()[0] for line in self.log.read_text("utf-8").splitlines()]

    def wait_for_the_end(self, seconds: float = 60.0) -> None:
        """Wait until a campaign is there and nobody in it waits any more."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = self._states()
            if states and not any(states[state] for state in AT_WORK):
                return
            time.sleep(0.2)
        raise AssertionError(f"{self.name}: after {seconds:.0f} s there are {self._states()}")

    def _states(self) -> Counter[DeliveryState]:
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        url = self.desk.environment.get("NEWSLETTER_DATABASE__URL", "sqlite:///newsletter.db")
        database = open_database(url, root=self.desk.folder)
        try:
            with database.read() as connection:
                rows = connection.execute(query).all()
        finally:
            database.close()
        return Counter({DeliveryState(state): count for state, count in rows})

    def end(self) -> None:
        """Stop whatever runs, as a service manager does."""
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()


def killed(seconds: float) -> Callable[[Morning], None]:
    """A `serve` that is killed so many seconds behind the time, and started again at once."""

    def scene(morning: Morning) -> None:
        process = morning.serve()
        morning.wait_until(seconds)
        morning.kill(process)
        morning.serve()
        morning.wait_until(0)
        morning.wait_for_the_end()

    return scene


def killed_while_sending(morning: Morning) -> None:
    """A `serve` that is killed once some have their message, and started again at once."""
    process = morning.serve()
    morning.wait_until(0)
    end = time.monotonic() + 20
    while len(morning.taken()) < READERS // 6 and time.monotonic() < end:
        time.sleep(0.01)
    morning.kill(process)
    morning.serve()
    morning.wait_for_the_end()


def two_at_once(morning: Morning) -> None:
    """Two processes on one database, both there in time."""
    morning.serve()
    morning.serve()
    morning.wait_until(0)
    morning.wait_for_the_end()
    # Whoever came second has had the time to do it again.
    time.sleep(4)


def back_after_a_while(morning: Morning) -> None:
    """Nobody there at the time, but soon after."""
    morning.wait_until(6)
    morning.serve()
    morning.wait_for_the_end()


ON_A_SERVER = ("nodes",)
"""Scenes on a PostgreSQL database; the others have an embedded one."""
SCENES: dict[str, Callable[[Morning], None]] = {
    "before": killed(-1),
    "on-time": killed(0),
    "after": killed(1),
    "sending": killed_while_sending,
    "two": two_at_once,
    "nodes": two_at_once,
    "late": back_after_a_while,
}


@pytest.fixture(scope="module")
def mornings(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[dict[str, Morning]]:
    """All scenes, lived through in the same minute."""
    folder = tmp_path_factory.mktemp("mornings")
    found: dict[str, Morning] = {}
    with ExitStack() as open_still:
        embedded = _lay_out(folder / "embedded")
        shared = _lay_out(folder / "shared", NEWSLETTER_DATABASE__URL=_database(server))
        due = _next_minute(datetime.now(UTC) + timedelta(seconds=WARMING_UP))
        for desk in (embedded, shared):
            _schedule(desk, due)
        for name in SCENES:
            first = shared if name in ON_A_SERVER else embedded
            log = folder / f"{name}.log"
            port = open_still.enter_context(_mail_server(log))
            desk = _copy(first, folder / name, NEWSLETTER_DELIVERY__SMTP__PORT=str(port))
            found[name] = Morning(name, desk, log, due)
            open_still.callback(found[name].end)
        _live_through(list(found.values()))
        yield found


@contextmanager
def _mail_server(log: Path) -> Iterator[int]:
    """Run a server that is slow to answer; gives its port."""
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.smtp_server", "--log", str(log), "--delay", "0.1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        yield int(running.stdout.readline().rsplit(" ", 1)[1])
    finally:
        running.kill()
        running.communicate()


def _lay_out(folder: Path, **environment: str) -> Desk:
    """Make a workspace with a list and its readers, that sends by SMTP."""
    folder.mkdir()
    desk = Desk(
        folder,
        NEWSLETTER_DELIVERY__PROVIDER="smtp",
        NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
        NEWSLETTER_DELIVERY__SMTP__SECURITY="none",
        NEWSLETTER_DELIVERY__SMTP__CONNECTIONS=str(CONNECTIONS),
        **environment,
    )
    desk.run("init", ".")
    desk.run("lists", "create", "daily", "--title", "The Daily")
    rows = "\n".join(f"reader{n}@example.org" for n in range(READERS))
    (folder / "readers.csv").write_text(f"email\n{rows}\n", encoding="utf-8")
    desk.run("subscribers", "import", "readers.csv", "--list", "daily", "--consent", "by a test")
    return desk


def _copy(first: Desk, folder: Path, **environment: str) -> Desk:
    """Return the same workspace once more, with a mail server of its own."""
    shutil.copytree(first.folder, folder)
    desk = Desk(folder)
    desk.environment = {**first.environment, **environment}
    return desk


def _database(server: str) -> str:
    """Make an empty database on a server; returns its URL."""
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(
        server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return server.replace("/postgres?", f"/{name}?", 1)


def _next_minute(after: datetime) -> datetime:
    return after.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _schedule(desk: Desk, due: datetime) -> None:
    (desk.folder / "digests" / f"{due:%Y-%m-%d}.md").write_bytes(a_digest(due.date()))
    desk.run(
        *("schedule", "add", "morning", "--list", "daily"),
        *("--time", f"{due:%H:%M}", "--timezone", "UTC"),
    )


def _live_through(all_of_them: list[Morning]) -> None:
    def live(morning: Morning) -> None:
        try:
            SCENES[morning.name](morning)
        except BaseException as problem:  # noqa: BLE001 - told by the test of this scene
            morning.problem = problem

    threads = [threading.Thread(target=live, args=(morning,)) for morning in all_of_them]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for morning in all_of_them:
        morning.end()


@pytest.mark.parametrize("name", SCENES)
def test_the_morning_goes_out_once_whatever_happens_to_the_process(
    mornings: dict[str, Morning], name: str
) -> None:
    morning = mornings[name]
    if morning.problem is not None:
        raise morning.problem

    campaigns = morning.desk.json("campaigns", "list")
    copies = Counter(morning.taken())
    unknown = {row["address"] for row in morning.desk.json("campaigns", "resolve", "1")["unknown"]}
    everybody = {f"reader{n}@example.org" for n in range(READERS)}
    print(
        f"{name}: killed at {morning.killed_at} s with {morning.taken_by_then} taken; then "
        f"{len(campaigns)} campaign, {len(copies)} of {READERS} have it, {len(unknown)} unknown"
    )

    assert len(campaigns) == 1
    assert campaigns[0]["recipients"] == READERS
    assert max(copies.values()) == 1, "nobody has two"
    assert everybody - set(copies) <= unknown, "who has none is named as unknown"
    assert len(unknown) <= (CONNECTIONS if morning.killed_at is not None else 0)
    assert morning.desk.json("verify")["ok"] is True


def test_the_blows_fell_where_they_were_meant_to(mornings: dict[str, Morning]) -> None:
    at = {name: morning.killed_at for name, morning in mornings.items()}

    assert at["before"] is not None
    assert -1.5 < at["before"] < 0
    assert at["on-time"] is not None
    assert 0 <= at["on-time"] < 5
    assert 0 < mornings["sending"].taken_by_then < READERS
    assert mornings["before"].taken_by_then == 0
