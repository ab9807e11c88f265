"""What the providers of a round tell the judge, read from their folders and logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.judge import Copy
from tests.chaos.plans import plan_round
from tests.chaos.servers import OutboxFolder, SendgridProcess, SmtpProcess, Witness

PEOPLE = {1: "reader1@example.org", 2: "reader2@example.org"}
SMTP, SENDGRID = 2, 3


def a_file(folder: Path, number: int, *, whole: bool = True, to: int | None = None) -> None:
    folder.mkdir(exist_ok=True)
    text = f"To: Reader <{PEOPLE[to or number]}>\r\n\r\nHello\r\n" + "--end--\r\n" * whole
    fresh = folder / ".fresh"
    fresh.write_text(text)
    fresh.rename(folder / f"1-{number}.eml")


def test_a_file_of_the_outbox_is_a_copy_and_a_file_written_again_is_two(tmp_path: Path) -> None:
    outbox = OutboxFolder(tmp_path)
    a_file(tmp_path, 1)
    a_file(tmp_path, 2)
    outbox.look()
    outbox.look()
    a_file(tmp_path, 2)

    witness = outbox.witness(PEOPLE)

    assert outbox.taken() == 2
    assert sorted(copy.mark for copy in witness.copies) == ["1-1", "1-2", "1-2"]
    assert witness.mixed == 0


def test_a_file_that_is_not_whole_or_is_for_somebody_else_is_noticed(tmp_path: Path) -> None:
    a_file(tmp_path, 1, whole=False)
    a_file(tmp_path, 2, to=1)

    assert OutboxFolder(tmp_path).witness(PEOPLE).mixed == 2


def logs(folder: Path, kept: str, faults: str) -> None:
    (folder / "kept.log").write_text(kept)
    (folder / "faults.log").write_text(faults)


def test_the_smtp_logs_tell_copies_lost_answers_and_refusals(tmp_path: Path) -> None:
    logs(
        tmp_path,
        "reader1@example.org <a@x>\n",
        "lost <a@x> reader1@example.org dot-drop-kept\n"
        "refused - reader2@example.org rcpt-reply-550\n"
        "refused - - mail-reply-554\n"
        "none - - greeting-slow\n",
    )

    assert SmtpProcess(plan_round(1, SMTP), tmp_path).witness(PEOPLE) == Witness(
        (Copy("reader1@example.org", "<a@x>"),),
        lost_answers=frozenset({"reader1@example.org"}),
        refused=frozenset({"reader2@example.org", "-"}),
        nameless=1,
    )


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        ("500-taken 1 1-1 1-2", {1, 2}),
        ("503 1 1-2", {2}),
        ("cut-behind 1 1-1", {1}),
        ("cut-taken 1 1-1", {1}),
        ("429 1 1-1", set()),
        ("slow-taken 1 1-1", set()),
    ],
)
def test_the_sendgrid_logs_tell_whose_answer_was_lost(
    tmp_path: Path, fault: str, lost: set[int]
) -> None:
    logs(tmp_path, "reader1@example.org 1-1 1\n", f"{fault}\n")
    plan = next(p for n in range(SENDGRID, 500) if (p := plan_round(1, n)).slow < 1)

    witness = SendgridProcess(plan, tmp_path).witness(PEOPLE)

    assert witness.copies == (Copy("reader1@example.org", "1-1"),)
    assert witness.lost_answers == {PEOPLE[number] for number in lost}


def test_a_call_cut_before_it_was_read_excuses_as_many_as_it_may_have_held(tmp_path: Path) -> None:
    logs(tmp_path, "", "cut-before 1\ncut-before 2\n")
    plan = plan_round(1, SENDGRID)

    assert SendgridProcess(plan, tmp_path).witness(PEOPLE).excuse == 2 * plan.personalizations
