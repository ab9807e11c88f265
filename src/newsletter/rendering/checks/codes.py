"""Every code that a finding about a rendered email can carry; pure words, like `digest.codes`."""

from __future__ import annotations

from newsletter.digest.codes import CODES as DIGEST_CODES
from newsletter.digest.codes import FindingKind, kinds, make_finding
from newsletter.digest.model import Finding, Severity

HTML_PART = "HTML part"
TEXT_PART = "text part"
SUBJECT = "subject"
PREVIEW_LINE = "preview line"
HEADERS = "headers"
SETTINGS = "newsletter.toml"

_ERRORS: dict[str, tuple[str, str, str]] = {
    "event-handler": (
        "An element of the HTML has an event handler such as `onclick`.",
        "Mail clients take it out, and filters take the mail for an attack.",
        "Take the attribute out of the template.",
    ),
    "header-count": (
        "A header field that must stand exactly once is missing or stands twice.",
        "Mailbox providers refuse such messages, or show another sender than you think.",
        "Report it: the program writes these fields itself.",
    ),
    "html-too-large": (
        "The HTML is so large, after merging, that Gmail cuts it.",
        "Readers do not see the end, and not the link to leave: they press 'spam' instead.",
        "Shorten the digest, or make two of it.",
    ),
    "message-line-too-long": (
        "A line of the message is longer than SMTP allows.",
        "Servers refuse it or break it anywhere.",
        "Report it: the program folds lines itself.",
    ),
    "message-structure": (
        "The message is not text first and HTML last.",
        "Mail clients show the last part they can: HTML readers would get the plain text.",
        "Report it: the program builds the message itself.",
    ),
    "no-postal-address": (
        "The footer has no postal address.",
        "The law of many countries asks for it (in the USA: CAN-SPAM).",
        "Set `newsletter.postal_address` in newsletter.toml.",
    ),
    "no-subject": (
        "The subject is empty.",
        "The mail looks like a mistake, and filters count it against you.",
        "Give the digest a title, or a `subject:` in the front matter.",
    ),
    "no-unsubscribe-link": (
        "A part has no unsubscribe link.",
        "Who cannot leave presses 'spam', and the law asks for it.",
        "Put `{{ unsubscribe_url }}` back into the template's footer.",
    ),
    "remote-content": (
        "The HTML needs something from elsewhere, or runs something.",
        "Mail clients take it out, and filters take the mail for an attack.",
        "Take the element out of the template.",
    ),
    "template-error": (
        "A template does not render.",
        "There is no email.",
        "Correct the line; `templates/email/README.md` says what may be used.",
    ),
    "unsubscribe-header-broken": (
        "The header List-Unsubscribe does not hold its link whole.",
        "The button 'unsubscribe' of Gmail and others does not work: they count it against you.",
        "Look at `newsletter.base_url` and `sender.unsubscribe_mailto`.",
    ),
}

_WARNINGS: dict[str, tuple[str, str, str]] = {
    "client-lacks-feature": (
        "The HTML uses something that important mail clients do not know.",
        "There the mail looks different from what you see, or loses something.",
        "Take it out of the template, or write something older before it.",
    ),
    "dkim-not-aligned": (
        "The domain that signs (DKIM) is another one than the sender's.",
        "The signature does not count for DMARC: Gmail and Yahoo refuse bulk mail without it.",
        "Set `delivery.smtp.dkim_domain` to the domain of `sender.from_email`.",
    ),
    "fake-reply": (
        "The subject begins like an answer or a forwarded mail.",
        "It is a trick of spammers: filters and readers hold it against you.",
        "Take `Re:` or `Fwd:` out.",
    ),
    "html-large": (
        "The HTML is nearly so large, after merging, that Gmail cuts it.",
        "A story more, and readers do not see the end.",
        "Shorten the digest.",
    ),
    "large-inlined-image": (
        "An image stands in the HTML itself, as data.",
        "It counts towards the size from which Gmail cuts, and Gmail does not show it.",
        "Put it on a web server and link to it.",
    ),
    "layout-table-without-role": (
        'A table that makes the layout lacks `role="presentation"`.',
        "A screen reader announces rows and columns all through the mail.",
        "Add the attribute in the template.",
    ),
    "long-preheader": (
        "The preview line is longer than any mail client shows.",
        "Its end is lost.",
        "Say it in 40 to 110 characters.",
    ),
    "long-subject": (
        "The subject is long: over 78 characters, or over 255 bytes on the wire.",
        "Phones show about 40 characters of it, and some servers cut it.",
        "Set a shorter `subject:` in the front matter.",
    ),
    "low-contrast": (
        "Text stands out too little from its ground.",
        "Readers with weak eyes, or in the sun, cannot read it (WCAG 2.2 asks for 4.5:1).",
        "Change one of the two colours in the template or in `[theme]`.",
    ),
    "low-contrast-dark": (
        "Text stands out too little from its ground where the reader's device is dark.",
        "Most phones are dark in the evening: the text is hardly there.",
        "Change the colours behind `prefers-color-scheme: dark`.",
    ),
    "many-images": (
        "The email has a great many images.",
        "It loads slowly, and with images off there is little left.",
        "Keep those that say something.",
    ),
    "no-direction": (
        "The HTML does not say which way it is written.",
        "Arabic and Hebrew stand on the wrong side.",
        'Write `dir="{{ direction }}"` on `<mjml>`.',
    ),
    "no-language": (
        "The HTML does not say its language.",
        "A screen reader reads it with the wrong voice.",
        'Write `lang="{{ language }}"` on `<mjml>`.',
    ),
    "no-main-heading": (
        "The HTML has no `<h1>`.",
        "Readers who move by headings find no title.",
        "Set the title in the template as `<h1>`.",
    ),
    "no-preheader": (
        "Nothing stands in the preview line.",
        "The inbox shows whatever comes first in the mail.",
        "Begin with a lede of a sentence, or set `preheader:` in the front matter.",
    ),
    "only-emoji-subject": (
        "The subject has no words.",
        "A screen reader spells the pictures, and filters hold it against you.",
        "Say in words what is in the digest.",
    ),
    "preheader-is-subject": (
        "The preview line repeats the subject.",
        "The inbox says the same thing twice, where it could win a reader.",
        "Set `preheader:` in the front matter.",
    ),
    "readers-lack-value": (
        "Some readers of the list have no value for a merge field without default.",
        "They see a gap: 'Dear ,'.",
        'Write `{{ name | default("reader") }}`.',
    ),
    "remote-background": (
        "The HTML has a background image from elsewhere.",
        "With images off there is none: light text on it cannot be read.",
        "Use a colour, or set a `background-color` that reads as well.",
    ),
    "remote-style": (
        "The HTML imports a style sheet.",
        "Mail clients do not fetch it, and it would tell who reads what.",
        "Put the rules into the template.",
    ),
    "several-main-headings": (
        "The HTML has more than one `<h1>`.",
        "Readers who move by headings find several titles.",
        "Keep one, and use `<h2>` for the others.",
    ),
    "short-preheader": (
        "The preview line is short.",
        "Mail clients fill it up with whatever comes next.",
        "Say it in 40 to 110 characters.",
    ),
    "shouting-subject": (
        "The subject shouts.",
        "Filters and readers take it for advertising.",
        "Write it in small letters.",
    ),
    "spammy-punctuation": (
        "The subject has punctuation like advertising: `!!`, `?!`, `$$`.",
        "Filters count it, and readers have learnt to skip it.",
        "One mark is enough.",
    ),
    "subject-without-default": (
        "A merge field of the subject has no default.",
        "Readers whose value is missing see a gap in the inbox.",
        'Write `{{ name | default("reader") }}`.',
    ),
    "text-large": (
        "The text part is very large.",
        "Programs and watches that show it are slow; filters hold it against the mail.",
        "Shorten the digest.",
    ),
    "web-font": (
        "The HTML asks for a web font.",
        "Few mail clients fetch it, and it tells its host who reads.",
        "Use fonts that readers have.",
    ),
}

CODES: dict[str, FindingKind] = dict(
    sorted({**kinds(Severity.ERROR, _ERRORS), **kinds(Severity.WARNING, _WARNINGS)}.items())
)
"""Every code that only a rendered email can have."""

ALL_CODES: dict[str, FindingKind] = {**DIGEST_CODES, **CODES}
"""With those of digests, which a template can earn as well: an image without alternative text."""


def found(code: str, problem: str, fix: str, place: str = HTML_PART) -> Finding:
    """Return a finding about a rendered email; its code decides severity and why."""
    return make_finding(ALL_CODES, code, problem, fix, place=place)
