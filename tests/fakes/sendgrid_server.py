"""A strict SendGrid on loopback: refuses what the API refuses, merges and keeps the rest.

    python -m tests.fakes.sendgrid_server --port 8025 --log accepted.log
    python -m tests.fakes.sendgrid_server --faults random --seed 7 --rate 0.1 --fault-log faults.log

Bodies are held against `sendgrid_rules`. `faults` are used up one for each call of `mail/send`;
calls are counted from 1.

The log has a line for each message taken, `address delivery call`, and the fault log one for each
fault, `kind call delivery delivery…`; both are written before the answer leaves. A kind that ends
in `-taken` says that the mail was taken and the answer may not have told so. A fault before the
body was read names no delivery.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

from tests.fakes.sendgrid_faults import Answer, Cut, Drip, Fault, Raw, Slow, random_faults
from tests.fakes.sendgrid_rules import Refused, Rules

KEY = "SG.a-key-of-the-fake"


@dataclass(frozen=True)
class Merged:
    """One message as its recipient would get it."""

    address: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    custom_args: Mapping[str, str]


class SendgridServer:
    """A context manager; `messages` holds what was taken, `calls` the body of each call read.

    `refuse`: addresses the API calls invalid; `dislike`: addresses whose calls it refuses without
    a word about whose fault it is. `most`: recipients of a call, above which it answers 413.
    `attempts` counts calls that began, `connections` those ever opened, `open_now` those still
    open.
    """

    def __init__(
        self,
        faults: Iterable[Fault | None] = (),
        *,
        refuse: Iterable[str] = (),
        dislike: Iterable[str] = (),
        most: int = 1000,
        scopes: Iterable[str] = ("mail.send",),
        port: int = 0,
        log: Path | None = None,
        fault_log: Path | None = None,
        fsync: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.messages: list[Merged] = []
        self.calls: list[dict[str, Any]] = []
        self.connections = 0
        self.open_now = 0
        self.lock = threading.Lock()
        self.rules = Rules(frozenset(refuse), frozenset(dislike), most)
        self.scopes = list(scopes)
        self.attempts = 0
        self._faults = iter(faults)
        self._fsync = fsync
        self._log = log.open("a", encoding="utf-8") if log else None
        self._fault_log = fault_log.open("a", encoding="utf-8") if fault_log else None
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> SendgridServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        for log in (self._log, self._fault_log):
            if log:
                log.close()

    def script(
        self,
        faults: Iterable[Fault | None] = (),
        *,
        refuse: Iterable[str] = (),
        dislike: Iterable[str] = (),
    ) -> None:
        """Forget what was taken and follow another script."""
        with self.lock:
            self._faults = iter(faults)
            self.rules = Rules(frozenset(refuse), frozenset(dislike))
            self.messages, self.calls = [], []

    def next_call(self) -> tuple[int, Fault | None]:
        """Return the number of a call that begins, and what goes wrong with it."""
        with self.lock:
            self.attempts += 1
            return self.attempts, next(self._faults, None)

    def take(self, body: dict[str, Any], call: int = 0) -> None:
        """Keep every message of a call."""
        if body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            return
        merged = [_merge(body, personal) for personal in body["personalizations"]]
        with self.lock:
            self.messages += merged
            lines = (f"{m.address} {m.custom_args.get('delivery')} {call}\n" for m in merged)
            self._write(self._log, "".join(lines))

    def note_fault(self, fault: Fault, call: int, raw: bytes = b"") -> None:
        """Log a fault with the deliveries of the call it happens to, as far as they are known."""
        deliveries: list[str] = []
        with contextlib.suppress(ValueError, KeyError, TypeError):
            people = json.loads(raw)["personalizations"]
            deliveries = [str(person["custom_args"]["delivery"]) for person in people]
        with self.lock:
            self._write(self._fault_log, " ".join([fault.kind, str(call), *deliveries]) + "\n")

    def _write(self, log: TextIO | None, text: str) -> None:
        if log is not None:
            log.write(text)
            log.flush()
            if self._fsync:
                os.fsync(log.fileno())


def _merge(body: Mapping[str, Any], person: Mapping[str, Any]) -> Merged:
    def fill(text: str) -> str:
        for tag, value in person.get("substitutions", {}).items():
            text = text.replace(tag, value)
        return text

    parts = {part["type"].split(";")[0]: fill(part["value"]) for part in body["content"]}
    return Merged(
        person["to"][0]["email"],
        fill(person.get("subject") or body["subject"]),
        parts.get("text/plain", ""),
        parts.get("text/html", ""),
        {**body.get("headers", {}), **person.get("headers", {})},
        person.get("custom_args", {}),
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    fake: SendgridServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30
    server: _Server

    def handle(self) -> None:
        fake = self.server.fake
        with fake.lock:
            fake.connections += 1
            fake.open_now += 1
        try:
            super().handle()
        finally:
            with fake.lock:
                fake.open_now -= 1

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        if not self._known():
            return
        if self.path == "/v3/scopes":
            self._say(200, {"scopes": self.server.fake.scopes})
        else:
            self._say(404, {"errors": [{"message": "not found"}]})

    def do_POST(self) -> None:
        fake = self.server.fake
        if self.path != "/v3/mail/send":
            self._say(404, {"errors": [{"message": "not found"}]})
            return
        call, fault = fake.next_call()
        if isinstance(fault, Cut) and not fault.after_reading:
            fake.note_fault(fault, call)
            self._hang_up()
            return
        if isinstance(fault, Answer) and fault.early:
            fake.note_fault(fault, call)
            self._say(fault.status, fault.body, fault.headers)
            self._hang_up()
            return
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if fault is not None:
            if fault.take and not self._take(raw, call):
                return
            fake.note_fault(fault, call, raw)
            self._fail(fault, raw, call)
        elif self._take(raw, call):
            self._accept(raw, call)

    def _take(self, raw: bytes, call: int) -> bool:
        """Take the mail of a call; false when it was refused, and that was said."""
        fake = self.server.fake
        if not self._known():
            return False
        try:
            if self.headers.get("Content-Type") != "application/json":
                raise Refused("the content type is not application/json", status=415)
            body = fake.rules.check(raw)
        except Refused as refused:
            self._say(refused.status, refused.body)
            return False
        with fake.lock:
            fake.calls.append(body)
        fake.take(body, call)
        return True

    def _fail(self, fault: Fault, raw: bytes, call: int) -> None:
        match fault:
            case Answer():
                self._say(fault.status, fault.body, fault.headers)
            case Cut():
                self._hang_up()
            case Slow():
                time.sleep(fault.seconds)
                self._accept(raw, call)
            case Drip():
                with contextlib.suppress(OSError):
                    for byte in b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n":
                        self.wfile.write(bytes([byte]))
                        time.sleep(fault.seconds)
                self._hang_up()
            case Raw():
                with contextlib.suppress(OSError):
                    self.wfile.write(fault.data)
                self._hang_up()

    def _accept(self, raw: bytes, call: int) -> None:
        settings = json.loads(raw).get("mail_settings", {})
        sandbox = settings.get("sandbox_mode", {}).get("enable")
        self._say(200 if sandbox else 202, None, {"X-Message-Id": f"id-{call}"})

    def _known(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {KEY}":
            return True
        self._say(401, {"errors": [{"message": "authorization required"}]})
        return False

    def _say(
        self, status: int, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="a local API that behaves like SendGrid's")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="one line for each accepted message")
    parser.add_argument("--faults", choices=["none", "random"], default="none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.1, help="share of calls with a fault")
    parser.add_argument("--slow", type=float, default=0.3, help="seconds until a slow answer")
    parser.add_argument("--fault-log", type=Path, help="one line for each fault")
    parser.add_argument("--fsync", action="store_true", help="bring each log line to the disk")
    given = parser.parse_args()
    faults: Iterable[Fault] | Iterator[Fault | None] = ()
    if given.faults == "random":
        faults = random_faults(given.seed, given.rate, slow=given.slow)
    with SendgridServer(
        faults, port=given.port, log=given.log, fault_log=given.fault_log, fsync=given.fsync
    ) as server:
        print(f"listening on {server.port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
