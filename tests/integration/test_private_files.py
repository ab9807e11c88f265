"""Whom the files of a workspace are open to: nobody but their owner, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import Desk, a_desk

DIGEST = "latest"
OPEN_TO_ALL = {"subscribers/README.md", "subscribers/example.csv"}
"""Samples that everybody has."""


@pytest.fixture(params=["000", "022", "277"])
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """A machine's habit for new files: open to all, as usual, and closed even to the owner.

    The folder of the test is made before.
    """
    before = os.umask(int(request.param, 8))
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Return the mode of all that the program wrote, without the digests and templates."""
    found = {
        str(path.relative_to(folder)): f"{stat.S_IMODE(path.stat().st_mode):03o}"
        for path in folder.rglob("*")
    }
    left_out = ("digests", "templates", "readers.csv", *OPEN_TO_ALL)
    return {name: mode for name, mode in found.items() if not name.startswith(left_out)}


@pytest.mark.usefixtures("umask")
def test_what_a_workspace_holds_is_closed_to_others_under_any_umask(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    desk.run("init", "news")
    desk = Desk(tmp_path / "news")
    desk.run("lists", "create", "daily", "--title", "The Daily")
    desk.run(
        "subscribers", "import", "subscribers/example.csv", "--list", "daily", "--consent", "x"
    )
    desk.run("send", DIGEST, "--list", "daily", "--yes")
    desk.run("render", DIGEST, "--out", "deep/look")
    desk.run("subscribers", "export", "--list", "daily", "--out", "people.csv")
    desk.run("db", "backup", "--to", "kept.db")

    found = modes(desk.folder)
    assert {"newsletter.toml", "newsletter.db", "newsletter.key", "people.csv", "kept.db"} <= {
        *found
    }
    assert {"outbox", "outbox/1", "outbox/1/1-1.eml", "deep/look", "deep/look/message.html"} <= {
        *found
    }
    folders = {name for name in found if (desk.folder / name).is_dir()}
    assert {name: mode for name, mode in found.items() if name in folders and mode != "700"} == {}
    assert {
        name: mode
        for name, mode in found.items()
        if name not in folders | {".gitignore"} and mode != "600"
    } == {}
    assert f"{stat.S_IMODE(desk.folder.stat().st_mode):o}" == "700"


def test_the_log_of_an_open_database_is_closed_to_others_too(tmp_path: Path) -> None:
    from newsletter.storage.database import open_database

    before = os.umask(0)
    try:
        database = open_database("sqlite:///news.db", root=tmp_path)
        with database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE t (x)")
        assert modes(tmp_path) == {"news.db": "600", "news.db-wal": "600", "news.db-shm": "600"}
        database.close()
    finally:
        os.umask(before)


def test_the_doctor_names_what_others_may_read_and_how_to_close_it(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, readers=1)
    desk.run("send", DIGEST, "--list", "daily", "--yes")
    (tmp_path / "newsletter.toml").chmod(0o644)
    (tmp_path / "newsletter.db").chmod(0o660)
    (tmp_path / "outbox").chmod(0o755)

    told = desk.run("doctor", "--no-dns", code=1).stdout

    assert "FAIL  file rights        newsletter.toml is open to others (mode 0644)" in told
    assert "FAIL  file rights        newsletter.db is open to others (mode 0660)" in told
    assert "FAIL  file rights        outbox is open to others (mode 0755)" in told
    assert f"fix: chmod go= {tmp_path / 'newsletter.toml'}" in told

    for name in ("newsletter.toml", "newsletter.db", "outbox"):
        path = tmp_path / name
        path.chmod(path.stat().st_mode & ~0o077)
    assert (
        "ok    file rights        closed to others"
        in desk.run("doctor", "--no-dns", code=None).stdout
    )


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared").chmod(0o755)

    desk.run("render", DIGEST, "--out", "shared")

    assert f"{stat.S_IMODE((tmp_path / 'shared').stat().st_mode):o}" == "755"
    assert modes(tmp_path)["shared/message.eml"] == "600"
