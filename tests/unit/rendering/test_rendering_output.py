"""The email that a digest becomes: HTML, text, subject, preheader, and what templates may do."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.mailings import a_mailing

from newsletter.digest.parser import load, parse
from newsletter.errors import TemplateError
from newsletter.rendering.checks.email import CODES, check_content
from newsletter.rendering.content import EmailContent
from newsletter.rendering.merge import merge
from newsletter.rendering.mjml_tags import refuse_unknown_tags
from newsletter.rendering.render import render
from newsletter.rendering.text.writer import columns, wrap

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
# Read now: tests see none of the machine's own variables.
UPDATE = bool(os.environ.get("NEWSLETTER_UPDATE_GOLDEN"))
IDENTITY = a_mailing().identity
LINKS = {
    "unsubscribe_url": "https://news.example.org/u/token",
    "preferences_url": "https://news.example.org/p/token",
}
DIGEST = """\
# A small *digest*

*By Ada • November 24, 2026*

Dear {{ first_name | default("reader") }}, this lede is long enough to fill the preview line well.

## Section

### First story

Plain, **strong**, `code`, [a link](https://example.org/?a=1&b=2) and facts [^1][^2].

> A quote.

1. One
2. Two

| name | size |
| --- | ---: |
| tide | 4 |

```
if a < b:
    pass
```

![A boat](https://example.org/boat.png "At low tide"){width=600 height=300}

**Why it matters:** Because <b>it</b> does & more.

### Sources

[^1]: [𝕏 post by @someone](https://example.org/1)
[^2]: Only words
"""


def rendered(text: str = DIGEST, **identity: str) -> EmailContent:
    digest = parse(text, slug="2026-11-24").digest
    return render(digest, replace(IDENTITY, **identity), templates=Path("/nowhere"))


@pytest.mark.parametrize(("part", "name"), [("html", "small.html"), ("text", "small.txt")])
def test_the_email_is_the_golden_one(part: str, name: str) -> None:
    produced = getattr(merge(rendered(), {"first_name": "Ada", **LINKS}), part)
    path = GOLDEN / name

    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(produced, encoding="utf-8")

    assert produced == path.read_text(encoding="utf-8"), "NEWSLETTER_UPDATE_GOLDEN=1 renews it"


def test_html_from_a_digest_comes_out_as_typed() -> None:
    html = rendered().html

    assert "&lt;b&gt;it&lt;/b&gt;" in html
    assert "if a &lt; b:" in html


def test_headings_are_in_order_and_there_is_one_h1() -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)", rendered().html)]

    assert levels == [1, 2, 3, 2]


def test_a_citation_links_to_its_source_and_says_which_it_is() -> None:
    html = rendered().html

    assert '<a href="https://example.org/1" aria-label="Source 1: 𝕏 post by @someone"' in html
    assert 'href="#source-2"' in html
    assert 'id="source-2"' in html


def test_language_direction_and_presentation_tables_are_said() -> None:
    html = rendered("---\nlanguage: he\n---\n" + DIGEST).html

    assert re.search(r'<html lang="he" dir="rtl"', html)
    layout = re.findall(r"<table[^>]*>", html)
    data = [table for table in layout if 'role="presentation"' not in table]
    assert len(data) == 1, "only the digest's own table is one of data"


def test_nothing_from_elsewhere_is_needed_to_read_it() -> None:
    html = rendered().html

    assert not re.search(r"<(script|form|iframe|link)\b|@import|@font-face", html)
    assert re.findall(r'<img src="([^"]+)"', html) == ["https://example.org/boat.png"]
    assert 'alt="A boat"' in html


def test_the_text_part_has_short_lines_whole_urls_and_no_markup() -> None:
    text = merge(rendered(), LINKS).text

    for line in text.split("\n"):
        assert columns(line) <= 76 or line.strip().startswith("http"), line
    assert "[1][2]" in text
    assert "https://example.org/?a=1&b=2" in text
    assert "**" not in text
    assert "](http" not in text
    assert "Unsubscribe:\nhttps://news.example.org/u/token" in text


def test_the_preheader_is_the_lede_and_the_subject_the_title() -> None:
    content = rendered()

    assert content.subject == "A small digest"
    assert content.preheader.startswith("Dear reader, this lede")
    assert 40 <= len(content.preheader) <= 110


def test_a_merge_field_in_the_title_is_filled_in_subject_html_and_text() -> None:
    content = rendered(DIGEST.replace("A small *digest*", 'News for {{ name | default("you") }}'))

    merged = merge(content, {"name": "Ada", **LINKS})

    assert merged.subject == "News for Ada"
    assert "News for Ada" in merged.text
    assert "News for Ada</h1>" in merged.html


def test_wide_characters_count_as_two_columns_and_long_words_stay_whole() -> None:
    assert columns("山田e\u0301") == 5
    assert wrap("x" * 5000) == "x" * 5000


def test_the_reference_digest_becomes_a_small_sound_email(shared: Path) -> None:
    digest = load(shared / "digests" / "2026-05-07.md").digest

    content = render(digest, IDENTITY, templates=Path("/nowhere"))

    assert len(re.findall(r"<h3 ", content.html)) == 5
    assert content.html.count('class="why"') == 5
    assert len(re.findall(r'<li id="source-\d+"', content.html)) == 13
    assert len(content.html.encode()) < 60_000
    assert check_content(content, IDENTITY) == ()


# ---------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("code", "content", "identity"),
    [
        ("html-too-large", {"html": "x" * 110_000}, {}),
        ("html-large", {"html": "x" * 95_000}, {}),
        ("no-subject", {"subject": " "}, {}),
        ("long-subject", {"subject": "word " * 20}, {}),
        ("shouting-subject", {"subject": "READ THIS NOW PLEASE"}, {}),
        ("no-preheader", {"preheader": ""}, {}),
        ("short-preheader", {"preheader": "Short."}, {}),
        ("preheader-is-subject", {"preheader": "A small digest"}, {}),
        ("no-postal-address", {}, {"postal_address": " "}),
        ("no-unsubscribe-link", {"text": "nothing"}, {}),
        ("remote-content", {"html": "<script>x</script>"}, {}),
    ],
)
def test_each_fault_of_the_email_is_a_finding(
    code: str, content: dict[str, str], identity: dict[str, str]
) -> None:
    findings = check_content(replace(rendered(), **content), replace(IDENTITY, **identity))

    assert code in {finding.code for finding in findings}
    assert {finding.code for finding in findings} <= set(CODES)
    assert all(finding.fix for finding in findings)


# ---------------------------------------------------------------- templates


@pytest.mark.parametrize(
    ("mjml", "words"),
    [
        ("<mjml><mj-body><mj-txet>x</mj-txet></mj-body></mjml>", "no tag <mj-txet>"),
        ("<mjml><mj-body><mj-text sise='1'>x</mj-text></mj-body></mjml>", "no attribute 'sise'"),
        ("<mjml><mj-body><div>x</div></mj-body></mjml>", "<div> stands where MJML"),
        ("<mjml><mj-body></mj-text></mj-body></mjml>", "closes what is not open"),
    ],
)
def test_mjml_that_the_library_would_pass_in_silence_is_refused(mjml: str, words: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(words)):
        refuse_unknown_tags(mjml, name="digest.mjml.j2")


def own_template(folder: Path, text: str) -> EmailContent:
    (folder / "digest.mjml.j2").write_text(text, encoding="utf-8")
    return render(parse(DIGEST, slug="x").digest, IDENTITY, templates=folder)


def test_an_operator_may_replace_a_template_and_keep_the_partials(tmp_path: Path) -> None:
    content = own_template(
        tmp_path,
        '<mjml lang="{{ language }}"><mj-body><mj-section><mj-column><mj-text>Mine: {{ masthead }}'
        '</mj-text></mj-column></mj-section>{% include "partials/footer.mjml.j2" %}</mj-body>'
        "</mjml>",
    )

    assert "Mine: Daily" in content.html
    assert "1 Main Street" in content.html


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<mjml>\n{% if %}</mjml>", ":2"),
        ("<mjml>\n\n{{ nonsense }}</mjml>", ":3"),
        ("<mjml>\n{{ ''.__class__.__mro__ }}</mjml>", ":2"),
    ],
)
def test_a_broken_template_names_its_own_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(TemplateError) as caught:
        own_template(tmp_path, text)

    assert f"digest.mjml.j2{line}" in str(caught.value)
