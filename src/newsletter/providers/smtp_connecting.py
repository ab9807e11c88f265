"""From nothing to a session that takes messages: `smtplib` connects, greets, protects, logs in.

What goes wrong is sorted here into what the operator must mend (`AccountProblem`) and what time
mends (`Unavailable`).
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from newsletter.providers.base import AccountProblem, Unavailable
from newsletter.providers.smtp_auth import PasswordSource, authenticate
from newsletter.providers.smtp_letters import Offers
from newsletter.providers.smtp_replies import EndlessReply, ReplyBuffer
from newsletter.providers.smtp_session import Session
from newsletter.providers.smtp_wire import Breaker, Wire
from newsletter.settings import Security, SmtpPart


class Connector:
    """Opens sessions with the configured server; may be used from several threads at once.

    `password` is asked for each session. `ca_file`: an authority of our own, read once.
    """

    def __init__(
        self,
        settings: SmtpPart,
        *,
        password: PasswordSource | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._settings = settings
        self._password = password
        self._ca_file = ca_file

    def open(self, breaker: Breaker) -> Session:
        """Connect, greet, protect and authenticate; `breaker` may cut it short from elsewhere.

        Raises `AccountProblem` when the server will not have us as configured (no STARTTLS, a
        certificate that does not verify, a wrong password), `Unavailable` when it is not there.
        """
        settings = self._settings
        where = f"{settings.host}:{settings.port}"
        seconds = settings.timeout.total_seconds()
        client: Any = None
        try:
            with _told_as_problems(where):
                context = None if settings.security is Security.NONE else self._context
                client = _client(settings, seconds, context, breaker)
                _greet(client, settings)
                if settings.security is Security.STARTTLS:
                    _start_tls(client, self._context, where)
                authenticate(client, settings, self._password)
                if client.replies:
                    raise smtplib.SMTPServerDisconnected("it said more than it was asked")
                offers = _offers(client, settings)
                wire = Wire(client.sock, client.replies, breaker, seconds)
                return Session(wire, offers, settings.answer_timeout.total_seconds())
        except BaseException:
            breaker.close()
            if client is not None:
                client.close()
            raise

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """What verifies the server; reading every authority takes longer than many messages."""
        try:
            return ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
        except ssl.SSLError:
            raise AccountProblem(
                "the file of certificate authorities holds none",
                fix="correct 'delivery.smtp.ca_file'",
            ) from None
        except OSError as error:
            raise AccountProblem(
                f"the file of certificate authorities cannot be read: {error.strerror}",
                fix="correct 'delivery.smtp.ca_file'",
            ) from None


class _BoundedReplies:
    """Reads replies against a deadline: a server that drips bytes cannot hold us (J "Provider")."""

    sock: Any
    timeout: Any
    replies: ReplyBuffer
    breaker: Breaker
    connect_seconds: float

    def getreply(self) -> tuple[int, bytes]:
        """Return code and text of a reply; -1 for a line that is none.

        Raises `SMTPServerDisconnected` at the end of the connection, after the deadline, and for a
        reply without end.
        """
        deadline = time.monotonic() + float(self.timeout)
        try:
            while (found := self.replies.take()) is None:
                self.replies.feed(self._receive(deadline))
        except (OSError, ValueError, EndlessReply) as error:
            raise smtplib.SMTPServerDisconnected(f"no reply: {error}") from None
        return found[0], b"\n".join(found[1])

    def _receive(self, deadline: float) -> bytes:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or self.sock is None:
            raise OSError("no whole reply in time")
        self.sock.settimeout(remaining)
        data: bytes = self.sock.recv(4096)
        self.sock.settimeout(self.timeout)
        if not data:
            raise OSError("the server closed the connection")
        return data

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect to the first of the host's addresses that answers, under the breaker's watch."""
        problem: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(self.connect_seconds)
            try:
                self.breaker.watch(connection)
                connection.connect(address)
                connection.settimeout(timeout)
            except OSError as error:
                connection.close()
                problem = error
                continue
            # A last write that waits for a delayed acknowledgement would cost 40 ms a message.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        raise problem


class _Plain(_BoundedReplies, smtplib.SMTP):
    pass


class _Tls(_BoundedReplies, smtplib.SMTP):
    """TLS from the first byte; `smtplib.SMTP_SSL` would hide the bare socket from the breaker."""

    context: ssl.SSLContext

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        bare = super()._get_socket(host, port, timeout)
        try:
            return self.context.wrap_socket(bare, server_hostname=host)
        except BaseException:
            bare.close()
            raise


def _client(
    settings: SmtpPart, seconds: float, context: ssl.SSLContext | None, breaker: Breaker
) -> smtplib.SMTP:
    client: Any
    if settings.security is Security.TLS:
        client = _Tls(local_hostname=settings.local_hostname, timeout=seconds)
        client.context = context
    else:
        client = _Plain(local_hostname=settings.local_hostname, timeout=seconds)
    client.replies, client.breaker = ReplyBuffer(), breaker
    client.connect_seconds = settings.connect_timeout.total_seconds()
    # STARTTLS verifies the name we meant, which smtplib takes from here.
    client._host = settings.host
    made: smtplib.SMTP = client
    return made


def _greet(client: smtplib.SMTP, settings: SmtpPart) -> None:
    code, text = client.connect(settings.host, settings.port)
    if code != 220:
        raise smtplib.SMTPConnectError(code, text)
    client.ehlo_or_helo_if_needed()


def _offers(client: smtplib.SMTP, settings: SmtpPart) -> Offers:
    size = client.esmtp_features.get("size", "").strip()
    return Offers(
        pipelining=settings.pipelining and client.has_extn("pipelining"),
        smtputf8=client.has_extn("smtputf8"),
        size=client.has_extn("size"),
        size_limit=int(size) or None if re.fullmatch(r"[0-9]{1,20}", size) else None,
    )


def _start_tls(client: Any, context: ssl.SSLContext, where: str) -> None:
    """Protect the connection or refuse it: never a silent fall-back (E13)."""
    if not client.has_extn("starttls"):
        raise AccountProblem(
            f"{where} offers no STARTTLS, so nothing was sent in clear",
            fix='use the server\'s TLS port with security = "tls", or another server',
        )
    client.starttls(context=context)
    # Replies that came in clear before TLS would be read as if they came after it.
    if client.replies:
        raise AccountProblem(
            f"{where} sent more than its answer to STARTTLS: somebody may be in between",
            fix='use the server\'s TLS port with security = "tls"',
        )
    client.ehlo()


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


def _text(error: bytes | str) -> str:
    return (error.decode("utf-8", "replace") if isinstance(error, bytes) else error)[:200]
