"""Suppressions from and to files, in the words of other providers, on both databases (C10, E10)."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection
from tests.builders import KEYS
from tests.integration.audience.conftest import Importer

from newsletter.audience.address import parse_address
from newsletter.audience.suppression_files import (
    export_csv,
    export_jsonl,
)
from newsletter.audience.suppressions import (
    SuppressionReason,
    add_suppression,
    list_suppressions,
    suppression_of,
)
from newsletter.errors import ImportRefused


def reason_of(importer: Importer, address: str) -> str | None:
    with importer.stage.database.read() as connection:
        return suppression_of(connection, KEYS, parse_address(address))


def test_suppressions_come_with_reason_date_and_note(anywhere: Importer) -> None:
    report, refusals = anywhere.take_suppressions(
        "E-mail;Type;Created at;Comment\n"
        "a@example.org;Spam Report;2026-01-02;'=note\n"
        "b@example.org;hard_bounce;2026-01-02T10:00:00+02:00;\n"
        "c@example.org;;1767348000;\n"
        "A@example.org;manual;;\n"
        "nope;;;\n"
        "d@example.org;because;;\n"
        "e@example.org;manual;yesterday;\n"
        "f@example.org;manual;2036-01-01;\n"
        "g@example.org\n",
    )

    assert (report.added, report.known, report.duplicate, report.refused) == (6, 0, 1, 2)
    assert report.rows == 9
    assert report.reasons == {"manual": 4, "complaint": 1, "hard_bounce": 1}
    assert [(r.row, r.code) for r in refusals] == [(6, "no-at"), (10, "ragged")]
    assert [w.split(";")[0] for w in report.warnings] == [
        "unknown reason 'because' in 1 rows",
        "no date 'yesterday' in 1 rows",
        "no date '2036-01-01' in 1 rows",
    ]
    assert reason_of(anywhere, "A@example.org") == "complaint"
    assert reason_of(anywhere, "c@example.org") == "manual"
    with anywhere.stage.database.read() as connection:
        listed = list_suppressions(connection, limit=10)
    rows = {row.reason: row for row in listed}
    assert rows["complaint"].note == "=note"
    assert rows["hard_bounce"].at == datetime(2026, 1, 2, 8, tzinfo=UTC)
    assert rows["manual"].at == datetime(2026, 1, 2, 10, tzinfo=UTC)
    assert [row.note for row in listed if row.note] == ["because", "=note"]


def test_what_is_stored_already_keeps_its_reason(anywhere: Importer) -> None:
    with anywhere.stage.database.write() as connection:
        now = anywhere.stage.clock.now()
        address = parse_address("a@example.org")
        add_suppression(connection, KEYS, address, SuppressionReason.COMPLAINT, now, actor="me")

    report, _ = anywhere.take_suppressions(
        "email,reason\na@example.org,manual\nb@example.org,bounced\n"
    )

    assert (report.added, report.known) == (1, 1)
    assert reason_of(anywhere, "a@example.org") == "complaint"


def test_a_dry_run_counts_and_writes_nothing(anywhere: Importer) -> None:
    report, _ = anywhere.take_suppressions("email\na@example.org\n", dry_run=True)

    assert (report.added, report.columns) == (1, {"email": "email"})
    assert reason_of(anywhere, "a@example.org") is None


def test_an_export_comes_back_unchanged_and_elsewhere_complete(anywhere: Importer) -> None:
    anywhere.take_suppressions(
        "email,reason,at,note\na@example.org,spam,2026-01-02,-x\nb@example.org,gdpr,,\n"
    )
    exported = io.StringIO()
    with anywhere.stage.database.read() as connection:
        export_csv(connection, exported)
        before = list_suppressions(connection, limit=10)

    again, _ = anywhere.take_suppressions(exported.getvalue())
    with anywhere.stage.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM suppressions")
    anew, _ = anywhere.take_suppressions(exported.getvalue())

    assert (again.added, again.known) == (0, 2)
    assert anew.added == 2
    with anywhere.stage.database.read() as connection:
        assert list_suppressions(connection, limit=10) == before


def test_json_lines_hold_the_same(importer: Importer) -> None:
    importer.take_suppressions("email,reason,at\na@example.org,spam,2026-01-02\n")
    buffer = io.StringIO()

    with importer.stage.database.read() as connection:
        export_jsonl(connection, buffer)

    document = json.loads(buffer.getvalue())
    assert (document["reason"], document["at"]) == ("complaint", "2026-01-02T00:00:00Z")


def test_erasures_are_told_inside_the_transaction(importer: Importer) -> None:
    seen: list[int] = []

    def erase(connection: Connection) -> None:
        count = connection.exec_driver_sql("SELECT count(*) FROM suppressions").scalar_one()
        seen.append(count)

    importer.take_suppressions("email,reason\na@example.org,erased\n", on_erased=erase)
    importer.take_suppressions("email,reason\nb@example.org,manual\n", on_erased=erase)

    assert seen == [1]


def test_keys_that_we_did_not_write_are_refused(importer: Importer) -> None:
    good = hashlib.sha256(b"x").hexdigest()
    report, refusals = importer.take_suppressions(f"key\n{good.upper()}\nabc\n")

    assert (report.added, [(r.row, r.code) for r in refusals]) == (1, [(3, "key")])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"name\nx\n", "there is no column of addresses"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b'email\n"a', "never closed"),
    ],
)
def test_a_file_that_is_none_is_refused(importer: Importer, data: bytes, words: str) -> None:
    with pytest.raises(ImportRefused, match=words):
        importer.take_suppressions(data)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_other_encodings_are_read(importer: Importer, encoding: str) -> None:
    report, _ = importer.take_suppressions("email;note\na@example.org;José\n".encode(encoding))

    assert report.added == 1
