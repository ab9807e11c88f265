"""The labelled samples beside the checkout: how many are read right, and no rule made for one.

A label is sisimai's reading. Where it disagrees with the table D3, the table counts; those files
are listed here with the row that decides.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from newsletter.feedback.bounces import parse_bounce

BY_THE_TABLE = {
    # 5.2.1 with "User Unknown": hard in D3, and nobody is there by its words.
    "lhost-amazonworkmail-02.eml": "hard",
    # No status, "User unknown": hard by its words.
    "lhost-x1-01.eml": "hard",
    # Status 5.1.1, exact, so the words beside it (a full disk) do not count.
    "rfc3464-01.eml": "hard",
}


@pytest.fixture
def samples(shared: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each label with our document."""
    folder = shared / "bounces"
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        (label, dict(parse_bounce((folder / "open" / label["file"]).read_bytes()).document()))
        for label in map(json.loads, lines)
    ]


def test_at_least_97_of_100_kinds_are_right(
    samples: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    wanted = [BY_THE_TABLE.get(label["file"], label["kind"]) for label, _ in samples]

    right = sum(kind == ours["kind"] for kind, (_, ours) in zip(wanted, samples, strict=True))

    assert right / len(samples) >= 0.97


def test_at_least_97_of_100_recipients_are_right(
    samples: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    named = [(label, ours) for label, ours in samples if label["recipients"] is not None]

    right = sum(set(label["recipients"]) == set(ours["recipients"]) for label, ours in named)

    assert right / len(named) >= 0.97


def test_every_failure_names_somebody(
    samples: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    nameless = [
        label["file"]
        for label, ours in samples
        if ours["kind"] in ("hard", "soft", "delayed") and not ours["recipients"]
    ]

    assert nameless == []
