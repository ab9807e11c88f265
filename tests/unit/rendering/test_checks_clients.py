"""What mail clients lack: the data, their renewal, and what counts as a use of a feature."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from newsletter.errors import ConfigurationError
from newsletter.rendering.checks import client_data
from newsletter.rendering.checks.client_data import (
    CLIENTS,
    FILE,
    ClientData,
    client_names,
    compact,
    load_client_data,
    refresh,
)
from newsletter.rendering.checks.client_harmless import HARMLESS
from newsletter.rendering.checks.clients import check_clients
from newsletter.rendering.checks.page import read_page


def told(body: str, head: str = "") -> list[str]:
    page = read_page(f"<html><head>{head}</head><body>{body}</body></html>")
    return [finding.problem for finding in check_clients(page)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<div style="display:flex">x</div>', "display:flex is not known to Outlook (classic"),
        ('<p style="margin: calc(1em + 2px)">x</p>', "calc()"),
        ('<p style="font-size:1.2rem">x</p>', "rem unit"),
        ('<p style="color:rgba(0,0,0,.8)">x</p>', "rgba() is not known to Outlook (classic"),
        ('<p style="--x: 1px">x</p>', "CSS Variables"),
        ('<p style="color: var(--x)">x</p>', "CSS Variables"),
        ('<p style="position:absolute;top:0">x</p>', "position"),
        ('<p style="background:linear-gradient(#000,#fff)">x</p>', "linear-gradient()"),
        ('<p style="margin-inline-start:4px">x</p>', "margin-inline-start"),
        ("<video></video>", "<video> element"),
        ("<svg></svg>", "svg"),
        ('<input type="checkbox">', "checkbox"),
        ("<p hidden>x</p>", "hidden attribute is not known to Gmail"),
        ('<img src="https://a.example/x.webp">', "webP"),
        ('<img src="data:image/png;base64,AAAA">', "Base 64"),
    ],
)
def test_what_important_clients_lack_is_told_with_their_names(body: str, words: str) -> None:
    assert any(words in problem for problem in told(body)), told(body)


@pytest.mark.parametrize(
    "body",
    [
        '<p style="margin:0;padding:0;color:#222;font-size:16px;line-height:1.5">x</p>',
        '<p style="border-radius:4px;overflow-wrap:anywhere">decoration and wrapping</p>',
        '<p style="background-color:#000;background:linear-gradient(#000,#fff)">a fallback</p>',
        '<td bgcolor="#000000" style="background:linear-gradient(#000,#fff)">a fallback</td>',
        '<p style="color:#222;color:rgba(0,0,0,.8)">a fallback</p>',
        '<p style="-webkit-hyphens:auto;mso-line-height-rule:exactly">for one engine alone</p>',
        '<!--[if mso]><v:rect style="display:flex"></v:rect><![endif]-->',
        '<img src="https://a.example/x.jpg" alt="" width="1" height="1">',
    ],
)
def test_what_all_know_or_does_no_harm_is_left_alone(body: str) -> None:
    assert told(body) == []


def test_what_stands_behind_a_condition_has_something_to_fall_back_on() -> None:
    flex = ".a { display: flex }"

    assert told("", f"<style>{flex}</style>")
    assert told("", f"<style>@media (min-width: 1px) {{ {flex} }}</style>") == []
    assert told("", f'<style media="screen">{flex}</style>') == []


def test_what_classic_outlook_does_not_see_is_not_held_against_it() -> None:
    rgba = '<p style="color:rgba(0,0,0,.8)">x</p>'

    assert told(rgba)
    assert told(f"<!--[if !mso]><!-->{rgba}<!--<![endif]-->") == []
    assert told(f"<!--[if !mso]><!-->{rgba}<!--<![endif]-->{rgba}")


def test_names_of_clients_are_those_of_people() -> None:
    assert client_names(["gmail-web", "gmail-ios", "gmail-android"]) == "Gmail"
    assert client_names(["yahoo-ios", "thunderbird"]) == "Yahoo (iOS), Thunderbird"
    assert client_names(["outlook-windows"]) == "Outlook (classic for Windows)"


# ---------------------------------------------------------------- the data

SAMPLE = {
    "last_update_date": "2026-01-02 03:04:05 +0000",
    "data": [
        {
            "slug": "css-x",
            "title": "x ",
            "category": "css",
            "last_test_date": "2025-12-31",
            "stats": {
                "gmail": {"ios": {"2019-01": "y", "2025-12": "n #1"}, "android": {"2019": "a #2"}},
                "thunderbird": {"macos": {"60": "n"}, "windows": {"128": "y"}},
                "outlook": {"windows": {"2003": "n", "2019": "y"}},
                "hey": {"desktop-webmail": {"2020": "n"}},
            },
        },
        {"slug": "amp", "title": "AMP", "category": "others", "stats": {}},
    ],
}


def test_the_newest_test_of_a_client_counts_and_the_untested_is_not_claimed() -> None:
    document = compact(SAMPLE, "a licence")

    assert document["updated"] == "2026-01-02"
    assert document["licence"] == "a licence"
    assert document["features"] == {
        "css-x": {"title": "x", "tested": "2025-12-31", "lacking": ["gmail-ios"]}
    }


def test_a_renewal_reads_a_file_and_keeps_the_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    copy, source = tmp_path / "features.json", tmp_path / "data.json"
    copy.write_text(json.dumps(kept), encoding="utf-8")
    source.write_text(json.dumps(SAMPLE), encoding="utf-8")
    monkeypatch.setattr(client_data, "FILE", copy)
    try:
        renewed: ClientData = refresh(str(source), copy)
        written = json.loads(copy.read_text(encoding="utf-8"))
    finally:
        monkeypatch.undo()
        load_client_data.cache_clear()

    assert renewed.features["css-x"].lacking == ("gmail-ios",)
    assert written["licence"] == kept["licence"]
    assert "MIT" in written["licence"]


@pytest.mark.parametrize("text", ["{", '{"data": 3}', '{"data": [{}], "last_update_date": ""}'])
def test_what_is_not_caniemail_s_data_changes_nothing(tmp_path: Path, text: str) -> None:
    before = FILE.read_bytes()
    source = tmp_path / "data.json"
    source.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError):
        refresh(str(source))

    assert FILE.read_bytes() == before


def test_the_data_that_travel_with_the_program_are_whole() -> None:
    data = load_client_data()

    assert len(data.known) > 250
    assert set(HARMLESS) <= data.known
    assert {client for f in data.features.values() for client in f.lacking} <= set(CLIENTS)
    assert "gmail-ios" in data.features["css-at-media-prefers-color-scheme"].lacking
