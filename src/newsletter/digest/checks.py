"""Checks a parsed digest before it is sent: what the parser noticed, and what the whole shows.

A check never changes the digest, fetches nothing and knows no email; rendering checks its own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from newsletter.digest.checks_links import (
    check_image,
    check_link,
    check_neighbours,
    check_source_link,
)
from newsletter.digest.dates import day_in_name
from newsletter.digest.findings import CODES, Findings, excerpt
from newsletter.digest.merge_fields import SYSTEM_MERGE_FIELDS, scan
from newsletter.digest.model import (
    Citation,
    Code,
    Digest,
    Finding,
    Image,
    Inline,
    Link,
    MergeField,
    Parsed,
    Severity,
    Source,
    Text,
    plain_text,
)
from newsletter.digest.walking import texts, walk

__all__ = ["CODES", "LONGEST_WORD", "addresses_in", "bare_fields", "check", "has_errors"]

LONGEST_WORD = 200
"""Characters without a place to break the line; longer words are told."""

# Scripts that are written without spaces break anywhere, so they make no long words.
_BREAKABLE = (
    r"\s\u00ad\u200b\u2060\-\u2010\u2013\u2014/"
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
    r"\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
_LONG_WORD = re.compile(rf"[^{_BREAKABLE}]{{{LONGEST_WORD + 1},}}")


def check(parsed: Parsed, *, merge_fields: Collection[str]) -> tuple[Finding, ...]:
    """Return everything that is wrong or odd about a digest, sorted by line.

    `merge_fields` are the names that subscribers can fill; the program's own are known anyway.
    Findings about the whole digest have no line and come first. Codes are those of `CODES`.
    """
    findings = Findings()
    for finding in parsed.findings:
        findings.keep(finding)
    digest = parsed.digest
    _check_head(digest, findings)
    _check_stories(digest, findings)
    _check_sources(digest, findings)
    for inlines, line in texts(digest):
        _check_inlines(inlines, line, merge_fields, findings)
    for text in (digest.subject, digest.preheader):
        # The parser told about mistakes in them already, with their line.
        for part in scan(text or "", Findings()):
            if isinstance(part, MergeField):
                _check_field(part, None, merge_fields, findings)
    return findings.sorted()


def has_errors(findings: Collection[Finding]) -> bool:
    """Tell whether any finding keeps the digest from being sent."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def addresses_in(digest: Digest) -> frozenset[str]:
    """Return the addresses of every link, image and source that the digest's author wrote."""
    nodes = [node for inlines, _ in texts(digest) for node in walk(inlines, whole=True)]
    written = {node.url for node in nodes if isinstance(node, Link | Image)}
    return frozenset(written | {source.url for source in digest.sources if source.url})


def bare_fields(digest: Digest) -> dict[str, int | None]:
    """Return the merge fields that are used without a default, each with its first line.

    The line is None for what stands in the subject or preheader alone.
    """
    bare: dict[str, int | None] = {}
    for inlines, _ in texts(digest):
        for node in walk(inlines):
            if isinstance(node, MergeField) and node.default is None:
                bare.setdefault(node.name, node.line)
    for text in (digest.subject, digest.preheader):
        for part in scan(text or "", Findings()):
            if isinstance(part, MergeField) and part.default is None:
                bare.setdefault(part.name, None)
    return {name: line for name, line in bare.items() if name not in SYSTEM_MERGE_FIELDS}


def _check_head(digest: Digest, findings: Findings) -> None:
    named = day_in_name(digest.slug)
    if not plain_text(digest.title).strip():
        findings.add(
            "no-title",
            "the digest has no title",
            "begin it with a line '# Title', or write 'title:' in the front matter",
            digest.title_line or 1,
        )
    day = digest.byline.day
    if day is None and not findings.has("ambiguous-date", "unreadable-date"):
        said = f": its byline says '{excerpt(text, 40)}'" if (text := digest.byline.text) else ""
        findings.add(
            "no-date",
            f"the digest says no date{said}",
            "write '*By Author • May 7, 2026*' below the title, or name the file 2026-05-07.md",
            digest.byline.line or digest.title_line or 1,
        )
    if day is not None and named is not None and named != day:
        findings.add(
            "date-differs-from-name",
            f"the digest is dated {day} but named {excerpt(digest.slug, 40)}",
            "correct the date or the file's name",
            digest.byline.line,
        )


def _check_stories(digest: Digest, findings: Findings) -> None:
    if not digest.stories:
        findings.add(
            "no-stories",
            "the digest has no story",
            "give each story a heading '### Title' under a section '## Title'",
        )
    seen: dict[str, int] = {}
    for section in digest.sections:
        if section.title is not None and not section.blocks and not section.stories:
            findings.add(
                "empty-section",
                f"the section '{_shown(section.title)}' holds nothing",
                "fill it or take its heading out",
                section.line,
            )
        for story in section.stories:
            title = _shown(story.title)
            if not story.blocks and not story.why_it_matters:
                findings.add(
                    "empty-story",
                    f"the story '{title}' has a title only",
                    "write it or take its heading out",
                    story.line,
                )
            elif not story.why_it_matters:
                findings.add(
                    "story-without-why-it-matters",
                    f"the story '{title}' does not say why it matters",
                    "add a paragraph that begins with '**Why it matters:**'",
                    story.line,
                )
            key = " ".join(plain_text(story.title).casefold().split())
            if key and key in seen:
                findings.add(
                    "duplicate-story-title",
                    f"the story '{title}' has the title of the one on line {seen[key]}",
                    "give each story its own title",
                    story.line,
                )
            seen.setdefault(key, story.line)


def _check_sources(digest: Digest, findings: Findings) -> None:
    cited = {
        node.number
        for inlines, _ in texts(digest)
        for node in walk(inlines)
        if isinstance(node, Citation)
    }
    told: set[str] = set()
    for source in digest.sources:
        if source.number not in cited and source.number not in told:
            findings.add(
                "uncited-source",
                f"source [^{excerpt(source.number)}]{_label(source)} is never cited",
                f"cite it with [^{excerpt(source.number)}] where it is used, or take it out",
                source.line,
            )
        told.add(source.number)
        check_source_link(source, findings)
        if source.url is None and source.label:
            findings.add(
                "source-without-url",
                f"source [^{excerpt(source.number)}]{_label(source)} has no link",
                f"write '[^{excerpt(source.number)}]: [label](https://…)'",
                source.line,
            )


def _check_inlines(
    inlines: Sequence[Inline], line: int, merge_fields: Collection[str], findings: Findings
) -> None:
    check_neighbours(inlines, line, findings)
    for node in walk(inlines):
        match node:
            case MergeField():
                _check_field(node, node.line, merge_fields, findings)
            case Image():
                check_image(node, line, findings)
            case Link():
                check_link(node, line, findings)
            case Text(text) | Code(text):
                if word := _LONG_WORD.search(text):
                    findings.add(
                        "long-word",
                        f"the word '{excerpt(word[0], 30)}' has {len(word[0])} characters",
                        "break it with spaces or hyphens, or make it a link with short words",
                        line,
                    )


def _check_field(
    field: MergeField, line: int | None, merge_fields: Collection[str], findings: Findings
) -> None:
    where = "" if line is not None else " in the subject or preheader"
    if field.name not in merge_fields and field.name not in SYSTEM_MERGE_FIELDS:
        names = sorted({*merge_fields, *SYSTEM_MERGE_FIELDS})
        close = difflib.get_close_matches(field.name[:60], names, n=1)
        fix = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(names[:20])}"
        findings.add(
            "unknown-merge-field",
            f"the merge field '{excerpt(field.name)}'{where} is not known",
            fix,
            line,
        )
    elif field.default is None and field.name not in SYSTEM_MERGE_FIELDS:
        findings.add(
            "merge-field-without-default",
            f"the merge field '{field.name}'{where} has no default",
            f'write {{{{ {field.name} | default("there") }}}} for subscribers without it',
            line,
        )


def _label(source: Source) -> str:
    return f" ('{excerpt(source.label, 30)}')" if source.label else ""


def _shown(inlines: tuple[Inline, ...]) -> str:
    return excerpt(plain_text(inlines), 40)
