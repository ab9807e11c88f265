"""The providers of a round, each in a process of its own that can be killed, and what they saw."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.chaos.judge import Copy
from tests.chaos.plans import Plan
from tests.command import ROOT
from tests.fakes.sendgrid_server import KEY

CONNECTIONS = 4
"""SMTP connections and SendGrid calls at once: what a killed process may leave on the wire."""
SMTP_TIMEOUT = 3
SENDGRID_TIMEOUT = 2
LONG_TIMEOUT = 60
LONGEST_DELAY = 0.01
_TO = re.compile(rb"^To:.*?([^\s<>,\"]+@[^\s<>,]+)", re.M)


@dataclass(frozen=True)
class Witness:
    """What a provider has to say at the end; addresses, as in `judge.Evidence`."""

    copies: tuple[Copy, ...]
    lost_answers: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    nameless: int = 0
    mixed: int = 0
    excuse: int = 0


class Server(Protocol):
    """A provider of a round."""

    in_flight: int
    """How many messages a killed sender or server may leave without an answer."""

    def environment(self) -> dict[str, str]:
        """Return the settings by which a sender finds it."""
        ...

    def start(self, *, calm: bool = False) -> None:
        """Start it, or start it again; `calm`: without faults."""
        ...

    def kill(self) -> None:
        """Kill it, as a crash would."""
        ...

    def freeze(self) -> None:
        """Let it say nothing any more, with all connections open."""
        ...

    def thaw(self) -> None:
        """Let it go on where it was."""
        ...

    def taken(self) -> int:
        """Return how many messages it has kept so far."""
        ...

    def look(self) -> None:
        """Look at what is there while nobody sends."""
        ...

    def witness(self, people: Mapping[int, str]) -> Witness:
        """Tell everything; `people`: subscriber numbers and their addresses."""
        ...


def server_for(plan: Plan, folder: Path, workspace: Path) -> Server:
    """Make the server of a round, not yet started; its logs go to `folder`."""
    if plan.provider == "outbox":
        return OutboxFolder(workspace / "outbox" / "1")
    if plan.provider == "smtp":
        return SmtpProcess(plan, folder)
    return SendgridProcess(plan, folder)


class OutboxFolder:
    """The folder that receives files: a file that was written twice is a second copy."""

    in_flight = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions: dict[str, set[tuple[int, int]]] = {}

    def environment(self) -> dict[str, str]:
        """It is the default."""
        return {"NEWSLETTER_DELIVERY__PROVIDER": "outbox"}

    def start(self, *, calm: bool = False) -> None:
        """Nothing to start."""

    def kill(self) -> None:
        """Nothing to kill."""

    def freeze(self) -> None:
        """A folder always answers."""

    def thaw(self) -> None:
        """It was never frozen."""

    def taken(self) -> int:
        """Count the whole files."""
        if not self._folder.is_dir():
            return 0
        with os.scandir(self._folder) as entries:
            return sum(entry.name.endswith(".eml") for entry in entries)

    def look(self) -> None:
        """Note each file's inode and time: a file that changes was written again."""
        if not self._folder.is_dir():
            return
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".eml"):
                    status = entry.stat()
                    version = (status.st_ino, status.st_mtime_ns)
                    self._versions.setdefault(entry.name, set()).add(version)

    def witness(self, people: Mapping[int, str]) -> Witness:
        """Read every file's recipient; a file that is not whole, or another's, is `mixed`."""
        self.look()
        copies: list[Copy] = []
        mixed = 0
        for name, versions in self._versions.items():
            path = self._folder / name
            data = path.read_bytes() if path.exists() else b""
            found = _TO.search(data[:8192])
            address = found[1].decode() if found else ""
            mixed += address != people.get(int(path.stem.split("-")[1]))
            mixed += not data.rstrip().endswith(b"--")
            copies += [Copy(address, path.stem)] * len(versions)
        return Witness(tuple(copies), mixed=mixed)


class _Process:
    """A server program, started on the same port each time."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "kept.log"
        self.faults = folder / "faults.log"
        self.port = _free_port()
        self._errors = folder / "server.err"
        self._process: subprocess.Popen[str] | None = None

    def start(self, *, calm: bool = False) -> None:
        """Start it and wait until it listens."""
        self.kill()
        with self._errors.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._words(calm), "--port", str(self.port)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening"), self._errors.read_text()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Stop it with SIGSTOP."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue it, and give it a moment for what has come meanwhile."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            time.sleep(0.2)

    def taken(self) -> int:
        """Count the lines of its log."""
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def look(self) -> None:
        """Its log is enough."""

    def _words(self, calm: bool) -> list[str]:
        raise NotImplementedError

    def _lines(self, path: Path) -> Iterator[list[str]]:
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                yield line.split()

    def _copies(self) -> tuple[Copy, ...]:
        return tuple(Copy(words[0], words[1]) for words in self._lines(self.log))


class SmtpProcess(_Process):
    """The SMTP server of this package."""

    in_flight = CONNECTIONS

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(folder)
        self._plan = plan

    def environment(self) -> dict[str, str]:
        """Point the sender here, with little patience."""
        prefix = "NEWSLETTER_DELIVERY__SMTP__"
        return {
            "NEWSLETTER_DELIVERY__PROVIDER": "smtp",
            f"{prefix}HOST": "127.0.0.1",
            f"{prefix}PORT": str(self.port),
            f"{prefix}SECURITY": "none",
            f"{prefix}CONNECTIONS": str(CONNECTIONS),
            f"{prefix}TIMEOUT": f"{LONG_TIMEOUT if self._plan.patient else SMTP_TIMEOUT}s",
            f"{prefix}ANSWER_TIMEOUT": f"{LONG_TIMEOUT if self._plan.patient else SMTP_TIMEOUT}s",
        }

    def _words(self, calm: bool) -> list[str]:
        plan = self._plan
        words = ["tests.chaos.smtp_server", "--log", str(self.log), "--fault-log", str(self.faults)]
        words += ["--seed", str(plan.seed * 100_000 + plan.number), "--delay", str(LONGEST_DELAY)]
        words += ["--hang", str(SMTP_TIMEOUT + 1)]
        words += [] if plan.pipelining else ["--no-pipelining"]
        return words if calm else [*words, "--rate", str(plan.rate)]

    def witness(self, people: Mapping[int, str]) -> Witness:
        """Sort the fault log by what each fault means."""
        del people
        by_effect: dict[str, list[str]] = {}
        for effect, _, address, *_ in self._lines(self.faults):
            by_effect.setdefault(effect, []).append(address)
        lost = {a for effect in ("lost", "doubt", "cut") for a in by_effect.get(effect, ())}
        refused = by_effect.get("refused", [])
        return Witness(
            self._copies(),
            lost_answers=frozenset(lost),
            refused=frozenset(refused),
            nameless=refused.count("-"),
            mixed=len(by_effect.get("mixed", ())),
        )


class SendgridProcess(_Process):
    """The fake SendGrid, with faults by chance."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(folder)
        self._plan = plan
        self._timeout = LONG_TIMEOUT if plan.patient else SENDGRID_TIMEOUT
        self.in_flight = CONNECTIONS * plan.personalizations

    def environment(self) -> dict[str, str]:
        """Point the sender here, with little patience."""
        prefix = "NEWSLETTER_DELIVERY__SENDGRID__"
        return {
            "NEWSLETTER_DELIVERY__PROVIDER": "sendgrid",
            f"{prefix}HOST": f"http://127.0.0.1:{self.port}",
            f"{prefix}API_KEY": KEY,
            f"{prefix}PERSONALIZATIONS": str(self._plan.personalizations),
            f"{prefix}CALLS_IN_FLIGHT": str(CONNECTIONS),
            f"{prefix}TIMEOUT": f"{self._timeout}s",
        }

    def _words(self, calm: bool) -> list[str]:
        plan = self._plan
        words = ["tests.fakes.sendgrid_server", "--log", str(self.log)]
        words += ["--fault-log", str(self.faults), "--slow", str(plan.slow)]
        if calm or not plan.rate:
            return words
        # A call holds many: faults are as frequent by message as they are elsewhere.
        rate = min(0.5, plan.rate * 2)
        return [*words, "--faults", "random", "--seed", str(plan.number), "--rate", str(rate)]

    def witness(self, people: Mapping[int, str]) -> Witness:
        """Sort the fault log: which calls were left without an answer that says what happened."""
        slow_is_lost = self._plan.slow > self._timeout
        lost: set[str] = set()
        kinds: Counter[str] = Counter()
        for kind, _call, *deliveries in self._lines(self.faults):
            kinds[kind] += 1
            if kind.startswith(("500", "503", "cut")) or (kind == "slow-taken" and slow_is_lost):
                lost |= {people[int(delivery.split("-")[1])] for delivery in deliveries}
        return Witness(
            self._copies(),
            lost_answers=frozenset(lost),
            # Cut before it read anything: it cannot say whose call it was, nor we what had left.
            excuse=kinds["cut-before"] * self._plan.personalizations,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
