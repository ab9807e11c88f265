"""The ways that an alert reaches people without mail: a webhook, a command, else the log.

A way is told one alert and raises `NotTold` when that failed; who tries again is `alert_post`.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shlex
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from newsletter import __version__
from newsletter.logs import get_logger

log = get_logger("alerts")

WEBHOOK_SECONDS = 10.0
"""How long each step of a call may take: connecting, writing, the first line of the answer."""
COMMAND_SECONDS = 30.0


class NotTold(Exception):  # noqa: N818 - a state of the way, told to the operator
    """This way did not take the alert; `problem` holds neither a secret nor an address."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert as it is told: see `alerts.Alert`; `alert` is its number, 0 for a test."""

    alert: int
    kind: str
    subject: str
    body: str
    campaign: int | None
    at: datetime
    edition: int | None = None

    def to_json(self, newsletter: str) -> bytes:
        """Return what a webhook and a command get; it may come twice with the same `alert`."""
        document = {
            "alert": self.alert,
            "kind": self.kind,
            "subject": self.subject,
            "body": self.body,
            "campaign": self.campaign,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "newsletter": newsletter,
        }
        return json.dumps(document, ensure_ascii=False).encode("utf-8")


class Way(Protocol):
    """One way to tell somebody."""

    @property
    def name(self) -> str:
        """What the way is known by from one try to the next."""
        ...

    @property
    def label(self) -> str:
        """What the operator knows it by; no secret, no address in clear."""
        ...

    def tell(self, notice: Notice) -> None:
        """Tell one alert; raises `NotTold`."""
        ...

    def interrupt(self) -> None:
        """Break off what is under way, from another thread, where that is possible."""
        ...


class LogWay:
    """The log, where no other way is configured."""

    name = label = "log"

    def tell(self, notice: Notice) -> None:
        """Write the alert's one line."""
        log.error("alert_unheard", alert=notice.alert, kind=notice.kind, subject=notice.subject)

    def interrupt(self) -> None:
        """Nothing waits."""


class WebhookWay:
    """Posts the alert as JSON; any 2xx is success. Follows no redirect."""

    name = "webhook"

    def __init__(self, url: str, newsletter: str) -> None:
        parts = urlsplit(url)
        self.label = f"webhook {parts.hostname}"
        self._newsletter = newsletter
        self._headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"newsletter/{__version__}",
        }
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        host = parts.netloc.rpartition("@")[2]
        self._url = parts._replace(netloc=host, fragment="").geturl()
        # Without what would follow redirects, and without what reads files.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        ):
            self._opener.add_handler(handler)

    def tell(self, notice: Notice) -> None:
        """Post one alert; the answer's body is not read."""
        # The setting allows http and https alone, and so does the opener.
        request = urllib.request.Request(  # noqa: S310
            self._url, notice.to_json(self._newsletter), self._headers, method="POST"
        )
        try:
            answer: Any = self._opener.open(request, timeout=WEBHOOK_SECONDS)
            with answer:
                status = int(answer.status)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotTold(_why(error)) from None
        if 300 <= status < 400:
            raise NotTold(f"it redirects ({status}): let alerts.webhook name where that leads")
        if not 200 <= status < 300:
            raise NotTold(f"it answered {status}")

    def interrupt(self) -> None:
        """It ends by itself soon enough."""


class CommandWay:
    """Runs a command with the alert as JSON on its standard input; exit code 0 is success.

    No shell: the setting is split into words as a shell would. `folder` is where it runs.
    """

    name = "command"

    def __init__(self, command: str, folder: Path, newsletter: str) -> None:
        self._command = command
        self._folder = folder
        self._newsletter = newsletter
        self._running: subprocess.Popen[bytes] | None = None
        words = self._words()
        self.label = f"command {Path(words[0]).name}" if words else "command"

    def tell(self, notice: Notice) -> None:
        """Run it once; it and what it began is ended after half a minute."""
        words = self._words()
        if not words:
            raise NotTold("'alerts.command' holds no command, or a quote without its end")
        try:
            # Trusted: the operator's own setting, without a shell.
            running = subprocess.Popen(  # noqa: S603
                words,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise NotTold(f"it cannot be run: {_why(error)}") from None
        self._running = running
        try:
            running.communicate(notice.to_json(self._newsletter), timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise NotTold(f"it took longer than {COMMAND_SECONDS:g} s and was ended") from None
        finally:
            self._running = None
            _end(running)
        if running.returncode:
            raise NotTold(f"it ended with exit code {running.returncode}")

    def interrupt(self) -> None:
        """End it now."""
        running = self._running
        if running is not None and running.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)

    def _words(self) -> list[str]:
        try:
            return shlex.split(self._command)
        except ValueError:
            return []


def _end(running: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, with its children; one that has ended is left as it is."""
    if running.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    if running.stdin is not None:
        with contextlib.suppress(OSError):
            running.stdin.close()


def _why(error: BaseException) -> str:
    """Say what failed without the words of the error, which may hold the URL and its secrets."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    words = error.strerror if isinstance(error, OSError) else None
    return words or type(error).__name__
