"""A strict SendGrid on loopback: refuses what the API refuses, merges and keeps the rest.

    python -m tests.fakes.sendgrid_server --port 8025 --log accepted.log

Bodies are held against SendGrid's own description of its API where it lies beside the checkout,
and always against the limits of F1. `faults` are used up one for each call of `mail/send`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema

KEY = "SG.a-key-of-the-fake"
DESCRIPTION = Path(__file__).resolve().parents[3] / "shared" / "sendgrid" / "tsg_mail_v3.json"
RESERVED = frozenset(
    (
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type"),
        *("content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"),
    )
)


@dataclass(frozen=True)
class Answer:
    """Answer a call with this instead of looking at it."""

    status: int
    body: Mapping[str, Any] = field(default_factory=lambda: {"errors": [{"message": "scripted"}]})
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """Break the connection: before the body is read, or behind it, the mail taken or not."""

    after_reading: bool
    take: bool = False


@dataclass(frozen=True)
class Slow:
    """Take the mail, but answer only after so many seconds."""

    seconds: float


Fault = Answer | Cut | Slow


@dataclass(frozen=True)
class Merged:
    """One message as its recipient would get it."""

    address: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    custom_args: Mapping[str, str]


class _Refused(Exception):  # noqa: N818
    def __init__(self, message: str, name: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"errors": [{"message": message, "field": name, "help": None}]}


@cache
def _schema() -> dict[str, Any] | None:
    if not DESCRIPTION.is_file():
        return None
    description = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    body = description["components"]["requestBodies"]["PostMailSend"]
    schema = body["content"]["application/json"]["schema"]
    return {**schema, "components": description["components"]}


class SendgridServer:
    """A context manager; `messages` holds what was taken, `calls` the body of each call read.

    `refuse`: addresses the API calls invalid. `connections` counts those ever opened, `open_now`
    those still open.
    """

    def __init__(
        self,
        faults: Iterable[Fault | None] = (),
        *,
        refuse: Iterable[str] = (),
        scopes: Iterable[str] = ("mail.send",),
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.messages: list[Merged] = []
        self.calls: list[dict[str, Any]] = []
        self.connections = 0
        self.open_now = 0
        self.lock = threading.Lock()
        self.refuse = frozenset(refuse)
        self.scopes = list(scopes)
        self._faults = iter(faults)
        self._log = log.open("a", encoding="utf-8") if log else None
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> SendgridServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        if self._log:
            self._log.close()

    def next_fault(self) -> Fault | None:
        """Return what goes wrong with this call."""
        with self.lock:
            return next(self._faults, None)

    def take(self, body: dict[str, Any]) -> None:
        """Keep every message of a call."""
        if body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            return
        merged = [_merge(body, personal) for personal in body["personalizations"]]
        with self.lock:
            self.messages += merged
            if self._log:
                for message in merged:
                    self._log.write(f"{message.address} {message.custom_args.get('delivery')}\n")
                self._log.flush()

    def check(self, raw: bytes) -> dict[str, Any]:
        """Return the body of a call, or refuse it as the API would."""
        if len(raw) > 30_000_000:
            raise _Refused("the request is larger than 30 MB", status=413)
        try:
            body: dict[str, Any] = json.loads(raw)
        except ValueError:
            raise _Refused("not JSON") from None
        if (schema := _schema()) is not None:
            validator = jsonschema.Draft202012Validator(schema)
            for error in validator.iter_errors(body):
                raise _Refused(error.message[:300], ".".join(map(str, error.path)))
        people = body.get("personalizations") or []
        if not 1 <= len(people) <= 1000:
            raise _Refused("1 to 1000 personalizations", "personalizations")
        if sum(len(p.get(k, [])) for p in people for k in ("to", "cc", "bcc")) > 1000:
            raise _Refused("more than 1000 recipients", "personalizations")
        kinds = [part["type"].split(";")[0] for part in body.get("content") or []]
        if not kinds or kinds != sorted(kinds, key=["text/plain", "text/html"].index):
            raise _Refused("text/plain goes before text/html", "content")
        for number, person in enumerate(people):
            self._check_person(person, f"personalizations.{number}")
        _check_headers(body.get("headers", {}), "headers")
        return body

    def _check_person(self, person: dict[str, Any], where: str) -> None:
        addresses = [a["email"].lower() for k in ("to", "cc", "bcc") for a in person.get(k, [])]
        if len(addresses) != len(set(addresses)):
            raise _Refused("an address occurs twice in a personalization", where)
        for number, to in enumerate(person["to"]):
            if to["email"] in self.refuse or to["email"].count("@") != 1:
                raise _Refused("Does not contain a valid address.", f"{where}.to.{number}.email")
        for name in ("substitutions", "custom_args"):
            size = sum(len(f"{k}{v}".encode()) for k, v in person.get(name, {}).items())
            if size > 10_000:
                raise _Refused(f"{name} exceed 10000 bytes", f"{where}.{name}")
        _check_headers(person.get("headers", {}), f"{where}.headers")


def _check_headers(headers: Mapping[str, Any], where: str) -> None:
    for name, value in headers.items():
        if name.lower() in RESERVED:
            raise _Refused(f"the header {name} is reserved", where)
        if not isinstance(value, str) or not value.isascii() or "\n" in value or "\r" in value:
            raise _Refused(f"the header {name} is no line of ASCII", where)


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
        fault = fake.next_fault() if self.path == "/v3/mail/send" else None
        if isinstance(fault, Cut) and not fault.after_reading:
            self._hang_up()
            return
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if isinstance(fault, Answer):
            self._say(fault.status, fault.body, fault.headers)
        elif self._known():
            self._send(raw, fault)

    def _send(self, raw: bytes, fault: Fault | None) -> None:
        fake = self.server.fake
        if self.path != "/v3/mail/send":
            self._say(404, {"errors": [{"message": "not found"}]})
            return
        try:
            if self.headers.get("Content-Type") != "application/json":
                raise _Refused("the content type is not application/json", status=415)
            body = fake.check(raw)
        except _Refused as refused:
            self._say(refused.status, refused.body)
            return
        with fake.lock:
            fake.calls.append(body)
        if not isinstance(fault, Cut) or fault.take:
            fake.take(body)
        if isinstance(fault, Cut):
            self._hang_up()
            return
        if isinstance(fault, Slow):
            time.sleep(fault.seconds)
        sandbox = body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable")
        self._say(200 if sandbox else 202, None, {"X-Message-Id": f"id-{len(fake.calls)}"})

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
    given = parser.parse_args()
    with SendgridServer(port=given.port, log=given.log) as server:
        print(f"listening on {server.port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
