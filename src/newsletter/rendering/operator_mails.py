"""Mails to operators that are more than an alert's words: a digest to approve, a daily summary.

The words come as the alert's body, the same by every way; here they only get their looks.
"""

from __future__ import annotations

import re
from itertools import takewhile

from markupsafe import Markup, escape

from newsletter.rendering.alerts import (
    holds_commands,
    operator_mail,
    operator_page,
    paragraphs_of,
    render_alert,
)
from newsletter.rendering.content import EmailContent
from newsletter.rendering.merge import Merged
from newsletter.rendering.text.writer import COLUMNS, wrap

DECISIONS = (("#approve", "Approve it …"), ("#cancel", "Do not send it …"))
"""Both links lead to the page with both buttons: a scanner that follows them decides nothing."""

PROGRAM = "newsletter "
"""What a line begins with that is to be typed."""

_BODY = re.compile(r"<body[^>]*>")
_GAP = re.compile(r" {2,}")
_UNDERLINE = re.compile(r"-+")

# Colours of its own on everything: the digest below changes what it does not name in the dark.
_BANNER = Markup("""\
<div lang="en" dir="ltr" style="background-color:#fff8e6;color:#22262a;font-family:sans-serif;\
font-size:16px;line-height:1.5;text-align:left;border-bottom:6px solid #c2761b">
<div style="max-width:40em;margin:0 auto;padding:16px">
<p style="margin:0 0 12px;font-size:20px;line-height:1.3"><strong>{subject}</strong></p>
{paragraphs}
</div>
</div>
""")
_PARAGRAPH = Markup('<p style="margin:0 0 12px">{}</p>')
_LINE = Markup('<p style="margin:0 0 8px;padding-left:16px">{}</p>')
_TYPED = Markup(
    '<p style="margin:0 0 8px;padding-left:16px;font-family:monospace;font-size:14px">{}</p>'
)
_LINK = Markup(
    '<a href="{url}" style="display:inline-block;margin:0 12px 8px 0;padding:10px 18px;'
    'border:2px solid #8a4b08;background-color:#fff8e6"><span style="color:#8a4b08">'
    "<strong>{words}</strong></span></a>"
)
_RULE = "=" * COLUMNS

_TABLE = Markup(
    '<table role="presentation" style="border-collapse:collapse;width:100%">\n{}\n</table>'
)
_ROW = Markup("<tr>{}</tr>")
_FIRST = Markup('<td style="padding:3px 10px 3px {indent}px;vertical-align:top">{words}</td>')
_CELL = Markup('<td style="padding:3px 10px 3px 0;vertical-align:top">{}</td>')
_NUMBER = Markup('<td style="padding:3px 0 3px 10px;vertical-align:top;text-align:right">{}</td>')
_CODE = Markup('<code style="font-size:14px">{}</code>')
_SUMMARY_FOOT = "You get this because alerts.summary_at and mail_to are set for {newsletter}."


def render_question(
    subject: str, body: str, *, url: str, digest: Merged | None, newsletter: str
) -> EmailContent:
    """Render what asks for an approval, with the digest below it where there is one.

    `url`: the page of the answer; it stands in `body` as a paragraph of its own.
    """
    if digest is None:
        return render_alert(subject, body, newsletter=newsletter)
    paragraphs = paragraphs_of(body)
    told = [_links(url) if text == url else _boxed(text) for text in paragraphs]
    banner = _BANNER.format(subject=subject, paragraphs=Markup("\n").join(told))
    opened = _BODY.search(digest.html)
    at = opened.end() if opened else 0
    text = [
        subject,
        *(text if holds_commands(text) else wrap(text) for text in paragraphs),
        f"{_RULE}\n{wrap(f'Below, as readers get it. Subject: {digest.subject}')}\n{_RULE}",
        digest.text,
    ]
    html = digest.html[:at] + str(banner) + digest.html[at:]
    plain = "\n\n".join(text).rstrip("\n") + "\n"
    return operator_mail(subject, html, plain, newsletter=newsletter)


def render_summary(subject: str, body: str, *, newsletter: str) -> EmailContent:
    """Render a daily summary: its lines as they are, and in HTML as tables that fit a phone.

    `body`: blocks between blank lines. A line above a row of dashes is a heading; lines with gaps
    of two blanks and more are rows of a table.
    """
    foot = _SUMMARY_FOOT.format(newsletter=newsletter)
    html = operator_page(subject, (_block(part.split("\n")) for part in paragraphs_of(body)), foot)
    text = "\n".join([body.rstrip("\n"), "", "-" * COLUMNS, wrap(foot)]) + "\n"
    return operator_mail(subject, html, text, newsletter=newsletter)


def _boxed(paragraph: str) -> Markup:
    if not holds_commands(paragraph):
        return _PARAGRAPH.format(paragraph)
    lines = (line.strip() for line in paragraph.split("\n"))
    told = [(_TYPED if line.startswith(PROGRAM) else _LINE).format(line) for line in lines]
    return Markup("\n").join(told)


def _links(url: str) -> Markup:
    made = [_LINK.format(url=url + mark, words=words) for mark, words in DECISIONS]
    return _PARAGRAPH.format(Markup("\n").join(made))


def _block(lines: list[str]) -> Markup:
    if len(lines) > 1 and _UNDERLINE.fullmatch(lines[1]):
        heading = Markup('<h2 style="font-size:1.15em;margin:1.5em 0 .3em">{}</h2>')
        rest = lines[2:]
        return heading.format(lines[0]) + ("\n" + _block(rest) if rest else "")
    if any(_GAP.search(line.strip()) for line in lines):
        return _TABLE.format(Markup("\n").join(map(_row, lines)))
    words = " ".join(line.strip() for line in lines if not holds_commands(line))
    typed = [_CODE.format(line.strip()) for line in lines if holds_commands(line)]
    return Markup("<p>{}</p>").format(Markup("<br>\n").join([escape(words), *typed]))


def _row(line: str) -> Markup:
    indent = len(list(takewhile(" ".__eq__, line)))
    first, *others = _GAP.split(line.strip())
    cells = [_FIRST.format(indent=6 * min(indent, 4), words=first)]
    cells += [(_NUMBER if _is_number(cell) else _CELL).format(cell) for cell in others]
    return _ROW.format(Markup("").join(cells))


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit()
