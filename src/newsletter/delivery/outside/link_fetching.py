"""Fetches one address of a digest as carefully as a stranger's word deserves (E7).

Only public hosts, each connected to by the very address that was judged; nothing is kept of an
answer but where it came from. What a page's answer means is for `link_checks`.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, urljoin, urlsplit

from newsletter import __version__
from newsletter.delivery.outside.link_addresses import Address, Lookup, is_public, look_up
from newsletter.rendering.headers import a_label

MOST_HOPS = 5
"""Redirects that are followed."""
MOST_BYTES = 4096
"""Bytes of a body that are read; none is needed, but a server notices when all are refused."""

_HEADERS = {
    "User-Agent": f"newsletter/{__version__} (checks the links of a newsletter before it is sent)",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_NO_HEAD = frozenset({400, 403, 404, 405, 406, 410, 501, 503})
"""Answers to HEAD that GET may not give."""
_SAFE = "/?&=%#:;,@!$'()*+~[]|"


class Trouble(StrEnum):
    """Why there is no answer."""

    PRIVATE = "private"
    NO_HOST = "no host"
    SILENT = "silent"
    TLS = "tls"
    MALFORMED = "malformed"
    LOOP = "loop"


class FetchFailed(Exception):  # noqa: N818 - the fetch did, the program did not
    """There is no answer: `trouble` says of which kind, the text says more."""

    def __init__(self, trouble: Trouble, detail: str, *, url: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail
        self.url = url


@dataclass(frozen=True, slots=True)
class Hop:
    """A redirect that was followed."""

    status: int
    to: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came at the end: `url` is where, `hops` how it went there."""

    url: str
    status: int
    content_type: str
    hops: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return shown if self.port == usual else f"{shown}:{self.port}"


@dataclass(slots=True)
class Fetcher:
    """Fetches links; may be used by several threads, of which one at a time speaks to a host.

    `seconds` bound each fetch as a whole, name resolution apart. `lookup` and `allowed` say which
    addresses a host has and which of them may be connected to. No proxy is used, no cookie kept,
    no Referer sent.
    """

    seconds: float = 10.0
    lookup: Lookup = look_up
    allowed: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    _hosts: defaultdict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, url: str) -> Answer:
        """Follow a link to its end; raises `FetchFailed`. Every redirect is judged anew."""
        end = time.monotonic() + self.seconds
        hops: list[Hop] = []
        here = url
        while True:
            status, location, content_type = self._ask(here, end)
            if not 300 <= status < 400 or not location:
                return Answer(here, status, content_type, tuple(hops))
            if len(hops) == MOST_HOPS:
                raise FetchFailed(Trouble.LOOP, f"more than {MOST_HOPS} redirects", url=here)
            try:
                here = urljoin(here, location)
            except ValueError:
                raise FetchFailed(
                    Trouble.MALFORMED, "redirects to what is no address", url=here
                ) from None
            hops.append(Hop(status, here))

    def _ask(self, url: str, end: float) -> tuple[int, str, str]:
        target = _target(url)
        with self._alone(target.host, url, end):
            addresses = self._judged(target, url)
            first = self._talk(target, addresses, "HEAD", url, end=end)
            if first[0] not in _NO_HEAD:
                return first
            return self._talk(target, addresses, "GET", url, end=end)

    @contextmanager
    def _alone(self, host: str, url: str, end: float) -> Iterator[None]:
        with self._guard:
            lock = self._hosts[host]
        if not lock.acquire(timeout=max(0.0, end - time.monotonic())):
            raise FetchFailed(Trouble.SILENT, "no turn in time", url=url)
        try:
            yield
        finally:
            lock.release()

    def _judged(self, target: _Target, url: str) -> list[Address]:
        try:
            addresses = list(self.lookup(target.host, target.port))
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                detail = f"DNS does not answer about {target.host}"
                raise FetchFailed(Trouble.SILENT, detail, url=url) from None
            detail = f"there is no host {target.host}"
            raise FetchFailed(Trouble.NO_HOST, detail, url=url) from None
        except (OSError, ValueError):
            detail = f"{target.host} cannot be looked up"
            raise FetchFailed(Trouble.NO_HOST, detail, url=url) from None
        # One private address among public ones is a trap: whoever connects may get either.
        refused = next((a for a in addresses if not self.allowed(a)), None)
        if refused is not None or not addresses:
            detail = f"{target.host} is {refused}, which is not public"
            raise FetchFailed(Trouble.PRIVATE, detail, url=url)
        return addresses[:2]

    def _talk(
        self, target: _Target, addresses: list[Address], method: str, url: str, *, end: float
    ) -> tuple[int, str, str]:
        failed = FetchFailed(Trouble.SILENT, "no answer in time", url=url)
        for address in addresses:
            try:
                return self._exchange(target, address, method, end)
            except (OSError, http.client.HTTPException, ValueError) as error:
                # Past the end it was us who cut it off, whatever it looks like.
                if time.monotonic() >= end:
                    break
                failed = FetchFailed(*_why(error), url=url)
        raise failed

    def _exchange(
        self, target: _Target, address: Address, method: str, end: float
    ) -> tuple[int, str, str]:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        wire = socket.create_connection((str(address), target.port), timeout=left)
        if target.scheme == "https":
            wire = self.tls.wrap_socket(
                wire, server_hostname=target.host, do_handshake_on_connect=False
            )
        # Connected already, to the address that was judged: the name is not asked again.
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = wire
        # A time-out of the socket starts anew with each byte; this one does not.
        watch = threading.Timer(max(0.0, end - time.monotonic()), _cut, (wire,))
        watch.daemon = True
        watch.start()
        try:
            if isinstance(wire, ssl.SSLSocket):
                wire.do_handshake()
            headers = {"Host": target.host_header, **_HEADERS}
            if method == "GET":
                headers["Range"] = f"bytes=0-{MOST_BYTES - 1}"
            connection.request(method, target.path, headers=headers)
            with connection.getresponse() as answer:
                if method == "GET":
                    answer.read(MOST_BYTES)
                return answer.status, answer.getheader("Location", ""), _kind(answer)
        finally:
            watch.cancel()
            connection.close()
            wire.close()


def _why(error: BaseException) -> tuple[Trouble, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Trouble.TLS, f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return Trouble.TLS, "its TLS fails"
    if isinstance(error, TimeoutError):
        return Trouble.SILENT, "no answer in time"
    if isinstance(error, OSError):
        return Trouble.SILENT, error.strerror or "the connection broke"
    return Trouble.SILENT, "what answers does not speak HTTP"


def _target(url: str) -> _Target:
    try:
        parts = urlsplit(url.strip())
        host = a_label((parts.hostname or "").rstrip("."))
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower(), 0)
    except ValueError:
        raise FetchFailed(Trouble.MALFORMED, "it is no address of a page", url=url) from None
    if not host or port == 0:
        detail = f"it leads to {parts.scheme or 'nothing'}: and not to a page"
        raise FetchFailed(Trouble.MALFORMED, detail, url=url)
    path = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        path += f"?{quote(parts.query, safe=_SAFE)}"
    return _Target(parts.scheme.lower(), host, port, path)


def _kind(answer: http.client.HTTPResponse) -> str:
    return answer.getheader("Content-Type", "").partition(";")[0].strip().lower()


def _cut(wire: socket.socket) -> None:
    """End a conversation from the outside: whoever reads from it gets an error at once."""
    with contextlib.suppress(OSError):
        # The plain one: that of TLS would let the rest through as if it were in clear.
        socket.socket.shutdown(wire, socket.SHUT_RDWR)
