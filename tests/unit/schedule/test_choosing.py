"""Which digest is an edition's: by its date inside, else by its name; never by guessing (H5)."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.schedule.keeping_stage import a_digest

from newsletter.schedule.choosing import Chosen, NotThere, Shelf
from newsletter.schedule.model import DigestRule

DAY = date(2026, 11, 24)
EVE = DAY - timedelta(days=1)
NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
FRONT = f"---\ndate: {DAY}\n---\n"


def put(folder: Path, name: str, text: str | None = None) -> Path:
    path = folder / name
    path.write_text(a_digest(None) if text is None else text, encoding="utf-8")
    return path


def chosen(folder: Path, rule: DigestRule = DigestRule.DAY) -> str:
    """Return the name of the chosen file, or why there is none."""
    found = Shelf(folder).choose(rule, DAY, NOW)
    return found.path.name if isinstance(found, Chosen) else found.reason


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("2026-11-24.md", a_digest(None)),
        ("2026-11-24-night-ferries.md", a_digest(None)),
        ("ferries.md", a_digest(DAY)),
        ("ferries.markdown", FRONT + a_digest(None)),
        ("ferries.md", FRONT + a_digest(EVE)),
        ("2026-11-23.md", FRONT + a_digest(None)),
    ],
)
def test_a_digest_is_found_by_its_date(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path, "2026-11-22.md", a_digest(date(2026, 11, 22)))
    put(tmp_path, "2026-11-25.md", a_digest(date(2026, 11, 25)))
    put(tmp_path, name, text)

    assert chosen(tmp_path) == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("2026-11-23.md", a_digest(None)),
        ("ferries.md", a_digest(None)),
        ("ferries.md", a_digest(EVE)),
        ("README.md", a_digest(DAY)),
        (".2026-11-24.md.swp", a_digest(DAY)),
        ("_2026-11-24.md", a_digest(DAY)),
    ],
)
def test_what_has_another_date_or_none_is_not_there(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path, name, text)

    assert Shelf(tmp_path).choose(DigestRule.DAY, DAY, NOW) == NotThere(
        "there is no digest for 2026-11-24 yet"
    )


def test_a_name_that_is_the_day_wins_over_longer_ones(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-24-draft.md")
    put(tmp_path, "2026-11-24.md")

    assert chosen(tmp_path) == "2026-11-24.md"


def test_several_of_a_day_are_a_mistake_to_be_told(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-24-a.md")
    put(tmp_path, "2026-11-24-b.md")
    found = Shelf(tmp_path).choose(DigestRule.DAY, DAY, NOW)

    assert isinstance(found, NotThere)
    assert found.mistake == "several digests are dated 2026-11-24: 2026-11-24-a.md, 2026-11-24-b.md"


def test_a_date_inside_that_contradicts_the_name_is_a_mistake(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-24.md", a_digest(EVE))

    assert chosen(tmp_path) == (
        "2026-11-24.md is dated 2026-11-23 inside, so it is not sent as the one of 2026-11-24"
    )


@pytest.mark.parametrize("content", [b"", b"\0\1\2", "Größe".encode("latin-1")])
def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "2026-11-24.md").write_bytes(content)
    found = Shelf(tmp_path).choose(DigestRule.DAY, DAY, NOW)

    assert isinstance(found, NotThere)
    assert found.mistake is not None


def test_files_that_cannot_be_read_do_not_hide_the_one_that_can(tmp_path: Path) -> None:
    (tmp_path / "broken.md").write_bytes(b"\0")
    put(tmp_path, "ferries.md", a_digest(DAY))

    assert chosen(tmp_path) == "ferries.md"


def test_a_folder_that_is_gone_is_a_mistake(tmp_path: Path) -> None:
    assert "the folder of digests cannot be read" in chosen(tmp_path / "gone")


def test_a_date_that_changes_inside_a_file_is_seen(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    put(tmp_path, "ferries.md", a_digest(EVE))
    before = shelf.choose(DigestRule.DAY, DAY, NOW)
    path = put(tmp_path, "ferries.md", a_digest(DAY))
    os.utime(path, (1, 1))
    after = shelf.choose(DigestRule.DAY, DAY, NOW)

    assert isinstance(before, NotThere)
    assert isinstance(after, Chosen)


@pytest.mark.parametrize(("age", "taken"), [(-1, False), (0, False), (2, False), (3, True)])
def test_a_file_is_taken_when_it_was_left_alone(tmp_path: Path, age: int, taken: bool) -> None:
    path = put(tmp_path, "2026-11-24.md")
    os.utime(path, (NOW.timestamp() - age,) * 2)

    assert isinstance(Shelf(tmp_path).choose(DigestRule.DAY, DAY, NOW), Chosen) is taken
    assert isinstance(Shelf(tmp_path).choose(DigestRule.DAY, DAY, None), Chosen)


def test_a_file_whose_time_was_kept_by_a_copy_is_not_taken_for_old(tmp_path: Path) -> None:
    path = put(tmp_path, "2026-11-24.md")
    os.utime(path, (1, 1))
    copied = datetime.fromtimestamp(path.stat().st_ctime, UTC)

    assert isinstance(Shelf(tmp_path).choose(DigestRule.DAY, DAY, copied), NotThere)
    later = copied + timedelta(seconds=4)
    assert isinstance(Shelf(tmp_path).choose(DigestRule.DAY, DAY, later), Chosen)


def test_the_latest_is_the_last_date_up_to_the_day(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-20.md")
    put(tmp_path, "ferries.md", a_digest(EVE))
    put(tmp_path, "2026-11-25.md")
    put(tmp_path, "undated.md")

    assert chosen(tmp_path, DigestRule.LATEST) == "ferries.md"


def test_without_a_date_there_is_no_latest(tmp_path: Path) -> None:
    put(tmp_path, "undated.md")

    assert "no digest with a date up to 2026-11-24" in chosen(tmp_path, DigestRule.LATEST)
