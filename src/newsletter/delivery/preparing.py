"""From a digest file and a list to an email that is checked and ready to freeze.

The one path that `check`, `render`, `preview`, `test`, `send` and editions share: what is checked
is what is sent. What only a list's readers can tell is added in `preflight`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from newsletter.audience.address import AddressRefused, parse_address
from newsletter.audience.lists import MailingList
from newsletter.digest.checks import addresses_in, check
from newsletter.digest.model import Digest, Finding, Parsed, Severity, plain_text
from newsletter.digest.parser import load
from newsletter.errors import ConfigurationError, DeliveryError, Place, TemplateError
from newsletter.rendering.checks.codes import HEADERS, found
from newsletter.rendering.checks.email import check_content
from newsletter.rendering.checks.headers import check_alignment, check_message
from newsletter.rendering.content import (
    PREFERENCES_URL,
    UNSUBSCRIBE_URL,
    EmailContent,
    ListIdentity,
)
from newsletter.rendering.mime import MessageTemplate
from newsletter.rendering.render import render
from newsletter.rendering.theme import theme_of
from newsletter.settings import ProviderName, Settings

BUILT_IN_FIELDS = frozenset({"name", "first_name", "email"})
"""Merge fields every subscriber has, possibly empty."""

ArchiveUrl = Callable[[str], str | None]
"""Returns the public page of a digest by its slug; None: it has none."""

_TOLD_WITH_LINE = frozenset({"heading-level-jump"})
"""What the digest's author was told with the line, and not again of the HTML made of it."""

_TOKEN = "t" * 120
_CHECKED_AT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A digest with its email and everything the checks found.

    `content` is None after an error that keeps it from being rendered at all; `fault` is that error
    where a template is to blame. What `preflight` read of a list: `readers` counts the active ones,
    `longest` has the bytes of the longest value of each merge field.
    """

    path: Path
    digest: Digest
    identity: ListIdentity
    content: EmailContent | None
    findings: tuple[Finding, ...]
    fault: TemplateError | None = None
    readers: int | None = None
    longest: Mapping[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """Return how many findings keep the digest from being sent."""
        return sum(1 for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> int:
        """Return how many findings are only said."""
        return len(self.findings) - self.errors

    @property
    def title(self) -> str:
        """Return the digest's title as plain text."""
        return plain_text(self.digest.title)


def list_identity(settings: Settings, mailing_list: MailingList | None) -> ListIdentity:
    """Return what an email says about its list: the list's own words, else the settings'.

    Without a list (`check` and `render` before any exists) it stands for the whole newsletter.
    """
    general, sender = settings.newsletter, settings.sender
    host = urlsplit(general.base_url).hostname or "localhost"
    title = mailing_list.title if mailing_list else general.name
    return ListIdentity(
        title=title,
        list_id=mailing_list.list_id if mailing_list else f"newsletter.{host}",
        from_name=(mailing_list and mailing_list.from_name) or sender.from_name or general.name,
        from_email=(mailing_list and mailing_list.from_email) or sender.from_email,
        base_url=general.base_url,
        postal_address=general.postal_address,
        timezone=(mailing_list and mailing_list.timezone) or general.timezone,
        language=(mailing_list and mailing_list.language) or general.language,
        reply_to=(mailing_list and mailing_list.reply_to) or sender.reply_to,
        contact=general.contact,
        reason=mailing_list.reason if mailing_list else None,
        unsubscribe_mailto=sender.unsubscribe_mailto,
    )


def prepare(
    path: Path,
    settings: Settings,
    mailing_list: MailingList | None,
    merge_fields: Collection[str],
    *,
    archive_url: ArchiveUrl | None = None,
) -> Prepared:
    """Parse, check and render a digest for a list.

    `merge_fields` are the fields the list's subscribers have; `archive_url` gives the page that the
    email leads to. Raises `DigestError` when the file cannot be read at all; everything else is a
    finding, a broken template too.
    """
    parsed: Parsed = load(path)
    digest = parsed.digest
    findings = check(parsed, merge_fields=BUILT_IN_FIELDS | set(merge_fields))
    identity = list_identity(settings, mailing_list)
    if archive_url is not None:
        identity = replace(identity, archive_url=archive_url(digest.slug))
    if not plain_text(digest.title).strip():
        return Prepared(path, digest, identity, None, findings)
    try:
        content = render(
            digest,
            identity,
            templates=settings.path(settings.newsletter.templates),
            theme=theme_of(settings.theme),
        )
    except TemplateError as fault:
        return Prepared(path, digest, identity, None, (*findings, _fault_finding(fault)), fault)
    told = {finding.code for finding in findings} & _TOLD_WITH_LINE
    more = check_content(content, identity, written=addresses_in(digest))
    findings += tuple(finding for finding in more if finding.code not in told)
    findings += tuple(_check_message(content, identity, settings))
    return Prepared(path, digest, identity, content, findings)


def _fault_finding(fault: TemplateError) -> Finding:
    place = str(fault.where) if fault.where is not None else "template"
    return found("template-error", fault.problem, fault.fix or "correct the template", place)


def _check_message(
    content: EmailContent, identity: ListIdentity, settings: Settings
) -> list[Finding]:
    """Build the message of an imagined reader and look at its bytes.

    A sender's address that is missing or none at all is left to `refuse_unsafe_settings`.
    """
    if not _is_address(identity.from_email):
        return []
    url = f"{identity.base_url}/u/{_TOKEN}"
    values = {UNSUBSCRIBE_URL: url, PREFERENCES_URL: f"{identity.base_url}/p/{_TOKEN}"}
    try:
        message = MessageTemplate(content, identity, campaign=0, salt="check").build(
            subscriber=0, address="reader@example.org", name="", values=values, at=_CHECKED_AT
        )
    except ValueError as error:
        fix = "look at the addresses and names in newsletter.toml"
        return [found("message-structure", f"no message can be made: {error}", fix, HEADERS)]
    findings = check_message(message, unsubscribe_url=url)
    if settings.delivery.provider is ProviderName.SMTP:
        findings += check_alignment(identity.from_email, settings.delivery.smtp.dkim_domain)
    return findings


def _is_address(text: str) -> bool:
    try:
        return parse_address(text).text.isascii()
    except AddressRefused:
        return False


def refuse_unready(prepared: Prepared, *, drafts: bool = False) -> EmailContent:
    """Return the content of a digest without errors; `drafts` lets one be that is a draft only.

    Raises `DeliveryError` that names the first error, and `TemplateError` where a template is to
    blame; `newsletter check` shows them all.
    """
    errors = [
        finding
        for finding in prepared.findings
        if finding.severity is Severity.ERROR and not (drafts and finding.code == "draft")
    ]
    if prepared.fault is not None and len(errors) == 1:
        raise prepared.fault
    if errors or prepared.content is None:
        first = errors[0]
        rest = len(errors) - 1
        more = f" (and {rest} more {'error' if rest == 1 else 'errors'})" if rest else ""
        place = f"{first.place}: " if first.place else ""
        why = f". {first.why.rstrip('.')}" if first.why else ""
        raise DeliveryError(
            f"{place}{first.problem}{more}{why}",
            where=Place(prepared.path, first.line),
            fix=f"{first.fix}; all findings: newsletter check {prepared.path}",
        )
    return prepared.content


def refuse_unsafe_settings(settings: Settings, identity: ListIdentity) -> None:
    """Refuse settings with which nothing may leave this machine (J "Settings").

    Raises `ConfigurationError` for a missing From address, and for a `base_url` without https
    when the provider is not on loopback: the unsubscribe link has to work for everybody.
    """
    if not identity.from_email:
        raise ConfigurationError(
            "'sender.from_email' is missing",
            where=Place(settings.file),
            fix='add from_email = "digest@your-domain" under [sender]',
        )
    try:
        parse_address(identity.from_email)
    except AddressRefused as refused:
        raise ConfigurationError(
            f"'sender.from_email': {refused.problem}",
            where=Place(settings.file),
            fix="correct the address of the sender",
        ) from None
    if urlsplit(identity.base_url).scheme != "https" and not sends_to_loopback(settings):
        raise ConfigurationError(
            f"'newsletter.base_url' is {identity.base_url}: one-click unsubscribe needs https",
            where=Place(settings.file),
            fix="set it to the public https:// address of this newsletter",
        )


def sends_to_loopback(settings: Settings) -> bool:
    """Return whether the configured provider is on this machine."""
    delivery = settings.delivery
    if delivery.provider is ProviderName.OUTBOX:
        return True
    if delivery.provider is ProviderName.SMTP:
        return is_loopback(delivery.smtp.host)
    return delivery.sendgrid.host is not None and is_loopback(
        urlsplit(delivery.sendgrid.host).hostname or ""
    )


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
