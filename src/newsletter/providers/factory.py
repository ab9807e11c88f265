"""Builds the provider that the settings name; the only place that knows all of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from newsletter.clock import Clock
from newsletter.errors import ConfigurationError, Place
from newsletter.providers.base import AccountProblem, Provider
from newsletter.settings import ProviderName, Settings, read_secret_file


def build_provider(settings: Settings, clock: Clock) -> Provider:
    """Return the configured provider; opens no connection.

    Raises `ConfigurationError` when a secret is missing or its file is open to others.
    """
    match settings.delivery.provider:
        case ProviderName.OUTBOX:
            from newsletter.providers.outbox import Outbox

            return Outbox(settings.path(settings.delivery.outbox.directory), clock)
        case ProviderName.SMTP:
            return _smtp(settings, clock)
        case ProviderName.SENDGRID:
            from newsletter.providers.sendgrid import SendgridProvider

            return SendgridProvider(
                settings.delivery.sendgrid, clock, api_key=sendgrid_key(settings)
            )


def sendgrid_key(settings: Settings) -> str:
    """Return the key of SendGrid's API; raises `ConfigurationError` when there is none."""
    part = settings.delivery.sendgrid
    key = _secret(settings, part.api_key, part.api_key_file)
    if key is None:
        raise ConfigurationError(
            "there is no key for SendGrid's API",
            where=Place(settings.file),
            fix="set NEWSLETTER_DELIVERY__SENDGRID__API_KEY or delivery.sendgrid.api_key_file",
        )
    return key


def _smtp(settings: Settings, clock: Clock) -> Provider:
    from newsletter.providers.smtp import SmtpProvider
    from newsletter.providers.smtp_auth import password_source

    smtp = settings.delivery.smtp
    file = settings.path(smtp.password_file) if smtp.password_file else None
    password = password_source(smtp, file)
    if smtp.username and password is None:
        raise ConfigurationError(
            "'delivery.smtp.username' is set and there is no password",
            where=Place(settings.file),
            fix="set NEWSLETTER_DELIVERY__SMTP__PASSWORD or delivery.smtp.password_file",
        )
    if smtp.password is None and file is not None:
        # It is read anew for each connection; what is wrong with it now is told now.
        read_secret_file(file)
    signer = None
    if smtp.dkim_domain is not None and smtp.dkim_key_file is not None:
        from newsletter.providers.dkim import DkimSigner

        # Not resolved: where a link leads may change while we run, and names the selector.
        key_file = settings.root / smtp.dkim_key_file
        try:
            signer = DkimSigner(smtp.dkim_domain, key_file, smtp.dkim_selector, clock)
            signer.public_record()
        except AccountProblem as problem:
            raise ConfigurationError(
                problem.problem, where=Place(settings.file), fix=problem.fix
            ) from None
    ca_file = settings.path(smtp.ca_file) if smtp.ca_file else None
    return SmtpProvider(smtp, clock, password=password, ca_file=ca_file, signer=signer)


def _secret(settings: Settings, value: SecretStr | None, file: Path | None) -> str | None:
    if value is not None:
        return value.get_secret_value()
    return read_secret_file(settings.path(file)) if file is not None else None
