"""An SMTP server that misbehaves at the phase a test names: closes, hangs, drips, babbles.

A script maps a phase (`connect`, `ehlo`, `auth`, `mail`, `rcpt`, `data`, `payload`, `dot`, `rset`,
`noop`, `quit`, `starttls`) to acts, one for each time the phase is reached, over all connections;
behind the last one, and for phases without a script, the server behaves as `smtp_rules` says.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.fakes.smtp_rules import Talk, refusal_of_command, refusal_of_message


@dataclass(frozen=True)
class Say:
    """Answer with these bytes, verbatim; `close` hangs up behind them."""

    data: bytes
    close: bool = False


@dataclass(frozen=True)
class Close:
    """Hang up without a word."""


@dataclass(frozen=True)
class Drip:
    """Answer one byte at a time with a pause behind each."""

    data: bytes
    pause: float


@dataclass(frozen=True)
class Hang:
    """Keep the line open and say nothing."""


@dataclass(frozen=True)
class Wait:
    """Answer in good order after a while."""

    seconds: float


Act = Say | Close | Drip | Hang | Wait

_GOOD = {
    "connect": b"220 scripted.example ESMTP\r\n",
    "auth": b"235 2.7.0 welcome\r\n",
    "mail": b"250 2.1.0 OK\r\n",
    "rcpt": b"250 2.1.5 OK\r\n",
    "data": b"354 go on\r\n",
    "dot": b"250 2.0.0 Ok: queued as SCRIPTED1\r\n",
    "rset": b"250 2.0.0 OK\r\n",
    "noop": b"250 2.0.0 OK\r\n",
    "quit": b"221 2.0.0 bye\r\n",
    "starttls": b"454 4.7.0 not now\r\n",
}


PLAIN = ("SIZE 0", "ENHANCEDSTATUSCODES")
PIPELINING = ("PIPELINING", *PLAIN)


class _Gone(Exception):  # noqa: N818
    """This connection is over."""


class ScriptedSmtpServer:
    """A context manager that understands pipelined commands.

    `dots` holds the raw payload behind which a final dot was read, `recipients` whom each was for;
    `refused` is what the rules refused;
    `commands` every command line; `ahead` what had arrived behind a dot at the end of a `Wait`.
    """

    def __init__(
        self,
        script: Mapping[str, Iterable[Act]] | None = None,
        *,
        extensions: Iterable[str] = PLAIN,
    ) -> None:
        self._script: dict[str, Iterator[Act]] = {k: iter(v) for k, v in (script or {}).items()}
        self._extensions = tuple(extensions)
        self.dots: list[bytes] = []
        self.recipients: list[str] = []
        self.ahead: list[bytes] = []
        self.commands: list[str] = []
        self.refused: list[str] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> ScriptedSmtpServer:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # A plain close does not wake an accept that waits.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._socket.close()

    def _start(self, target: object, *given: object) -> None:
        thread = threading.Thread(target=target, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._talk, line)

    def _talk(self, line: socket.socket) -> None:
        with line, contextlib.suppress(_Gone, OSError):
            line.settimeout(0.1)
            reader = _Lines(line, self._over)
            reader.talk.offered = tuple(text.split()[0] for text in self._extensions)
            sizes = [int(text.split()[1]) for text in self._extensions if text[:5] == "SIZE "]
            reader.talk.largest = sizes[0] if sizes else 0
            self._act("connect", line)
            while True:
                read = reader.until(b"\r\n")
                refusal = refusal_of_command(read[:-2], reader.behind, reader.talk)
                self._answer(read.decode("utf-8", "replace"), line, reader, refusal)

    def _answer(
        self, command: str, line: socket.socket, reader: _Lines, refusal: str | None
    ) -> None:
        self.commands.append(command.strip())
        phase = command.partition(" ")[0].partition(":")[0].strip().lower()
        if refusal is not None and phase in _GOOD | {"ehlo": b"", "helo": b""}:
            self.refused.append(f"{refusal}: {command.strip()}")
            self._act(phase, line, refusal.encode() + b"\r\n")
        elif phase in ("ehlo", "helo"):
            self._took(self._act("ehlo", line, self._greeting()), command, reader)
        elif phase not in _GOOD:
            line.sendall(b"500 5.5.1 what?\r\n")
        elif phase == "data":
            good = _GOOD["data"] if reader.recipient else b"554 5.5.1 no valid recipients\r\n"
            if self._act("data", line, good).startswith(b"354"):
                self._payload(line, reader)
        else:
            said = self._act(phase, line)
            self._took(said, command, reader)
            if phase == "rcpt" and said.startswith(b"25"):
                reader.recipient = command.partition("<")[2].partition(">")[0]
            if phase in ("rset", "mail"):
                reader.recipient = ""
            if phase == "auth" and said.startswith(b"334"):
                self.commands.append(reader.until(b"\r\n").decode().strip())
                line.sendall(b"535 5.7.8 no\r\n")
            if phase == "quit":
                raise _Gone

    @staticmethod
    def _took(said: bytes, command: str, reader: _Lines) -> None:
        if said.startswith(b"25"):
            reader.talk.took(command)

    def _payload(self, line: socket.socket, reader: _Lines) -> None:
        with self._lock:
            act = next(self._script.get("payload", iter(())), None)
        if isinstance(act, Close):
            reader.until(b"\r\n")
            raise _Gone
        if isinstance(act, Say):
            line.sendall(act.data)
        payload = reader.until(b"\r\n.\r\n")
        with self._lock:
            self.dots.append(payload[: -len(b".\r\n")])
            self.recipients.append(reader.recipient)
        reader.recipient = ""
        refusal = refusal_of_message(payload[: -len(b"\r\n.\r\n")], reader.talk)
        reader.talk.took("DATA")
        if refusal is not None:
            self.refused.append(refusal)
        self._act("dot", line, refusal.encode() + b"\r\n" if refusal else None, reader=reader)

    def _greeting(self) -> bytes:
        lines = ["scripted.example", *self._extensions]
        return b"".join(
            f"250{' ' if n == len(lines) - 1 else '-'}{text}\r\n".encode()
            for n, text in enumerate(lines)
        )

    def _act(
        self,
        phase: str,
        line: socket.socket,
        good: bytes | None = None,
        reader: _Lines | None = None,
    ) -> bytes:
        """Do what the script says for this phase; returns what was said."""
        with self._lock:
            act = next(self._script.get(phase, iter(())), None)
        match act:
            case None:
                act = Say(good or _GOOD[phase])
            case Close():
                raise _Gone
            case Hang():
                self._over.wait(30)
                raise _Gone
            case Wait(seconds):
                self._over.wait(seconds)
                if reader is not None:
                    self.ahead.append(reader.arrived())
                act = Say(good or _GOOD[phase])
            case Drip(data, pause):
                for byte in data:
                    line.sendall(bytes([byte]))
                    if self._over.wait(pause):
                        raise _Gone
                return data
        line.sendall(act.data)
        if act.close:
            raise _Gone
        return act.data


class _Lines:
    def __init__(self, line: socket.socket, over: threading.Event) -> None:
        self._line, self._over, self._left = line, over, b""
        self.recipient = ""
        self.talk = Talk()

    @property
    def behind(self) -> bytes:
        """What was read already behind the last line."""
        return self._left

    def arrived(self) -> bytes:
        """Return what came and was not asked for yet."""
        with contextlib.suppress(TimeoutError):
            self._left += self._line.recv(65_536)
        return self._left

    def until(self, end: bytes) -> bytes:
        """Return everything up to and with `end`."""
        deadline = time.monotonic() + 30
        while end not in self._left:
            if self._over.is_set() or time.monotonic() > deadline:
                raise _Gone
            try:
                data = self._line.recv(65_536)
            except TimeoutError:
                continue
            if not data:
                raise _Gone
            self._left += data
        found, _, self._left = self._left.partition(end)
        return found + end
