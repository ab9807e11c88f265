"""The colours of the frame come from the server, whatever the browser's own are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.web.preview.forcing import NOWHERE, force_scheme, framed_html
from newsletter.web.preview.guarding import host_check
from newsletter.web.preview.looks import Look, Scheme

YES, NO = "(min-width: 0px)", "(max-width: 0px)"


@pytest.mark.parametrize(
    ("css", "light", "dark"),
    [
        (
            "@media (prefers-color-scheme: dark) {a{}}",
            f"@media {NO} {{a{{}}}}",
            f"@media {YES} {{a{{}}}}",
        ),
        ("@media (prefers-color-scheme:light){}", f"@media {YES}{{}}", f"@media {NO}{{}}"),
        (
            "@media screen and (PREFERS-Color-Scheme: dark) and (max-width:600px){}",
            f"@media screen and {NO} and (max-width:600px){{}}",
            f"@media screen and {YES} and (max-width:600px){{}}",
        ),
        (
            "@supports (a:b) { @media (prefers-color-scheme: dark) { p{} } }",
            f"@supports (a:b) {{ @media {NO} {{ p{{}} }} }}",
            f"@supports (a:b) {{ @media {YES} {{ p{{}} }} }}",
        ),
        (
            ":root{color-scheme: light dark; color: red}",
            ":root{color-scheme: light light; color: red}",
            ":root{color-scheme: dark dark; color: red}",
        ),
        (
            ":root{color-scheme:only light}",
            ":root{color-scheme:light light}",
            ":root{color-scheme:only light}",
        ),
        ('p{content:"(prefers-color-scheme: dark)"}',)
        + ('p{content:"(prefers-color-scheme: dark)"}',) * 2,
        ("@media (prefers-color-scheme) {}",) + ("@media (prefers-color-scheme) {}",) * 2,
    ],
)
def test_a_scheme_is_forced_wherever_it_is_asked_for(css: str, light: str, dark: str) -> None:
    assert force_scheme(css, Scheme.LIGHT) == light
    assert force_scheme(css, Scheme.DARK) == dark
    assert force_scheme(css, Scheme.INVERTED) == light


@given(st.text())
def test_no_style_sheet_breaks_the_frame(css: str) -> None:
    force_scheme(css, Scheme.DARK)
    framed_html(f"<style>{css}</style><p>x</p>", Look(scheme=Scheme.INVERTED, images=False))


def test_links_within_the_message_work_and_others_say_where_they_lead() -> None:
    html = '<a href="#s1">1</a><a href="https://a.example/?b=1" target="_blank" ping="/x">a</a>'

    framed = framed_html(html, Look())

    assert '<a href="#s1">' in framed
    assert f'<a href="{NOWHERE}" title="https://a.example/?b=1">' in framed


def test_a_look_survives_its_own_link_and_strange_words_do_no_harm() -> None:
    look = Look(digest="a b&c.md", reader="7", width=1280, scheme=Scheme.DARK, images=False, line=3)

    assert Look.from_query(look.query) == look
    assert (
        Look.from_query({"width": "7", "scheme": "x", "line": "²", "view": "", "images": "?"})
        == Look()
    )
    assert Look().url() == "./"


def test_listening_everywhere_still_refuses_names_that_others_chose() -> None:
    is_ours = host_check("0.0.0.0", "Desk")

    assert [
        is_ours(host) for host in ("192.168.1.7:8010", "desk:8010", "[fe80::1]", "localhost")
    ] == [True] * 4
    assert not any(is_ours(host) for host in ("evil.example:8010", "", "desk.evil.example"))
