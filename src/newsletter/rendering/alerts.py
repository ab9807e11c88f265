"""An alert becomes a plain email to an operator: the same words as text and as simple HTML.

No template and no link: it must come out right when the settings or the templates are the trouble.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from newsletter.rendering.content import EmailContent
from newsletter.rendering.render import clean_subject
from newsletter.rendering.text.writer import COLUMNS, wrap

COMMAND_INDENT = "    "
"""What the lines of a paragraph of commands begin with."""

_FOOT = "You get this because alerts.mail_to in the settings of {newsletter} names your address."

_PAGE = Markup("""\
<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{subject}</title>
</head>
<body style="font-family:sans-serif;font-size:16px;line-height:1.5;max-width:40em;\
margin:1em auto;padding:0 1em">
{blocks}
<hr>
<p>{foot}</p>
</body>
</html>
""")
_HEADING = Markup('<h1 style="font-size:1.3em">{}</h1>')
_PARAGRAPH = Markup("<p>{}</p>")
_COMMANDS = Markup('<pre style="white-space:pre-wrap">{}</pre>')


def render_alert(subject: str, body: str, *, newsletter: str) -> EmailContent:
    """Render an alert for `newsletter`, whose name stands before the subject.

    `body`: paragraphs between blank lines; one whose lines are indented by four spaces holds
    commands and keeps its lines.
    """
    paragraphs = paragraphs_of(body)
    foot = _FOOT.format(newsletter=newsletter)
    html = operator_page(subject, [_HEADING.format(subject), *map(_markup, paragraphs)], foot)
    text = [subject, *map(_plain, paragraphs), "-" * COLUMNS + "\n" + wrap(foot)]
    return operator_mail(subject, html, "\n\n".join(text) + "\n", newsletter=newsletter)


def operator_page(subject: str, blocks: Iterable[Markup], foot: str) -> str:
    """Return blocks as the HTML of a mail to an operator, above the line that says why it came."""
    return str(_PAGE.format(subject=subject, blocks=Markup("\n").join(blocks), foot=foot))


def operator_mail(subject: str, html: str, text: str, *, newsletter: str) -> EmailContent:
    """Return a mail to an operator: the same for everybody, the newsletter's name in front."""
    return EmailContent(
        subject=clean_subject(f"[{newsletter}] {subject}"),
        preheader="",
        html=html,
        text=text,
        slots=(),
        language="en",
        direction="ltr",
    )


def paragraphs_of(body: str) -> list[str]:
    """Return the parts of a body between its blank lines."""
    return [part.strip("\n") for part in body.split("\n\n") if part.strip()]


def holds_commands(paragraph: str) -> bool:
    """Return whether a paragraph keeps its lines."""
    return paragraph.startswith(COMMAND_INDENT)


def _markup(paragraph: str) -> Markup:
    if not holds_commands(paragraph):
        return _PARAGRAPH.format(escape(" ".join(paragraph.split())))
    return _COMMANDS.format(escape("\n".join(line.strip() for line in paragraph.split("\n"))))


def _plain(paragraph: str) -> str:
    return paragraph if holds_commands(paragraph) else wrap(paragraph)
