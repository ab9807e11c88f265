"""The commands that read and write lists, as an operator runs them."""

from __future__ import annotations

import csv
import os
import signal
import stat
import time
from pathlib import Path

import pytest
from tests.command import Desk, a_desk

pytestmark = pytest.mark.slow

PEOPLE = (
    "E-mail;Full name;Favourite topic;tags\n"
    "ada@example.org;Ada Byrne;=tides;beta\n"
    "nothing;=1+1;;\n"
    "info@example.org;Desk;;\n"
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = a_desk(tmp_path)
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    return made


def import_people(desk: Desk, *words: str) -> list[str]:
    return ["subscribers", "import", "people.csv", "--list", "daily", "--consent", "a fair", *words]


def test_a_dry_run_shows_columns_and_masked_people(desk: Desk) -> None:
    done = desk.run(*import_people(desk, "--dry-run"), code=1)

    assert "people.csv: utf-8, cells separated by ;" in done.stdout
    assert "column 'Favourite topic' is attributes.favourite_topic" in done.stdout
    assert "email a…@example.org, name A…, tags beta" in done.stdout
    assert "would read 3 rows" in done.stdout
    assert "ada@" not in done.stdout + done.stderr
    assert desk.json("lists", "show", "daily")["active"] == 0


def test_the_document_names_columns_and_bounds_the_refusals(desk: Desk, tmp_path: Path) -> None:
    rows = "\n".join(f"bad{n};x;;" for n in range(1200))
    (tmp_path / "people.csv").write_text(PEOPLE + rows, encoding="utf-8")

    report = desk.json(*import_people(desk, "--tag", "fair"), code=1)

    assert report["columns"]["E-mail"] == "email"
    assert (report["delimiter"], report["encoding"]) == (";", "utf-8")
    assert (len(report["refusals"]), report["refusals_total"]) == (1000, 1202)
    assert report["counts"]["refused"] == 1202
    assert report["counts"]["added"] == 1


def test_refused_rows_are_written_to_a_private_file_as_safe_cells(
    desk: Desk, tmp_path: Path
) -> None:
    desk.run(*import_people(desk, "--refusals", "refused.csv"), code=1)

    path = tmp_path / "refused.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["row", "code", "problem", "E-mail", "Full name", "Favourite topic", "tags"]
    assert rows[1][:2] + rows[1][3:] == ["3", "no-at", "nothing", "'=1+1", "", ""]
    assert rows[2][:2] == ["4", "role"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_suppressions_go_out_and_in_again(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "stop.csv").write_text("email,reason\na@example.org,spam\nnope,\n")

    dry = desk.json("suppressions", "import", "stop.csv", "--dry-run", code=1)
    taken = desk.run(
        "suppressions", "import", "stop.csv", "--refusals", "refused.csv", code=1
    ).stdout
    desk.run("suppressions", "export", "--out", "out.csv")
    again = desk.run("suppressions", "import", "out.csv").stdout
    lines = desk.run("suppressions", "export", "--format", "jsonl").stdout

    assert (dry["added"], dry["refused"], dry["refusals_total"]) == (1, 1, 1)
    assert "1 suppressed, 0 known before, 0 twice in the file, 1 refused" in taken
    assert "0 suppressed, 1 known before" in again
    assert '"reason": "complaint"' in lines
    assert (tmp_path / "refused.csv").read_text().splitlines()[1].startswith("3,no-at,")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_import_that_is_ended_leaves_nothing_in_its_scratch_folder(
    tmp_path: Path, sign: signal.Signals
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    desk = a_desk(tmp_path, SQLITE_TMPDIR=str(scratch))
    rows = "\n".join(f"reader{n}@example.org" for n in range(300_000))
    (tmp_path / "people.csv").write_text(f"email\n{rows}\n")

    process = desk.start(*import_people(desk))
    time.sleep(2.5)
    os.kill(process.pid, sign)
    process.communicate()

    assert list(scratch.iterdir()) == []
    assert desk.json("lists", "show", "daily")["active"] in (0, 300_000)
