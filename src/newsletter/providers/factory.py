"""Builds the provider that the settings name; the only place that reads providers' secrets."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from newsletter.clock import Clock
from newsletter.errors import ConfigurationError, Place
from newsletter.providers.base import Provider
from newsletter.settings import (
    ENVIRONMENT_PREFIX,
    ProviderName,
    Security,
    Settings,
    read_secret_file,
)

SENDGRID_HOSTS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}


def build_provider(settings: Settings, clock: Clock) -> Provider:
    """Build the configured provider without opening a connection.

    Raises `ConfigurationError` that names the key when something is missing or contradictory.
    """
    match settings.delivery.provider:
        case ProviderName.OUTBOX:
            return _build_outbox(settings, clock)
        case ProviderName.SMTP:
            return _build_smtp(settings, clock)
        case ProviderName.SENDGRID:
            return _build_sendgrid(settings, clock)


def _build_outbox(settings: Settings, clock: Clock) -> Provider:
    from newsletter.providers.outbox import OutboxProvider

    return OutboxProvider(settings.path(settings.delivery.outbox.directory), clock)


def _build_smtp(settings: Settings, clock: Clock) -> Provider:
    from newsletter.providers.smtp import SmtpProvider
    from newsletter.providers.smtp_session import Login, SmtpServer

    part = settings.delivery.smtp
    password = _secret(settings, "delivery.smtp.password", part.password, part.password_file)
    login = None
    if part.username:
        if password is None:
            raise _missing(settings, "delivery.smtp.password", "'delivery.smtp.username' needs it")
        login = Login(part.username, password)
    elif password is not None:
        raise _missing(settings, "delivery.smtp.username", "there is a password without it")
    ca_file = settings.path(part.ca_file) if part.ca_file else None
    if ca_file is not None and not ca_file.is_file():
        raise ConfigurationError(
            f"the file of 'delivery.smtp.ca_file' does not exist: {ca_file}",
            where=Place(settings.file),
            fix="correct the key, or remove it to trust the machine's own authorities",
        )
    if ca_file is not None and part.security is Security.NONE:
        raise ConfigurationError(
            "'delivery.smtp.ca_file' has no use with security \"none\"",
            where=Place(settings.file),
            fix='set delivery.smtp.security to "starttls" or "tls"',
        )
    server = SmtpServer(
        host=part.host,
        port=part.port,
        security=part.security,
        login=login,
        timeout=max(part.timeout.total_seconds(), 1.0),
        local_hostname=part.local_hostname,
        ca_file=ca_file,
    )
    return SmtpProvider(
        server,
        clock,
        connections=part.connections,
        messages_per_connection=part.messages_per_connection,
    )


def _build_sendgrid(settings: Settings, clock: Clock) -> Provider:
    from newsletter.providers.sendgrid import SendgridProvider
    from newsletter.providers.sendgrid_http import SendgridApi

    part = settings.delivery.sendgrid
    key = _secret(settings, "delivery.sendgrid.api_key", part.api_key, part.api_key_file)
    if key is None:
        raise _missing(settings, "delivery.sendgrid.api_key", "SendGrid asks for it")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            "'delivery.sendgrid.api_key' holds characters that no key has",
            where=Place(settings.file),
            fix="copy the key again, without spaces or line ends",
        )
    api = SendgridApi(
        key,
        host=part.host or SENDGRID_HOSTS[part.region],
        timeout=max(part.timeout.total_seconds(), 1.0),
    )
    return SendgridProvider(
        api,
        clock,
        personalizations=part.personalizations,
        calls_in_flight=part.calls_in_flight,
        sandbox=part.sandbox,
    )


def _secret(settings: Settings, key: str, value: SecretStr | None, file: Path | None) -> str | None:
    """Return a secret from its own key or its file; the key wins, for the environment may set it."""
    if value is not None and value.get_secret_value():
        return value.get_secret_value()
    if file is None:
        return None
    content = read_secret_file(settings.path(file))
    if not content:
        raise ConfigurationError(
            f"the secret file of '{key}_file' is empty",
            where=Place(settings.path(file)),
            fix="write the secret into it",
        )
    return content


def _missing(settings: Settings, key: str, reason: str) -> ConfigurationError:
    variable = ENVIRONMENT_PREFIX + key.replace(".", "__").upper()
    return ConfigurationError(
        f"'{key}' is missing: {reason}",
        where=Place(settings.file) if settings.file else None,
        fix=f"set {variable} in the environment, or the key in newsletter.toml",
    )
