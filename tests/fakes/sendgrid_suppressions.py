"""A strict suppressions API on loopback, as SendGrid documents it.

Paths, methods and query parameters that are not documented are refused, and what the fake answers
is held against the documented entries. An extra test holds both tables against the published
description.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator

from tests.fakes.sendgrid_faults import Answer, Cut, Raw, Slow
from tests.fakes.sendgrid_server import KEY

LISTS = ("bounces", "blocks", "invalid_emails", "spam_reports", "unsubscribes")
DEFAULT_LIMIT = 500
_PATH = re.compile(r"/v3/suppression/(?P<list>[a-z_]+)(?:/(?P<email>[^/]+))?")

Fault = Answer | Cut | Slow | Raw
Entry = dict[str, Any]


class Refused(Exception):  # noqa: N818 - what happened to a request
    """A request that the documents do not allow."""


_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
QUERY: Mapping[str, Mapping[str, Any]] = {
    "start_time": _NUMBER,
    "end_time": _NUMBER,
    "limit": {"type": "integer", "minimum": 1, "maximum": 500},
    "offset": {"type": "integer", "minimum": 0},
    "email": _TEXT,
}
"""What may be asked of a list."""
ENTRIES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "bounces": {"created": _NUMBER, "email": _TEXT, "reason": _TEXT, "status": _TEXT},
    "blocks": {"created": _NUMBER, "email": _TEXT, "reason": _TEXT, "status": _TEXT},
    "invalid_emails": {"created": _NUMBER, "email": _TEXT, "reason": _TEXT},
    "spam_reports": {"created": _NUMBER, "email": _TEXT, "ip": _TEXT},
    "unsubscribes": {"created": _NUMBER, "email": _TEXT},
}
"""What stands in an entry of each list."""
NOT_DELETED_THERE = frozenset({"unsubscribes"})
"""Whose entries are taken off by /v3/asm/suppressions/global/{email} alone."""


def read_query(text: str) -> dict[str, Any]:
    """Return the query's parameters with their types; refuses what is not documented."""
    read: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        if name not in QUERY or name in read:
            raise Refused(f"unknown or repeated query parameter '{name}'")
        if QUERY[name]["type"] == "integer":
            if not re.fullmatch(r"-?\d+", value):
                raise Refused(f"'{name}' is no integer")
            read[name] = int(value)
        else:
            read[name] = value
        if list(Draft202012Validator(QUERY[name]).iter_errors(read[name])):
            raise Refused(f"'{name}' is out of range")
    return read


def check_answer(name: str, rows: object) -> None:
    """Hold an answer of ours against what is documented of a list's entries."""
    fields = ENTRIES[name]
    entry = {
        "type": "object",
        "properties": fields,
        "required": [*fields],
        "additionalProperties": False,
    }
    Draft202012Validator({"type": "array", "items": entry}).validate(rows)


class SuppressionsServer:
    """A context manager; `lists` holds the entries, `requests` each `METHOD target` that came.

    `faults` are used up one for each request. `grow` adds an entry to a list after so many
    requests, as another sender would.
    """

    def __init__(self, faults: Iterable[Fault | None] = (), *, key: str = KEY) -> None:
        self.lists: dict[str, list[Entry]] = {name: [] for name in LISTS}
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.lock = threading.Lock()
        self.key = key
        self.grow: dict[int, tuple[str, Entry]] = {}
        self._faults = iter(faults)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> SuppressionsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def script(self, *faults: Fault | None) -> None:
        """Follow another script of faults, and forget the requests."""
        with self.lock:
            self._faults = iter(faults)
            self.requests = []

    def add(self, name: str, address: str, created: float, **fields: str) -> None:
        """Put an address on a list, as SendGrid would."""
        entry: Entry = {"created": int(created), "email": address, **fields}
        if name in ("bounces", "blocks"):
            entry.setdefault("reason", "550 5.1.1 User unknown")
            entry.setdefault("status", "5.1.1")
        elif name == "invalid_emails":
            entry.setdefault("reason", "Mail domain mentioned in email address is unknown")
        elif name == "spam_reports":
            entry.setdefault("ip", "192.0.2.7")
        with self.lock:
            self.lists[name].append(entry)

    def addresses(self, name: str) -> list[str]:
        """Return who is on a list."""
        with self.lock:
            return [entry["email"] for entry in self.lists[name]]

    def next_fault(self, request: str) -> Fault | None:
        """Note a request; returns what goes wrong with it."""
        with self.lock:
            self.requests.append(request)
            if (more := self.grow.get(len(self.requests))) is not None:
                self.lists[more[0]].append(more[1])
            return next(self._faults, None)

    def page(self, name: str, query: Mapping[str, Any]) -> list[Entry]:
        """Return a page of a list, the newest first."""
        with self.lock:
            rows = [
                entry
                for entry in reversed(self.lists[name])
                if query.get("start_time", 0) <= entry["created"]
                and entry["created"] <= query.get("end_time", entry["created"])
            ]
        rows.sort(key=lambda entry: -entry["created"])
        start = query.get("offset", 0)
        return rows[start : start + query.get("limit", DEFAULT_LIMIT)]

    def delete(self, name: str, address: str) -> bool:
        """Take an address off a list."""
        with self.lock:
            kept = [entry for entry in self.lists[name] if entry["email"] != address]
            found = len(kept) < len(self.lists[name])
            self.lists[name] = kept
        return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    fake: SuppressionsServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        fake = self.server.fake
        fault = fake.next_fault(f"{method} {self.path}")
        if isinstance(fault, Cut):
            self._hang_up()
            return
        if isinstance(fault, Answer):
            self._say(fault.status, fault.body, fault.headers)
            return
        if isinstance(fault, Raw):
            self.wfile.write(fault.data)
            self._hang_up()
            return
        if isinstance(fault, Slow):
            time.sleep(fault.seconds)
        if self.headers.get("Authorization") != f"Bearer {fake.key}":
            self._say(401, {"errors": [{"field": None, "message": "authorization required"}]})
            return
        try:
            self._obey(method)
        except Refused as refused:
            with fake.lock:
                fake.refused.append(str(refused))
            self._say(400, {"errors": [{"field": None, "message": str(refused)}]})

    def _obey(self, method: str) -> None:
        fake, url = self.server.fake, urlsplit(self.path)
        named = _PATH.fullmatch(url.path)
        if named is None or named["list"] not in ENTRIES:
            raise Refused(f"no such call: {method} {url.path}")
        name, address = named["list"], unquote(named["email"] or "")
        if method == "GET" and not address:
            rows = fake.page(name, read_query(url.query))
            check_answer(name, rows)
            self._say(200, rows)
        elif method == "DELETE" and "@" in address and name not in NOT_DELETED_THERE:
            if url.query:
                raise Refused("a DELETE takes no query")
            if fake.delete(name, address):
                self._say(204, None)
            else:
                self._say(404, {"errors": [{"field": None, "message": "not found"}]})
        else:
            # The API empties a whole list when asked; nothing of ours may ever ask for it.
            raise Refused(f"no such call: {method} {url.path}")

    def _say(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
