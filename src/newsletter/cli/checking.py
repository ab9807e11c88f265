"""What `newsletter check` shows: findings by severity, then what the inbox and Gmail will show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from newsletter.cli.console import answer, answer_findings, by_severity, finding_json
from newsletter.delivery.preparing import Prepared
from newsletter.digest.model import Finding
from newsletter.rendering.checks.size import CLIPPED, merged_sizes
from newsletter.rendering.checks.subject import on_a_phone, shown_subject
from newsletter.rendering.render import shown_preheader
from newsletter.settings import Settings

_OPTIONS = {
    "list_name": ("its readers", "--list NAME"),
    "links": ("links", "--links"),
    "spam": ("spam score", "--spam"),
    "dns": ("the sender's DNS", "--dns"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for beyond the digest and its email themselves."""

    list_name: str | None
    segment: str | None = None
    links: bool = False
    spam: bool = False
    dns: bool = False

    @property
    def not_asked(self) -> list[str]:
        """Return what was not looked at, each with the option that asks for it."""
        return [
            f"{what} ({option})"
            for name, (what, option) in _OPTIONS.items()
            if not getattr(self, name)
        ]


def look_outside(
    prepared: Prepared, settings: Settings, asked: Asked, now: datetime
) -> tuple[Prepared, list[str]]:
    """Add what links, SpamAssassin and DNS say, as far as asked; returns what to tell besides."""
    findings = list(prepared.findings)
    notes: list[str] = []
    if asked.links:
        from newsletter.delivery.outside.link_checks import check_links

        # Whether a site has https is known then, and need not be guessed.
        findings = [f for f in findings if f.code != "insecure-link" or f.line is None]
        part = settings.check
        findings += check_links(
            prepared.digest,
            seconds=part.link_seconds.total_seconds(),
            whole=part.links_seconds.total_seconds(),
            most=part.links_at_most,
        )
    if asked.spam and prepared.content is not None:
        findings += _spam(prepared, settings, now, notes)
    if asked.dns:
        from newsletter.delivery.outside.sender_dns import dns_findings, why_dns_is_skipped

        if (reason := why_dns_is_skipped(settings)) is not None:
            notes.append(f"DNS      not asked: {reason}")
        findings += dns_findings(settings, from_emails=_own_sender(prepared, settings))
    return replace(prepared, findings=tuple(findings)), notes


def _own_sender(prepared: Prepared, settings: Settings) -> tuple[str, ...]:
    sender = prepared.identity.from_email
    return (sender,) if sender and sender != settings.sender.from_email else ()


def _spam(
    prepared: Prepared, settings: Settings, now: datetime, notes: list[str]
) -> tuple[Finding, ...]:
    from newsletter.delivery.outside.spam_score import SpamScore, find_spamassassin, spam_findings
    from newsletter.delivery.proofs import render_proof

    if find_spamassassin() is None:
        notes.append("spam     SpamAssassin is not here (apt-get install spamassassin)")
        return ()
    message = render_proof(prepared, name="", at=now).message

    def note(judged: SpamScore) -> None:
        notes.append(
            f"spam     {round(judged.score, 1) + 0.0} points; {judged.threshold:.1f} make spam"
            " (SpamAssassin, local rules)"
        )

    return spam_findings(message, limit=settings.check.spam_limit, on_score=note)


def check_json(prepared: Prepared, asked: Asked, notes: Sequence[str]) -> dict[str, Any]:
    """Return the document of `check --json`; sizes are those for the longest values."""
    content = prepared.content
    sizes = merged_sizes(content, prepared.longest) if content else None
    subject, preview = on_a_phone(content) if content else (None, None)
    return {
        "digest": prepared.digest.slug,
        "path": str(prepared.path),
        "list": asked.list_name,
        "segment": asked.segment,
        "readers": prepared.readers,
        "title": prepared.title,
        "date": prepared.digest.byline.day,
        "stories": len(prepared.digest.stories),
        "sources": len(prepared.digest.sources),
        "subject": shown_subject(content) if content else None,
        "preheader": shown_preheader(content) if content else None,
        "phone": {"subject": subject, "preview": preview},
        "html_bytes": sizes.html if sizes else None,
        "text_bytes": sizes.text if sizes else None,
        "errors": prepared.errors,
        "warnings": prepared.warnings,
        "findings": [finding_json(finding) for finding in by_severity(prepared.findings)],
        "not_asked": asked.not_asked,
        "notes": list(notes),
    }


def answer_check(prepared: Prepared, asked: Asked, notes: Sequence[str]) -> None:
    """Print the findings, errors first, and below them what was looked at."""
    answer_findings(prepared.path, prepared.findings)
    if prepared.findings:
        answer("")
    if (content := prepared.content) is not None:
        subject, preview = on_a_phone(content)
        sizes = merged_sizes(content, prepared.longest)
        share = round(100 * sizes.html / CLIPPED)
        answer(f"  subject  {subject}")
        answer(f"  preview  {preview}")
        answer(
            f"  size     {sizes.html:,} bytes of HTML ({share} % of what Gmail shows), "
            f"{sizes.text:,} of text"
        )
    if prepared.readers is not None:
        part = f", segment '{asked.segment}'" if asked.segment else ""
        answer(f"  readers  {prepared.readers:,} of '{asked.list_name}'{part}")
    for note in notes:
        answer(f"  {note}")
    if asked.not_asked:
        answer(f"  not asked: {', '.join(asked.not_asked)}")
    answer(
        f"{prepared.path}: {_count(len(prepared.digest.stories), 'story', 'stories')}, "
        f"{_count(len(prepared.digest.sources), 'source')}, "
        f"{_count(prepared.errors, 'error')}, {_count(prepared.warnings, 'warning')}"
    )


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
