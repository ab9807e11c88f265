"""SendGrid: when a call is refused, who is to blame is found and everybody else is sent to (F6)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, envelopes
from tests.fakes.sendgrid_faults import Answer, Cut, Fault
from tests.fakes.sendgrid_sending import a_moment, a_provider, kinds, readers, send
from tests.fakes.sendgrid_server import SendgridServer

from newsletter.clock import SettableClock
from newsletter.providers.base import AccountProblem, DeliveryId, OutcomeKind, Unavailable

ACCEPTED, NOT_SENT, UNKNOWN = OutcomeKind.ACCEPTED, OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN
REJECTED_MESSAGE = OutcomeKind.REJECTED_MESSAGE
REJECTED_RECIPIENT = OutcomeKind.REJECTED_RECIPIENT
NO_WORD = Answer(400, {"errors": [{"message": "Bad Request", "field": None}]})


@pytest.fixture(scope="module")
def api() -> Iterator[SendgridServer]:
    with SendgridServer() as server:
        yield server


def test_all_who_are_named_are_refused_at_once_and_the_rest_is_sent(clock: SettableClock) -> None:
    outcomes, server = send(clock, count=6, refuse=readers(2, 4, 6))

    assert kinds(outcomes) == {
        **dict.fromkeys((1, 3, 5), ACCEPTED),
        **dict.fromkeys((2, 4, 6), REJECTED_RECIPIENT),
    }
    assert server.attempts == 2


def test_when_all_are_named_there_is_no_second_call(clock: SettableClock) -> None:
    outcomes, server = send(clock, count=2, refuse=readers(1, 2))

    assert set(kinds(outcomes).values()) == {REJECTED_RECIPIENT}
    assert server.attempts == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"field": "personalizations.1.to.0.email", "message": "invalid"}, REJECTED_RECIPIENT),
        ({"field": "personalizations[1].to", "message": "invalid"}, REJECTED_RECIPIENT),
        ({"field": None, "message": "bad personalizations.1.to field"}, REJECTED_RECIPIENT),
        ({"field": "personalizations.1.substitutions", "message": "big"}, REJECTED_MESSAGE),
        ({"field": "personalizations.1.to.0.name", "message": "no"}, REJECTED_MESSAGE),
        ({"message": "see personalizations.1"}, REJECTED_MESSAGE),
    ],
)
def test_who_is_named_is_refused_for_what_is_named(
    clock: SettableClock, error: dict[str, str], kind: OutcomeKind
) -> None:
    outcomes, _ = send(clock, [Answer(400, {"errors": [error]})])

    assert kinds(outcomes) == {1: ACCEPTED, 2: kind, 3: ACCEPTED}
    assert outcomes[2].code == 400


def test_an_address_in_an_answer_is_not_kept_in_clear(clock: SettableClock) -> None:
    error = {"field": "personalizations.0.to", "message": "bad [ann@example.org] here"}

    outcomes, _ = send(clock, [Answer(400, {"errors": [error]})])

    assert outcomes[1].detail == "bad […@example.org] here"


def test_one_of_eight_whom_nobody_names_is_found(clock: SettableClock) -> None:
    outcomes, server = send(clock, count=8, dislike=readers(6))

    assert kinds(outcomes) == {
        **{n: ACCEPTED for n in range(1, 9) if n != 6},
        6: REJECTED_MESSAGE,
    }
    assert sorted(m.address for m in server.messages) == readers(1, 2, 3, 4, 5, 7, 8)
    assert server.attempts == 7


def test_two_in_one_half_are_found(clock: SettableClock) -> None:
    outcomes, _ = send(clock, count=8, dislike=readers(5, 8))

    assert [n for n, kind in kinds(outcomes).items() if kind is REJECTED_MESSAGE] == [5, 8]
    assert list(kinds(outcomes).values()).count(ACCEPTED) == 6


def test_a_message_that_both_halves_are_refused_for_pauses_and_loses_nobody(
    clock: SettableClock,
) -> None:
    flight = RecordingFlight()
    answer = Answer(400, {"errors": [{"message": "bad content", "field": "content"}]})

    with pytest.raises(AccountProblem, match="bad content"):
        send(clock, [answer] * 3, count=8, flight=flight)

    assert {o.kind for o in flight.outcomes.values()} == {NOT_SENT}
    assert len(flight.launched) == 16
    assert flight.in_the_air == set()


def test_halves_refused_in_different_words_are_searched(clock: SettableClock) -> None:
    other = Answer(400, {"errors": [{"message": "another thing"}]})

    outcomes, _ = send(clock, [NO_WORD, NO_WORD, other], count=2)

    assert [o.detail for o in outcomes.values()] == ["Bad Request", "another thing"]
    assert set(kinds(outcomes).values()) == {REJECTED_MESSAGE}


def test_one_alone_is_to_blame_only_when_the_message_was_taken_before(
    clock: SettableClock,
) -> None:
    with pytest.raises(AccountProblem):
        send(clock, count=1, dislike=readers(1))

    outcomes, _ = send(clock, count=2, personalizations=1, dislike=readers(2))

    assert kinds(outcomes) == {1: ACCEPTED, 2: REJECTED_MESSAGE}


def test_too_much_is_halved_until_it_is_taken(clock: SettableClock) -> None:
    outcomes, server = send(clock, count=10, most=3)

    assert set(kinds(outcomes).values()) == {ACCEPTED}
    assert sorted(len(body["personalizations"]) for body in server.calls) == [2, 2, 3, 3]


def test_too_much_for_one_alone_is_the_message(clock: SettableClock) -> None:
    flight = RecordingFlight()

    with pytest.raises(AccountProblem) as raised:
        send(clock, count=8, most=0, flight=flight)

    assert raised.value.code == 413
    assert {o.kind for o in flight.outcomes.values()} == {NOT_SENT}


def test_a_stop_in_the_midst_of_a_search_lands_the_rest_as_not_sent(clock: SettableClock) -> None:
    flight = RecordingFlight()
    with SendgridServer(dislike=readers(8)) as server:
        provider = a_provider(server.url, clock)
        outcomes = provider.send(a_mailing(), envelopes(8), flight)
        next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]
        provider.close()

    assert flight.in_the_air == set()
    landed = {d.subscriber: o.kind for d, o in flight.outcomes.items()}
    assert [landed[n] for n in range(1, 9)] == [ACCEPTED] * 4 + [NOT_SENT] * 4


def test_what_is_sent_again_lands_once(clock: SettableClock) -> None:
    flight = RecordingFlight()

    send(clock, count=6, flight=flight, refuse=readers(2), dislike=readers(5))

    for delivery in set(flight.launched):
        notes = [kind for kind, noted in flight.notes if noted == delivery]
        assert notes.count("land") == 1
        assert notes[-1] == "land"


@given(
    refused=st.sets(st.integers(1, 12)),
    disliked=st.sets(st.integers(1, 12), max_size=3),
    faults=st.lists(
        st.sampled_from([None, None, Answer(503, take=True), Cut(after_reading=True, take=True)]),
        max_size=6,
    ),
)
def test_whoever_is_to_blame_nobody_gets_it_twice_and_nobody_is_lost(
    api: SendgridServer, refused: set[int], disliked: set[int], faults: list[Fault | None]
) -> None:
    api.script(faults, refuse=readers(*refused), dislike=readers(*disliked))
    flight = RecordingFlight()
    provider = a_provider(api.url, SettableClock(a_moment()))
    told: set[DeliveryId] = set()
    try:
        for outcome in provider.send(a_mailing(), envelopes(12), flight):
            told.add(outcome.delivery)
    except (AccountProblem, Unavailable):
        pass
    else:
        assert len(told) == 12
    finally:
        provider.close()

    taken = [m.address for m in api.messages]
    by_kind = {
        k: {d.subscriber for d, o in flight.outcomes.items() if o.kind is k} for k in OutcomeKind
    }
    assert len(taken) == len(set(taken))
    assert set(readers(*by_kind[ACCEPTED])) <= set(taken)
    assert set(taken) <= set(readers(*by_kind[ACCEPTED], *by_kind[UNKNOWN]))
    assert by_kind[REJECTED_RECIPIENT] <= refused
    assert flight.in_the_air == set()
