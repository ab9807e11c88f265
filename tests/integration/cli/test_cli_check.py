"""`newsletter check` as an operator meets it: findings, what was looked at, JSON, exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from newsletter.cli.app import app
from newsletter.errors import AudienceError, DeliveryError, UsageError

Run = Callable[..., tuple[int, str, str]]

BAD = """\
---
subject: "Re: tides"
---
# A title

*By Ada • November 24, 2026*

Dear {{ first_name }}, a fact [^9] and a longer sentence for all, see [here](https://a.example/).
"""
GOOD = """\
# A title

*By Ada • November 24, 2026*

A lede that is long enough to fill the line below the subject.

## News

### A story

It happened.

**Why it matters:** It does.
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command in a fresh workspace with a list: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def run(*words: str) -> tuple[int, str, str]:
        done = runner.invoke(app, list(words))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    assert run("init", ".")[0] == 0
    (tmp_path / "digests" / "bad.md").write_text(BAD, encoding="utf-8")
    (tmp_path / "digests" / "good.md").write_text(GOOD, encoding="utf-8")
    return run


def with_readers(run: Run, folder: Path) -> None:
    (folder / "readers.csv").write_text(
        "email,name\na@example.org,Ann\nb@example.org,\n", encoding="utf-8"
    )
    run("lists", "create", "daily", "--title", "The Daily")
    run("subscribers", "import", "readers.csv", "--list", "daily", "--consent", "by a test")


def test_each_finding_names_its_place_what_comes_of_it_and_a_fix(run: Run) -> None:
    code, out, _ = run("check", "bad")

    lines = out.splitlines()
    first = next(n for n, line in enumerate(lines) if "unknown-citation" in line)
    assert code == 1
    assert first == 0, "errors come first"
    assert "bad.md:8: error: " in lines[0]
    assert lines[1] == "    A claim goes out whose evidence nobody can find."
    assert lines[2].startswith("    fix: add '[^9]: ")
    assert "warning: subject: the subject begins with 'Re:'" in out


def test_below_the_findings_stands_what_an_inbox_shows_and_what_was_not_asked(run: Run) -> None:
    code, out, _ = run("check", "good")

    assert code == 0
    assert "  subject  A title\n" in out
    assert (
        "  preview  A lede that is long enough to fill the line below the subject. It happened.\n"
        in out
    )
    assert "% of what Gmail shows)" in out
    assert "not asked: its readers (--list NAME), links (--links), spam score (--spam)" in out
    assert out.endswith("good.md: 1 story, 0 sources, 0 errors, 0 warnings\n")


def test_with_a_list_its_readers_count(run: Run, tmp_path: Path) -> None:
    with_readers(run, tmp_path)

    _, alone, _ = run("check", "bad")
    _, listed, _ = run("check", "bad", "--list", "daily")

    assert "has no default [merge-field-without-default]" in alone
    assert "1 of 2 readers have no 'first_name'" in listed
    assert "merge-field-without-default" not in listed
    assert "  readers  2 of 'daily'\n" in listed


def test_of_a_segment_its_readers_alone_count(run: Run, tmp_path: Path) -> None:
    with_readers(run, tmp_path)
    run("segments", "add", "named", "--where", "name is set")

    _, out, _ = run("check", "bad", "--list", "daily", "--segment", "named")
    _, document, _ = run("check", "bad", "--list", "daily", "--segment", "named", "--json")

    assert "readers-lack-value" not in out
    assert "  readers  1 of 'daily', segment 'named'\n" in out
    asked = json.loads(document)
    assert (asked["list"], asked["segment"], asked["readers"]) == ("daily", "named", 1)


def test_a_segment_without_its_list_and_one_that_is_not_there_are_refused(
    run: Run, tmp_path: Path
) -> None:
    with_readers(run, tmp_path)

    with pytest.raises(UsageError, match="a segment is one of a list"):
        run("check", "good", "--segment", "named")
    with pytest.raises(AudienceError, match="there is no segment 'named'"):
        run("check", "good", "--list", "daily", "--segment", "named")


def test_the_same_as_one_json_document(run: Run, tmp_path: Path) -> None:
    with_readers(run, tmp_path)

    code, out, _ = run("check", "bad", "--list", "daily", "--json")
    document: dict[str, Any] = json.loads(out)

    findings = document["findings"]
    assert code == 1
    assert (document["errors"], document["readers"]) == (1, 2)
    assert document["errors"] + document["warnings"] == len(findings)
    assert findings[0]["severity"] == "error"
    assert all(
        found["why"] and found["fix"] and (found["line"] or found["place"] or found["code"])
        for found in findings
    )
    assert document["phone"]["subject"] == "Re: tides"
    assert document["html_bytes"] > 1000
    assert document["text_bytes"] > 100


def test_a_broken_template_is_a_finding_of_check_and_refuses_a_send(
    run: Run, tmp_path: Path
) -> None:
    with_readers(run, tmp_path)
    folder = tmp_path / "templates" / "email"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "digest.mjml.j2").write_text("<mjml>\n{{ nonsense }}</mjml>", encoding="utf-8")

    checked, out, _ = run("check", "good")
    with pytest.raises(Exception, match="nonsense"):
        run("send", "good", "--list", "daily", "--yes")

    assert checked == 1
    assert "digest.mjml.j2:2: " in out
    assert "[template-error]" in out


@pytest.mark.slow
def test_the_spam_score_is_asked_for_and_local(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("spamassassin") is None:
        pytest.skip("needs SpamAssassin: apt-get install spamassassin")

    code, out, _ = run("check", "good", "--spam")

    assert code == 0
    assert "spam score (--spam)" not in out


def test_without_spamassassin_the_check_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    code, out, _ = run("check", "good", "--spam")

    assert code == 0
    assert "SpamAssassin is not here" in out


def test_a_draft_is_checked_rendered_and_tested_and_not_sent(run: Run, tmp_path: Path) -> None:
    with_readers(run, tmp_path)
    draft = f"---\ndraft: true\n---\n{GOOD}"
    (tmp_path / "digests" / "draft.md").write_text(draft, encoding="utf-8")

    checked = run("check", "draft")
    rendered = run("render", "draft", "--out", "look")
    tested = run("test", "draft", "--to", "me@example.org")
    with pytest.raises(DeliveryError) as refused:
        run("send", "draft", "--list", "daily", "--yes")
    (tmp_path / "digests" / "draft.md").write_text(draft.replace("true", "false"), encoding="utf-8")
    sent = run("send", "draft", "--list", "daily", "--yes")

    assert checked[0] == 1
    assert "draft.md:2: error: the digest is a draft" in checked[1]
    assert (tmp_path / "look" / "message.html").is_file()
    assert rendered[0] == 0
    assert (tested[0], "accepted" in tested[1]) == (0, True)
    assert "its front matter says 'draft: true'" in str(refused.value)
    assert "take that line out when the digest is ready" in str(refused.value.fix)
    assert sent[0] == 0, sent
