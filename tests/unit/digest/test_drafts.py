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
