"""`newsletter bounces parse`: one verdict a file, in their order, whatever the files are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.command import Desk
from tests.unit.feedback.notices import NOTICES, reply

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder with a bounce and an answer of a person, and no workspace."""
    (tmp_path / "bounce.eml").write_bytes(NOTICES[0].mail)
    (tmp_path / "answer.eml").write_bytes(reply())
    return Desk(tmp_path)


def test_each_file_is_one_line_of_json_in_the_order_given(desk: Desk) -> None:
    done = desk.run("bounces", "parse", "answer.eml", "bounce.eml", "--json")

    first, second = map(json.loads, done.stdout.splitlines())
    assert first["kind"] == "not_a_bounce"
    assert first["recipients"] == []
    assert second == {
        "kind": "hard",
        "recipients": ["ada@example.net"],
        "status": "5.1.1",
        "reason": "user_unknown",
        "diagnostic": "Sorry, no mailbox here by that name. (#5.1.1)",
    }
    assert done.stderr == ""


def test_without_json_people_can_read_it(desk: Desk) -> None:
    told = desk.run("bounces", "parse", "bounce.eml").stdout

    assert "bounce.eml: hard (user_unknown)" in told
    assert "ada@example.net: hard 5.1.1 Sorry, no mailbox here" in told
    assert "about delivery 7-1234 (not proven)" in told


def test_a_file_that_cannot_be_read_is_told_and_the_others_go_on(desk: Desk) -> None:
    done = desk.run("bounces", "parse", "none.eml", ".", "bounce.eml", "--json", code=1)

    assert json.loads(done.stdout)["kind"] == "hard"
    assert "none.eml: cannot be read: No such file" in done.stderr
    assert "2 of 3 files could not be read" in done.stderr


def test_no_file_is_a_mistake_of_usage(desk: Desk) -> None:
    desk.run("bounces", "parse", code=2)
