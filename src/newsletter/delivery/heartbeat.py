"""The heartbeat: a sign of life for a monitor outside, which raises the alarm when it stops (H10).

A dead process cannot alert, so this one says again and again that all is well. It says nothing
while something is not: what that is, alerts tell.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from newsletter import __version__
from newsletter.clock import Clock
from newsletter.delivery.rounds import Rounds
from newsletter.logs import get_logger, place_of
from newsletter.settings.feedback_parts import AlertsPart

log = get_logger("heartbeat")

FETCH_SECONDS = 10.0
"""How long each step of a fetch may take: connecting, and the first line of the answer."""


class Heartbeat(Rounds):
    """Fetches `alerts.heartbeat_url` and touches `alerts.heartbeat_file`: `start`, `stop`.

    `healthy` says whether all is well; where it fails, nothing is. `root` is what a relative file
    is found from. What goes wrong here is only logged: the monitor hears it by hearing nothing.
    """

    def __init__(
        self,
        part: AlertsPart,
        clock: Clock,
        healthy: Callable[[], bool],
        *,
        root: Path = Path(),
    ) -> None:
        every = part.heartbeat_every.total_seconds()
        super().__init__("heartbeat", self._beat, look_seconds=max(every, 1.0))
        self._url = part.heartbeat_url
        self._file = root / part.heartbeat_file if part.heartbeat_file is not None else None
        self._clock = clock
        self._healthy = healthy

    @property
    def wanted(self) -> bool:
        """Whether the settings name anybody who listens."""
        return self._url is not None or self._file is not None

    def _beat(self, _stop: threading.Event) -> bool:
        # Always "got through": a longer rest after trouble would be a false alarm once it is over.
        if not self.wanted or not self._is_healthy():
            return True
        if self._file is not None:
            _touch(self._file, f"{self._clock.now().isoformat()}\n")
        if self._url is not None:
            _fetch(self._url)
        return True

    def _is_healthy(self) -> bool:
        try:
            healthy = self._healthy()
        except Exception as error:  # noqa: BLE001 - who cannot tell is not healthy
            problem, place = type(error).__name__, place_of(error)
            log.error("heartbeat_left_out", problem=problem, at=place)  # noqa: TRY400
            return False
        if not healthy:
            log.warning("heartbeat_left_out", problem="not healthy")
        return healthy


def _touch(file: Path, text: str) -> None:
    """Write a file in one step, so that a monitor never reads half of it."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="ascii")
        # Monitors run as somebody else.
        beside.chmod(0o644)
        beside.replace(file)
    except OSError as error:
        log.warning("heartbeat_not_written", problem=error.strerror or type(error).__name__)


def _fetch(url: str) -> None:
    """Fetch a URL and forget the answer; its path is as good as a key, so it is never logged."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _SameHost(),
    ):
        opener.add_handler(handler)
    # The setting allows http and https alone, and so does the opener.
    request = urllib.request.Request(  # noqa: S310
        url, headers={"User-Agent": f"newsletter/{__version__}"}
    )
    try:
        answer: Any = opener.open(request, timeout=FETCH_SECONDS)
        answer.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        log.warning("heartbeat_not_fetched", problem=_why(error))


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within its host, for a host that was moved there was not configured."""

    def redirect_request(  # noqa: PLR0917 - the library's own signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request, or None where it leads elsewhere or away from TLS."""
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        unsafe = here.scheme == "https" and there.scheme != "https"
        if unsafe or there.hostname != here.hostname:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _why(error: BaseException) -> str:
    """Say what failed without the words of the error, which may hold the URL."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"it answered {error.code}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    if isinstance(error, TimeoutError):
        return "no answer in time"
    words = error.strerror if isinstance(error, OSError) else None
    return words or type(error).__name__
