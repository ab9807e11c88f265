"""Digests: the reference, other shapes, and one clear message for each bad one (J "Digest")."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.digest.checks import check
from newsletter.digest.findings import CODES
from newsletter.digest.library import find_digest
from newsletter.digest.model import Finding, Severity, plain_text
from newsletter.digest.parser import load, parse
from newsletter.errors import DigestError

HEAD = "# A title\n\n*By Ada • November 24, 2026*\n\nA lede.\n\n"
STORY = "## News\n\n### A story\n\nIt happened.\n\n**Why it matters:** It does.\n"


def findings(text: str) -> dict[str, Finding]:
    parsed = parse(text, slug="sample")
    return {f.code: f for f in check(parsed, merge_fields={"name", "first_name"})}


def test_the_reference_digest_is_read_whole(shared: Path) -> None:
    parsed = load(shared / "digests" / "2026-05-07.md")

    digest = parsed.digest
    assert [plain_text(s.title or ()) for s in digest.sections] == ["What stood out"]
    assert len(digest.stories) == 5
    assert all(story.why_it_matters for story in digest.stories)
    assert len(digest.sources) == 13
    assert any("\U0001d54f" in source.label for source in digest.sources)
    assert digest.byline.day == date(2026, 5, 7)
    assert check(parsed, merge_fields=()) == ()


@pytest.mark.parametrize("name", ["2026-11-23.md", "2026-11-24.md"])
def test_our_sample_digests_are_without_fault(name: str) -> None:
    path = Path(__file__).resolve().parents[3] / "digests" / name

    assert check(load(path), merge_fields={"name", "first_name"}) == ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the digest is empty"),
        (b" \n\t\n", "the digest is empty"),
        (b"# a\x00b", "NUL byte at offset 3"),
        ("# Café".encode("cp1252"), "byte 0xe9 at offset 5"),
        (b"x" * 2_000_000, "larger than 1024 KiB"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_where(
    tmp_path: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "digest.md"
    path.write_bytes(data)

    with pytest.raises(DigestError) as caught:
        load(path)

    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.fix


def test_a_missing_file_is_told_with_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "2026-11-24.md").write_text(HEAD + STORY)

    with pytest.raises(DigestError) as caught:
        find_digest("2026-11-25", tmp_path)

    assert "2026-11-24" in f"{caught.value} {caught.value.fix}"


@pytest.mark.parametrize(
    ("text", "code", "line", "severity"),
    [
        ("*By Ada, 2026-11-24*\n\nHello.", "no-title", 1, "error"),
        ("# T\n\nHello.", "no-date", 1, "error"),
        ("# T\n\n*By Ada, 31.2.2026*\n\nx", "unreadable-date", 3, "error"),
        ("# T\n\n*By Ada, 3/4/2026*\n\nx", "ambiguous-date", 3, "error"),
        (HEAD + "A fact [^9].", "unknown-citation", 7, "error"),
        (HEAD + "A.\n\n[^1]: [x](https://x.example)", "uncited-source", 9, "warning"),
        (
            HEAD + "A [^1].\n\n[^1]: [x](https://x.example)\n[^1]: [y](https://y.example)",
            "duplicate-source",
            10,
            "error",
        ),
        (HEAD + "## S\n\n### T\n\nBody.", "story-without-why-it-matters", 9, "warning"),
        (HEAD + "A <b>bold</b> word.", "raw-html", 7, "warning"),
        (HEAD + "Hi {{ fist_name }}.", "unknown-merge-field", 7, "error"),
        (HEAD + "Hi {{ name", "merge-field-unclosed", 7, "error"),
        (HEAD + "Hi {{ 7*7 }}", "merge-field-syntax", 7, "error"),
        (HEAD + "Hi {% if x %}", "template-tag", 7, "error"),
        (HEAD + "[x](javascript:alert(1))", "unsafe-link", 7, "error"),
        (HEAD + "[x](data:text/html,x)", "unsafe-link", 7, "error"),
        (HEAD + "[x](/about)", "relative-link", 7, "error"),
        (HEAD + "x" * 5000, "long-word", 7, "warning"),
        (HEAD + "word " * 40_000, "long-digest", None, "warning"),
        (HEAD + ">" * 3000 + " deep", "too-deep", 7, "error"),
        ("---\ntitle: [\n---\n" + HEAD, "front-matter-invalid", None, "error"),
        ("---\nautor: me\n---\n" + HEAD, "front-matter-unknown-key", 2, "warning"),
    ],
)
def test_each_fault_has_one_finding_with_its_line_and_a_fix(
    text: str, code: str, line: int | None, severity: str
) -> None:
    found = findings(text)

    assert code in found, sorted(found)
    assert found[code].severity == severity
    assert found[code].fix
    if line is not None:
        assert found[code].line == line
    assert set(found) <= set(CODES)


def test_an_unknown_merge_field_gets_a_suggestion() -> None:
    assert "first_name" in findings(HEAD + "Hi {{ fist_name }}.")["unknown-merge-field"].fix


@pytest.mark.parametrize(
    "byline",
    [
        "*By Ada • November 24, 2026*",
        "*Ada — 2026-11-24*",
        "*By Ada | 24 November 2026*",
        "By Ada, Nov 24th, 2026",
        "*Tuesday, 24 November 2026 · Ada*",
    ],
)
def test_a_byline_is_read_in_several_spellings(byline: str) -> None:
    digest = parse(f"# T\n\n{byline}\n\nLede.\n", slug="x").digest

    assert (digest.byline.day, digest.byline.author) == (date(2026, 11, 24), "Ada")


def test_front_matter_wins_over_the_text() -> None:
    text = "---\ntitle: Other\ndate: 2026-11-23\nauthor: Bo\nsubject: Look\n---\n" + HEAD

    digest = parse(text, slug="x").digest

    assert plain_text(digest.title) == "Other"
    assert (digest.byline.day, digest.byline.author) == (date(2026, 11, 23), "Bo")
    assert digest.subject == "Look"


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_bom_and_line_ends_of_any_kind_keep_the_lines(tmp_path: Path, ends: str) -> None:
    path = tmp_path / "digest.md"
    text = "\ufeff" + HEAD + "A fact [^9].\n"
    path.write_bytes(text.replace("\n", ends).encode())

    found = {f.code: f for f in check(load(path), merge_fields=())}

    assert found["unknown-citation"].line == 7


@pytest.mark.parametrize(
    ("body", "sections", "stories"),
    [
        ("Only prose, no headings.\n", 0, 0),
        (STORY, 1, 1),
        (STORY + "\n## More\n\n### Two\n\nB.\n\n**Why it matters:** C.\n", 2, 2),
        ("### Alone\n\nA.\n\n**Why it matters:** B.\n", 1, 1),
    ],
)
def test_digests_of_other_shapes_are_read(body: str, sections: int, stories: int) -> None:
    digest = parse(HEAD + body, slug="x").digest

    assert (len(digest.sections), len(digest.stories)) == (sections, stories)


@given(st.text(max_size=500))
@example("[" * 500)
@example("*" * 500)
@example("{{" * 100 + "}}" * 100)
@example("---\n: :\n---\n[^1]: [^1]: [^1]")
def test_any_text_is_a_digest_with_findings_or_a_plain_error(text: str) -> None:
    try:
        parsed = parse(text, slug="any")
    except DigestError:
        return
    lines = len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    for finding in check(parsed, merge_fields=("name",)):
        assert finding.line is None or 1 <= finding.line <= lines
        assert finding.severity in Severity
