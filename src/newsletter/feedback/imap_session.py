"""A session with an IMAP server: protected, logged in, its refusals told in an operator's words.

No password is ever part of a message. Which mail is read is decided in `imap_mailbox`.
"""

from __future__ import annotations

import base64
import imaplib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imapclient.exceptions import ProtocolError

from newsletter.delivery.preparing import is_loopback
from newsletter.errors import ConfigurationError, NewsletterError, TryAgainLater
from newsletter.feedback.imap_wire import LONGEST_ANSWER, BoundedClient, BoundedImap
from newsletter.settings import Settings
from newsletter.settings.feedback_parts import ImapPart
from newsletter.settings.loading import read_secret_file
from newsletter.settings.parts import Security

_CONNECTION, _LOGIN = "a connection", "the login"
_PASSING = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\b", re.IGNORECASE)
"""Codes of RFC 5530 for what time mends."""
_PASSWORD_FIX = "set NEWSLETTER_FEEDBACK__IMAP__PASSWORD, or 'feedback.imap.password_file'"  # noqa: S105 - words


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """The mailbox as the settings name it; `password` is asked for at each login."""

    part: ImapPart
    password: Callable[[], str]
    ca_file: Path | None = None

    @property
    def where(self) -> str:
        """The server, for messages."""
        return f"{self.part.host}:{self.part.port}"


def imap_account(settings: Settings) -> ImapAccount:
    """Return the account of `[feedback.imap]`; secrets are read when they are needed.

    Raises `ConfigurationError` for what cannot work: no user, a password in clear on a network,
    mail moved to where it is read.
    """
    part = settings.feedback.imap
    if not part.username:
        raise ConfigurationError(
            "no user of the bounce mailbox is named", fix="set 'feedback.imap.username'"
        )
    if part.security is Security.NONE and not is_loopback(part.host):
        raise ConfigurationError(
            f"mail and a password would go to {part.host} in clear",
            fix="set feedback.imap.security to tls or starttls",
        )
    for key, name in (("handled", part.handled), ("unclear", part.unclear)):
        if not name.strip() or name.casefold() == part.folder.casefold():
            raise ConfigurationError(
                f"'feedback.imap.{key}' must be a folder other than the one that is read",
                fix="name one, such as Handled",
            )

    def password() -> str:
        if part.password is not None:
            return part.password.get_secret_value()
        if part.password_file is not None:
            return read_secret_file(settings.path(part.password_file))
        raise ConfigurationError("the bounce mailbox has no password", fix=_PASSWORD_FIX)

    ca_file = settings.path(part.ca_file) if part.ca_file is not None else None
    return ImapAccount(part, password, ca_file)


class ImapSession:
    """A logged-in session; everything that is asked of `client` is asked inside of `doing`."""

    def __init__(self, client: BoundedClient, where: str) -> None:
        self.client: Any = client
        self._wire = client.wire
        self._where = where
        with self.doing("telling what it offers"):
            self.offers = frozenset(word.decode("ascii") for word in self.client.capabilities())

    @property
    def news(self) -> bool:
        """Whether the server told, since this was last set to False, that the folder grew."""
        return self._wire.news

    @news.setter
    def news(self, value: bool) -> None:
        self._wire.news = value

    @contextmanager
    def doing(self, what: str, longest: int = LONGEST_ANSWER) -> Iterator[None]:
        """Bound one command and tell its failure in words: "host:port refuses <what>"."""
        self._wire.begin(longest)
        with _in_words(self._where, what):
            yield

    def idle(self, seconds: float) -> None:
        """Wait until the server says something, or so long (RFC 2177)."""
        with self.doing("waiting for mail (IDLE)"):
            self.client.idle()
            self._wire.wait(seconds)
            self._wire.begin()
            self.client.idle_done()

    def close(self) -> None:
        """Log out if the server still listens, and close."""
        with suppress(Exception):
            self._wire.begin()
            self.client.logout()
        self.drop()

    def drop(self) -> None:
        """Close without a word, where the server is no longer to be listened to."""
        self._wire.shutdown()


def open_session(account: ImapAccount, stop: threading.Event) -> ImapSession:
    """Connect, protect the connection and log in.

    Raises `TryAgainLater` where the server is away, `ConfigurationError` where it refuses us or
    cannot be trusted.
    """
    part = account.part
    context = None if part.security is Security.NONE else _tls(account.ca_file)
    password = account.password()
    with _in_words(account.where, _CONNECTION):
        wire = BoundedImap(
            part.host,
            part.port,
            context=context if part.security is Security.TLS else None,
            seconds=part.timeout.total_seconds(),
            stop=stop,
        )
    try:
        client = BoundedClient(wire)
        if part.security is Security.STARTTLS:
            _start_tls(client, context, account.where)
        _log_in(client, account, password)
        return ImapSession(client, account.where)
    except BaseException:
        wire.shutdown()
        raise


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    fix = "correct 'feedback.imap.ca_file'"
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except ssl.SSLError:
        raise ConfigurationError(
            "the file of certificate authorities holds none", fix=fix
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"the file of certificate authorities cannot be read: {error.strerror}", fix=fix
        ) from None


def _start_tls(client: Any, context: ssl.SSLContext | None, where: str) -> None:
    """Protect the connection or refuse it: never a silent fall-back (E13)."""
    client.wire.begin()
    with _in_words(where, "STARTTLS"):
        if not client.has_capability("STARTTLS"):
            raise ConfigurationError(
                f"{where} offers no STARTTLS, so nothing was sent in clear",
                fix='use the server\'s TLS port with feedback.imap.security = "tls"',
            )
        client.starttls(context)


def _log_in(client: Any, account: ImapAccount, password: str) -> None:
    user = account.part.username
    carried = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
    client.wire.begin()
    with _in_words(account.where, _LOGIN, (carried, password)):
        if client.has_capability("AUTH=PLAIN") and "\0" not in user + password:
            client.plain_login(user, password)
        elif client.has_capability("LOGINDISABLED"):
            raise ConfigurationError(
                f"{account.where} takes no password on this connection",
                fix='set feedback.imap.security to "tls" or "starttls"',
            )
        elif (user + password).isascii() and (user + password).isprintable():
            # The library would show an end of the session here as a refusal of the password.
            client.wire.login(user, password)
        else:
            raise ConfigurationError(
                f"the user name or password holds characters that {account.where} cannot take",
                fix="use ASCII letters, numbers and signs",
            )


@contextmanager
def _in_words(where: str, what: str, secrets: tuple[str, ...] = ()) -> Iterator[None]:
    """Sort what the libraries raise into what an operator can do about it."""
    try:
        yield
    except NewsletterError:
        raise
    except Exception as error:  # noqa: BLE001 - a parser may raise anything over a hostile answer
        known = isinstance(error, OSError | imaplib.IMAP4.error)
        if known and not isinstance(error, ProtocolError):
            raise _told(error, where, what, secrets) from None
        raise TryAgainLater(
            f"{where} answers {what} with something that is no IMAP",
            fix="check 'feedback.imap.host' and port; see whether it happens again",
        ) from None


def _told(error: Exception, where: str, what: str, secrets: tuple[str, ...]) -> NewsletterError:
    match error:
        case ssl.SSLCertVerificationError():
            return ConfigurationError(
                f"the TLS certificate of {where} does not verify: {error.verify_message}",
                fix="correct 'feedback.imap.host', or name your own authority in ca_file",
            )
        case ssl.SSLEOFError():
            return TryAgainLater(f"{where} broke off while TLS began")
        case ssl.SSLError():
            return ConfigurationError(
                f"no TLS with {where}: {error.reason or 'it answers with something else'}",
                fix="check 'feedback.imap.port' and security: 993 with tls, 143 with starttls",
            )
        case socket.gaierror():
            return TryAgainLater(
                f"no address is found for {where}: {error.strerror}",
                fix="check 'feedback.imap.host' and the name servers",
            )
        case OSError():
            return TryAgainLater(
                f"{where} cannot be reached: {error.strerror or error}",
                fix="wait until it is back; check 'feedback.imap.host' and port",
            )
    words = _words(error, secrets)
    if isinstance(error, imaplib.IMAP4.readonly):
        return ConfigurationError(
            f"{where} lets us only read, not move, at {what}",
            fix="give 'feedback.imap.username' the right to move mail out of that folder",
        )
    if what == _CONNECTION and "BYE" not in words.upper():
        return ConfigurationError(
            f"what answers at {where} does not speak IMAP: {words}",
            fix="check 'feedback.imap.host', port and security",
        )
    if isinstance(error, imaplib.IMAP4.abort) or what == _CONNECTION:
        return TryAgainLater(f"{where} broke off at {what}: {words}", fix="wait until it recovers")
    if _PASSING.search(words):
        return TryAgainLater(f"{where} refuses {what} for now: {words}")
    fix = f"{_PASSWORD_FIX}, or correct 'feedback.imap.username'" if what == _LOGIN else None
    return ConfigurationError(f"{where} refuses {what}: {words}", fix=fix)


def _words(error: Exception, secrets: tuple[str, ...]) -> str:
    """Return what the server said: one line, nothing that steers a terminal, no secret."""
    text = re.sub(r"^(?:.{0,60} )?\[?b(['\"])(.*)\1\]?$", r"\2", str(error))
    text = re.sub(r"^[\w ]{1,40} failed: ", "", text)
    for secret in secrets:
        text = text.replace(secret, "…") if secret else text
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200].strip()
