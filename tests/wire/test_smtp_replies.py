"""Replies are the same however they were cut on their way, and nonsense is never one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.providers.base import DeliveryId, OutcomeKind
from newsletter.providers.smtp_replies import (
    GARBAGE,
    LONGEST_REPLY,
    EndlessReply,
    Phase,
    Reply,
    ReplyBuffer,
    outcome_of,
)

lines = st.sampled_from(
    [
        b"250 2.0.0 Ok: queued as A1\r\n",
        b"250-first\r\n250-\r\n250 last\r\n",
        b"354\r\n",
        b"250 bare\n",
        b"421 4.3.2 " + b"x" * 8000 + b"\r\n",
        b"what?\r\n",
        b"\xff\xfe\r\n",
        b"\r\n",
        b"2500 ok\r\n",
        b"250-one\r\n550 another\r\n",
    ]
)


def read(chunks: list[bytes]) -> list[tuple[int, list[bytes]]]:
    buffer, found = ReplyBuffer(), []
    for chunk in chunks:
        buffer.feed(chunk)
        while (reply := buffer.take()) is not None:
            found.append(reply)
    assert not buffer
    return found


@given(st.lists(lines, max_size=6), st.lists(st.integers(0, 20_000), max_size=12))
@example([b"250-first\r\n250 last\r\n"], [3, 4, 9, 10, 11])
def test_replies_do_not_depend_on_how_they_were_cut(replies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(replies)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    cut_up = read([stream[begin:end] for begin, end in pairwise(places)])

    assert cut_up == read([stream])
    assert len(cut_up) >= len(replies)


@given(st.binary(max_size=400))
def test_what_is_no_reply_has_no_code_of_one(data: bytes) -> None:
    buffer = ReplyBuffer()
    buffer.feed(data)

    while (found := buffer.take()) is not None:
        assert found[0] == GARBAGE or 0 <= found[0] <= 999


def test_lines_of_one_reply_that_disagree_are_no_reply() -> None:
    assert read([b"250-yes\r\n550 no\r\n"]) == [(GARBAGE, [b"yes", b"no"])]


@pytest.mark.parametrize("data", [b"250-x\r\n" * 20_000, b"2" * 70_000])
def test_a_reply_without_end_is_not_waited_for(data: bytes) -> None:
    buffer = ReplyBuffer()
    buffer.feed(data)

    assert len(data) > LONGEST_REPLY
    with pytest.raises(EndlessReply):
        buffer.take()


@given(st.integers(-1, 1200), st.sampled_from([p for p in Phase if p is not Phase.RSET]))
@example(354, Phase.DOT)
def test_only_a_yes_to_the_dot_is_acceptance_and_only_a_no_is_certain(
    code: int, phase: Phase
) -> None:
    kind = outcome_of(DeliveryId(7, 1), phase, Reply(code, "words")).kind

    assert (kind is OutcomeKind.ACCEPTED) == (phase is Phase.DOT and 200 <= code <= 299)
    if phase is Phase.DOT and not 200 <= code <= 299:
        assert (kind is OutcomeKind.UNKNOWN) == (not 400 <= code <= 599)
