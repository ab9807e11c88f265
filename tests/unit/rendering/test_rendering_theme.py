"""Themes: colours that can be read, settings that cannot break out, two looks of one template."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from pydantic import ValidationError
from tests.fakes.mailings import a_mailing

from newsletter.digest.parser import parse
from newsletter.errors import ConfigurationError
from newsletter.rendering.contrast import contrast, mix
from newsletter.rendering.letter_words import LetterForm
from newsletter.rendering.letters import render_letter
from newsletter.rendering.render import render
from newsletter.rendering.style_rules import RULES
from newsletter.rendering.styles import ROLES, ClassStyles, InlineStyles, dark_rules, word_font
from newsletter.rendering.theme import PAPER, PLAIN, THEMES, Palette, Theme, theme_of, too_faint
from newsletter.settings.theme_part import ThemePart

IDENTITY = a_mailing().identity
DIGEST = """\
# Title

*By Ada • November 24, 2026*

A lede with `code` that is long enough for the preview line of a phone.

## Section

### Story

Text [^1].

**Why it matters:** It does.

### Sources

[^1]: [Label](https://www.example.org/1)
"""
colours = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


def html_of(theme: Theme = PAPER, text: str = DIGEST, folder: Path = Path("/nowhere")) -> str:
    return render(parse(text, slug="x").digest, IDENTITY, templates=folder, theme=theme).html


# ---------------------------------------------------------------- contrast


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#0000ff", "#ffffff", 8.59)],
)
def test_contrast_is_that_of_wcag(first: str, second: str, ratio: float) -> None:
    assert contrast(first, second) == pytest.approx(ratio, abs=0.01)


@given(colours, colours)
def test_contrast_is_between_1_and_21_and_the_same_both_ways(first: str, second: str) -> None:
    ratio = contrast(first, second)

    assert 1 <= ratio <= 21.001
    assert ratio == contrast(second, first)


def test_a_mix_lies_between_its_colours() -> None:
    assert mix("#ffffff", "#000000", 0) == "#000000"
    assert mix("#ffffff", "#000000", 1) == "#ffffff"
    assert mix("#ffffff", "#000000", 0.5) == "#808080"


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_our_themes_can_be_read_in_light_and_dark_and_know_no_pure_black_or_white(
    theme: Theme,
) -> None:
    for palette in (theme.light, theme.dark):
        assert not list(too_faint(palette))
        used = {getattr(palette, f.name) for f in fields(Palette)}
        assert not used & {"#000000", "#ffffff"}


@pytest.mark.parametrize(
    ("given_colours", "words"),
    [
        ({"quiet": "#9a9a9a"}, r"'theme\.quiet' #9a9a9a on 'theme\.paper' #fdfcfa .* 2\.7\d:1"),
        ({"dark_ink": "#333333"}, r"'theme\.dark_ink' #333333 on 'theme\.dark_paper' #1d2125"),
        ({"ground": "#333333"}, r"'theme\.ink' #\w+ on 'theme\.ground' #333333"),
    ],
)
def test_colours_that_are_hard_to_read_together_are_refused_with_both_keys_and_the_ratio(
    given_colours: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        theme_of(ThemePart(**given_colours))

    assert caught.value.fix


@given(st.dictionaries(st.sampled_from([f.name for f in fields(Palette)]), colours))
def test_a_theme_is_refused_or_can_be_read(given_colours: dict[str, str]) -> None:
    try:
        theme = theme_of(ThemePart(**given_colours))
    except ConfigurationError:
        return

    assert not list(too_faint(theme.light))


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "key_and_value",
    [
        ("ink", "red"),
        ("ink", "#fff"),
        ("ink", "#12345g"),
        ("ink", "#123456;background:url(https://x)"),
        ("body_font", "Georgia; color: red"),
        ("body_font", 'Georgia"><script>'),
        ("body_font", "Georgia, 'Times"),
        ("body_font", "url(https://x)"),
        ("logo", "http://example.org/logo.png"),
        ("logo", "javascript:alert(1)"),
        ("logo", 'https://example.org/"onerror="x'),
        ("logo", "https://example.org/a b"),
        ("name", "fancy"),
        ("contents_from", -1),
    ],
)
def test_a_setting_that_could_break_out_of_a_style_is_refused(
    key_and_value: tuple[str, object],
) -> None:
    key, value = key_and_value

    with pytest.raises(ValidationError):
        ThemePart.model_validate({"logo_width": 200, "logo_height": 50, key: value})


@given(st.text(max_size=60))
def test_no_font_stack_that_is_taken_leaves_its_declaration(stack: str) -> None:
    try:
        part = ThemePart(body_font=stack)
    except ValidationError:
        return

    assert part.body_font is not None
    assert not set(part.body_font) & set(';:{}<>"\\()/\n')
    assert part.body_font.count("'") % 2 == 0


def test_a_logo_needs_its_size() -> None:
    with pytest.raises(ValidationError, match="logo_width and logo_height"):
        ThemePart(logo="https://example.org/logo.png")
    with pytest.raises(ValidationError, match="logo_dark belongs"):
        ThemePart(logo_dark="https://example.org/logo.png")


def test_the_settings_colours_and_fonts_are_those_of_the_email() -> None:
    html = html_of(theme_of(ThemePart(link="#7a1f5c", dark_link="#f0a8d8", body_font="Verdana")))

    assert "color:#7a1f5c" in html
    assert "a, .citation" not in html
    assert re.search(
        r"prefers-color-scheme: dark.*\ba\b[^{]*\{ color: #f0a8d8 !important", html, re.S
    )
    assert "font-family:Verdana" in html
    assert "font-family: 'Verdana'" in html, "Word gets a font that it has"


def test_a_logo_stands_for_the_masthead_and_reads_where_pictures_are_off() -> None:
    part = ThemePart(
        masthead="The <Daily>",
        logo="https://example.org/logo.png",
        logo_dark="https://example.org/dark.png",
        logo_width=200,
        logo_height=50,
    )

    html = html_of(theme_of(part))

    assert re.search(
        r'<img class="logo-light" src="https://example.org/logo.png" '
        r'alt="The &lt;Daily&gt;" width="200" height="50"',
        html,
    )
    assert "background-color:#fdfcfa;background-image:linear-gradient" in html, "a plate below it"
    assert '<img src="https://example.org/dark.png" alt=""' in html.replace(
        ' class="logo-dark"', ""
    )


def test_the_masthead_of_the_settings_wins_over_the_lists_title() -> None:
    assert ">The Morning</p>" in html_of(theme_of(ThemePart(masthead=" The  Morning ")))
    assert ">Daily</p>" in html_of()


# ---------------------------------------------------------------- styles


def test_each_role_has_a_style_inline_and_a_class_for_pages() -> None:
    for role in ROLES:
        inline = InlineStyles(PAPER).attribute(role)
        assert isinstance(inline, Markup)
        assert re.fullmatch(r'( class="[a-z0-9 -]+")? style="[^"{}<>]+"', inline), role
        assert ClassStyles().attribute(role) == f' class="digest-{role}"'


def test_a_theme_changes_only_roles_that_there_are() -> None:
    for theme in THEMES.values():
        assert {role for role, _ in theme.rules} <= set(RULES)
        assert {role for role, _ in theme.phone} <= set(RULES)


def test_lines_begin_at_the_right_where_the_language_does() -> None:
    left, right = InlineStyles(PAPER, "left"), InlineStyles(PAPER, "right")

    assert "border-left:4px" in left.attribute("why-box")
    assert "border-right:4px" in right.attribute("why-box")
    assert "padding-right:26px" in right.attribute("list")


def test_labels_are_letter_spaced_only_where_the_script_allows_it() -> None:
    assert "letter-spacing:0.03em" in InlineStyles(PAPER).attribute("why-label")
    assert "letter-spacing:normal" in InlineStyles(PAPER, spaced=False).attribute("why-label")


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_every_colour_that_stands_inline_has_an_answer_on_dark_screens(theme: Theme) -> None:
    answered = {
        (selector, kind) for selectors, kind, _ in dark_rules(theme) for selector in selectors
    }
    html = html_of(theme)
    body = html[html.index("<body") :]

    for tag, attributes in re.findall(r"<([a-z0-9]+)([^>]*)>", body):
        style = re.search(r'style="([^"]*)"', attributes)
        if style is None or "mso" in attributes or not re.search(r"(^|;)color:", style[1]):
            continue
        classes = re.search(r'class="([^"]*)"', attributes)
        names = {f".{name}" for name in (classes[1].split() if classes else [])} | {tag}
        known = {name for name, kind in answered if kind == "color"}
        assert names & known or tag == "div", f"<{tag}{attributes}>"


def test_dark_colours_are_there_for_outlook_too_and_no_style_is_too_long_for_gmail() -> None:
    html = html_of()
    blocks = re.findall(r"<style[^>]*>(.*?)</style>", html, re.S)

    assert '<meta name="color-scheme" content="light dark"' in html
    assert "color-scheme: light dark" in html
    assert "[data-ogsc] .why-label" in html
    assert f"[data-ogsb] .paper {{ background-color: {PAPER.dark.paper}" in html.replace(
        ", [data-ogsb] .paper > table", ""
    )
    assert max(len(block) for block in blocks) < 8192


@pytest.mark.parametrize(
    ("stack", "font"),
    [
        ("-apple-system, 'Segoe UI', Arial", "Segoe UI"),
        ("Georgia, serif", "Georgia"),
        ("'Fancy Face', cursive", "Arial"),
    ],
)
def test_word_gets_the_first_font_that_it_has(stack: str, font: str) -> None:
    assert word_font(stack, "Arial") == font


def test_word_gets_its_own_style_in_a_comment_that_others_skip() -> None:
    html = html_of()

    found = re.search(r"<!--\[if mso\]><style[^>]*>(.*?)</style><!\[endif\]-->", html, re.S)
    assert found
    assert "mso-line-height-rule: exactly" in found[1]
    assert 'width="640"' in html


# ---------------------------------------------------------------- the two looks


def test_the_plain_theme_is_hardly_more_than_text() -> None:
    paper, plain = html_of(PAPER), html_of(PLAIN)

    assert re.search(r'<table role="presentation"[^>]* class="why"', paper)
    assert re.search(r'<div class="why" style="[^"]*border-left:1px solid', plain)
    assert PLAIN.light.tint not in plain.replace("code", "") or "<code" in plain
    assert "Georgia" not in plain
    assert "border-top:4px" in paper
    assert "border-top:4px" not in plain
    for html in (paper, plain):
        assert "Why it matters</p>" in html
        assert "Sources</h2>" in html
        assert "1 Main Street" in html


def test_letters_take_part_in_the_theme() -> None:
    letter = render_letter(
        LetterForm.CONFIRM,
        IDENTITY,
        templates=Path("/nowhere"),
        theme=theme_of(ThemePart(name="plain", masthead="The Morning", link="#7a1f5c")),
    )

    assert "The Morning</p>" in letter.html
    assert "background:#7a1f5c" in letter.html
    assert "Georgia" not in letter.html


def test_the_operators_file_wins_over_that_of_a_theme(tmp_path: Path) -> None:
    (tmp_path / "partials").mkdir()
    (tmp_path / "partials" / "why.mjml.j2").write_text("<b>Mine</b> {{ story.why }}")

    assert "<b>Mine</b>" in html_of(PLAIN, folder=tmp_path)
    assert "<b>Mine</b>" in html_of(PAPER, folder=tmp_path)


def test_the_operators_file_for_one_theme_leaves_the_other_alone(tmp_path: Path) -> None:
    folder = tmp_path / "themes" / "plain" / "partials"
    folder.mkdir(parents=True)
    (folder / "why.mjml.j2").write_text("<b>Mine</b> {{ story.why }}")

    assert "<b>Mine</b>" in html_of(PLAIN, folder=tmp_path)
    assert "<b>Mine</b>" not in html_of(PAPER, folder=tmp_path)


def test_a_change_of_a_template_is_seen_at_the_next_rendering(tmp_path: Path) -> None:
    (tmp_path / "partials").mkdir()
    file = tmp_path / "partials" / "why.mjml.j2"
    file.write_text("<b>First</b>")
    first = html_of(folder=tmp_path)
    file.write_text("<b>Second and longer</b>")
    later = file.stat().st_mtime + 10
    os.utime(file, (later, later))

    assert "First" in first
    assert "Second and longer" in html_of(folder=tmp_path)
