"""An SMTP server for chaos: a thread for each connection, faults by a seed, a log that judges.

    python -m tests.chaos.smtp_server --port 2525 --log kept.log --fault-log faults.log --rate 0.05

The log has a line for each message kept, `address message-id`, written before the reply to its dot
leaves. The fault log has a line for each fault, `effect message-id address fault`, where the effect
is what the client may rightly believe:

    lost     it was kept, and no reply to its dot says so
    doubt    it was kept and that was said, but the connection was torn down right behind
    cut      it was not kept, but the client may have written its dot and read no reply
    refused  it was refused for good
    mixed    a message arrived whose To is not its recipient: never right
    none     nothing of the above: the client knows where it stands

Commands may come several in one segment (RFC 2920).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.smtp_faults import (
    Act,
    Fault,
    Phase,
    draw_connection_fault,
    draw_message_fault,
)
from tests.fakes.smtp_rules import COMMAND_RULES, Talk, refusal_of_command, refusal_of_message

OK = "250 2.0.0 Ok"
# It keeps the order of commands itself, by what its faults left of a message.
_STRICT = tuple(rule for rule in COMMAND_RULES if rule.name != "order")
LINGER = 1.0
"""Seconds a connection that was closed in good order is still read from."""
LONGEST_IDLE = 60.0
_PATH = re.compile(r"<([^<>]*)>")
_TO = re.compile(rb"^to:.*?([^\s<>,\"]+@[^\s<>,]+)>?\r?$", re.I | re.M)
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>]+>)", re.I | re.M)


@dataclass(frozen=True)
class Habits:
    """How the server behaves. `delay`: seconds before a reply to a dot, at most."""

    seed: int = 0
    rate: float = 0.0
    delay: float = 0.0
    hang: float = 5.0
    pipelining: bool = True


class Logs:
    """The two logs; each line is one write to a file opened for appending, whole or not at all."""

    def __init__(self, kept: Path, faults: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._kept = os.open(kept, flags, 0o600)
        self._faults = os.open(faults, flags, 0o600)

    def keep(self, address: str, message_id: str) -> None:
        """Note a message that is kept, before it is said."""
        os.write(self._kept, f"{address} {message_id}\n".encode())

    def note(self, effect: str, message_id: str, address: str, fault: str) -> None:
        """Note what a fault makes uncertain."""
        line = f"{effect} {message_id or '-'} {address or '-'} {fault}\n"
        os.write(self._faults, line.encode())


class _Over(Exception):  # noqa: N818 - the end of a connection is no error here
    """The connection is to be closed."""


@dataclass
class _Letter:
    """The message that is being handed over."""

    address: str = ""
    mail: bool = False
    fault: Fault | None = None


class Connection:
    """One connection, served to its end."""

    def __init__(self, peer: socket.socket, logs: Logs, habits: Habits, number: int) -> None:
        self._peer = peer
        self._logs = logs
        self._habits = habits
        self._chance = random.Random(f"{habits.seed}:{number}")
        self._buffer = b""
        self._said = b""
        self._drips = False
        self._last: tuple[str, str] | None = None
        """The message kept last on this connection: address, Message-ID."""
        self._letter = _Letter()
        self._talk = Talk()

    def serve(self) -> None:
        """Talk until the client or a fault ends it."""
        with contextlib.suppress(OSError, _Over), self._peer:
            self._peer.settimeout(LONGEST_IDLE)
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fault = draw_connection_fault(self._chance, self._habits.rate)
            if fault is not None:
                self._logs.note("none", "", "", fault.name)
            if not self._misbehave(fault, Phase.GREETING):
                self._say("220 chaos.example ESMTP")
            while True:
                self._command(self._line())

    def _command(self, line: bytes) -> None:
        word, _, rest = line.decode("utf-8", "replace").partition(" ")
        # What nobody may refuse here without a fault in the log; the judge finds it.
        if refusal := refusal_of_command(line, self._buffer, self._talk, rules=_STRICT):
            self._say(refusal)
            return
        match word.upper():
            case "EHLO":
                offers = ["chaos.example", "8BITMIME", "SMTPUTF8", "SIZE 33554432"]
                offers += ["ENHANCEDSTATUSCODES"]
                offers += ["PIPELINING"] * self._habits.pipelining
                self._talk.offered = tuple(offer.split()[0] for offer in offers[1:])
                lines = [f"250-{offer}" for offer in offers[:-1]]
                self._say("\r\n".join([*lines, f"250 {offers[-1]}"]))
            case "HELO" | "NOOP":
                self._say(OK)
            case "RSET":
                self._letter = _Letter()
                self._say(OK)
            case "MAIL":
                self._mail(line.decode("utf-8", "replace"))
            case "RCPT":
                self._rcpt(rest)
            case "DATA":
                self._data()
            case "QUIT":
                self._say("221 2.0.0 Bye")
                self._close()
            case _:
                self._say("500 5.5.1 what?")

    def _mail(self, line: str) -> None:
        if self._letter.mail:
            self._say("503 5.5.1 nested MAIL")
            return
        fault = draw_message_fault(self._chance, self._habits.rate)
        self._letter = _Letter(fault=fault)
        if not self._early(Phase.MAIL):
            self._letter.mail = True
            self._talk.took(line)
            self._say("250 2.1.0 Ok")

    def _rcpt(self, rest: str) -> None:
        found = _PATH.search(rest)
        if not self._letter.mail or found is None:
            self._say("503 5.5.1 MAIL first")
            return
        self._letter.address = found[1]
        if self._early(Phase.RCPT):
            self._letter.address = ""
        else:
            self._say("250 2.1.5 Ok")

    def _data(self) -> None:
        if not self._letter.address:
            self._say("503 5.5.1 no valid recipients")
            return
        if self._early(Phase.DATA):
            self._letter = _Letter()
            return
        self._say("354 go on")
        self._flush()
        fault, address = self._letter.fault, self._letter.address
        if fault is not None and fault.phase is Phase.INSIDE:
            size = self._chance.randrange(1, 4000)
            while len(self._buffer) < size and not self._buffer.endswith(b"\r\n.\r\n"):
                self._fill()
            self._logs.note("cut", _message_id(self._buffer), address, fault.name)
            self._misbehave(fault, Phase.INSIDE)
        payload = self._payload()
        self._dot(fault, address, payload)
        self._letter = _Letter()

    def _dot(self, fault: Fault | None, address: str, payload: bytes) -> None:
        """Keep a message, or not, and say so, or not."""
        message_id = _message_id(payload)
        if _recipient(payload) != address.lower():
            self._logs.note("mixed", message_id, address, "to")
        if fault is not None and fault.phase is Phase.BEFORE_DOT:
            self._logs.note("cut", message_id, address, fault.name)
            self._misbehave(fault, Phase.BEFORE_DOT)
        if refusal := refusal_of_message(payload, self._talk):
            self._say(refusal)
            self._flush()
            return
        at_dot = fault if fault is not None and fault.phase is Phase.DOT else None
        if at_dot is None or at_dot.kept:
            self._logs.keep(address, message_id)
            self._last = (address, message_id)
        if at_dot is not None:
            self._logs.note(_effect_at_dot(at_dot), message_id, address, at_dot.name)
        time.sleep(self._chance.random() * self._habits.delay)
        if not self._misbehave(at_dot, Phase.DOT):
            self._say(f"250 2.0.0 Ok: queued as C{self._chance.getrandbits(40):010X}")
        # Never held back behind the next commands: a fault there must not swallow it.
        self._flush()

    def _early(self, phase: Phase) -> bool:
        """Let a fault before the payload happen; true when it answered in the server's place."""
        letter = self._letter
        fault = letter.fault
        if fault is None or fault.phase is not phase:
            return False
        refused = fault.reply[:1] == "5"
        self._logs.note("refused" if refused else "none", "", letter.address, fault.name)
        return self._misbehave(fault, phase)

    def _misbehave(self, fault: Fault | None, phase: Phase) -> bool:
        """Do what the fault says; true when a reply was given, false when it is still due."""
        if fault is None or fault.phase is not phase:
            return False
        match fault.act:
            case Act.REPLY:
                self._say(fault.reply)
                if fault.reply.startswith("421") or phase is Phase.GREETING:
                    self._close()
                return True
            case Act.GARBAGE:
                self._say("\x00\xfe what a mess 250 ok")
                return True
            case Act.DRIP:
                self._flush()
                self._drips = True
            case Act.SLOW:
                self._flush()
                time.sleep(0.2)
            case Act.HANG:
                self._flush()
                time.sleep(self._habits.hang)
                self._close()
            case Act.RESET:
                self._reset(doubtful=phase in (Phase.MAIL, Phase.RCPT, Phase.DATA))
            case Act.DROP:
                self._close()
        return False

    def _close(self) -> None:
        """Close so that everything said is read: a socket with unread data would reset instead."""
        self._flush()
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_WR)
            self._peer.settimeout(LINGER)
            while self._peer.recv(65536):
                pass
        raise _Over

    def _reset(self, *, doubtful: bool) -> None:
        """Tear the connection down. `doubtful`: the reply to the last dot may be lost by it.

        Behind a 354 it is not: who writes a payload has read all replies before.
        """
        if doubtful and self._last is not None:
            self._logs.note("doubt", self._last[1], self._last[0], "reset-behind")
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Over

    def _say(self, text: str) -> None:
        self._said += text.encode("latin-1") + b"\r\n"

    def _flush(self) -> None:
        said, self._said = self._said, b""
        if said and self._drips:
            self._drips = False
            for byte in said:
                self._peer.sendall(bytes([byte]))
                time.sleep(0.01)
        elif said:
            self._peer.sendall(said)

    def _fill(self) -> None:
        data = self._peer.recv(65536)
        if not data:
            raise _Over
        self._buffer += data

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            # Replies to commands that came together go out together (RFC 2920 §3.2).
            self._flush()
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _payload(self) -> bytes:
        while b"\r\n.\r\n" not in self._buffer:
            self._fill()
        payload, _, self._buffer = self._buffer.partition(b"\r\n.\r\n")
        return payload


def _effect_at_dot(fault: Fault) -> str:
    if fault.act in (Act.DRIP, Act.SLOW):
        return "none"
    if fault.act is Act.REPLY:
        return "refused" if fault.reply.startswith("5") else "none"
    return "lost" if fault.kept else "cut"


def _head(payload: bytes) -> bytes:
    """Return the header, a line for each field."""
    return re.sub(rb"\r\n[ \t]+", b" ", payload.partition(b"\r\n\r\n")[0])


def _recipient(payload: bytes) -> str:
    """Return the address in To, in lower case."""
    found = _TO.search(_head(payload))
    return found[1].decode("utf-8", "replace").lower() if found else ""


def _message_id(payload: bytes) -> str:
    found = _MESSAGE_ID.search(_head(payload))
    return found[1].decode("ascii", "replace") if found else ""


@contextmanager
def serving(logs: Logs, habits: Habits, port: int = 0) -> Iterator[int]:
    """Serve in threads of this process; yields the port."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)

    def accept() -> None:
        number = 0
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            number += 1
            connection = Connection(peer, logs, habits, number)
            threading.Thread(target=connection.serve, daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        # A plain close does not wake an accept that waits.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="an SMTP server that misbehaves by a seed")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--fault-log", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0, help="share of messages with a fault")
    parser.add_argument("--delay", type=float, default=0.0, help="longest wait before a reply")
    parser.add_argument("--hang", type=float, default=5.0, help="seconds of silence of a hang")
    parser.add_argument("--no-pipelining", action="store_true")
    given = parser.parse_args()
    habits = Habits(given.seed, given.rate, given.delay, given.hang, not given.no_pipelining)
    with serving(Logs(given.log, given.fault_log), habits, given.port) as port:
        print(f"listening on {port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
