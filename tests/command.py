"""Runs the command `newsletter` in a process of its own, as an operator would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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
        """Start a command and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "newsletter", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and hold it to an exit code (None: any)."""
        process = self.start(*words)
        out, err = process.communicate(timeout=110)
        done = subprocess.CompletedProcess(words, process.returncode, out, err)
        assert "Traceback" not in err, err
        if code is not None:
            assert done.returncode == code, f"{words}: {done.returncode}\n{out}\n{err}"
        return done

    def json(self, *words: str, code: int | None = 0) -> Any:
        """Run a command with --json and return its document."""
        return json.loads(self.run(*words, "--json", code=code).stdout)


def a_desk(folder: Path, *, readers: int = 0, **environment: str) -> Desk:
    """Return a desk with a fresh workspace, a list `daily`, and so many readers on it."""
    desk = Desk(folder, **environment)
    laid = subprocess.run(
        [sys.executable, "-m", "tests.desk_laying", str(readers)],
        cwd=folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert laid.returncode == 0, laid.stderr
    return desk
