"""Who sends, by the settings: the domains whose DNS has to vouch for it, and the server that does.

Asks nobody; only the key of DKIM is read from its file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from newsletter.delivery.domains import domain_of
from newsletter.providers.base import AccountProblem
from newsletter.providers.dkim_keys import load_key
from newsletter.rendering.headers import a_label
from newsletter.settings import ProviderName, Settings

EXAMPLE_DOMAINS = ("example", "example.org", "example.com", "example.net", "localhost", "invalid")
"""Names that stand for no real sender (RFC 2606)."""

_RELAYS = {
    r"smtp\.sendgrid\.net": "sendgrid.net",
    r"email-smtp\.[a-z0-9-]+\.amazonaws\.com": "amazonses.com",
    r"smtp(\.eu)?\.mailgun\.org": "mailgun.org",
    r"smtp(-[a-z]+)?\.postmarkapp\.com": "spf.mtasv.net",
    r"smtp(-relay)?\.gmail\.com": "_spf.google.com",
    r"smtp\.office365\.com": "spf.protection.outlook.com",
    r"smtp-relay\.brevo\.com": "spf.brevo.com",
    r"in(-v3)?\.mailjet\.com": "spf.mailjet.com",
    r"smtp\.fastmail\.com": "spf.messagingengine.com",
}
"""Relays that send by other addresses than the one that takes our mail, and what SPF includes."""


@dataclass(frozen=True, slots=True)
class DkimSetup:
    """What we sign with: `published` is what DNS must say, None when the key cannot be read."""

    domain: str
    selector: str
    published: str | None
    problem: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the record."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class SenderSetup:
    """All that DNS is asked about; domains are A-labels in lower case.

    `from_domains` begins with the newsletter's own. `envelope` is the domain of the return path,
    None where the provider uses its own. `relay` is the host that takes our mail over SMTP,
    `greeting` the name it says itself, where that is set.
    """

    provider: ProviderName
    from_domains: tuple[str, ...]
    envelope: str | None
    reply_domain: str | None
    bounce_domain: str | None
    web_host: str
    relay: str | None = None
    greeting: str | None = None
    dkim: DkimSetup | None = None

    @property
    def relay_include(self) -> str | None:
        """Return what SPF has to include for a relay that is known to send by other addresses."""
        for pattern, include in _RELAYS.items():
            if self.relay is not None and re.fullmatch(pattern, self.relay):
                return include
        return None


def is_example(domain: str) -> bool:
    """Return whether a domain stands for no real one."""
    return any(domain == e or domain.endswith(f".{e}") for e in EXAMPLE_DOMAINS)


def is_public_name(host: str) -> bool:
    """Return whether a host may be known to everybody: neither an example nor this machine."""
    try:
        return not ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return bool(host) and not is_example(host)


def sender_setup(settings: Settings, from_emails: Sequence[str] = ()) -> SenderSetup:
    """Return who sends; `from_emails` are senders that single lists have of their own."""
    sender, delivery = settings.sender, settings.delivery
    addresses = [address for address in (sender.from_email, *from_emails) if "@" in address]
    domains = tuple(dict.fromkeys(_name(domain_of(address)) for address in addresses))
    smtp = delivery.smtp if delivery.provider is ProviderName.SMTP else None
    bounces = _name(sender.bounce_domain) if sender.bounce_domain else None
    return SenderSetup(
        provider=delivery.provider,
        from_domains=domains,
        envelope=(bounces or (domains[0] if domains else None)) if smtp else None,
        reply_domain=_name(domain_of(sender.reply_to)) if sender.reply_to else None,
        bounce_domain=bounces if smtp else None,
        web_host=urlsplit(settings.newsletter.base_url).hostname or "",
        relay=_name(smtp.host) if smtp else None,
        greeting=_name(smtp.local_hostname) if smtp and smtp.local_hostname else None,
        dkim=_dkim_setup(settings) if smtp else None,
    )


def _dkim_setup(settings: Settings) -> DkimSetup | None:
    smtp = settings.delivery.smtp
    if smtp.dkim_domain is None or smtp.dkim_key_file is None:
        return None
    file = Path(os.path.realpath(settings.root / smtp.dkim_key_file))
    domain = _name(smtp.dkim_domain)
    try:
        key = load_key(file, smtp.dkim_selector)
    except AccountProblem as problem:
        return DkimSetup(domain, smtp.dkim_selector or file.stem, None, problem.problem)
    return DkimSetup(domain, key.selector, key.public_record())


def _name(domain: str) -> str:
    plain = domain.strip().strip("[]").rstrip(".").lower()
    try:
        return a_label(plain)
    except ValueError:
        return plain
