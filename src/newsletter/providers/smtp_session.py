"""One connection to an SMTP server, and one message over it with its phase known (G11, G14).

`smtplib` connects, says EHLO, starts TLS and authenticates; the message itself goes out command
by command, for `sendmail` hides whether the final dot was written.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from newsletter.providers.base import AccountProblem, DeliveryId, Outcome, OutcomeKind, Unavailable
from newsletter.providers.smtp_replies import Phase, Reply, outcome_of
from newsletter.settings import Security, SmtpPart

LONGEST_REPLY = 64 * 1024
"""Bytes of one reply with all its lines; RFC 5321 §4.5.3.1.5 allows 512 a line."""

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class _BoundedReplies:
    """Reads replies against a deadline: a server that drips bytes cannot hold us (J "Provider")."""

    sock: Any
    timeout: Any
    file: Any
    _left = b""

    def getreply(self) -> tuple[int, bytes]:
        """Return code and text of a reply; -1 for a line that is none.

        Raises `SMTPServerDisconnected` at the end of the connection, after the deadline, and for a
        reply without end.
        """
        deadline = time.monotonic() + float(self.timeout)
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._line(deadline)
            size += len(line)
            if size > LONGEST_REPLY:
                raise smtplib.SMTPServerDisconnected("the reply has no end")
            if not re.match(rb"\d{3}(?:[ -]|\r?\n?\Z)", line):
                return -1, line[:500].strip()
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._left:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise smtplib.SMTPServerDisconnected("no whole reply in time")
            if self.sock is None:
                raise smtplib.SMTPServerDisconnected("not connected")
            try:
                self.sock.settimeout(remaining)
                data = self.sock.recv(4096)
                self.sock.settimeout(self.timeout)
            except (OSError, ValueError) as error:
                raise smtplib.SMTPServerDisconnected(f"no reply: {error}") from None
            if not data:
                raise smtplib.SMTPServerDisconnected("the server closed the connection")
            self._left += data
            if len(self._left) > LONGEST_REPLY:
                raise smtplib.SMTPServerDisconnected("the reply has no end")
        line, _, self._left = self._left.partition(b"\n")
        return line + b"\n"


class _Plain(_BoundedReplies, smtplib.SMTP):
    pass


class _Tls(_BoundedReplies, smtplib.SMTP_SSL):
    pass


class Session:
    """An open connection that takes messages, one at a time, from one thread."""

    def __init__(self, client: smtplib.SMTP) -> None:
        self._client = client
        self.messages = 0

    @property
    def smtputf8(self) -> bool:
        """Whether the server takes non-ASCII addresses (RFC 6531)."""
        return self._client.has_extn("smtputf8")

    @property
    def size_limit(self) -> int | None:
        """The largest message the server announced to take, in bytes (RFC 1870)."""
        value = self._client.esmtp_features.get("size", "").strip()
        return int(value) or None if value.isdigit() else None

    def deliver(
        self,
        delivery: DeliveryId,
        sender: str,
        recipient: str,
        message: bytes,
        launch: Callable[[], None],
        *,
        smtputf8: bool = False,
    ) -> Outcome:
        """Hand over one message; `launch` is called right before the final dot.

        Raises `ConnectionError` (with nothing of this message accepted) when the connection broke
        before the dot; afterwards a lost reply is the outcome `unknown`.
        """
        self.messages += 1
        options = " SMTPUTF8 BODY=8BITMIME" if smtputf8 else ""
        for phase, command, wanted in (
            (Phase.MAIL, f"MAIL FROM:<{sender}>{options}", (250,)),
            (Phase.RCPT, f"RCPT TO:<{recipient}>", (250, 251, 252)),
            (Phase.DATA, "DATA", (354,)),
        ):
            reply = self._command(command)
            if reply.code not in wanted:
                return self._refused(delivery, phase, reply)
        try:
            self._write(_dot_stuffed(message))
        except OSError as error:
            self.abort()
            raise ConnectionError(f"broke while the message was written: {error}") from None
        launch()
        try:
            self._write(b".\r\n")
            reply = Reply(*_decoded(self._client.getreply()))
        except (OSError, smtplib.SMTPException) as error:
            self.abort()
            return Outcome(delivery, OutcomeKind.UNKNOWN, detail=f"no answer to the dot: {error}")
        if reply.code == 421 or not reply.sound:
            self.abort()
        return outcome_of(delivery, Phase.DOT, reply)

    @property
    def alive(self) -> bool:
        """Whether the connection is still open as far as we know."""
        return self._client.sock is not None

    def is_stale(self) -> bool:
        """Ask with a NOOP whether an idle connection is still good."""
        try:
            return self._command("NOOP").code != 250
        except ConnectionError:
            return True

    def quit(self) -> None:
        """End in good order."""
        try:
            self._client.quit()
        except (OSError, smtplib.SMTPException):
            self.abort()

    def abort(self) -> None:
        """End at once."""
        self._client.close()

    def _write(self, data: bytes) -> None:
        if self._client.sock is None:
            raise ConnectionError("the connection is closed")
        self._client.sock.sendall(data)

    def _command(self, command: str) -> Reply:
        if "\r" in command or "\n" in command:
            raise ValueError("a command is one line")
        try:
            self._write(command.encode("utf-8") + b"\r\n")
            return Reply(*_decoded(self._client.getreply()))
        except (OSError, smtplib.SMTPException) as error:
            self.abort()
            raise ConnectionError(f"broke before the message was sent: {error}") from None

    def _refused(self, delivery: DeliveryId, phase: Phase, reply: Reply) -> Outcome:
        if reply.code == 421 or not reply.sound:
            self.abort()
            raise ConnectionError(f"the server answered {phase} with: {reply}")
        outcome = outcome_of(delivery, phase, reply)
        if self._command("RSET").code != 250:
            self.abort()
        return outcome


def _decoded(reply: tuple[int, bytes]) -> tuple[int, str]:
    return reply[0], " ".join(reply[1].decode("utf-8", "replace").split("\n"))


def _dot_stuffed(message: bytes) -> bytes:
    """Return the message with CRLF alone as line ends, dots doubled, ending in CRLF (A12)."""
    clean = _BARE.sub(b"\r\n", message)
    stuffed = clean.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def open_session(settings: SmtpPart, *, password: str | None, ca_file: Path | None) -> Session:
    """Connect, greet, protect and authenticate.

    Raises `AccountProblem` when the server will not have us as configured (no STARTTLS, a
    certificate that does not verify, a wrong password), `Unavailable` when it is not there.
    """
    where = f"{settings.host}:{settings.port}"
    client: smtplib.SMTP | None = None
    try:
        with _told_as_problems(where):
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            client = _connect(settings, context)
            if settings.security is Security.STARTTLS:
                _start_tls(client, context, where)
            if settings.username:
                _refuse_clear_text(settings)
                client.login(settings.username, password or "")
    except (AccountProblem, Unavailable):
        if client is not None:
            client.close()
        raise
    return Session(client)


@contextmanager
def _told_as_problems(where: str) -> Iterator[None]:
    """Sort what `smtplib` raises into what we can do about it."""
    try:
        yield
    except ssl.SSLEOFError:
        raise Unavailable(f"{where} broke off while TLS began") from None
    except ssl.SSLError as error:
        raise AccountProblem(
            f"the TLS certificate of {where} does not verify: {error.reason or error}",
            fix="correct 'delivery.smtp.host', or name your own authority in ca_file",
        ) from None
    except UnicodeError:
        raise AccountProblem(
            "the SMTP user name or password holds characters that AUTH cannot carry",
            fix="use an ASCII password",
        ) from None
    except smtplib.SMTPNotSupportedError as error:
        raise AccountProblem(f"{where}: {error}", fix="remove 'delivery.smtp.username'") from None
    except smtplib.SMTPResponseException as error:
        raise _refusal(where, error) from None
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"{where} cannot be reached: {error}") from None


def _refusal(where: str, error: smtplib.SMTPResponseException) -> AccountProblem | Unavailable:
    login = isinstance(error, smtplib.SMTPAuthenticationError)
    if error.smtp_code // 100 != 5:
        what = "cannot check the password now" if login else "has no time for us"
        return Unavailable(f"{where} {what} ({error.smtp_code} {_text(error.smtp_error)})")
    if login:
        return AccountProblem(
            f"{where} refused the user name or password ({error.smtp_code})",
            fix="correct 'delivery.smtp.username' and the password",
            code=error.smtp_code,
        )
    return AccountProblem(
        f"{where} answered {error.smtp_code} {_text(error.smtp_error)}",
        fix="ask the server's operator",
        code=error.smtp_code,
    )


def _start_tls(client: smtplib.SMTP, context: ssl.SSLContext, where: str) -> None:
    """Protect the connection or refuse it: never a silent fall-back (E13)."""
    if not client.has_extn("starttls"):
        raise AccountProblem(
            f"{where} offers no STARTTLS, so nothing was sent in clear",
            fix='use the server\'s TLS port with security = "tls", or another server',
        )
    client.starttls(context=context)
    # Replies that came in clear before TLS would be read as if they came after it.
    if getattr(client, "_left", b""):
        raise AccountProblem(
            f"{where} sent more than its answer to STARTTLS: somebody may be in between",
            fix='use the server\'s TLS port with security = "tls"',
        )
    client.ehlo()


def _connect(settings: SmtpPart, context: ssl.SSLContext) -> smtplib.SMTP:
    seconds = settings.timeout.total_seconds()
    client: Any
    if settings.security is Security.TLS:
        client = _Tls(local_hostname=settings.local_hostname, timeout=seconds, context=context)
    else:
        client = _Plain(local_hostname=settings.local_hostname, timeout=seconds)
    # STARTTLS verifies the name we meant, which smtplib takes from here.
    client._host = settings.host
    code, text = client.connect(settings.host, settings.port)
    if code != 220:
        raise smtplib.SMTPConnectError(code, text)
    # The dot goes out alone: held back for a delayed acknowledgement it would cost 40 ms a message.
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.ehlo_or_helo_if_needed()
    connected: smtplib.SMTP = client
    return connected


def _refuse_clear_text(settings: SmtpPart) -> None:
    loopback = settings.host in ("localhost", "::1") or settings.host.startswith("127.")
    if settings.security is Security.NONE and not loopback:
        raise AccountProblem(
            "a password would go over the network in clear",
            fix="set delivery.smtp.security to starttls or tls",
        )


def _text(error: bytes | str) -> str:
    return (error.decode("utf-8", "replace") if isinstance(error, bytes) else error)[:200]
