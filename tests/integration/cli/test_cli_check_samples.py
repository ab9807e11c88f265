"""`newsletter check` on sound digests, on one that is too long, and on ten that are broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.digests.samples import BROKEN, SAMPLES, beyond, sample
from typer.testing import CliRunner

from newsletter.cli.app import app

Check = Callable[..., tuple[int, str]]

FAULTS = {
    "ambiguous-date": ("ambiguous-date", 3),
    "citation-without-source": ("unknown-citation", 12),
    "front-matter": ("front-matter-invalid", 2),
    "loose-links": ("relative-link", 14),
    "no-date": ("no-date", 3),
    "no-title": ("no-title", 1),
    "script-link": ("unsafe-link", 12),
    "template-tag": ("template-tag", 13),
    "unclosed-merge-field": ("merge-field-unclosed", 5),
    "unknown-merge-field": ("unknown-merge-field", 5),
}
"""What is gravely wrong with each broken digest, and on which line of it."""


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """The command in a fresh workspace: its exit code and what it prints on standard output."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nname = "The Daily"\nbase_url = "https://news.example.org"\n'
        'postal_address = "1 Main Street, Aldermouth"\n'
        '[sender]\nfrom_email = "daily@news.example.org"\n',
        encoding="utf-8",
    )

    def run(file: Path, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["check", str(file), *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    return run


def errors(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [found for found in document["findings"] if found["severity"] == "error"]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sound_digest_has_no_error(check: Check, name: str) -> None:
    code, out = check(sample(name), "--json")

    document = json.loads(out)
    assert (code, errors(document)) == (0, [])
    assert document["html_bytes"] < 102_000


def test_a_digest_larger_than_gmail_shows_is_refused(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "beyond.md"
    file.write_text(beyond(), encoding="utf-8")

    code, out = check(file, "--json")

    assert code == 1
    assert [found["code"] for found in errors(json.loads(out))] == ["html-too-large"]


def test_every_broken_digest_has_its_row_here() -> None:
    assert {file.stem for file in BROKEN.glob("*.md")} == set(FAULTS)


@pytest.mark.parametrize(("name", "fault"), FAULTS.items())
def test_a_broken_digest_is_refused_with_the_place_of_its_fault(
    check: Check, name: str, fault: tuple[str, int]
) -> None:
    code, out = check(BROKEN / f"{name}.md", "--json")

    assert code == 1
    assert fault in [(found["code"], found["line"]) for found in errors(json.loads(out))]


@pytest.mark.parametrize(("name", "fault"), FAULTS.items())
def test_a_person_is_told_where_it_is_what_comes_of_it_and_what_to_do(
    check: Check, name: str, fault: tuple[str, int]
) -> None:
    file = BROKEN / f"{name}.md"
    (found,) = [
        found
        for found in errors(json.loads(check(file, "--json")[1]))
        if (found["code"], found["line"]) == fault
    ]

    code, out = check(file)

    assert code == 1
    told = " ".join(out.split())
    assert f"{file}:{found['line']}: error: " in told
    assert " ".join(found["problem"].split()) in told
    assert " ".join(found["fix"].split()) in told
    assert found["why"]
    assert found["why"] in told


def test_images_and_links_without_words_are_told_beside_the_grave_fault(check: Check) -> None:
    document = json.loads(check(BROKEN / "loose-links.md", "--json")[1])

    told = {found["code"]: found["line"] for found in document["findings"]}
    assert told["image-without-alt"] == 11
    assert told["empty-link-text"] == 13
