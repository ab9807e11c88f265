"""Checks a rendered email as its readers and their mail programs will meet it (A7, A9, B).

One pass over the HTML feeds all checks; each subject has a module of its own beside this one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from newsletter.digest.model import Finding
from newsletter.rendering.checks.clients import check_clients
from newsletter.rendering.checks.codes import CODES, HTML_PART, SETTINGS, TEXT_PART, found
from newsletter.rendering.checks.contrast import check_contrast
from newsletter.rendering.checks.links import check_images, check_links
from newsletter.rendering.checks.page import read_page
from newsletter.rendering.checks.size import CLIPPED, NEARLY_CLIPPED, check_size, merged_sizes
from newsletter.rendering.checks.structure import check_structure
from newsletter.rendering.checks.subject import check_preheader, check_subject
from newsletter.rendering.content import UNSUBSCRIBE_URL, EmailContent, ListIdentity

__all__ = ["CLIPPED", "CODES", "NEARLY_CLIPPED", "check_content", "merged_sizes"]


def check_content(
    content: EmailContent,
    identity: ListIdentity,
    *,
    written: Collection[str] = (),
    longest: Mapping[str, int] | None = None,
) -> tuple[Finding, ...]:
    """Return what is wrong with a rendered email.

    `written` are the addresses that stand in the digest, which are judged there with their line.
    `longest` are the bytes of the longest value of each merge field, as in `merged_sizes`.
    """
    page = read_page(content.html, content.slots)
    return (
        *check_size(content, longest),
        *check_subject(content),
        *check_preheader(content),
        *_check_footer(content, identity),
        *check_structure(page),
        # `base_url` leads to the public page: the settings and `doctor` judge it.
        *check_links(page, {*written, identity.archive_url or ""}),
        *check_images(page, written),
        *check_contrast(page),
        *check_clients(page),
    )


def _check_footer(content: EmailContent, identity: ListIdentity) -> list[Finding]:
    findings = []
    if not identity.postal_address.strip():
        findings.append(
            found(
                "no-postal-address",
                "the footer has no postal address, which the law asks for",
                "set newsletter.postal_address in newsletter.toml",
                SETTINGS,
            )
        )
    for part, text in ((HTML_PART, content.html), (TEXT_PART, content.text)):
        if not any(s.field == UNSUBSCRIBE_URL and s.tag in text for s in content.slots):
            findings.append(
                found(
                    "no-unsubscribe-link",
                    f"the {part} has no unsubscribe link",
                    "put {{ unsubscribe_url }} back into the template's footer",
                    part,
                )
            )
    return findings
