"""Imports and suppressions on a real database: every bad file has its message (J "Import")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.builders import KEYS, Stage

from newsletter.audience.address import Address, parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.imports import ImportPolicy, ImportReport, Refusal, import_subscribers
from newsletter.audience.lists import count_by_status, create_list
from newsletter.audience.story import story_of
from newsletter.audience.subscribers import add_subscriber, find_subscriber, unsubscribe
from newsletter.audience.suppressions import (
    SuppressionReason,
    add_suppression,
    lift_suppression,
    suppression_of,
)
from newsletter.clock import SettableClock
from newsletter.errors import AudienceError, ImportRefused


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    opened = Stage(tmp_path, clock, readers=0)
    yield opened
    opened.database.close()


def take(stage: Stage, data: str | bytes, **given: object) -> tuple[ImportReport, list[Refusal]]:
    path = stage.folder / "people.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    refusals: list[Refusal] = []
    wanted = {"consent": "a form", "policy": ImportPolicy(), **given}
    report = import_subscribers(
        stage.database,
        path,
        "daily",
        actor="test",
        keys=KEYS,
        clock=stage.clock,
        on_refusal=refusals.append,
        **wanted,  # type: ignore[arg-type]
    )
    return report, refusals


def active(stage: Stage) -> int:
    with stage.database.read() as connection:
        return count_by_status(connection, stage.list_id)["active"]


@pytest.mark.parametrize(
    ("data", "words", "place"),
    [
        (b"", "the file is empty", "people.csv"),
        (b"name,city\nAda,Cork\n", "there is no column of addresses; found: name, city", ":1"),
        (b"email,city,City\na@example.org,x,y\n", "column 'city' is there twice", ":1"),
        (b"email,e-mail\na@example.org,b\n", "several columns could be 'email'", ":1"),
        (b"\x00\x01\x02\x03\x04\x00\x07", "binary, not text", "people.csv"),
        (b'email,name\na@example.org,"never closed\n', "no CSV from here on", ":2"),
        (b"email\n" + b"x" * 1_100_000, "the row is longer than", ":2"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_place_and_writes_nothing(
    stage: Stage, data: bytes, words: str, place: str
) -> None:
    with pytest.raises(ImportRefused) as caught:
        take(stage, data)

    assert words in str(caught.value)
    assert place in str(caught.value)
    assert caught.value.fix
    assert active(stage) == 0


def test_rows_that_are_wrong_are_refused_one_by_one_with_their_line(stage: Stage) -> None:
    report, refusals = take(
        stage,
        "email,name\n"
        "good@example.org,Good\n"
        "nothing,Bad\n"
        "ragged@example.org\n"
        "info@example.org,Role\n"
        "x@mailinator.com,Gone\n"
        "GOOD@example.org,Twice\n",
    )

    assert [(r.row, r.code) for r in refusals] == [
        (3, "no-at"),
        (4, "ragged"),
        (5, "role"),
        (6, "disposable"),
    ]
    assert report.counts["added"] == 1
    assert report.counts["duplicate"] == 1
    assert sum(report.counts.values()) == report.rows == 6


@pytest.mark.parametrize(
    "data",
    [
        "email;name\na@example.org;José\n".encode(),
        "email\tname\na@example.org\tJosé\n".encode(),
        "\ufeffemail,name\r\na@example.org,José\r\n".encode(),
        "email,name\na@example.org,José\n".encode("utf-16"),
        "email,name\na@example.org,José\n".encode("cp1252"),
    ],
)
def test_delimiters_and_encodings_are_found(stage: Stage, data: bytes) -> None:
    report, _ = take(stage, data)

    with stage.database.read() as connection:
        assert find_subscriber(connection, parse_address("a@example.org")).name == "José"
    assert report.counts["added"] == 1


def test_windows_1252_is_said(stage: Stage) -> None:
    report, _ = take(stage, "email,name\na@example.org,José\n".encode("cp1252"))

    assert any("Windows-1252" in warning for warning in report.warnings)


def test_quoted_line_ends_and_formula_cells_are_data(stage: Stage) -> None:
    take(stage, 'email,name,note\na@example.org,"Two\nlines",=cmd()\nb@example.org,B,\n')

    with stage.database.read() as connection:
        story = story_of(connection, parse_address("a@example.org"), KEYS)
    assert story.attributes == {"note": "=cmd()"}
    assert active(stage) == 2


def test_a_column_can_be_mapped_and_a_wrong_mapping_is_answered(stage: Stage) -> None:
    data = "Your mail address,who\na@example.org,Ada\n"

    report, _ = take(stage, data, mapping={"email": "Your mail address", "name": "who"})
    with pytest.raises(ImportRefused, match="there is no column 'Mail addres'") as caught:
        take(stage, data, mapping={"email": "Mail addres"})

    assert report.counts["added"] == 1
    assert "Your mail address" in str(caught.value.fix) or "did you mean" in str(caught.value.fix)


def test_the_same_file_again_changes_nothing(stage: Stage) -> None:
    data = "email,name,city\na@example.org,Ada,Cork\nb@example.org,Bo,\n"
    take(stage, data)

    report, _ = take(stage, data)

    assert (report.counts["added"], report.counts["unchanged"]) == (0, 2)


def test_a_known_subscriber_is_updated_only_where_the_file_has_values(stage: Stage) -> None:
    take(stage, "email,name,city\na@example.org,Ada,Cork\n")

    report, _ = take(stage, "email,name,city\na@example.org,,Galway\n")

    with stage.database.read() as connection:
        story = story_of(connection, parse_address("a@example.org"), KEYS)
    assert (story.name, story.attributes) == ("Ada", {"city": "Galway"})
    assert report.counts["updated"] == 1


def test_who_left_or_is_suppressed_stays_away_and_is_counted(stage: Stage) -> None:
    take(stage, "email\nleft@example.org\nbounced@example.org\n")
    now = stage.clock.now()
    with stage.database.write() as connection:
        left = find_subscriber(connection, parse_address("left@example.org"))
        unsubscribe(connection, left.id, None, now, Origin("one-click"))
        bounced = parse_address("bounced@example.org")
        add_suppression(connection, KEYS, bounced, SuppressionReason.HARD_BOUNCE, now, actor="me")

    report, refusals = take(stage, "email\nleft@example.org\nbounced@example.org\n")

    assert (report.counts["unsubscribed"], report.counts["suppressed"]) == (1, 1)
    assert {r.code for r in refusals} == {"unsubscribed", "suppressed"}
    with stage.database.read() as connection:
        assert story_of(connection, left_address(), KEYS).memberships[0].status == "unsubscribed"


def left_address() -> Address:
    return parse_address("left@example.org")


def test_each_new_membership_has_a_consent_row_and_its_absence_is_said(stage: Stage) -> None:
    report, _ = take(stage, "email\na@example.org\n", consent=None)

    with stage.database.read() as connection:
        story = story_of(connection, parse_address("a@example.org"), KEYS)
    assert [(c.act, c.how, c.source, c.wording) for c in story.consents] == [
        ("granted", "import", "people.csv", None)
    ]
    assert any("no consent was stated" in warning for warning in report.warnings)


def test_an_unknown_zone_is_left_empty_and_said(stage: Stage) -> None:
    report, _ = take(stage, "email,tz\na@example.org,Mars/Olympus\nb@example.org,Asia/Tokyo\n")

    assert any("'Mars/Olympus' in 1 rows" in warning for warning in report.warnings)
    assert report.counts["added"] == 2


def test_a_dry_run_reports_and_writes_nothing(stage: Stage) -> None:
    report, _ = take(stage, "email\na@example.org\n", dry_run=True)

    assert report.counts["added"] == 1
    assert active(stage) == 0


def test_an_import_that_breaks_in_the_middle_leaves_nothing(stage: Stage) -> None:
    rows = "\n".join(f"r{n}@example.org" for n in range(3000))

    with pytest.raises(ImportRefused, match="no CSV from here on"):
        take(stage, f'email\n{rows}\n"x')

    assert active(stage) == 0


def test_a_reader_of_one_list_may_join_another(stage: Stage) -> None:
    take(stage, "email\na@example.org\n")
    with stage.database.write() as connection:
        create_list(
            connection,
            stage.clock.now(),
            name="weekly",
            title="Weekly",
            base_url="https://news.example.org",
            actor="test",
        )
    path = stage.folder / "people.csv"

    report = import_subscribers(
        stage.database,
        path,
        "weekly",
        consent="x",
        actor="t",
        keys=KEYS,
        clock=stage.clock,
        policy=ImportPolicy(),
    )

    assert report.counts["added"] == 1


# ---------------------------------------------------------------- suppressions


def test_the_database_file_does_not_hold_a_suppressed_address(stage: Stage) -> None:
    address = parse_address("secret.person@example.org")
    with stage.database.write() as connection:
        add_suppression(
            connection, KEYS, address, SuppressionReason.MANUAL, stage.clock.now(), actor="me"
        )
        assert suppression_of(connection, KEYS, address) == "manual"
    stage.database.close()

    for file in stage.folder.glob("ledger.db*"):
        assert b"secret.person" not in file.read_bytes()


@pytest.mark.parametrize("reason", [SuppressionReason.COMPLAINT, SuppressionReason.ERASED])
def test_no_operator_lifts_a_complaint_or_an_erasure(
    stage: Stage, reason: SuppressionReason
) -> None:
    address = parse_address("a@example.org")
    now = stage.clock.now()
    with stage.database.write() as connection:
        add_suppression(connection, KEYS, address, reason, now, actor="me")

    with (
        pytest.raises(AudienceError, match="an operator cannot lift it"),
        stage.database.write() as connection,
    ):
        lift_suppression(connection, KEYS, address, now, actor="me")


def test_suppression_wins_over_adding_and_leaving_over_coming_back(stage: Stage) -> None:
    address, now = parse_address("a@example.org"), stage.clock.now()
    with stage.database.write() as connection:
        add_suppression(connection, KEYS, address, SuppressionReason.MANUAL, now, actor="me")
    with pytest.raises(AudienceError, match="is suppressed"):
        stage.join("a@example.org")
    stage.join("b@example.org")
    with stage.database.write() as connection:
        found = find_subscriber(connection, parse_address("b@example.org"))
        assert unsubscribe(connection, found.id, None, now, Origin("operator")) == 1
        assert unsubscribe(connection, found.id, None, now, Origin("operator")) == 0

    with (
        pytest.raises(AudienceError, match="left this list"),
        stage.database.write() as connection,
    ):
        add_subscriber(
            connection, parse_address("b@example.org"), stage.list_id, KEYS, now, actor="me"
        )
