"""The mail that asks about an edition tells each finding with its place, its reason and a fix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.integration.schedule.operators_stage import DIGEST, OperatorStage

from newsletter.audience.segments import add_segment
from newsletter.clock import SettableClock
from newsletter.schedule.proof_mail import asking, look_at_question
from newsletter.storage.schedule_tables import schedules

BARE = DIGEST.replace('{{ first_name | default("reader") }}', "{{ first_name }}")


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[OperatorStage]:
    made = OperatorStage(tmp_path, clock, readers=3)
    yield made
    made.database.close()


def test_what_the_list_s_readers_lack_is_told_before_anybody_says_yes(
    stage: OperatorStage,
) -> None:
    stage.write_digest(BARE)
    edition = stage.hold()

    with stage.database.read() as connection:
        question = look_at_question(connection, edition, stage.settings(), stage.clock.now())
    body = asking(question, url="https://news.example.org/e/x", mailed=True).body

    lines = [line.strip() for line in body.splitlines()]
    at = next(n for n, line in enumerate(lines) if "readers have no 'first_name'" in line)
    assert lines[at] == "line 9: 3 of 3 readers have no 'first_name', and it has no default"
    assert lines[at + 1] == "They see a gap: 'Dear ,'."
    assert lines[at + 2] == 'fix: write {{ first_name | default("there") }}'


def test_of_a_schedule_for_a_segment_its_readers_alone_count(stage: OperatorStage) -> None:
    stage.join("ada@example.org", "Ada Lovelace")
    stage.write_digest(BARE)
    edition = stage.hold()
    with stage.database.write() as connection:
        now = stage.clock.now()
        add_segment(connection, now, name="named", text="name is set", actor="test")
        connection.execute(update(schedules).values(segment="named"))

    with stage.database.read() as connection:
        question = look_at_question(connection, edition, stage.settings(), now)
    body = asking(question, url="https://news.example.org/e/x", mailed=True).body

    assert question.recipients == 1
    assert "readers have no 'first_name'" not in body
