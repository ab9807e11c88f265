"""The labelled samples beside the checkout: how many are read right, and no rule made for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.feedback.corpus import Sample, read_corpus

from newsletter.delivery.bounce_texts import without_names
from newsletter.delivery.bounce_words import TEXT_RULES
from newsletter.feedback.bounces import parse_bounce
from newsletter.feedback.report_model import Report
from newsletter.whole_words import whole_words

Read = list[tuple[Sample, Report]]


@pytest.fixture
def samples(shared: Path) -> Read:
    """Each sample with what we read."""
    return [(sample, parse_bounce(sample.data)) for sample in read_corpus(shared / "bounces")]


def test_at_least_97_of_100_kinds_are_right(samples: Read) -> None:
    right = sum(sample.kind == read.kind for sample, read in samples)

    assert right / len(samples) >= 0.97


def test_at_least_97_of_100_recipients_are_right(samples: Read) -> None:
    named = [(s.recipients, set(r.document()["recipients"])) for s, r in samples if s.recipients]

    right = sum(wanted == {one.lower() for one in ours} for wanted, ours in named)

    assert right / len(named) >= 0.97


def test_no_living_reader_of_the_samples_is_suppressed(samples: Read) -> None:
    suppressed = [s.name for s, read in samples if read.kind == "hard" and s.kind != "hard"]

    assert suppressed == []


def test_every_failure_names_somebody(samples: Read) -> None:
    nameless = [
        sample.name
        for sample, read in samples
        if read.kind in ("hard", "soft", "delayed") and not read.document()["recipients"]
    ]

    assert nameless == []


def test_no_row_of_words_is_made_for_one_sample(samples: Read) -> None:
    """Each row has an example of its own, and that is in no sample."""
    texts = [without_names(sample.data.decode("utf-8", "replace")) for sample, _ in samples]

    for rule in TEXT_RULES:
        example = rule.example[4:].lower()
        assert whole_words([rule.words]).search(example)
        assert not any(example in text for text in texts if len(example) > 30)
