"""Starts commands on a round's workspace, waits for their end with patience, and notes each end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.judge import Run
from tests.command import Desk

LONGEST_DRAIN = 30.0
"""G6: within so many seconds a stopped sender has ended."""
DRAIN_GRACE = 3.0
"""More of them for a busy machine."""
LOOK = 0.004
_OF_A_FAKED_CLOCK = ("/dev/shm/faketime_shm_{}", "/dev/shm/sem.faketime_sem_{}")
"""What libfaketime leaves in memory when its process is killed."""
IDLE_SHARE = 0.05
"""Who uses less of a processor, and gets no message through, only waits."""


@dataclass
class Command:
    """One started command."""

    words: str
    process: subprocess.Popen[bytes]
    errors: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self.process.poll() is not None

    def processor_seconds(self) -> float:
        """Return how much work it has done; on a busy machine a start may take long."""
        try:
            text = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return 0.0
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Commands:
    """All commands of one round; `runs` holds how each ended."""

    def __init__(
        self, folder: Path, notes: Path, environment: Mapping[str, str], taken: Callable[[], int]
    ) -> None:
        self._desk = Desk(folder, **environment)
        self._notes = notes
        self._taken = taken
        self._count = 0
        self.runs: list[Run] = []

    def start(self, *words: str) -> Command:
        """Start a command; what it says goes to files beside the round's logs."""
        self._count += 1
        name = self._notes / f"{self._count:02d}-{words[0]}"
        errors = name.with_suffix(".err")
        with name.with_suffix(".out").open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "newsletter", *words],
                cwd=self._desk.folder,
                env=self._desk.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return Command(" ".join(words), process, errors)

    def finish(self, command: Command, patience: float) -> Run:
        """Wait for its end; when it only waits for `patience` seconds, stop it (SIGTERM).

        A provider that is away is waited for up to minutes: an operator may stop that at any time.
        """
        taken, used, begun = self._taken(), 0.0, time.monotonic()
        while not command.ended:
            time.sleep(0.02)
            if time.monotonic() - begun < patience:
                continue
            now_taken, now_used = self._taken(), command.processor_seconds()
            if now_taken == taken and now_used - used < IDLE_SHARE * patience:
                return self.stop(command)
            taken, used, begun = now_taken, now_used, time.monotonic()
        return self.note(command)

    def stop(self, command: Command) -> Run:
        """Send SIGTERM and hold it to its time."""
        begun = time.monotonic()
        command.process.send_signal(signal.SIGTERM)
        try:
            command.process.wait(LONGEST_DRAIN + DRAIN_GRACE)
        except subprocess.TimeoutExpired:
            command.process.kill()
            command.process.wait()
            return self.note(command, stopped=True, too_long=True)
        return self.note(command, stopped=True, drain=time.monotonic() - begun)

    def kill(self, command: Command) -> Run:
        """Send SIGKILL."""
        command.process.kill()
        command.process.wait()
        return self.note(command, killed=True)

    def note(
        self,
        command: Command,
        *,
        stopped: bool = False,
        killed: bool = False,
        too_long: bool = False,
        drain: float = 0.0,
    ) -> Run:
        """Keep how an ended command ended."""
        for left_behind in _OF_A_FAKED_CLOCK:
            Path(left_behind.format(command.process.pid)).unlink(missing_ok=True)
        code = None if too_long else command.process.returncode
        stderr = command.errors.read_text("utf-8", "replace")
        run = Run(command.words, code, stopped, killed, drain, stderr)
        self.runs.append(run)
        return run
