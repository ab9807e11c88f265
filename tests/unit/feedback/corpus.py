"""The labelled samples beside the checkout, with what the table of classes says of them (D3)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

BY_THE_TABLE = {
    # 5.2.1 with "User Unknown": hard in D3, and nobody is there by its words.
    "lhost-amazonworkmail-02.eml": "hard",
    # No status, "User unknown": hard by its words.
    "lhost-x1-01.eml": "hard",
}
"""A label is sisimai's reading. Where it disagrees with the table, the table counts."""


@dataclass(frozen=True)
class Sample:
    """A labelled mail; no recipients where the mail does not say them plainly."""

    name: str
    data: bytes
    kind: str
    recipients: frozenset[str] | None


def read_corpus(folder: Path) -> list[Sample]:
    """Return the samples of a folder that holds `labels.jsonl` and the mails in `open`."""
    rows = map(json.loads, (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        Sample(
            name=row["file"],
            data=(folder / "open" / row["file"]).read_bytes(),
            kind=BY_THE_TABLE.get(row["file"], row["kind"]),
            recipients=None
            if row["recipients"] is None
            else frozenset(one.lower() for one in row["recipients"]),
        )
        for row in rows
    ]
