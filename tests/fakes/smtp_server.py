"""A real SMTP server on loopback that keeps what it takes; also a program for kill tests.

    python -m tests.fakes.smtp_server --port 2525 --log accepted.log --folder messages

One line of the log for each accepted message, written before the server says so: recipient, a
space, Message-ID. For faults at a chosen phase see `smtp_scripted`.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.fakes.smtp_rules import Talk, refusal_of_command, refusal_of_message


@dataclass(frozen=True)
class Captured:
    """One accepted message: its envelope and its bytes with the dots taken off again."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    mail_options: tuple[str, ...]
    protected: bool
    login: bytes | None


class _Handler:
    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _s: Any, session: Session, _e: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        if refusal := refusal_of_command(f"EHLO {hostname}".encode(), b"", Talk()):
            return [refusal]
        session.host_name = hostname
        offered = ["250-PIPELINING"] if self._server.pipelining else []
        return [*responses[:-1], *offered, responses[-1]]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        line = " ".join([f"MAIL FROM:<{address}>", *options])
        talk = Talk(("SIZE", "8BITMIME", "SMTPUTF8"), self._server.size_limit, {"hello"})
        if refusal := refusal_of_command(line.encode(), b"", talk):
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if reply := self._server.refuse.get(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, session: Session, envelope: Envelope
    ) -> str:
        if self._server.delay:
            await asyncio.sleep(self._server.delay)
        options = [option.upper() for option in envelope.mail_options]
        talk = Talk(
            largest=self._server.size_limit,
            eight_bit="BODY=8BITMIME" in options,
            unicode="SMTPUTF8" in options,
        )
        refusal = refusal_of_message(envelope.original_content or b"", talk)
        if refusal is not None and self._server.strict:
            self._server.refused.append(refusal)
            return refusal
        return self._server.keep(session, envelope)


class SmtpServer:
    """Runs in a thread as a context manager; `messages` holds what was accepted, `refused` what
    `smtp_rules` had against others.

    `tls`: None, "starttls" or "tls" with `context`. `login`: demanded user and password.
    `refuse`: the reply to RCPT for an address. `delay`: seconds before each answer to the dot.
    `pipelining`: whether it is offered (RFC 2920). `strict`: whether messages must be such as real
    servers take; a test of raw bytes may do without.
    """

    def __init__(
        self,
        *,
        tls: str | None = None,
        context: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        size_limit: int = 33_554_432,
        smtputf8: bool = True,
        refuse: dict[str, str] | None = None,
        delay: float = 0.0,
        pipelining: bool = True,
        strict: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
        log: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        self.messages: list[Captured] = []
        self.refused: list[str] = []
        self.connections = 0
        self.refuse = refuse or {}
        self.delay = delay
        self.pipelining = pipelining
        self.strict = strict
        self.host, self.port = host, port
        self._tls, self._context, self._login = tls, context, login
        self.size_limit, self._smtputf8 = size_limit, smtputf8
        self._log = log.open("a", encoding="utf-8") if log else None
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="smtp-fake", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> SmtpServer:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the fake server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        if self._log:
            self._log.close()

    def keep(self, session: Session, envelope: Envelope) -> str:
        """Keep one message, on disk first where asked for; returns the answer to its dot."""
        data = envelope.original_content or b""
        number = len(self.messages) + 1
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{number:07d}.eml").write_bytes(data)
        if self._log:
            self._log.write(f"{envelope.rcpt_tos[0]} {_message_id(data)}\n")
            self._log.flush()
        self.messages.append(
            Captured(
                envelope.mail_from or "",
                tuple(envelope.rcpt_tos),
                data,
                tuple(envelope.mail_options),
                session.ssl is not None or self._tls == "tls",
                getattr(session.auth_data, "login", None),
            )
        )
        return f"250 2.0.0 Ok: queued as Q{number:07d}"

    def _protocol(self) -> SMTP:
        self.connections += 1
        with warnings.catch_warnings():
            # It knows TLS by STARTTLS only, and warns of AUTH inside a TLS connection.
            warnings.simplefilter("ignore", UserWarning)
            return SMTP(
                _Handler(self),
                data_size_limit=self.size_limit,
                enable_SMTPUTF8=self._smtputf8,
                hostname="fake.example",
                tls_context=self._context if self._tls == "starttls" else None,
                auth_required=self._login is not None and self._tls is not None,
                auth_require_tls=self._tls == "starttls",
                authenticator=self._authenticate if self._login else None,
                loop=self._loop,
            )

    def _authenticate(self, _s: Any, _session: Any, _e: Any, _m: str, given: Any) -> AuthResult:
        wanted = tuple(part.encode() for part in self._login or ())
        good = isinstance(given, LoginPassword) and (given.login, given.password) == wanted
        return AuthResult(success=good, handled=False, auth_data=given if good else None)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(
                self._protocol,
                self.host,
                self.port,
                ssl=self._context if self._tls == "tls" else None,
            )
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()


def _message_id(data: bytes) -> str:
    for line in data.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
        if line.lower().startswith(b"message-id:"):
            return line.split(b":", 1)[1].strip().decode("ascii", "replace")
    return "-"


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="a local SMTP server that keeps what it takes")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="one line for each accepted message")
    parser.add_argument("--folder", type=Path, help="the messages, one file each")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    given = parser.parse_args()
    with SmtpServer(
        port=given.port, log=given.log, folder=given.folder, delay=given.delay
    ) as server:
        print(f"listening on {server.port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
