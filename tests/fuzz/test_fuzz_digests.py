"""A few digests of the fuzzer in each run of the tests; `make fuzz` takes twenty thousand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.digests.samples import sample
from tests.fuzz import series
from tests.fuzz.mutations import CHANGES, mutate
from tests.fuzz.series import Tally, of_fragments, of_mutations


@pytest.mark.parametrize("start", [1, 2])
def test_digests_of_fragments_end_in_a_message_or_in_words(start: int) -> None:
    tally = of_fragments(60, start)

    assert tally.raised == {}
    assert tally.inputs >= 40


@pytest.mark.parametrize("start", [1, 2])
def test_changed_digests_end_in_a_message_or_in_words(start: int) -> None:
    tally = of_mutations(40, start)

    assert tally.raised == {}
    assert (tally.inputs, tally.messages > 10) == (40, True)


def test_every_change_can_be_made_to_anything() -> None:
    for change in CHANGES:
        for blocks in ([""], ["# A title", "", "Words [^1]."], ["a b"] * 30):
            change(blocks, random.Random(1))
    sound = sample("one-story").read_text()
    assert len({mutate(sound, random.Random(number)) for number in range(50)}) > 45


def test_a_fault_is_counted_once_for_its_place_with_a_first_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def faulty(text: str, folder: Path) -> bool:
        if "#" in text:
            raise KeyError(folder.name)
        return True

    monkeypatch.setattr(series, "whole_way", faulty)
    tally = Tally()

    for text in ("# One", "two", "# Three"):
        tally.run(text, tmp_path)

    assert (tally.inputs, tally.messages) == (3, 1)
    assert list(tally.raised.values()) == ["# One"]
    assert next(iter(tally.raised)).startswith("KeyError at test_fuzz_digests.py:")
