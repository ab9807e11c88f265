"""Every code that a finding about a digest can carry: how grave, what it means, what comes of it.

Pure words: who finds what is decided by the parser and by `checks`. `docs/checks.md` is made from
tables of this kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from newsletter.digest.model import Finding, Severity


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What all findings of one code share.

    `meaning` says what was found, `why` what comes of it when nobody mends it, `fix` what mends it
    in general; a finding has a fix of its own, which names what it is about.
    """

    severity: Severity
    meaning: str
    why: str
    fix: str


def kinds(severity: Severity, rows: Mapping[str, tuple[str, str, str]]) -> dict[str, FindingKind]:
    """Return a table of kinds from rows of meaning, why and fix."""
    return {code: FindingKind(severity, *row) for code, row in rows.items()}


def make_finding(
    table: Mapping[str, FindingKind],
    code: str,
    problem: str,
    fix: str,
    *,
    line: int | None = None,
    place: str | None = None,
) -> Finding:
    """Return a finding; its code decides how grave it is and what comes of it."""
    kind = table[code]
    return Finding(kind.severity, code, problem, fix, line, place, kind.why)


_ERRORS: dict[str, tuple[str, str, str]] = {
    "ambiguous-date": (
        "The date is all numbers and could be two different days.",
        "Readers in another country would read another day.",
        "Write the month as a word, or the date as 2026-11-24.",
    ),
    "citation-marker": (
        "A mark that the program which wrote the text left behind, such as `【…†…】`.",
        "Readers would see it in the middle of a sentence, and cannot look anything up by it.",
        "Take it out, and cite the source with `[^1]`.",
    ),
    "draft": (
        "The front matter says that the digest is not to be sent: `draft: true`,"
        " `published: false`, `status: draft` and the like.",
        "It is checked, rendered and shown, and neither sent nor taken by a schedule.",
        "Take the line out when the digest is ready.",
    ),
    "duplicate-source": (
        "Two sources have the same number.",
        "A citation would lead to the wrong one of them.",
        "Give each source a number of its own.",
    ),
    "empty-source": (
        "A source says nothing.",
        "The list of sources would show a bare number.",
        "Write `[^1]: [label](https://…)`.",
    ),
    "front-matter-duplicate-key": (
        "A key stands twice in the front matter.",
        "One of its two values would be lost, and nobody sees which.",
        "Keep one of them.",
    ),
    "front-matter-invalid": (
        "The front matter is not valid YAML of the form `key: value`.",
        "Nothing of it can be used: title, subject and date would be guessed.",
        "Correct it; put a value that holds a colon in quotes.",
    ),
    "front-matter-unclosed": (
        "The front matter has no closing `---`.",
        "The whole digest would be taken for settings.",
        "Close it with a line `---`.",
    ),
    "front-matter-value": (
        "A front matter value cannot be used.",
        "The digest would go out without what you asked for.",
        "Write a value of the kind that the finding names.",
    ),
    "invalid-link": (
        "A link's address is malformed.",
        "Readers who press it get nowhere.",
        "Copy the address again from the browser.",
    ),
    "malformed-citation": (
        "Something looks like a citation and is none: `[^1` without its end, `[^a b]`, `^1`.",
        "Readers would see the marks, and nobody finds the evidence.",
        "Write `[^1]`; with a backslash before it the characters stay as they are.",
    ),
    "merge-field-in-link": (
        "A merge field stands in a link's or image's address.",
        "What readers are called would reach another site, and the link may not work for each.",
        "Use the same address for everybody.",
    ),
    "merge-field-in-source": (
        "A merge field stands in a source.",
        "Sources are the same for everybody; it would be shown as it is typed.",
        "Write the source without it.",
    ),
    "merge-field-syntax": (
        "Something in `{{ }}` is not a merge field.",
        "Readers would see the braces.",
        'Write `{{ name | default("reader") }}`, or one brace less.',
    ),
    "merge-field-unclosed": (
        "A `{{` has no `}}`.",
        "Readers would see the braces.",
        "Close it.",
    ),
    "no-date": (
        "The digest says no date.",
        "Readers and the archive could not tell which day it is of.",
        "Write `*By Author • May 7, 2026*` below the title.",
    ),
    "no-title": (
        "The digest has no title.",
        "It has no subject, so it cannot become an email.",
        "Begin it with a line `# Title`.",
    ),
    "relative-link": (
        "A link's address does not start with https://.",
        "In a mail there is no page that it would count from: it leads nowhere.",
        "Write the whole address.",
    ),
    "source-label": (
        "A source's label holds a space, so nothing can cite it.",
        "It would be shown as text, and citations of it too.",
        "Use a number or one word: `[^1]`.",
    ),
    "template-tag": (
        "A template tag `{% %}` or `{# #}` stands in the text.",
        "It is never run; readers would see it.",
        "Take it out; a digest has merge fields only.",
    ),
    "text-under-sources": (
        "Something under the sources' heading is not a source.",
        "It would be lost: only sources are shown there.",
        "Move it above the heading.",
    ),
    "too-deep": (
        "Lists, quotes, brackets or emphasis are nested too deeply.",
        "Phones have no room for it, and mail clients show it wrongly.",
        "Flatten it.",
    ),
    "unknown-citation": (
        "A citation points to a source that does not exist.",
        "A claim goes out whose evidence nobody can find.",
        "Add the source, or correct the number.",
    ),
    "unknown-merge-field": (
        "A merge field's name is not known.",
        "It would be empty for every reader.",
        "Correct the name, or import the column first.",
    ),
    "unreadable-date": (
        "The date is not a day of the calendar.",
        "Readers and the archive could not tell which day it is of.",
        "Write the date as 2026-11-24.",
    ),
    "unsafe-link": (
        "A link's scheme is neither https, http nor mailto.",
        "Mail clients block it, and filters take the mail for an attack.",
        "Use an https:// address.",
    ),
    "unclosed-comment": (
        "A comment that is never closed: `<!--` without `-->`.",
        "All that follows it would be missing from the mail.",
        "Close it with `-->`, or write `\\<!--` when it is meant to be shown.",
    ),
}

_WARNINGS: dict[str, tuple[str, str, str]] = {
    "accidental-heading": (
        "A paragraph has `---` or `===` right below it, which makes a heading of it in Markdown.",
        "What reads as running text (it ends in a stop, cites a source, is long, is a byline or"
        " says why it matters) stays text; other words are set large and bold.",
        "Put an empty line between them; write `##` before the words when they are a heading.",
    ),
    "citation-spelling": (
        "A citation is written in a way of its own: `[^1, 2]`, `[^ 1]`, `[1]`.",
        "It is read as the finding says; another program may read it otherwise.",
        "Write `[^1][^2]`.",
    ),
    "control-character": (
        "An invisible control character was taken out.",
        "It came along by copying; what stood there may be missing something else.",
        "Look at the line and save the file again.",
    ),
    "date-differs-from-name": (
        "The digest's date is not the date in its name.",
        "Perhaps yesterday's file was copied: readers would see the wrong day.",
        "Correct the date or the file's name.",
    ),
    "deceptive-link-text": (
        "A link's words look like an address of another site.",
        "Phishing looks like this: mail clients warn of it and filters refuse the whole mail.",
        "Let the words say what is there, or name the site that it leads to.",
    ),
    "duplicate-link": (
        "Two links to the same address follow each other.",
        "A screen reader reads both, and a thumb cannot tell which is which.",
        "Make one link of them.",
    ),
    "duplicate-story-title": (
        "Two stories have the same title.",
        "Perhaps a story was pasted twice; the table of contents names both alike.",
        "Give each story its own title.",
    ),
    "empty-heading": (
        "A heading has no words.",
        "It leaves a gap, and a screen reader reads an empty heading.",
        "Write it or take it out.",
    ),
    "empty-link-text": (
        "A link has no words to press on.",
        "Nobody can see it, and a screen reader spells the address.",
        "Put words between the square brackets.",
    ),
    "empty-section": (
        "A section holds nothing.",
        "Readers see a heading over nothing.",
        "Fill it or take its heading out.",
    ),
    "empty-story": (
        "A story has a title only.",
        "Readers see a heading over nothing.",
        "Write it or take its heading out.",
    ),
    "front-matter-unknown-key": (
        "A front matter key is not known.",
        "It is left out, and what it asked for does not happen.",
        "Correct its name.",
    ),
    "heading-level-jump": (
        "A heading is more than one level below the heading before it.",
        "Readers who move by headings think that they missed something.",
        "Use the next level.",
    ),
    "image-without-alt": (
        "An image has no words for those who do not see it.",
        "Many mail clients show no images until asked: there is a gap then, for all its readers.",
        "Say in words what it shows: `![words](address)`.",
    ),
    "image-without-size": (
        "An image's size is not known.",
        "The text jumps while it loads, and Outlook may show it far too large.",
        "Write `{width=600 height=400}` right behind it.",
    ),
    "insecure-image": (
        "An image comes over http.",
        "Mail clients that show web pages block it: a gap is left.",
        "Use its https:// address.",
    ),
    "insecure-link": (
        "A link leads to an http address.",
        "Browsers warn of it, and anybody on the way can read and change the page.",
        "Use the https:// address, if there is one.",
    ),
    "long-digest": (
        "The digest is so long that mail readers will clip it.",
        "Gmail cuts the end off, with the link to leave.",
        "Shorten it, or make two of it.",
    ),
    "long-word": (
        "A word is so long that it makes phones scroll sideways.",
        "The whole mail becomes wider than the screen.",
        "Break it, or make it a link with short words.",
    ),
    "meaningless-link-text": (
        "A link's words do not say where it leads.",
        "Who hears links one by one, or skims them, cannot tell what is behind.",
        "Let the words name what is there.",
    ),
    "merge-field-without-default": (
        "A merge field has no default.",
        "Readers whose value is missing see a gap: 'Dear ,'.",
        'Write `{{ name | default("reader") }}`.',
    ),
    "no-stories": (
        "The digest has no story.",
        "Perhaps the headings are of the wrong level: there is no list of stories then.",
        "Give each story a heading `### Title`.",
    ),
    "perhaps-citation": (
        "A number in brackets or a raised number may be meant as a citation.",
        "It is shown as it is typed and leads nowhere.",
        "Write `[^1]` and give it a source; `\\[1]` when it is meant as it is.",
    ),
    "heading-spelling": (
        "A heading without the space behind its `##`.",
        "It is read as the heading that was meant; other programs show it as typed.",
        "Write `## Heading`.",
    ),
    "link-with-spaces": (
        "The address of a link holds spaces.",
        "It is read with `%20` in their place; other programs show the whole as typed.",
        "Write `%20` for each space in the address.",
    ),
    "markup-as-typed": (
        "Markup of other programs, or markup that a slip kept from being read: `==words==`,"
        " `[[words]]`, `:smile:`, `**words`.",
        "Readers see the marks in the middle of the text.",
        "Write what Markdown knows, or `\\` before a mark that is meant as it is.",
    ),
    "raw-html": (
        "HTML in a digest is shown as it is typed.",
        "Readers see the angle brackets.",
        "Use Markdown.",
    ),
    "second-title": (
        "There is more than one first-level heading.",
        "Readers who move by headings find two titles.",
        "Use `##` for sections.",
    ),
    "source-without-url": (
        "A source has no link.",
        "Nobody can look it up.",
        "Write `[^1]: [label](https://…)`.",
    ),
    "story-without-why-it-matters": (
        "A story does not say why it matters.",
        "Readers look for that block in every story.",
        "Add a paragraph that begins with `**Why it matters:**`.",
    ),
    "table-row-too-long": (
        "A table row has more cells than its header.",
        "The cells beyond are left out.",
        "Give the header a cell for each column.",
    ),
    "uncited-source": (
        "No citation points to a source.",
        "Perhaps a citation was lost while editing: a claim stands without evidence.",
        "Cite it, or take it out.",
    ),
    "weekday-mismatch": (
        "The weekday does not fit the date.",
        "One of the two is wrong, and readers notice.",
        "Correct the date or the weekday.",
    ),
}

CODES: dict[str, FindingKind] = dict(
    sorted({**kinds(Severity.ERROR, _ERRORS), **kinds(Severity.WARNING, _WARNINGS)}.items())
)
"""Every code that the parser and the checks of a digest use."""
