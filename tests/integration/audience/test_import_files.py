"""What files look like in the wild: every encoding, delimiter and mistake of J "Import" (E8)."""

from __future__ import annotations

import gzip
import io
import os
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.builders import KEYS
from tests.integration.audience.conftest import Importer

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.csv_columns import SUBSCRIBER_COLUMNS
from newsletter.audience.csv_reading import LONGEST_CELL, open_rows
from newsletter.audience.exports import export_csv, export_jsonl
from newsletter.audience.spreadsheets import spreadsheet_safe, unprotected
from newsletter.audience.story import story_of
from newsletter.audience.subscribers import add_subscriber, find_subscriber, unsubscribe
from newsletter.audience.tags import change_tags
from newsletter.errors import ImportRefused


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "email\na@example.org\n")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped("people.csv"), "the file is a ZIP archive, not CSV"),
        (zipped("xl/workbook.xml"), "the file is an Excel workbook (.xlsx), not CSV"),
        (gzip.compress(b"email\na@example.org\n", mtime=0), "the file is a gzip archive, not CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "an old Excel workbook (.xls)"),
        (b"%PDF-1.7 rest", "the file is a PDF, not CSV"),
        (b"email\na@example.org\nb\0c@example.org\n", "binary, not text"),
        (b"email\n" + b"a@example.org\n" * 9000 + b"b\0@example.org\n", "holds binary data"),
        (b" \r\n \n", "the file is empty"),
        (b"email\n\x81a@example.org\n", "byte 0x81 is not cp1252"),
        ("email\na@example.org\n".encode("utf-16")[:-1], "is not utf-16"),
        (b'email,name\na@example.org,"x" y\n', "no CSV from here on"),
        (b'email,name\na@example.org,"' + b"x\n" * 80_000, "is a quote opened and never closed?"),
        (b"email,name\na@example.org,x\rb@example.org,y\n", "ends in another way"),
        (b"email,Home town,home_town\na@example.org,x,y\n", "would both be the attribute"),
        (b"email," + b",".join(b"c%d" % n for n in range(600)) + b"\n", "601 columns; 500 go"),
        (b"email\n" + b'"' + b'a","b\n' * 200_000, "the row is longer than"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_it_is_and_writes_nothing(
    importer: Importer, data: bytes, words: str
) -> None:
    with pytest.raises(ImportRefused) as caught:
        importer.take(data)

    assert words in str(caught.value)
    assert caught.value.fix
    assert importer.rows("SELECT count(*) FROM subscribers") == [(0,)]


def test_a_gigabyte_without_a_line_end_is_refused_at_once(importer: Importer) -> None:
    path = importer.stage.folder / "endless.csv"
    with path.open("wb") as file:
        file.write(b"email\na@example.org\n")
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        # The rest is a hole of zeroes: a gigabyte that takes no room.
        os.truncate(path, 1 << 30)
    begun = time.monotonic()

    with pytest.raises(ImportRefused, match="the row is longer than 1,000,000"):
        list(open_rows(path, SUBSCRIBER_COLUMNS)[1])

    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    "data",
    [
        "email;name\ra@example.org;José\r".encode(),
        "\ufeffemail|name\r\na@example.org|José\r\n".encode(),
        "email,name\na@example.org,José\n".encode("utf-16-le"),
        "email,name\na@example.org,José\n".encode("utf-16-be"),
        "email,name\r\na@example.org,José\r\n".encode("utf-16"),
        "email,name\na@example.org,José\n".encode("utf-32"),
        'sep=;\n"Name, in full";E-mail\nJosé;a@example.org\n'.replace(
            "Name, in full", "name"
        ).encode(),
        '"Full name";"What, if anything";"E-mail"\nJosé;x;a@example.org'.encode(),
        "\n\nemail,name\n\n,\na@example.org,José\n".encode(),
    ],
)
def test_line_ends_marks_and_delimiters_are_found(importer: Importer, data: bytes) -> None:
    report, refusals = importer.take(data)

    assert (report.counts["added"], refusals) == (1, [])
    assert importer.rows("SELECT name FROM subscribers") == [("José",)]


def test_a_file_with_a_header_alone_adds_nobody(importer: Importer) -> None:
    report, _ = importer.take("email,name\n")

    assert (report.rows, report.counts["added"]) == (0, 0)


def test_a_cell_that_is_too_long_refuses_its_row(importer: Importer) -> None:
    report, refusals = importer.take(
        f"email,bio\na@example.org,{'x' * LONGEST_CELL}\nb@example.org,{'x' * 10_001}\n"
    )

    assert report.counts["added"] == 1
    assert [(r.row, r.code) for r in refusals] == [(3, "long-cell")]
    assert "'bio'" in refusals[0].problem


def test_rows_keep_their_place_behind_cells_of_several_lines(importer: Importer) -> None:
    _, refusals = importer.take(
        'email,note\na@example.org,"one\ntwo\nthree"\nbad,x\nc@example.org\n', keep_cells=True
    )

    assert [(r.row, r.code, r.cells) for r in refusals] == [
        (5, "no-at", ("bad", "x")),
        (6, "ragged", ("c@example.org",)),
    ]


def test_who_stays_away_is_told_with_the_cells_of_the_row(importer: Importer) -> None:
    importer.take("email\na@example.org\n")
    with importer.stage.database.write() as connection:
        found = find_subscriber(connection, parse_address("a@example.org"))
        unsubscribe(connection, found.id, None, importer.stage.clock.now(), Origin("page"))

    _, refusals = importer.take("email,note\n A@example.org ,=1+1\n", keep_cells=True)

    assert [(r.row, r.code, r.cells) for r in refusals] == [
        (2, "unsubscribed", (" A@example.org ", "=1+1"))
    ]


@given(st.text(max_size=12))
def test_the_quote_before_a_formula_is_taken_away_again(cell: str) -> None:
    assert unprotected(spreadsheet_safe(cell)) == cell


def test_an_export_comes_back_unchanged(anywhere: Importer) -> None:
    stage = anywhere.stage
    anywhere.take(
        "email,name,tz,language,tags,Favourite topic,first_name\n"
        'ada@example.org,"=HYPERLINK(""x"")",Europe/Dublin,en,beta;long reads,"+353\n1",Ada\n'
        "+plus@example.org,-Minus,,,,,\n"
        "left@example.org,'=quoted,,,,@x,\n"
    )
    with stage.database.write() as connection:
        left = find_subscriber(connection, parse_address("left@example.org"))
        unsubscribe(connection, left.id, None, stage.clock.now(), Origin("page"))
        odd = parse_address("odd@example.org")
        attributes = {"zone": "7", "since": "2019", "mail": "yes", "status": "gold"}
        add_subscriber(
            connection,
            odd,
            stage.list_id,
            KEYS,
            stage.clock.now(),
            actor="me",
            name="Odd",
            attributes=attributes,
        )
        change_tags(connection, find_subscriber(connection, odd).id, add=["vip"])
    path = stage.folder / "export.csv"
    with path.open("w", newline="") as file, stage.database.read() as connection:
        export_csv(connection, KEYS, stage.list_id, file)
    written = path.read_text()

    report, _ = anywhere.take(written)

    assert report.counts == {
        "added": 0,
        "updated": 0,
        "unchanged": 3,
        "unsubscribed": 1,
        "suppressed": 0,
        "duplicate": 0,
        "refused": 0,
    }
    assert "\"'=HYPERLINK" in written
    assert "'+plus@example.org,'-Minus" in written
    assert ",beta; long reads," in written


def test_an_export_into_another_newsletter_brings_the_same_people(
    importer: Importer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    importer.take("email,name,tags,city\na@example.org,'=A,x;y,-1\nb@example.org,B,,\n")
    with importer.stage.database.write() as connection:
        left = find_subscriber(connection, parse_address("b@example.org"))
        unsubscribe(connection, left.id, None, importer.stage.clock.now(), Origin("page"))
    path = importer.stage.folder / "export.csv"
    with path.open("w", newline="") as file, importer.stage.database.read() as connection:
        export_csv(connection, KEYS, importer.stage.list_id, file)
    from tests.builders import Stage

    other = Importer(Stage(tmp_path_factory.mktemp("other"), importer.stage.clock, readers=0))
    report, refusals = other.take(path.read_text())

    assert report.counts["added"] == 1
    assert [(r.row, r.code) for r in refusals] == [(3, "status")]
    with other.stage.database.read() as connection:
        story = story_of(connection, parse_address("a@example.org"), KEYS)
    assert (story.name, story.attributes) == ("=A", {"city": "-1"})
    other.stage.database.close()


def test_an_export_as_json_lines_has_tags_and_attributes(importer: Importer) -> None:
    import json

    importer.take("email,tags,city\na@example.org,x,Cork\n")
    buffer = io.StringIO()

    with importer.stage.database.read() as connection:
        export_jsonl(connection, KEYS, importer.stage.list_id, buffer)

    document = json.loads(buffer.getvalue())
    assert (document["tags"], document["attributes"]) == (["x"], {"city": "Cork"})


@given(st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_rows_or_a_refusal(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(b"email,name\n" + data)

    try:
        _, rows = open_rows(path, SUBSCRIBER_COLUMNS)
        numbers = [row.row for row in rows]
    except ImportRefused:
        return
    assert numbers == sorted(set(numbers))


def test_a_name_that_turns_the_reading_direction_is_imported_without_that(
    importer: Importer,
) -> None:
    importer.take("email,name\neve@example.org,\u202eadA \u200fלוי\u2069\n")

    assert importer.rows("SELECT name FROM subscribers") == [("adA \u200fלוי",)]
