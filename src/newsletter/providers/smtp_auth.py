"""Proving who we are to an SMTP server, and where the password comes from."""

from __future__ import annotations

import base64
import shlex
import smtplib
import subprocess
from collections.abc import Callable
from pathlib import Path

from newsletter.errors import ConfigurationError
from newsletter.providers.base import AccountProblem
from newsletter.settings import Security, SmtpPart, read_secret_file
from newsletter.settings.parts import Auth

PasswordSource = Callable[[], str | None]
"""Asked once for each new connection; raises `AccountProblem` when it has none to give."""

COMMAND_SECONDS = 30.0


def password_source(settings: SmtpPart, file: Path | None) -> PasswordSource | None:
    """Return where the password comes from: the setting, `file`, or a command, in this order.

    `file`: the whole path of `password_file`. None when none of them is set.
    """
    if settings.password is not None:
        password = settings.password.get_secret_value()
        return lambda: password
    if file is not None:
        return lambda: _read(file)
    if settings.password_command is not None:
        command = settings.password_command
        return lambda: run_password_command(command)
    return None


def _read(file: Path) -> str:
    try:
        return read_secret_file(file)
    except ConfigurationError as error:
        raise AccountProblem(str(error), fix=error.fix) from None


def run_password_command(command: str, *, seconds: float = COMMAND_SECONDS) -> str:
    """Run a command without a shell and return the first line it prints.

    Raises `AccountProblem`, which tells how the command ended and never what it said.
    """
    fix = "run the command of 'delivery.smtp.password_command' by hand"
    try:
        words = shlex.split(command)
        ended = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AccountProblem(
            f"the password command did not end in {seconds:.0f} s", fix=fix
        ) from None
    except OSError as error:
        raise AccountProblem(
            f"the password command cannot be run: {error.strerror}", fix=fix
        ) from None
    except (ValueError, IndexError):
        raise AccountProblem("the password command is no command line", fix=fix) from None
    if ended.returncode != 0:
        raise AccountProblem(
            f"the password command ended with exit code {ended.returncode}", fix=fix
        )
    first, _, _ = ended.stdout.partition(b"\n")
    password = first.decode("utf-8", "replace").strip()
    if not password:
        raise AccountProblem("the password command ended well and printed no password", fix=fix)
    return password


def authenticate(client: smtplib.SMTP, settings: SmtpPart, password: PasswordSource | None) -> None:
    """Log in as the settings say; no user name: not at all.

    Raises `AccountProblem`, and what `smtplib` raises for a refusal.
    """
    if not settings.username:
        return
    refuse_clear_text(settings)
    secret = (password() if password is not None else None) or ""
    if settings.auth is Auth.AUTO:
        client.login(settings.username, secret)
        return
    client.ehlo_or_helo_if_needed()
    mechanism = settings.auth.value.upper()
    offered = client.esmtp_features.get("auth", "").upper().split()
    if mechanism not in offered:
        raise AccountProblem(
            f"{settings.host}:{settings.port} offers no AUTH {mechanism}",
            fix="correct 'delivery.smtp.auth'",
        )
    if settings.auth is Auth.XOAUTH2:
        _xoauth2(client, settings.username, secret)
        return
    client.user, client.password = settings.username, secret
    client.auth(mechanism, client.auth_plain if settings.auth is Auth.PLAIN else client.auth_login)


def refuse_clear_text(settings: SmtpPart) -> None:
    """Keep a password or a token off an open network (E13)."""
    loopback = settings.host in ("localhost", "::1") or settings.host.startswith("127.")
    if settings.security is Security.NONE and not loopback:
        raise AccountProblem(
            "a password would go over the network in clear",
            fix="set delivery.smtp.security to starttls or tls",
        )


def _xoauth2(client: smtplib.SMTP, user: str, token: str) -> None:
    """Log in with an access token; a challenge holds the error and wants an empty answer."""
    if "\x01" in user + token:
        raise UnicodeError("a control character in the user name or token")
    response = f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
    code, text = client.docmd("AUTH", "XOAUTH2 " + base64.b64encode(response).decode("ascii"))
    if code == 334:
        code, text = client.docmd("")
    if code not in (235, 503):
        raise smtplib.SMTPAuthenticationError(code, text)
