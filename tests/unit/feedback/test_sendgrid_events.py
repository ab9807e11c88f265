"""What SendGrid's words become (D10), and that nothing it says can break the reading."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.sendgrid_webhook import KINDS, Event, an_event, body_of

from newsletter.delivery.bounce_classes import BounceClass, bounce_class
from newsletter.feedback.events import Arrival, EventKind, Provenance
from newsletter.feedback.sendgrid_events import LARGEST_DETAIL, BadBody, read_events
from newsletter.providers.base import DeliveryId

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HARD, SOFT, BLOCKED = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED


def read(body: bytes) -> list[Arrival]:
    return read_events(body, NOW, bounce_class)


def read_one(kind: str = "delivered", **other: Any) -> Arrival:
    (arrival,) = read(body_of([an_event(kind, **other)]))
    return arrival


MEANINGS = [
    ("processed", EventKind.PROCESSED, None, ""),
    ("delivered", EventKind.DELIVERED, None, ""),
    ("deferred", EventKind.DEFERRED, None, ""),
    ("hard", EventKind.BOUNCED, HARD, ""),
    ("full", EventKind.BOUNCED, SOFT, ""),
    ("policy", EventKind.BLOCKED, BLOCKED, ""),
    ("blocked", EventKind.BLOCKED, BLOCKED, ""),
    ("dropped_bounced", EventKind.DROPPED, HARD, "bounced"),
    ("dropped_invalid", EventKind.DROPPED, HARD, "invalid"),
    ("dropped_complaint", EventKind.DROPPED, None, "complaint"),
    ("dropped_unsubscribed", EventKind.DROPPED, None, "unsubscribed"),
    ("dropped_content", EventKind.DROPPED, None, "other"),
    ("dropped_header", EventKind.DROPPED, None, "other"),
    ("spamreport", EventKind.COMPLAINED, None, ""),
    ("unsubscribe", EventKind.UNSUBSCRIBED, None, ""),
    ("group_unsubscribe", EventKind.UNSUBSCRIBED, None, ""),
    ("group_resubscribe", EventKind.RESUBSCRIBED, None, ""),
    ("open", EventKind.OPENED, None, ""),
    ("machine_open", EventKind.OPENED, None, "machine"),
    ("click", EventKind.CLICKED, None, ""),
    ("account_status_change", EventKind.OTHER, None, ""),
    ("constructor", EventKind.OTHER, None, ""),
]


@pytest.mark.parametrize(("kind", "meaning", "bounce", "reason"), MEANINGS)
def test_every_word_has_its_meaning(
    kind: str, meaning: EventKind, bounce: BounceClass | None, reason: str
) -> None:
    arrival = read_one(kind)

    assert (arrival.kind, arrival.bounce, arrival.reason) == (meaning, bounce, reason)


def test_the_table_of_meanings_is_whole() -> None:
    assert {kind for kind, *_ in MEANINGS} >= KINDS.keys()


def test_who_and_when_is_taken_over() -> None:
    arrival = read_one("delivered", at=1_795_500_000, delivery="7-1234")

    assert arrival.id == f"sg:{arrival.detail['sg_event_id']}"
    assert arrival.at == datetime.fromtimestamp(1_795_500_000, UTC)
    assert arrival.delivery == DeliveryId(7, 1234)
    assert arrival.address == "reader1234@example.org"
    assert arrival.provenance is Provenance.SENDGRID
    assert arrival.believed


@pytest.mark.parametrize("delivery", [None, "", "7", "7-", "7-1-2", "x-1", "7-" + "1" * 19, 7, []])
def test_an_event_may_name_no_delivery_of_ours(delivery: Any) -> None:
    (arrival,) = read(body_of([an_event() | {"delivery": delivery}]))

    assert arrival.delivery is None


def test_a_bounce_is_told_with_the_names_of_bounce_mail() -> None:
    detail = read_one("hard").detail

    assert detail["status"] == "5.1.1"
    assert detail["diagnostic"] == detail["reason"] == KINDS["hard"]["reason"]
    assert detail["bounce_classification"] == "Invalid Address"


def test_the_table_of_classes_is_the_callers() -> None:
    asked: list[tuple[str | None, int | None, str]] = []

    def classify(status: str | None, code: int | None, text: str) -> BounceClass:
        asked.append((status, code, text))
        return SOFT

    bodies = [
        an_event("hard"),
        an_event("hard", number=2, status=None, reason="no such user"),
        an_event("hard", number=3, status=5.1, reason=["x"]),
        an_event("blocked", number=4),
    ]
    arrivals = read_events(body_of(bodies), NOW, classify)

    assert [arrival.bounce for arrival in arrivals] == [SOFT, SOFT, SOFT, BLOCKED]
    assert asked == [
        ("5.1.1", 550, KINDS["hard"]["reason"]),
        (None, None, "no such user"),
        (None, None, ""),
    ]


def test_a_single_object_is_one_event_and_an_empty_list_is_none() -> None:
    (arrival,) = read(json.dumps(an_event()).encode())

    assert arrival.kind is EventKind.DELIVERED
    assert read(b"[]") == []


@pytest.mark.parametrize(
    "timestamp",
    [None, "soon", True, [], {}, -1, 0, 1e300, 10**12, "9" * 30, -(10**30), 4_000_000_000],
)
def test_a_time_that_makes_no_sense_is_that_of_the_receipt(timestamp: Any) -> None:
    assert read_one(timestamp=timestamp).at == NOW


@pytest.mark.parametrize("timestamp", [1_795_400_000, "1795400000", 1_795_400_000.0])
def test_seconds_may_be_told_in_other_ways(timestamp: Any) -> None:
    assert read_one(timestamp=timestamp).at == datetime.fromtimestamp(1_795_400_000, UTC)


def test_an_event_from_just_ahead_keeps_its_time() -> None:
    ahead = NOW + timedelta(minutes=10)

    assert read_one(at=ahead).at == ahead


def test_an_event_without_an_id_is_known_by_its_content() -> None:
    plain = an_event(sg_event_id=None)
    turned = dict(reversed(plain.items()))
    other = {**plain, "timestamp": 5}

    first, second, third = read(json.dumps([plain, turned, other]).encode())

    assert first.id == second.id != third.id
    assert first.id.startswith("sg:sha256:")


@pytest.mark.parametrize("odd", ["x" * 126, "a\0b", "a\nb", "é", "\ud800", ""])
def test_an_id_that_cannot_be_stored_is_hashed(odd: str) -> None:
    body = json.dumps([an_event(sg_event_id=odd), an_event(sg_event_id=odd)]).encode()
    first, second = read(body)

    assert first.id == second.id
    assert first.id.startswith("sg:sha256:")
    assert len(first.id) <= 128


def test_ids_that_begin_alike_stay_apart() -> None:
    one, other = read(body_of([an_event(sg_event_id="x" * 500 + end) for end in "ab"]))

    assert one.id != other.id


def test_what_is_told_is_kept_whole_where_it_is_short() -> None:
    event = an_event("click", category=["news", "daily"], novelty={"a": [1, None, 2.5]}, über="ja")

    (arrival,) = read(body_of([event]))

    assert arrival.detail == event


def test_what_is_long_is_cut_and_what_we_need_stays() -> None:
    filling = {f"field{n}": "é" * 3000 for n in range(50)}
    event: Event = {**filling, "nested": [["x" * 9000]], **an_event("hard", reason="r" * 50_000)}

    (arrival,) = read(json.dumps([event]).encode())

    assert len(json.dumps(arrival.detail)) < LARGEST_DETAIL + 3000
    assert arrival.detail["salt"] == "salt0salt0"
    assert arrival.detail["delivery"] == "7-1"
    assert arrival.detail["reason"] == "r" * 2000
    assert arrival.bounce is HARD


def test_characters_that_no_database_takes_are_replaced() -> None:
    event = an_event(email="a\0\ud83db@example.org\r\n", response="x\0y\ud800", **{"n\0": "z"})

    (arrival,) = read(json.dumps([event]).encode())

    assert arrival.address == "ab@example.org"
    assert arrival.detail["response"] == "x\N{REPLACEMENT CHARACTER}y\N{REPLACEMENT CHARACTER}"
    assert arrival.detail["n\N{REPLACEMENT CHARACTER}"] == "z"


def test_numbers_that_are_none_elsewhere_are_kept_as_text() -> None:
    body = b'[{"event":"open","big":' + b"9" * 6000 + b',"huge":1e999,"small":-1e999}]'

    (arrival,) = read(body)

    assert arrival.detail["huge"] == "1e999"
    assert arrival.detail["big"] == "9" * 2000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"7",
        b'"x"',
        b"[1]",
        b"[[]]",
        b'[{"event":"open"},null]',
        b'[{"event":"open"}',
        b'[{"event":NaN}]',
        b"[{}]x",
        b'[{"a":"\x00"}]',
        b'[{"a":"\xff"}]',
        b'[{"a":"\xed\xa0\x80"}]',
        b"\xff\xfe[\x00]\x00",
        b"event=open",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_list_of_events_is_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        read(body)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*an_event("hard"), "response", "sg_machine_open", "über"])
WORDS = st.sampled_from([*(str(event["event"]) for event in KINDS.values()), "x"])


@given(
    events=st.lists(
        st.tuples(WORDS, st.dictionaries(FIELDS | st.text(), ODD)).map(
            lambda drawn: {"event": drawn[0], **drawn[1]}
        ),
        max_size=4,
    )
)
def test_odd_fields_never_raise(events: list[Event]) -> None:
    body = json.dumps(events).replace("Infinity", "1e999").replace("NaN", "0").encode()

    for arrival in read(body):
        assert len(arrival.id) <= 128
        assert len(arrival.address) <= 320
        # Both databases take it: no NUL, no half characters, no number that JSON lacks.
        json.dumps([arrival.detail, arrival.address], allow_nan=False, ensure_ascii=False).encode()
        assert "\\u0000" not in json.dumps([arrival.id, arrival.address])
