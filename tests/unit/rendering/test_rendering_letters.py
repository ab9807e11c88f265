"""What letters say and look like: one matter, a link that works, no marketing, any language."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fakes.mailings import a_mailing

from newsletter.audience.letters import LetterKind
from newsletter.errors import TemplateError
from newsletter.rendering.content import EmailContent
from newsletter.rendering.letter_words import LetterForm
from newsletter.rendering.letters import format_until, render_letter
from newsletter.rendering.merge import Merged, merge
from newsletter.rendering.text.writer import columns
from newsletter.resources import bundled

IDENTITY = replace(a_mailing().identity, contact="hello@news.example.org")
TOKEN = "WzEyMzQ1Niw3LDEyMzQ1Njc4XQ.Abcdefghijklmnopqrstuvwxyz1"
ACTION = f"https://news.example.org/c/{TOKEN}"
VALUES = {
    "action_url": ACTION,
    "preferences_url": f"https://news.example.org/p/{TOKEN}",
    "unsubscribe_url": f"https://news.example.org/u/{TOKEN}",
    "link_until": "mercredi 30 septembre 2026, 07:00 (America/Argentina/Buenos_Aires)",
    "new_address": "n…@example.net",
}
BUTTONS = {
    LetterForm.CONFIRM: ACTION,
    LetterForm.NEW_ADDRESS: ACTION,
    LetterForm.MANAGE: ACTION,
    LetterForm.ALREADY: VALUES["preferences_url"],
}
LANGUAGES = ("en", "de", "fr", "pt-BR", "he")
EVERY = [(form, language) for form in LetterForm for language in LANGUAGES]


def letter(
    form: LetterForm = LetterForm.CONFIRM, language: str | None = None, **identity: str
) -> EmailContent:
    given = replace(IDENTITY, **identity)
    return render_letter(form, given, templates=Path("/nowhere"), language=language)


def filled(form: LetterForm, language: str | None = None, **identity: str) -> Merged:
    return merge(letter(form, language, **identity), VALUES)


def test_each_kind_of_letter_has_words() -> None:
    assert [form.value for form in LetterForm] == [kind.value for kind in LetterKind]


@pytest.mark.parametrize(("form", "language"), EVERY)
def test_the_subject_names_the_list_and_the_preview_says_something_else(
    form: LetterForm, language: str
) -> None:
    content = letter(form, language)

    assert "Daily" in content.subject
    assert len(content.subject) <= 78
    assert 40 <= len(content.preheader) <= 110
    assert content.preheader != content.subject
    assert "!" not in content.subject


@pytest.mark.parametrize(("form", "language"), EVERY)
def test_the_text_fits_76_columns_and_each_link_stands_whole_on_a_line_of_its_own(
    form: LetterForm, language: str
) -> None:
    lines = filled(form, language).text.split("\n")

    links = [line for line in lines if "://" in line]
    assert all(re.fullmatch(r"https://\S+", line) for line in links)
    assert all(columns(line) <= 76 for line in lines if line not in links)
    assert (BUTTONS[form] in links) if form in BUTTONS else not links


@pytest.mark.parametrize("form", BUTTONS)
def test_the_html_has_one_button_and_the_same_link_to_copy(form: LetterForm) -> None:
    html = filled(form).html

    assert html.count(f'href="{BUTTONS[form]}"') == 2
    assert f">{BUTTONS[form]}</a>" in html


def test_only_what_needs_them_has_links_to_preferences_and_leaving() -> None:
    leaving = {form for form in LetterForm if "/u/" in filled(form).html}
    preferences = {form for form in LetterForm if "/p/" in filled(form).html}

    assert leaving == preferences == {LetterForm.ALREADY}


def test_a_confirmation_says_why_it_came_how_long_it_works_and_what_doing_nothing_means() -> None:
    for part in (filled(LetterForm.CONFIRM).text, filled(LetterForm.CONFIRM).html):
        words = " ".join(part.split())
        assert "because this address was entered to join Daily" in words
        assert VALUES["link_until"] in words
        assert "do nothing" in words
        assert "1 Main Street" in words
        assert "hello@news.example.org" in words


@pytest.mark.parametrize(
    ("language", "once", "then"),
    [
        ("en", "works once, until", "The link works until mercredi 30"),
        ("de", "geht einmal, bis", "Der Link gilt bis mercredi 30"),
        ("fr", "sert une fois", "Le lien fonctionne jusqu’au mercredi 30"),
    ],
)
def test_a_link_that_shows_everything_says_how_long_it_works_and_is_not_to_be_passed_on(
    language: str, once: str, then: str
) -> None:
    confirm, manage = filled(LetterForm.CONFIRM, language), filled(LetterForm.MANAGE, language)

    assert once in " ".join(confirm.text.split())
    assert once not in " ".join(manage.text.split())
    assert then in " ".join(manage.text.split())
    assert then in " ".join(manage.html.split())
    assert re.search(r"forward|leiten Sie|transférez", manage.text)


def test_who_was_moved_learns_where_to_and_whom_to_write_to() -> None:
    moved = filled(LetterForm.MOVED)

    assert "goes to n…@example.net." in moved.html
    assert "\nn…@example.net.\n" in moved.text
    assert 'href="mailto:hello@news.example.org"' in moved.html


def test_without_a_contact_the_sender_is_named() -> None:
    content = render_letter(
        LetterForm.MOVED, replace(IDENTITY, contact=None), templates=Path("/nowhere")
    )

    assert "write to daily@news.example.org" in " ".join(content.text.split())


def test_the_words_are_the_readers_language_where_we_speak_it() -> None:
    assert letter(language="fr-CA").subject == "Confirmez votre abonnement à Daily"
    assert letter(language="de").language == "de"
    assert letter(language="sv").subject == "Confirm your subscription to Daily"
    assert letter(**{"language": "de"}).subject.startswith("Bitte bestätigen")


def test_a_letter_of_a_right_to_left_list_runs_so_and_marks_its_english_words() -> None:
    content = letter(language="he", title="היומון")

    assert (content.language, content.direction) == ("he", "rtl")
    assert re.search(r'<html lang="he" dir="rtl"', content.html)
    assert re.search(r'<h1[^>]* lang="en" dir="ltr">', content.html)
    assert 'align="right"' in content.html
    assert re.search(r'<html lang="de" dir="ltr"', letter(language="de").html)


def test_layout_tables_are_none_to_a_screen_reader_and_there_is_one_heading() -> None:
    html = letter().html

    layout = re.findall(r"<table[^>]*>", html)
    assert layout
    assert all('role="presentation"' in table for table in layout)
    assert re.findall(r"<h\d", html) == ["<h1"]
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme"' in html


def test_nothing_is_fetched_from_elsewhere_and_nothing_is_advertised() -> None:
    for form in LetterForm:
        html = letter(form).html
        assert not re.search(r"<(img|script|link|form)\b", html, re.IGNORECASE)
        assert "http" not in re.sub(r'xmlns(:\w)?="[^"]*"', "", html).replace("http-equiv", "")


def test_a_title_that_looks_like_html_comes_out_as_typed() -> None:
    content = letter(title="<b>{7*7}</b> & Co\r\nBcc: x@example.org")

    assert "<b>{7*7}" not in content.html
    assert "&lt;b&gt;{7*7}&lt;/b&gt; &amp; Co" in content.html
    assert "\r" not in content.subject
    assert "\n" not in content.subject


def test_the_content_is_the_same_for_all_and_each_time() -> None:
    assert letter() == letter()
    fields = {form: {slot.field for slot in letter(form).slots} for form in LetterForm}
    assert fields == {
        LetterForm.CONFIRM: {"action_url", "link_until"},
        LetterForm.NEW_ADDRESS: {"action_url", "link_until"},
        LetterForm.MANAGE: {"action_url", "link_until"},
        LetterForm.ALREADY: {"preferences_url", "unsubscribe_url"},
        LetterForm.MOVED: {"new_address"},
    }


def test_a_link_that_is_none_is_left_out() -> None:
    shown = merge(letter(), {**VALUES, "action_url": "javascript:alert(1)"})

    assert "javascript" not in shown.html + shown.text


def test_the_end_of_a_link_is_named_in_the_zone_and_language_of_the_letter() -> None:
    at = datetime(2026, 12, 1, 6, 0, tzinfo=UTC)

    assert format_until(at, "Europe/Paris", "en") == (
        "Tuesday, 1 December 2026, 07:00 (Europe/Paris)"
    )
    assert format_until(at, "UTC", "de") == "Dienstag, 1. Dezember 2026, 06:00 (UTC)"
    assert format_until(at, "UTC", "he") == "Tuesday, 1 December 2026, 06:00 (UTC)"


def own_template(folder: Path, text: str) -> EmailContent:
    (folder / "letter.mjml.j2").write_text(text, encoding="utf-8")
    return render_letter(LetterForm.CONFIRM, IDENTITY, templates=folder)


def test_a_workspace_without_the_template_takes_the_programs(tmp_path: Path) -> None:
    (tmp_path / "partials").mkdir()
    (tmp_path / "partials" / "dark.css").write_text(".mine { color: red; }", encoding="utf-8")

    content = render_letter(LetterForm.CONFIRM, IDENTITY, templates=tmp_path)

    assert ".mine" in content.html
    assert ".button a" in content.html
    assert bundled("templates/email/letter.mjml.j2").is_file()


def test_an_operators_template_is_taken_and_must_keep_the_link(tmp_path: Path) -> None:
    frame = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column>"
    frame += "</mj-section></mj-body></mjml>"

    assert "Mine" in own_template(tmp_path, frame.format("Mine: {{ button_url }}")).html
    with pytest.raises(TemplateError, match="no link to press"):
        own_template(tmp_path, frame.format("Mine"))
    with pytest.raises(TemplateError, match=r"letter\.mjml\.j2:1"):
        own_template(tmp_path, "{{ nonsense }}")
