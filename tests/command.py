"""Runs the command `newsletter` as an operator would: in this process, or in one of its own.

`Desk.run` calls the entry of the program with the working folder, the environment and the standard
streams of a command of its own. `Desk.start` starts a real process: for signals, kills, terminals
and commands that go on until they are stopped.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import structlog

from newsletter.cli.app import main

ROOT = Path(__file__).resolve().parents[1]


class Desk:
    """An operator's desk: a workspace folder and the command in it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("NEWSLETTER_")},
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
            **environment,
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command in a process of its own and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "newsletter", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *words: str, code: int | None = 0, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and hold it to an exit code (None: any).

        In this process; from another thread than the first one, or while another command runs
        here, in a process of its own, for a folder and streams belong to a whole process.
        """
        if threading.current_thread() is threading.main_thread() and _HERE.acquire(blocking=False):
            try:
                done = self._run_here(words, stdin)
            finally:
                _HERE.release()
        else:
            done = self._run_in_a_process(words, stdin)
        assert "Traceback" not in done.stderr, done.stderr
        if code is not None:
            assert done.returncode == code, (
                f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def json(self, *words: str, code: int | None = 0) -> Any:
        """Run a command with --json and return its document."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def _run_here(self, words: tuple[str, ...], stdin: bytes) -> subprocess.CompletedProcess[str]:
        ended = 0
        with _swapped(self.folder, self.environment, words, stdin) as (out, err):
            try:
                main()
            except SystemExit as end:
                ended = end.code if isinstance(end.code, int) else int(end.code is not None)
        return subprocess.CompletedProcess(words, ended, _read(out), _read(err))

    def _run_in_a_process(
        self, words: tuple[str, ...], stdin: bytes
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "newsletter", *words],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=110,
            check=False,
        )
        return subprocess.CompletedProcess(
            words, done.returncode, done.stdout.decode(), done.stderr.decode()
        )


_HERE = threading.Lock()


@contextmanager
def _swapped(
    folder: Path, environment: dict[str, str], words: tuple[str, ...], stdin: bytes
) -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Let this process be the command's for a while; gives its standard output and error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before, logs = Path.cwd(), structlog.get_config()
    os.chdir(folder)
    try:
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.object(sys, "argv", ["newsletter", *words]),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
            mock.patch.object(sys, "stdout", out),
            mock.patch.object(sys, "stderr", err),
        ):
            yield out, err
    finally:
        os.chdir(before)
        structlog.configure(**logs)


def _read(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def a_desk(folder: Path, *, readers: int = 0, **environment: str) -> Desk:
    """Return a desk with a fresh workspace, a list `daily`, and so many readers on it."""
    desk = Desk(folder, **environment)
    desk.run("init", ".")
    desk.run("lists", "create", "daily", "--title", "The Daily")
    if readers:
        rows = "\n".join(f"reader{n}@example.org,Reader {n}" for n in range(1, readers + 1))
        (folder / "readers.csv").write_text(f"email,name\n{rows}\n", encoding="utf-8")
        desk.run(
            "subscribers", "import", "readers.csv", "--list", "daily", "--consent", "by a test"
        )
    return desk
