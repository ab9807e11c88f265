"""Looks at the DNS of a sender as its receivers do: SPF, DKIM, DMARC, MX, reverse names (A14).

For `doctor` and for `check --dns`. Asks only when called, within one limit of time, and takes
nothing for wrong that it could not ask about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dns.resolver

from newsletter.delivery.outside.dkim_looks import look_at_dkim, look_at_sendgrid, sendgrid_domain
from newsletter.delivery.outside.dmarc_looks import look_at_alignment, look_at_dmarc
from newsletter.delivery.outside.dmarc_records import DmarcWalk, walk_up
from newsletter.delivery.outside.dns_asking import Asker, CouldNotAsk, make_resolver
from newsletter.delivery.outside.dns_health import DnsHealth, unknown, well
from newsletter.delivery.outside.host_looks import (
    look_at_bounces,
    look_at_pages,
    look_at_replies,
    look_at_reverse,
)
from newsletter.delivery.outside.kinds import DNS_KINDS
from newsletter.delivery.outside.sender_setup import (
    SenderSetup,
    is_example,
    is_public_name,
    sender_setup,
)
from newsletter.delivery.outside.spf_looks import look_at_spf
from newsletter.digest.model import Finding, Severity
from newsletter.providers.base import Health
from newsletter.settings import ProviderName, Settings

_CODES = {
    "SPF": "dns-spf",
    "DKIM": "dns-dkim",
    "DMARC": "dns-dmarc",
    "alignment": "dns-alignment",
    "bounce MX": "dns-bounce-mx",
    "reply MX": "dns-reply-mx",
    "reverse DNS": "dns-reverse",
    "base_url host": "dns-base-url",
}


def look_at_dns(
    settings: Settings,
    *,
    resolver: dns.resolver.Resolver | None = None,
    from_emails: Sequence[str] = (),
) -> list[Health]:
    """Return a line for each thing that DNS has to say about who sends.

    `resolver` is asked instead of the ones that the settings name; `from_emails` are senders that
    single lists have of their own. Takes at most `check.dns_seconds`; never raises for DNS. All
    lines are `DnsHealth`.
    """
    return list(_look(settings, resolver, from_emails))


def dns_findings(
    settings: Settings,
    *,
    resolver: dns.resolver.Resolver | None = None,
    from_emails: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """Return what `check --dns` says: a warning for what is wrong or could be better.

    Warnings only, for DNS may look different from here than to the receivers. What could not be
    asked is one warning, whatever it was.
    """
    lines = _look(settings, resolver, from_emails)
    findings = [
        Finding(
            Severity.WARNING,
            _CODES[line.name],
            line.detail,
            line.fix,
            place=f"DNS of {line.domain}",
            why=line.why,
        )
        for line in lines
        if line.looked and line.fix is not None
    ]
    silent = [line for line in lines if line.name == "DNS" and not line.looked]
    findings += [
        Finding(
            Severity.WARNING,
            "dns-not-asked",
            line.detail,
            line.fix or "try again, or set check.dns_resolvers to a resolver that answers",
            place=f"DNS of {line.domain}" if line.domain else "DNS",
            why=DNS_KINDS["dns-not-asked"].why,
        )
        for line in silent[:1]
    ]
    return tuple(findings)


def why_dns_is_skipped(settings: Settings) -> str | None:
    """Return why there is nothing to ask DNS about, so that silence is not taken for praise."""
    return _reason_to_skip(sender_setup(settings))


def _look(
    settings: Settings, resolver: dns.resolver.Resolver | None, from_emails: Sequence[str]
) -> list[DnsHealth]:
    setup = sender_setup(settings, from_emails)
    reason = _reason_to_skip(setup)
    if reason is not None:
        return [well("DNS", "", f"skipped: {reason}")]
    part = settings.check
    try:
        asked = resolver or make_resolver(part.dns_resolvers)
    except CouldNotAsk as problem:
        return [unknown("DNS", "", f"could not ask: {problem}", fix="set check.dns_resolvers")]
    asker = Asker(asked, seconds=part.dns_seconds.total_seconds())
    domain = setup.from_domains[0]
    if not asker.reaches_the_world(domain):
        detail = f"could not ask: the resolver does not even know .{domain.rpartition('.')[2]}"
        return [unknown("DNS", domain, detail, fix="set check.dns_resolvers")]
    return _Looks(asker, setup).all()


def _reason_to_skip(setup: SenderSetup) -> str | None:
    if setup.provider is ProviderName.OUTBOX:
        return "the outbox sends nothing into the world"
    if not setup.from_domains:
        return "there is no sender.from_email"
    if not is_public_name(setup.web_host):
        return f"base_url is on {setup.web_host or 'no host'}"
    if is_example(setup.from_domains[0]):
        return f"{setup.from_domains[0]} is a domain for examples"
    return None


class _Looks:
    """One look at everything; keeps what several looks need."""

    def __init__(self, asker: Asker, setup: SenderSetup) -> None:
        self._asker = asker
        self._setup = setup
        self._lines: list[DnsHealth] = []
        self._silent: list[str] = []
        self._reason = ""

    def all(self) -> list[DnsHealth]:
        asker, setup = self._asker, self._setup
        if setup.envelope is not None:
            self._add("SPF", setup.envelope, lambda: look_at_spf(asker, setup))
        if setup.provider is ProviderName.SMTP:
            self._add("DKIM", setup.from_domains[0], lambda: look_at_dkim(asker, setup))
        for domain in setup.from_domains:
            self._add_sender(domain)
        if setup.bounce_domain is not None:
            bounces = setup.bounce_domain
            self._add("bounce MX", bounces, lambda: look_at_bounces(asker, bounces))
        replies = setup.reply_domain or setup.from_domains[0]
        if replies != setup.bounce_domain:
            self._add("reply MX", replies, lambda: look_at_replies(asker, replies))
        if setup.relay is not None:
            self._add("reverse DNS", setup.relay, lambda: look_at_reverse(asker, setup))
        self._add("base_url host", setup.web_host, lambda: look_at_pages(asker, setup.web_host))
        if self._silent:
            self._lines.append(
                unknown(
                    "DNS",
                    setup.from_domains[0],
                    f"could not ask about {', '.join(self._silent)}: {self._reason}",
                    fix="try again, or set check.dns_resolvers to a resolver that answers",
                )
            )
        return self._lines

    def _add_sender(self, domain: str) -> None:
        asker, setup = self._asker, self._setup
        try:
            walk = walk_up(asker, domain)
            signs_for = self._signs_for(walk)
        except CouldNotAsk as problem:
            self._note("DMARC", domain, problem)
            return
        if setup.provider is ProviderName.SENDGRID:
            self._add("DKIM", domain, lambda: look_at_sendgrid(asker, domain, signs_for))
        self._add("DMARC", domain, lambda: look_at_dmarc(asker, walk))
        if setup.provider is ProviderName.SENDGRID and signs_for is None:
            return
        self._add(
            "alignment",
            domain,
            lambda: look_at_alignment(asker, walk, envelope=setup.envelope, signs_for=signs_for),
        )

    def _signs_for(self, walk: DmarcWalk) -> str | None:
        if self._setup.provider is ProviderName.SENDGRID:
            return sendgrid_domain(self._asker, walk.domain, walk.organisation)
        return self._setup.dkim.domain if self._setup.dkim is not None else None

    def _add(self, name: str, domain: str, look: Callable[[], DnsHealth | None]) -> None:
        try:
            line = look()
        except CouldNotAsk as problem:
            self._note(name, domain, problem)
            return
        if line is not None:
            self._lines.append(line)

    def _note(self, name: str, domain: str, problem: CouldNotAsk) -> None:
        self._silent.append(f"{name} of {domain}")
        self._reason = str(problem)
