"""What goes over the wire to SendGrid's suppressions API, and how its answers are taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import SecretStr
from tests.fakes.sendgrid_faults import Answer, Cut, Raw
from tests.fakes.sendgrid_server import KEY
from tests.fakes.sendgrid_suppressions import ENTRIES, LISTS, QUERY, SuppressionsServer

from newsletter.clock import SettableClock
from newsletter.errors import ConfigurationError
from newsletter.providers.base import AccountProblem, Unavailable
from newsletter.providers.sendgrid_suppressions import (
    PAGE,
    PATIENCE,
    REPEATS,
    Entry,
    SendgridSuppressions,
    SuppressionList,
    open_suppressions,
)
from newsletter.settings import ProviderName, SendgridPart, Settings

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
L = SuppressionList


@pytest.fixture
def server() -> Iterator[SuppressionsServer]:
    with SuppressionsServer() as running:
        yield running
        assert running.refused == []


class Waits(list[float]):
    """Remembers how long somebody would have slept."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def client(
    server: SuppressionsServer,
    clock: SettableClock,
    waits: Waits | None = None,
    **part: Any,
) -> SendgridSuppressions:
    settings = SendgridPart.model_validate({"host": server.url, "timeout": "2s", **part})
    wait = waits if waits is not None else Waits()
    return SendgridSuppressions(settings, clock, api_key=KEY, wait=wait)


def read(
    api: SendgridSuppressions, which: SuppressionList = L.BOUNCES, since: datetime | None = None
) -> list[Entry]:
    pages = list(api.pages(which, since=since, until=NOW))
    api.close()
    return [entry for page in pages for entry in page.entries]


def test_the_lists_are_those_of_the_description() -> None:
    assert tuple(which.value for which in L) == LISTS


@pytest.mark.parametrize("which", list(L))
def test_each_list_is_read(
    server: SuppressionsServer, clock: SettableClock, which: SuppressionList
) -> None:
    server.add(which.value, "ada@example.org", NOW.timestamp() - 60)

    (entry,) = read(client(server, clock), which)

    assert entry.address == "ada@example.org"
    assert entry.created == NOW - timedelta(seconds=60)
    if which is L.BOUNCES:
        assert (entry.status, entry.reason) == ("5.1.1", "550 5.1.1 User unknown")


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_a_list_is_read_to_its_end_page_by_page(
    server: SuppressionsServer, clock: SettableClock, count: int
) -> None:
    for number in range(count):
        server.add("bounces", f"reader{number}@example.org", NOW.timestamp() - number)

    entries = read(client(server, clock))

    assert {entry.address for entry in entries} == {f"reader{n}@example.org" for n in range(count)}
    assert len(server.requests) == count // PAGE + 1


def test_the_time_is_asked_for_with_both_ends(
    server: SuppressionsServer, clock: SettableClock
) -> None:
    since = NOW - timedelta(days=2)
    for address, at in (
        ("before@example.org", since - timedelta(seconds=1)),
        ("first@example.org", since),
        ("last@example.org", NOW),
        ("after@example.org", NOW + timedelta(seconds=1)),
    ):
        server.add("blocks", address, at.timestamp())

    entries = read(client(server, clock), L.BLOCKS, since)

    assert [entry.address for entry in entries] == ["last@example.org", "first@example.org"]
    assert f"start_time={int(since.timestamp())}" in server.requests[0]


def test_entries_that_come_meanwhile_move_no_page(
    server: SuppressionsServer, clock: SettableClock
) -> None:
    for number in range(PAGE + 5):
        server.add("bounces", f"reader{number}@example.org", NOW.timestamp() - number)
    later = {"created": int(NOW.timestamp()) + 5, "email": "new@example.org"}
    server.grow[2] = ("bounces", {**later, "reason": "x", "status": "5.1.1"})

    entries = read(client(server, clock))

    assert len(entries) == len({entry.address for entry in entries}) == PAGE + 5


def test_throttling_is_waited_for_until_the_reset(
    server: SuppressionsServer, clock: SettableClock
) -> None:
    server.add("bounces", "ada@example.org", NOW.timestamp())
    reset = str(int(clock.now().timestamp()) + 17)
    server.script(Answer(429, headers={"X-RateLimit-Reset": reset}))
    waits = Waits()

    entries = read(client(server, clock, waits))

    assert len(entries) == 1
    assert waits == [17.0]


def test_patience_with_throttling_ends(server: SuppressionsServer, clock: SettableClock) -> None:
    reset = str(int(clock.now().timestamp()) + 50)
    server.script(*[Answer(429, headers={"X-RateLimit-Reset": reset})] * 9)
    waits = Waits()

    with pytest.raises(Unavailable, match="slow down"):
        read(client(server, clock, waits))

    assert sum(waits) <= PATIENCE
    assert waits == [50.0, 50.0]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_with_the_permission_it_needs(
    server: SuppressionsServer, clock: SettableClock, status: int
) -> None:
    server.script(Answer(status, {"errors": [{"message": "access forbidden"}]}))

    with pytest.raises(AccountProblem, match=f"lacks a permission \\({status}\\)") as caught:
        read(client(server, clock))

    assert "'Suppressions' permission" in str(caught.value.fix)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [Answer(500), Answer(503), Cut(after_reading=True)])
def test_a_passing_fault_is_tried_again(
    server: SuppressionsServer, clock: SettableClock, fault: Answer | Cut
) -> None:
    server.add("bounces", "ada@example.org", NOW.timestamp())
    server.script(*[fault] * REPEATS)

    assert len(read(client(server, clock))) == 1


@pytest.mark.parametrize("fault", [Answer(500), Cut(after_reading=True)])
def test_a_lasting_fault_ends_the_reading(
    server: SuppressionsServer, clock: SettableClock, fault: Answer | Cut
) -> None:
    server.script(*[fault] * (REPEATS + 1))

    with pytest.raises(Unavailable):
        read(client(server, clock))


def test_a_host_that_is_away_is_unavailable(clock: SettableClock) -> None:
    with SuppressionsServer() as gone:
        pass

    with pytest.raises(Unavailable, match="cannot be reached"):
        read(client(gone, clock))


def test_a_call_that_the_api_does_not_know_is_told(
    server: SuppressionsServer, clock: SettableClock
) -> None:
    server.script(Answer(400, {"errors": [{"message": "limit for ada@example.org"}]}))

    with pytest.raises(AccountProblem, match="refuses the call \\(400\\): limit for …@example"):
        read(client(server, clock))


@pytest.mark.parametrize("body", [b"{}", b"null", b"[{", b"<html>", b"[" * 5000])
def test_an_answer_that_is_no_list_is_not_believed(
    server: SuppressionsServer, clock: SettableClock, body: bytes
) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server.script(*[Raw(head + body)] * 9)

    with pytest.raises(Unavailable, match="is no list"):
        read(client(server, clock))


def test_entries_that_make_no_sense_are_left_out_and_counted(
    server: SuppressionsServer, clock: SettableClock
) -> None:
    odd: list[Any] = [
        None,
        {"email": "no-time@example.org"},
        {"email": "", "created": 1},
        {"email": 7, "created": 1},
        {"email": "far@example.org", "created": 10**30},
        {"email": "yes@example.org", "created": True},
        {"email": "ada\0@example.org\n", "created": 1.5, "reason": "a\0b\ud800", "status": 5},
    ]
    body = json.dumps(odd).encode()
    server.script(Raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)))

    api = client(server, clock)
    (page,) = api.pages(L.BOUNCES, since=None, until=NOW)
    api.close()

    assert page.unread == 6
    assert page.entries == (Entry("ada @example.org", datetime.fromtimestamp(1, UTC), "", "a b "),)


def test_a_host_that_repeats_its_first_page_for_ever_is_found_out(
    server: SuppressionsServer, clock: SettableClock
) -> None:
    body = json.dumps([{"email": f"a{n}@example.org", "created": 1} for n in range(PAGE)]).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    server.script(*[Raw(head + body)] * 9)

    with pytest.raises(AccountProblem, match="the same entries"):
        read(client(server, clock))


@pytest.mark.parametrize("address", ["ada@example.org", "a/b+c?d#e%f@example.org", "é@example.org"])
def test_one_address_is_deleted_and_no_other(
    server: SuppressionsServer, clock: SettableClock, address: str
) -> None:
    server.add("bounces", address, 1)
    server.add("bounces", "bob@example.org", 1)
    api = client(server, clock)

    assert api.delete(L.BOUNCES, address)
    assert not api.delete(L.BOUNCES, address)
    assert not api.delete(L.BLOCKS, address)
    api.close()

    assert server.addresses("bounces") == ["bob@example.org"]


def test_the_settings_decide_key_and_host(clock: SettableClock, server: SuppressionsServer) -> None:
    server.add("bounces", "ada@example.org", NOW.timestamp())
    sendgrid = {"host": server.url, "api_key": SecretStr(KEY)}
    settings = Settings(delivery={"provider": "sendgrid", "sendgrid": sendgrid})  # type: ignore[arg-type]

    assert len(read(open_suppressions(settings, clock))) == 1


@pytest.mark.parametrize(
    ("delivery", "problem"),
    [
        ({}, "the provider is 'outbox'"),
        ({"provider": ProviderName.SENDGRID}, "there is no key"),
        ({"provider": "sendgrid", "sendgrid": {"api_key": "SG.é"}}, "no header takes"),
    ],
)
def test_settings_that_cannot_do_are_told(
    clock: SettableClock, delivery: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        open_suppressions(Settings(delivery=delivery), clock)  # type: ignore[arg-type]


def test_the_fakes_tables_are_those_of_the_published_description(shared: Path) -> None:
    path = shared / "sendgrid" / "tsg_suppressions_v3.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    components = description["components"]

    for name, fields in ENTRIES.items():
        told = description["paths"][f"/v3/suppression/{name}"]["get"]
        parameters = [
            components["parameters"][p["$ref"].rpartition("/")[2]] if "$ref" in p else p
            for p in told["parameters"]
        ]
        assert {p["name"] for p in parameters if p["in"] == "query"} == {*QUERY}
        schema = told["responses"]["200"]["content"]["application/json"]["schema"]
        sample = [{key: 7 if kind["type"] == "integer" else "x" for key, kind in fields.items()}]
        jsonschema.validate(sample, {**schema, "components": components})
