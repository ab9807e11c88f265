"""The catalogue: every key is there, none is idle, every language says the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from newsletter.web.catalogue import (
    TEXTS,
    Catalogue,
    accepted_languages,
    placeholders,
    read_texts,
)

WEB = TEXTS.parent
SOURCES = [
    path.read_text(encoding="utf-8")
    for path in [*WEB.rglob("*.py"), *(WEB / "templates").glob("*.html")]
]


def used_keys() -> tuple[set[str], set[str]]:
    """Return the keys named whole, and the beginnings of those put together."""
    whole: set[str] = set()
    begun: set[str] = set()
    for source in SOURCES:
        whole |= set(re.findall(r"""\b(?:t|words|get)\(\s*["']([a-z_]+\.[a-z_0-9]+)["']""", source))
        begun |= set(re.findall(r"""["']([a-z_]+\.[a-z_]*)["']\s*[~+]""", source))
        begun |= set(re.findall(r"""has\(key\) else "([a-z_]+\.[a-z_]+)""", source))
    return whole, begun


def test_every_key_that_is_used_has_a_text() -> None:
    whole, _ = used_keys()

    assert len(whole) > 100
    assert whole <= read_texts(TEXTS / "en.toml").keys()


def test_no_text_is_idle() -> None:
    whole, begun = used_keys()

    idle = {
        key
        for key in read_texts(TEXTS / "en.toml")
        if key not in whole and not key.startswith(tuple(begun))
    }
    assert idle == set()


@pytest.mark.parametrize("path", sorted(TEXTS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_language_has_the_placeholders_of_english(path: Path) -> None:
    english, other = read_texts(TEXTS / "en.toml"), read_texts(path)

    assert other.keys() <= english.keys()
    assert {key: placeholders(text) for key, text in other.items()} == {
        key: placeholders(english[key]) for key in other
    }
    assert tomllib.loads(path.read_text(encoding="utf-8"))["language"]["name"]


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "en.toml").write_text(
        '[a]\nx = "Hello {name}"\ny = { one = "{count} issue", other = "{count} issues" }\n'
        'z = "only English"\n',
        encoding="utf-8",
    )
    (tmp_path / "fr.toml").write_text(
        '[a]\nx = "Bonjour {name}"\ny = { one = "{count} numéro", other = "{count} numéros" }\n',
        encoding="utf-8",
    )
    return Catalogue(tmp_path)


def test_the_first_language_that_is_spoken_is_taken(catalogue: Catalogue) -> None:
    assert catalogue.words([None, "nl", "fr-CA", "en"]).language == "fr"
    assert catalogue.words([None, "", "xx"]).language == "en"


def test_a_missing_text_is_english(catalogue: Catalogue) -> None:
    assert catalogue.words(["fr"])("a.z") == "only English"


def test_plurals_follow_the_language(catalogue: Catalogue) -> None:
    english, french = catalogue.words(["en"]), catalogue.words(["fr"])

    assert [english("a.y", count=n) for n in (0, 1, 2)] == ["0 issues", "1 issue", "2 issues"]
    assert [french("a.y", count=n) for n in (0, 1, 2)] == ["0 numéro", "1 numéro", "2 numéros"]


def test_a_value_that_looks_like_a_placeholder_comes_out_as_it_is(catalogue: Catalogue) -> None:
    assert catalogue.words(["en"])("a.x", name="{count} {0.__class__}") == (
        "Hello {count} {0.__class__}"
    )


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("", []),
        ("fr-CA, en;q=0.8, de;q=0.9", ["fr", "de", "en"]),
        ("*, en;q=0, de", ["de"]),
        ("en;q=9, fr;q=abc, ,,;;", []),
        ("x" * 10_000, []),
    ],
)
def test_accept_language_is_read_as_far_as_it_makes_sense(
    header: str, languages: list[str]
) -> None:
    assert accepted_languages(header) == languages
