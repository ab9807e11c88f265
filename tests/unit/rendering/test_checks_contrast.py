"""Contrast in the rendered HTML: what is judged, in light and dark, and what cannot be known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering.checks.contrast import check_contrast
from newsletter.rendering.checks.page import read_page
from newsletter.rendering.content import Slot, SlotContext


def judged(body: str, css: str = "") -> list[tuple[str, str]]:
    page = read_page(f"<html><head><style>{css}</style></head><body>{body}</body></html>")
    return [(f.code, f.problem) for f in check_contrast(page)]


def codes(body: str, css: str = "") -> list[str]:
    return [code for code, _ in judged(body, css)]


GREY_ON_WHITE = '<p style="color:#aaaaaa">words</p>'


@pytest.mark.parametrize(
    "body",
    [
        GREY_ON_WHITE,
        '<p style="color: RGB(170, 170, 170)">words</p>',
        '<p style="color:rgba(0,0,0,.3)">words</p>',
        '<div style="background:#333 none"><p style="color:#555">words</p></div>',
        '<table bgcolor="#333333"><tr><td style="color:#555">words</td></tr></table>',
        '<p style="color:#aaa"><b>words</b></p>',
        '<p style="color:#949494;font-size:24px"><span style="font-size:12px">words</span></p>',
        '<a href="x" style="background:#0000aa">a link in its default blue</a>',
    ],
)
def test_text_that_stands_out_too_little_is_found(body: str) -> None:
    assert codes(body) == ["low-contrast"]


@pytest.mark.parametrize(
    "body",
    [
        '<p style="color:#767676">words</p>',
        '<p style="color:#949494;font-size:24px">words</p>',
        '<p style="color:#949494;font-size:14pt;font-weight:bold">words</p>',
        '<p style="color:#aaa;display:none">words</p>',
        '<div style="opacity:0"><p style="color:#fff">words</p></div>',
        '<p style="color:#fff;font-size:1px">words</p>',
        '<p style="color:#fff;background:url(x.png)">over an image</p>',
        '<p style="color:#fff;background-image:linear-gradient(#000,#111)">over a gradient</p>',
        '<p style="color:#fff"> &#847;&#8199; </p>',
        '<p style="color:#aaa"><span style="color:#222">words</span></p>',
        '<p style="color:var(--ink)">words</p>',
        "<!--[if mso]><p style='color:#fff'>words</p><![endif]-->",
    ],
)
def test_what_is_readable_unseen_or_unknown_is_left_alone(body: str) -> None:
    assert codes(body) == []


def test_rules_of_the_style_sheet_count_and_the_attribute_is_stronger() -> None:
    css = ".a p { color: #aaaaaa } .b { color: #aaaaaa }"

    assert codes('<div class="a"><p>words</p></div>', css) == ["low-contrast"]
    assert codes('<p class="b" style="color:#222222">words</p>', css) == []
    assert codes('<p class="b" style="color:#222222">words</p>', css.replace("}", "!important}"))


def test_dark_adds_the_rules_behind_its_condition() -> None:
    css = "@media (prefers-color-scheme: dark) { .g { background: #111 !important } }"
    body = (
        '<div class="g" style="background-color:#ffffff"><p style="color:#222222">words</p></div>'
    )

    assert judged(body, css) == [
        ("low-contrast-dark", "'words' is #222222 on #111111: contrast 1.19, needed 4.5")
    ]
    lighter = css.replace("} }", "} .g p { color: #eee !important } }")
    assert codes(body, lighter) == []


def test_conditions_that_do_not_hold_everywhere_are_left_out() -> None:
    css = "@media (max-width: 480px) { p { color: #fff } } a:hover { color: #fff }"

    assert codes('<p>words <a href="x" style="color:#00f">link</a></p>', css) == []


def test_a_pair_of_colours_is_told_once_and_many_are_counted() -> None:
    assert len(judged(GREY_ON_WHITE * 9)) == 1
    many = "".join(f'<p style="color:#{n}{n}aaaa">words</p>' for n in "abcdef9")

    told = judged(many)

    assert len(told) == 6
    assert told[-1][1] == "and 2 more pairs of colours"


def test_merge_fields_are_quoted_by_their_name() -> None:
    slots = (Slot("slotfeedx0001x", "first_name", "", SlotContext.HTML),)
    page = read_page('<p style="color:#aaa">Dear slotfeedx0001x</p>', slots)

    assert "'Dear {first_name}'" in check_contrast(page)[0].problem


@given(st.text(max_size=200), st.text(max_size=100))
def test_any_html_and_css_is_judged_without_complaint(body: str, css: str) -> None:
    judged(f'<p style="{css}">x{body}</p>', css)
