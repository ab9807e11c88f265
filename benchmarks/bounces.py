"""How well bounce mail is read: ours beside flufl.bounce and the bare standard library.

`python -m benchmarks bounces` reads the labelled samples beside the checkout. flufl.bounce knows
temporary and permanent failures and recipients, and no complaints or replies; the standard library
reads status fields and no text. Two labels contradict the table of classes: there the table counts.
The worse mistake stands by itself: readers who are there, and would be suppressed.
"""

from __future__ import annotations

import email
import importlib
import time
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

from tests.unit.feedback.corpus import Sample, read_corpus

from benchmarks.measuring import say
from newsletter.feedback.bounces import parse_bounce

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "bounces"

Verdict = tuple[str, set[str]]
"""A kind, and recipients in lower case."""


def bounces() -> None:
    """Print accuracy of kinds and recipients, and the time of a mail."""
    if not SAMPLES.is_dir():
        say(
            "bounce mail", f"skipped: no samples in {SAMPLES.parent.name}/{SAMPLES.name}/ beside us"
        )
        return
    samples = read_corpus(SAMPLES)
    _score("bounce mail, ours", samples, ours)
    flufl = _flufl()
    _score("bounce mail, flufl.bounce", samples, flufl)
    _score("bounce mail, the bare standard library", samples, bare)
    junk = b"From: a@example.org\n\n" + b"<a@b.example>: 550 5.1.1 x\n" * 400_000
    start = time.perf_counter()
    parse_bounce(junk)
    say(f"{len(junk) // 1_000_000} MB of junk", f"{time.perf_counter() - start:.2f} s")


def ours(data: bytes) -> Verdict:
    document = parse_bounce(data).document()
    return document["kind"], {one.lower() for one in document["recipients"]}


def bare(data: bytes) -> Verdict:
    """Say what the parts say that `email` knows: status fields and feedback reports."""
    found: list[tuple[str, str, str]] = []
    for part in email.message_from_bytes(data).walk():
        if part.get_content_type() == "message/feedback-report":
            return "complaint", set()
        payload = part.get_payload()
        if part.get_content_type() != "message/delivery-status" or not isinstance(payload, list):
            continue
        for block in payload:
            if isinstance(block, Message) and block["final-recipient"]:
                address = str(block["final-recipient"]).partition(";")[2].strip(" <>").lower()
                action = str(block["action"] or "").strip().lower()
                found.append((action, str(block["status"] or ""), address))
    kind = "not_a_bounce"
    for action, status, _ in found:
        if action == "delayed":
            kind = "delayed"
        elif action == "failed":
            kind = "hard" if status.startswith(("5.1.", "5.4.4", "5.2.1")) else "soft"
    return kind, {address for _, _, address in found}


def _flufl() -> Callable[[bytes], Verdict]:
    library: Any = importlib.import_module("flufl.bounce")

    def read(data: bytes) -> Verdict:
        temporary, permanent = library.all_failures(email.message_from_bytes(data))
        kind = "hard" if permanent else "delayed" if temporary else "not_a_bounce"
        addresses = {one.decode("utf-8", "replace").lower() for one in temporary | permanent}
        return kind, addresses

    return read


def _score(what: str, samples: list[Sample], read: Callable[[bytes], Verdict]) -> None:
    start = time.perf_counter()
    verdicts = [read(sample.data) for sample in samples]
    spent = (time.perf_counter() - start) / len(samples)
    pairs = list(zip(samples, verdicts, strict=True))
    kinds = sum(sample.kind == kind for sample, (kind, _) in pairs)
    named = [(one.recipients, found) for one, (_, found) in pairs if one.recipients is not None]
    right = sum(wanted == found for wanted, found in named)
    hard = [sample.kind for sample, (kind, _) in pairs if kind == "hard"]
    dead = sum(sample.kind == "hard" for sample in samples)
    say(
        what,
        f"kinds {kinds}/{len(samples)} ({kinds / len(samples):.1%}), recipients {right}/"
        f"{len(named)} ({right / len(named):.1%}), {spent * 1e3:.1f} ms a mail",
    )
    say(
        "  who is there, suppressed; who is gone, kept",
        f"{sum(kind != 'hard' for kind in hard)}/{len(samples) - dead}; "
        f"{dead - hard.count('hard')}/{dead}",
    )
