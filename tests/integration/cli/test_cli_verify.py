"""`newsletter verify` as an operator meets it: a line for each invariant, JSON, exit codes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.builders import Stage
from tests.fakes.provider import ScriptedProvider
from typer.testing import CliRunner

from newsletter.audience.keys import create_keys
from newsletter.cli.app import app
from newsletter.clock import SettableClock
from newsletter.errors import DeliveryError

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Stage:
    """A workspace in a folder, with campaign 1 sent to five readers."""
    stage = Stage(tmp_path, clock)
    stage.sender(ScriptedProvider()).run(stage.freeze())
    # The command takes the key file of the folder for the one this database was made with.
    with stage.database.write() as connection:
        connection.exec_driver_sql("UPDATE installation SET suppression_check = NULL")
    create_keys(tmp_path / "newsletter.key")
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nname = "The Daily"\nbase_url = "https://news.example.org"\n'
        '[database]\nurl = "sqlite:///ledger.db"\n'
        '[web]\nsecret_key_file = "newsletter.key"\n',
        encoding="utf-8",
    )
    return stage


@pytest.fixture
def verify(stage: Stage) -> Run:
    """Run the command in the stage's folder; returns its exit code and what it printed."""

    def run(*words: str) -> tuple[int, str]:
        config = stage.folder / "newsletter.toml"
        done = CliRunner().invoke(app, ["--config", str(config), "verify", *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    return run


def tamper(stage: Stage, statement: str) -> None:
    with closing(sqlite3.connect(stage.database.path or "")) as connection, connection:
        connection.execute(statement)


def test_it_prints_a_line_for_each_invariant_and_exits_0_when_all_hold(verify: Run) -> None:
    code, out = verify()

    lines = [line for line in out.splitlines() if not line.startswith(" ")]
    assert code == 0
    assert [line[:8] for line in lines] == [f"ok    I{number}" for number in range(1, 9)]
    assert "the states of each campaign add up to its recipients" in lines[0]


def test_a_violation_is_named_with_what_to_do_and_exits_1(stage: Stage, verify: Run) -> None:
    tamper(stage, "UPDATE deliveries SET attempt_id = NULL WHERE subscriber_id IN (2, 3)")

    code, out = verify()

    assert code == 1
    assert "FAIL  I4" in out
    assert ": 2 violations: 1-2, 1-3\n" in out
    assert "restore a backup" in out
    assert "@" not in out


def test_many_violations_are_counted_and_a_few_are_named(stage: Stage, verify: Run) -> None:
    stage.join("reader6@example.org")
    tamper(stage, "DELETE FROM consents")

    code, out = verify()

    assert code == 1
    assert "6 violations: subscriber 1 on list 1, " in out
    assert "subscriber 5 on list 1, …\n" in out
    assert "subscriber 6" not in out


def test_as_json_it_is_one_document(stage: Stage, verify: Run) -> None:
    tamper(stage, "DELETE FROM deliveries WHERE subscriber_id = 2")

    code, out = verify("--json")

    document: dict[str, Any] = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    assert [found["name"] for found in document["invariants"] if not found["ok"]] == ["I1"]
    assert document["invariants"][1] == {
        "name": "I2",
        "ok": True,
        "violations": 0,
        "examples": [],
        "note": None,
        "says": "nobody is in a campaign twice",
    }
    assert document["invariants"][0]["examples"] == ["campaign 1"]


def test_one_campaign_alone(stage: Stage, verify: Run) -> None:
    other = stage.freeze(slug="2026-11-25", content_hash="another")
    tamper(stage, "DELETE FROM deliveries WHERE campaign_id = 1 AND subscriber_id = 2")

    assert verify("--campaign", str(other))[0] == 0
    assert verify("--campaign", "1")[0] == 1
    with pytest.raises(DeliveryError, match="there is no campaign 9"):
        verify("--campaign", "9")


def test_it_changes_nothing(stage: Stage, verify: Run) -> None:
    verify()
    with closing(sqlite3.connect(stage.database.path or "")) as connection:
        before = list(connection.iterdump())
        names = sorted(path.name for path in stage.folder.iterdir())

        verify()

        assert list(connection.iterdump()) == before
    assert sorted(path.name for path in stage.folder.iterdir()) == names
