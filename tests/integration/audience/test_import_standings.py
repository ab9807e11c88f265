"""How people of a file stand with a list, on both databases: new, known, tagged, overtaken."""

from __future__ import annotations

import pytest
from tests.builders import KEYS
from tests.integration.audience.conftest import Importer

from newsletter.audience import import_applying, import_staging
from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.import_staging import Staging
from newsletter.audience.lists import create_list
from newsletter.audience.story import story_of
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.audience.tags import tags_of
from newsletter.errors import AudienceError, ImportRefused


def tags(importer: Importer, address: str) -> list[str]:
    with importer.stage.database.read() as connection:
        found = find_subscriber(connection, parse_address(address))
        return tags_of(connection, found.id)


def test_people_stand_as_the_database_knows_them(anywhere: Importer) -> None:
    stage = anywhere.stage
    anywhere.take(
        "email,name,city\n"
        "same@example.org,Same,Cork\nother@example.org,Other,Cork\nleft@example.org,Left,\n"
    )
    now = stage.clock.now()
    with stage.database.write() as connection:
        left = find_subscriber(connection, parse_address("left@example.org"))
        unsubscribe(connection, left.id, None, now, Origin("page"))
        gone = parse_address("gone@example.org")
        add_suppression(connection, KEYS, gone, SuppressionReason.COMPLAINT, now, actor="me")

    report, refusals = anywhere.take(
        "email,name,city\n"
        "same@example.org,Same,Cork\n"
        "other@example.org,Other,Galway\n"
        "left@example.org,Back,\n"
        "gone@example.org,,\n"
        "new@example.org,New,\n"
        "NEW@example.org,Again,\n"
        "no address,,\n"
    )

    assert report.counts == {
        "added": 1,
        "updated": 1,
        "unchanged": 1,
        "unsubscribed": 1,
        "suppressed": 1,
        "duplicate": 1,
        "refused": 1,
    }
    assert [(r.row, r.code) for r in refusals] == [
        (8, "no-at"),
        (4, "unsubscribed"),
        (5, "suppressed"),
    ]
    with stage.database.read() as connection:
        other = story_of(connection, parse_address("other@example.org"), KEYS)
        new = story_of(connection, parse_address("new@example.org"), KEYS)
        left_now = story_of(connection, parse_address("left@example.org"), KEYS)
    assert other.attributes == {"city": "Galway"}
    assert (new.name, [c.how for c in new.consents]) == ("New", ["import"])
    assert left_now.name == "Left"


def test_attributes_are_merged_and_equal_ones_are_no_change(anywhere: Importer) -> None:
    anywhere.take("email,city,job\na@example.org,Zürich,baker\n")

    same, _ = anywhere.take("email,job,city\na@example.org,baker,Zürich\n")
    more, _ = anywhere.take('email,pet\na@example.org,it\'s a "cat"\n'.replace('"cat"', "cat"))

    with anywhere.stage.database.read() as connection:
        story = story_of(connection, parse_address("a@example.org"), KEYS)
    assert same.counts["unchanged"] == more.counts["updated"] == 1
    assert story.attributes == {"city": "Zürich", "job": "baker", "pet": "it's a cat"}


def test_tags_of_a_column_and_of_an_option_are_added_and_never_taken(anywhere: Importer) -> None:
    anywhere.take("email,tags\na@example.org,Beta; long reads\nb@example.org,\n")

    report, _ = anywhere.take(
        "email,tags\na@example.org,\nb@example.org,beta\nc@example.org,new\n", tags=["Fair 2026"]
    )
    again, _ = anywhere.take("email\na@example.org\nb@example.org\n", tags=["fair 2026"])

    assert tags(anywhere, "a@example.org") == ["beta", "fair 2026", "long reads"]
    assert tags(anywhere, "b@example.org") == ["beta", "fair 2026"]
    assert tags(anywhere, "c@example.org") == ["fair 2026", "new"]
    assert (report.counts["added"], report.counts["updated"]) == (1, 2)
    assert again.counts["unchanged"] == 2


def test_a_tag_that_is_none_is_left_out_of_its_row_and_said(importer: Importer) -> None:
    report, _ = importer.take(f"email,tags\na@example.org,good;{'x' * 70}\nb@example.org,fine\n")

    assert report.counts["added"] == 2
    assert tags(importer, "a@example.org") == ["good"]
    assert any("no tag" in warning and "1 rows" in warning for warning in report.warnings)
    with pytest.raises(AudienceError, match="is no tag"):
        importer.take("email\nc@example.org\n", tags=["a,b"])


def test_a_language_that_is_none_and_a_name_that_is_too_long_are_said(importer: Importer) -> None:
    report, _ = importer.take(
        f"email,name,lang\na@example.org,{'n' * 250},pt_BR\nb@example.org,B,English please\n"
    )

    assert importer.rows("SELECT length(name), language FROM subscribers ORDER BY id") == [
        (200, "pt-BR"),
        (1, None),
    ]
    assert any("'English please' in 1 rows" in warning for warning in report.warnings)
    assert any("longer than 200 characters in 1 rows; cut" in w for w in report.warnings)


def test_many_different_odd_values_are_told_in_a_few_lines(importer: Importer) -> None:
    rows = "\n".join(f"r{n}@example.org,Mars/Crater{n}" for n in range(500))

    report, _ = importer.take(f"email,tz\n{rows}\n")

    assert len(report.warnings) == 11
    assert "others in 490 rows" in report.warnings[-1]


def test_a_column_status_keeps_away_who_left_elsewhere(importer: Importer) -> None:
    report, refusals = importer.take(
        "email,status\na@example.org,subscribed\nb@example.org,Unsubscribed\nc@example.org,gold\n"
        "d@example.org,\n"
    )

    assert (report.counts["added"], report.counts["refused"]) == (1, 3)
    assert report.kept_away == {"not known": 2, "unsubscribed": 1}
    assert [(r.row, r.code) for r in refusals] == [
        (3, "status"),
        (4, "status-unknown"),
        (5, "status-unknown"),
    ]
    assert refusals[1].problem == (
        "not added: column 'status' says 'gold', which is not known: "
        "write 'active' or 'unsubscribed' there"
    )
    assert "column 'status' is empty" in refusals[2].problem
    assert importer.rows("SELECT address, attributes FROM subscribers") == [("a@example.org", None)]


def test_whom_any_row_of_the_file_keeps_away_stays_away(anywhere: Importer) -> None:
    report, refusals = anywhere.take(
        "email,status\na@example.org,active\nA@example.org,cleaned\nb@example.org,active\n"
        "b@example.org,active\n"
    )

    assert (report.counts["added"], report.counts["duplicate"]) == (1, 2)
    assert [(r.row, r.problem) for r in refusals] == [
        (2, "not added: row 3 of this address: column 'status' says 'cleaned'")
    ]


def test_the_database_wins_over_a_file_and_a_contradiction_is_told(anywhere: Importer) -> None:
    stage = anywhere.stage
    anywhere.take("email\nhere@example.org\nleft@example.org\n")
    with stage.database.write() as connection:
        left = find_subscriber(connection, parse_address("left@example.org"))
        unsubscribe(connection, left.id, None, stage.clock.now(), Origin("page"))

    report, refusals = anywhere.take(
        "email,status\nhere@example.org,bounced\nleft@example.org,active\n"
    )

    assert [(r.row, r.code) for r in refusals] == [(3, "unsubscribed")]
    assert any("1 people whom the file keeps away" in w and "rows 2" in w for w in report.warnings)
    assert anywhere.rows(
        "SELECT s.address, m.status FROM subscribers s JOIN memberships m ON m.subscriber_id = s.id"
        " ORDER BY s.address"
    ) == [("here@example.org", "active"), ("left@example.org", "unsubscribed")]


def test_people_of_a_small_file_are_numbered_in_its_order(anywhere: Importer) -> None:
    anywhere.take("email\nzoe@example.org\nada@example.org\nmia@example.org\n")

    found = anywhere.rows("SELECT address FROM subscribers ORDER BY id")

    assert [row[0] for row in found] == ["zoe@example.org", "ada@example.org", "mia@example.org"]


def test_people_of_a_large_file_are_numbered_by_address_within_blocks(
    anywhere: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_staging, "BLOCK", 4)
    names = ["zoe", "mia", "ada", "tom", "lea", "ben", "kim"]

    report, _ = anywhere.take("email\n" + "".join(f"{name}@example.org\n" for name in names))

    found = anywhere.rows(
        "SELECT s.address FROM subscribers s JOIN memberships m ON m.subscriber_id = s.id"
        " JOIN consents c ON c.subscriber_id = s.id ORDER BY s.id"
    )
    # Blocks are counted from 0: three people, then four.
    assert [str(row[0]).partition("@")[0] for row in found] == [
        *("ada", "mia", "zoe"),
        *("ben", "kim", "lea", "tom"),
    ]
    assert report.counts["added"] == 7


def test_who_subscribes_while_the_file_is_read_is_not_overwritten(
    anywhere: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = anywhere.stage
    line_up = Staging.line_up

    def meanwhile(staging: Staging) -> None:
        line_up(staging)
        stage.join("quick@example.org", "Quick")
        with stage.database.write() as connection:
            late = parse_address("late@example.org")
            now = stage.clock.now()
            add_suppression(connection, KEYS, late, SuppressionReason.MANUAL, now, actor="me")

    monkeypatch.setattr(import_applying.Staging, "line_up", meanwhile)
    report, refusals = anywhere.take(
        "email,city,tags\nquick@example.org,Cork,x\nlate@example.org,,\nnew@example.org,Cork,x\n"
    )

    assert (report.counts["added"], report.counts["updated"]) == (1, 1)
    assert [(r.row, r.code) for r in refusals] == [(3, "suppressed")]
    with stage.database.read() as connection:
        quick = story_of(connection, parse_address("quick@example.org"), KEYS)
        new = story_of(connection, parse_address("new@example.org"), KEYS)
    assert (quick.name, quick.attributes) == ("Quick", {"city": "Cork"})
    assert [c.how for c in quick.consents] == ["operator"]
    assert [c.how for c in new.consents] == ["import"]
    assert tags(anywhere, "quick@example.org") == tags(anywhere, "new@example.org") == ["x"]


def test_who_leaves_while_the_file_is_read_stays_away(
    anywhere: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = anywhere.stage
    anywhere.take("email,city\na@example.org,Cork\n")
    line_up = Staging.line_up

    def meanwhile(staging: Staging) -> None:
        line_up(staging)
        with stage.database.write() as connection:
            found = find_subscriber(connection, parse_address("a@example.org"))
            unsubscribe(connection, found.id, None, stage.clock.now(), Origin("one-click"))

    monkeypatch.setattr(import_applying.Staging, "line_up", meanwhile)
    anywhere.take("email,city\na@example.org,Galway\n")

    with stage.database.read() as connection:
        story = story_of(connection, parse_address("a@example.org"), KEYS)
    assert (story.memberships[0].status, story.attributes) == ("unsubscribed", {"city": "Cork"})


def test_a_known_reader_joins_a_second_list_with_evidence_of_its_own(anywhere: Importer) -> None:
    stage = anywhere.stage
    with stage.database.write() as connection:
        create_list(
            connection,
            stage.clock.now(),
            name="weekly",
            title="Weekly",
            base_url="https://news.example.org",
            actor="test",
        )
    anywhere.take("email\na@example.org\n")
    path = stage.folder / "people.csv"
    from newsletter.audience.imports import ImportPolicy, import_subscribers

    report = import_subscribers(
        stage.database,
        path,
        "weekly",
        consent="a fair",
        actor="t",
        keys=KEYS,
        clock=stage.clock,
        policy=ImportPolicy(),
    )

    with stage.database.read() as connection:
        story = story_of(connection, parse_address("a@example.org"), KEYS)
    assert report.counts["added"] == 1
    assert [(c.list, c.wording) for c in story.consents] == [
        ("daily", "a form"),
        ("weekly", "a fair"),
    ]


def test_others_write_while_a_file_is_read(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = importer.stage
    settle = Staging.settle

    def meanwhile(staging: Staging) -> object:
        with stage.database.write() as connection:
            connection.exec_driver_sql("UPDATE lists SET title = 'Written meanwhile'")
        return settle(staging)

    monkeypatch.setattr(Staging, "settle", meanwhile)
    report, _ = importer.take("email\na@example.org\n")

    assert report.counts["added"] == 1
    assert importer.rows("SELECT title FROM lists") == [("Written meanwhile",)]


def test_a_dry_run_tells_what_was_understood_and_shows_nobody(importer: Importer) -> None:
    report, _ = importer.take(
        "E-mail;Full name;Favourite topic;Since;東京\nada@example.org;Ada Byrne;tides;2020;x\n",
        dry_run=True,
    )

    assert (report.encoding, report.delimiter, report.lock_seconds) == ("utf-8", ";", 0.0)
    assert report.columns == {
        "E-mail": "email",
        "Full name": "name",
        "Favourite topic": "attributes.favourite_topic",
        "Since": None,
        "東京": None,
    }
    assert report.sample == (
        {"email": "a…@example.org", "name": "A…", "attributes.favourite_topic": "t…"},
    )
    assert any("'東京' was left out" in warning for warning in report.warnings)
    assert importer.rows("SELECT count(*) FROM imports") == [(0,)]


def test_an_import_leaves_no_table_and_no_file_behind(importer: Importer) -> None:
    before = {path.name for path in importer.stage.folder.iterdir()}
    importer.take("email\na@example.org\n")
    with pytest.raises(ImportRefused):
        importer.take('email\nb@example.org\n"x')

    left = {path.name for path in importer.stage.folder.iterdir()} - before
    assert left == {"people.csv"}
    assert importer.rows("SELECT name FROM sqlite_temp_master") == []
