"""Drafts: what the front matter of other programs says keeps a digest from being sent."""

from __future__ import annotations

import pytest

from newsletter.digest.checks import check, has_errors
from newsletter.digest.model import Finding
from newsletter.digest.parser import parse

BODY = "# Boats\n\n*By Ada • May 7, 2026*\n\nThe lede.\n\n## Harbours\n"


def found(lines: str) -> dict[str, Finding]:
    parsed = parse(f"---\n{lines}\n---\n{BODY}", slug="sample")
    return {f.code: f for f in check(parsed, merge_fields=())}


@pytest.mark.parametrize(
    "line",
    [
        "draft: true",
        "draft: yes",
        "Draft: True",
        'draft: "true"',
        "draft: on",
        "is_draft: 1",
        "isDraft: true",
        "published: false",
        "publish: no",
        "private: true",
        "ready: off",
        "wip: true",
        "status: draft",
        "status: In Review",
        "status: unpublished",
        "visibility: private",
    ],
)
def test_a_draft_is_an_error_with_its_line(line: str) -> None:
    codes = found(f"subject: Boats\n{line}")

    assert codes["draft"].line == 3
    assert line.partition(":")[0] in codes["draft"].problem
    assert has_errors(codes.values())


@pytest.mark.parametrize(
    "line",
    [
        "draft: false",
        "draft: no",
        "published: true",
        "publish: yes",
        "private: false",
        "status: published",
        "status: final",
    ],
)
def test_what_says_that_it_is_ready_changes_nothing(line: str) -> None:
    codes = found(line)

    assert "draft" not in codes
    assert "front-matter-unknown-key" not in codes
    assert not has_errors(codes.values())


@pytest.mark.parametrize(
    "line",
    [
        "draft: maybe",
        "draft:",
        "draft: null",
        "draft: [true]",
        "published: 2026-05-07",
        "publish: soon",
        "status: half",
        "status:",
    ],
)
def test_a_value_that_says_neither_is_an_error(line: str) -> None:
    codes = found(line)

    assert codes["front-matter-value"].line == 2
    assert has_errors(codes.values())
    assert "did you mean" not in codes["front-matter-value"].fix


@pytest.mark.parametrize("line", ["drfat: true", "publishd: false", "draft_: maybe"])
def test_a_slip_of_the_pen_does_not_send_a_draft(line: str) -> None:
    assert has_errors(found(line).values())


def test_two_such_keys_are_both_told() -> None:
    parsed = parse(f"---\ndraft: true\npublished: false\n---\n{BODY}", slug="sample")

    assert [f.line for f in parsed.findings if f.code == "draft"] == [2, 3]


def test_empty_lines_above_the_front_matter_do_not_hide_a_draft() -> None:
    parsed = parse(f"\n\n---\nslug: boats\ndraft: true\n---\n{BODY}", slug="sample")

    assert [(f.code, f.line) for f in parsed.findings if f.code == "draft"] == [("draft", 5)]
    assert parsed.digest.slug == "boats"
    assert parsed.digest.title_line == 7


def test_front_matter_of_another_form_is_an_error() -> None:
    parsed = parse(f"+++\ndraft = true\n+++\n{BODY}", slug="sample")

    assert [f.code for f in parsed.findings] == ["front-matter-invalid"]


@pytest.mark.parametrize(
    "line", ["publisher: Harbour Press", "publishDate: 2026-05-07", "tags: [a]"]
)
def test_other_keys_of_other_programs_are_a_warning_only(line: str) -> None:
    codes = found(line)

    assert "front-matter-unknown-key" in codes
    assert not has_errors(codes.values())
