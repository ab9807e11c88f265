"""The checks of a rendered email: for each code one email that earns it and one that does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.mailings import a_mailing

from newsletter.digest.model import Finding
from newsletter.digest.parser import load, parse
from newsletter.rendering.checks.codes import ALL_CODES, CODES
from newsletter.rendering.checks.email import check_content
from newsletter.rendering.content import EmailContent
from newsletter.rendering.render import render

SAMPLE = Path(__file__).resolve().parents[3] / "digests" / "2026-11-24.md"
IDENTITY = a_mailing().identity
PAGE = (
    '<html lang="en" dir="ltr"><head>{head}</head><body><h1>A title</h1>{body}'
    '<a href="UNSUBSCRIBE">Unsubscribe</a></body></html>'
)
PREVIEW = "Words enough for the line below the subject in the inbox."


def an_email(body: str = "", *, head: str = "", page: str = PAGE, **fields: str) -> EmailContent:
    """Return an email without fault but for what is put into it."""
    content = a_mailing().content
    link = next(s for s in content.slots if s.field == "unsubscribe_url" and s.context == "html")
    html = page.replace("{head}", head).replace("{body}", body).replace("UNSUBSCRIBE", link.tag)
    return replace(content, **{"html": html, "preheader": PREVIEW, **fields})


def findings(content: EmailContent, **identity: str) -> dict[str, Finding]:
    return {f.code: f for f in check_content(content, replace(IDENTITY, **identity))}


def dark(rule: str) -> str:
    return f"<style>@media (prefers-color-scheme: dark) {{ {rule} }}</style>"


IMAGE = '<img src="https://a.example/x.png" alt="A boat" width="6" height="4">'
LINK = '<a href="https://a.example/1">The minutes</a>'

# Code → what earns it in the body or head, and what is near to it and does not.
IN_THE_HTML: dict[str, tuple[str, str]] = {
    "client-lacks-feature": (
        '<div style="display:flex">x</div>',
        '<div style="border-radius:4px">x</div>',
    ),
    "deceptive-link-text": (
        '<a href="https://evil.example/">https://bank.example</a>',
        '<a href="https://bank.example/">https://bank.example</a>',
    ),
    "duplicate-link": (f"{LINK} {LINK}", f"{LINK} and {LINK}"),
    "empty-link-text": (
        '<a href="https://a.example/"><img src="x" alt="" width="1" height="1"></a>',
        f'<a href="https://a.example/">{IMAGE}</a>',
    ),
    "event-handler": ('<p onclick="x()">x</p>', '<p title="onclick">x</p>'),
    "heading-level-jump": ("<h2>a</h2><h4>b</h4>", "<h2>a</h2><h3>b</h3><h2>c</h2>"),
    "html-large": ("x" * 95_000, "x" * 80_000),
    "html-too-large": ("x" * 110_000, "x" * 95_000),
    "image-without-alt": (IMAGE.replace(' alt="A boat"', ""), IMAGE.replace("A boat", "")),
    "image-without-size": (IMAGE.replace(' height="4"', ""), IMAGE),
    "insecure-image": (IMAGE.replace("https", "http"), IMAGE),
    "insecure-link": (LINK.replace("https", "http"), LINK),
    "large-inlined-image": (
        IMAGE.replace("https://a.example/x.png", "data:image/png;base64," + "A" * 3000),
        IMAGE.replace("https://a.example/x.png", "data:image/gif;base64,R0lGODlhAQAB"),
    ),
    "layout-table-without-role": (
        "<table><tr><td>x</td></tr></table>",
        '<table role="presentation"><tr><td><table><tr><th>x</th></tr></table></td></tr></table>',
    ),
    "low-contrast": (
        '<p style="color:#999999">grey</p>',
        '<p style="color:#949494;font-size:28px">large</p><p style="color:#767676">x</p>',
    ),
    "low-contrast-dark": (
        dark("body { background:#111111; color:#333333 }"),
        dark("body { background:#111111; color:#eeeeee }"),
    ),
    "many-images": (IMAGE * 41, IMAGE * 40),
    "meaningless-link-text": (
        '<a href="https://a.example/">Click here</a>',
        '<a href="https://a.example/" aria-label="The minutes">here</a>',
    ),
    "remote-background": (
        '<p style="background:url(https://a.example/x.png)">x</p>',
        '<p style="background:#ffffff">x</p>',
    ),
    "remote-content": ("<script>x</script>", "<!-- <script> -->"),
    "remote-style": (
        "<style>@import url(https://a.example/x.css);</style>",
        "<style>p { margin: 0 }</style>",
    ),
    "several-main-headings": ("<h1>Another</h1>", "<h2>Another</h2>"),
    "unsafe-link": ('<a href="javascript:x()">Words</a>', '<a href="mailto:a@b.example">Words</a>'),
    "web-font": (
        "<style>@font-face { font-family: x; src: url(https://a.example/x.woff) }</style>",
        "<style>@font-face { font-family: x; src: local(Georgia) }</style>",
    ),
}

IN_THE_REST: dict[str, tuple[EmailContent, EmailContent]] = {
    "fake-reply": (an_email(subject="Re: Your order"), an_email(subject="Reading the tides")),
    "long-preheader": (an_email(preheader="word " * 40), an_email(preheader="word " * 25)),
    "long-subject": (an_email(subject="word " * 20), an_email(subject="word " * 15)),
    "no-direction": (an_email(page=PAGE.replace(' dir="ltr"', "")), an_email()),
    "no-language": (an_email(page=PAGE.replace(' lang="en"', "")), an_email()),
    "no-main-heading": (an_email(page=PAGE.replace("h1>", "p>")), an_email()),
    "no-preheader": (an_email(preheader=" "), an_email()),
    "no-subject": (an_email(subject=" "), an_email()),
    "no-unsubscribe-link": (an_email(text="nothing"), an_email()),
    "only-emoji-subject": (an_email(subject="🎉🎉"), an_email(subject="🎉 Day 3")),
    "preheader-is-subject": (
        an_email(
            subject="A small digest of the tides", preheader="A small digest of the tides. Go"
        ),
        an_email(subject="Tides", preheader="Tides and late boats are what the councils argue of"),
    ),
    "short-preheader": (an_email(preheader="Short."), an_email()),
    "shouting-subject": (
        an_email(subject="Some FREE MONEY TODAY for you"),
        an_email(subject="NASA and UNESCO agree on the tides"),
    ),
    "spammy-punctuation": (an_email(subject="Tides?!"), an_email(subject="Tides: why $5?")),
    "subject-without-default": (
        replace(an_email(), slots=tuple(replace(s, default="") for s in an_email().slots)),
        an_email(),
    ),
    "text-large": (an_email(text=a_mailing().content.text + "x" * 70_000), an_email()),
}

ELSEWHERE = {
    # tests/unit/rendering/test_checks_headers.py
    *("dkim-not-aligned", "header-count", "message-line-too-long", "message-structure"),
    "unsubscribe-header-broken",
    # tests/integration/delivery/test_preflight.py
    *("readers-lack-value", "template-error"),
    # below
    "no-postal-address",
}


def test_every_code_has_its_pair_of_emails() -> None:
    tested = {*IN_THE_HTML, *IN_THE_REST, *ELSEWHERE}

    assert set(CODES) <= tested
    assert tested <= set(ALL_CODES)


@pytest.mark.parametrize("code", sorted(IN_THE_HTML))
def test_html_that_earns_a_code_and_html_near_to_it(code: str) -> None:
    bad, good = IN_THE_HTML[code]
    earned = findings(an_email(bad))

    assert code in earned
    assert (earned[code].severity, earned[code].why) == (
        ALL_CODES[code].severity,
        ALL_CODES[code].why,
    )
    assert earned[code].fix
    assert earned[code].place
    assert code not in findings(an_email(good))


@pytest.mark.parametrize("code", sorted(IN_THE_REST))
def test_an_email_that_earns_a_code_and_one_near_to_it(code: str) -> None:
    bad, good = IN_THE_REST[code]

    assert findings(bad)[code].why
    assert code not in findings(good)


def test_an_email_without_fault_earns_nothing() -> None:
    assert findings(an_email(f"<h2>Section</h2><p>Words</p>{IMAGE}{LINK}")) == {}


def test_a_footer_without_address_is_an_error_of_the_settings() -> None:
    finding = findings(an_email(), postal_address=" ")["no-postal-address"]

    assert (finding.severity, finding.place) == ("error", "newsletter.toml")


def test_what_the_author_wrote_is_left_to_the_digest_s_own_checks() -> None:
    content = an_email(LINK.replace("https", "http") + IMAGE.replace(' height="4"', ""))
    written = {"http://a.example/1", "https://a.example/x.png"}

    assert check_content(content, IDENTITY, written=written) == ()


def test_the_address_of_the_public_page_is_left_to_the_settings() -> None:
    address = "http://127.0.0.1:8000/archive/daily/2026-11-24"
    email = an_email(f'<a href="{address}">Read online</a>')

    assert "insecure-link" in findings(email)
    assert findings(email, archive_url=address) == {}


def test_the_message_says_when_the_way_to_leave_is_cut_off() -> None:
    behind = findings(an_email("x" * 110_000))["html-too-large"]
    before = findings(an_email(page=PAGE.replace("</body>", "x" * 110_000 + "</body>")))

    assert "unsubscribe link" in behind.problem
    assert "unsubscribe link" not in before["html-too-large"].problem


def test_sizes_are_those_of_the_longest_values_known() -> None:
    content = an_email("x" * 89_500)
    greeting = next(s for s in content.slots if s.field == "first_name" and s.context == "html")
    content = replace(content, html=content.html.replace("A title", greeting.tag))

    unknown = check_content(content, IDENTITY)
    short = check_content(content, IDENTITY, longest={"first_name": 8})

    assert [finding.code for finding in unknown] == ["html-large"]
    assert short == ()


def test_a_subject_that_grows_on_the_wire_says_how_long_it_is_there() -> None:
    finding = findings(an_email(subject="潮" * 80))["long-subject"]

    assert "80 characters" in finding.problem
    assert "bytes on the wire" in finding.problem


def test_the_sample_digest_is_without_fault() -> None:
    content = render(load(SAMPLE).digest, IDENTITY, templates=Path("/nowhere"))

    assert check_content(content, IDENTITY) == ()


def test_a_digest_of_others_is_without_fault(shared: Path) -> None:
    digest = load(shared / "digests" / "2026-05-07.md").digest

    assert check_content(render(digest, IDENTITY, templates=Path("/nowhere")), IDENTITY) == ()


@pytest.mark.parametrize("language", ["en", "de", "ar", "he"])
def test_every_kind_of_block_is_without_fault(language: str) -> None:
    text = f"""---
language: {language}
---
# A title

*By Ada • November 24, 2026*

Dear {{{{ first_name | default("reader") }}}}, this lede is long enough to fill the preview line.

## Section

### A story

**Strong**, `code`, [a page](https://a.example/), a fact [^1].

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

![A boat](https://a.example/x.png){{width=600 height=400}}

**Why it matters:** It does.

[^1]: [x](https://x.example/)
"""
    digest = parse(text, slug="x").digest
    content = render(digest, IDENTITY, templates=Path("/nowhere"))

    assert check_content(content, IDENTITY) == ()
