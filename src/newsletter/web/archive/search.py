"""Search over the titles and texts of a list's issues: in memory, the same on every database.

What is searched is what a digest says, not how it is marked up: no addresses of links, no marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape
from sqlalchemy import Connection, Select, select

from newsletter.storage.tables import digests
from newsletter.web.archive.index import ArchiveIndex, IssueLine
from newsletter.web.archive.shelf import Shelf

MOST_ISSUES = 2_000
"""So many issues of a list are looked through, the newest first."""
TEXT_BYTES = 64 * 1024 * 1024
"""Of texts that are kept in memory, over all lists."""
LONGEST_QUERY = 100
MOST_TERMS = 8
EXCERPT = 180
"""Characters of the words around what was found."""
_READ_AT_ONCE = 200

_FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NOTHING = re.compile(
    r"\]\([^()\s]{0,2000}(?:\([^()\s]{0,500}\)[^()\s]{0,500})?\)"  # where a link leads
    r"| ?\[\^[^\]\n]{1,50}\]:?"  # a citation, and the mark before a source
    r"|\{\{[^{}\n]{0,200}\}\}"  # a merge field
    r"|<https?://[^<>\s]{1,2000}>"
)
_DEFAULT = re.compile(
    r"\{\{[^{}\n]{0,100}default\(\s{0,9}[\"']([^\"'\n]{0,100})[\"'][^{}\n]{0,20}\}\}"
)
_BYLINE = re.compile(r"^\*[^*\n]{1,200}\*$", re.MULTILINE)
_MARKS = re.compile(r"[*_`#>|\[\]!~\\]+|^[-+=]{1,}\s", re.MULTILINE)


def plain_of(markdown: str) -> str:
    """Return the words of a digest on one line, roughly: quick, for searching and excerpts."""
    text = _FRONT_MATTER.sub("", markdown, count=1) if markdown.startswith("---") else markdown
    text = _COMMENT.sub(" ", text)
    text = _NOTHING.sub("", _DEFAULT.sub(r"\1", text))
    return " ".join(_MARKS.sub(" ", text).split())


def fold(text: str) -> str:
    """Return a text as it is compared: without case, composed."""
    return unicodedata.normalize("NFC", text).casefold()


@dataclass(frozen=True, slots=True)
class Found:
    """One issue that holds every term, with its title and an excerpt that mark them."""

    line: IssueLine
    title: Markup
    excerpt: Markup


class Search:
    """Looks through issues; keeps their texts, which never change."""

    def __init__(self) -> None:
        self._texts: Shelf[int, bytes] = Shelf(TEXT_BYTES, len)

    def find(
        self, connection: Connection, index: ArchiveIndex, terms: Sequence[str]
    ) -> list[IssueLine]:
        """Return the issues that hold all the terms, the newest first."""
        sought = [fold(term).encode() for term in terms]
        lines = index.issues[:MOST_ISSUES]
        return [
            line
            for line, text in self._with_texts(connection, lines)
            if all(term in text for term in sought)
        ]

    def _with_texts(
        self, connection: Connection, lines: Sequence[IssueLine]
    ) -> Iterator[tuple[IssueLine, bytes]]:
        for start in range(0, len(lines), _READ_AT_ONCE):
            some = lines[start : start + _READ_AT_ONCE]
            texts = {line.digest: self._texts.get(line.digest) for line in some}
            missing = [digest for digest, text in texts.items() if text is None]
            if missing:
                texts |= self._read(connection, missing)
            for line in some:
                yield line, texts[line.digest] or b""

    def _read(self, connection: Connection, missing: Sequence[int]) -> dict[int, bytes]:
        found = {
            row.id: fold(f"{row.title}\n{plain_of(row.markdown)}").encode()
            for row in connection.execute(_texts_of(missing))
        }
        for digest, text in found.items():
            self._texts.put(digest, text)
        return found


def terms_of(query: str) -> list[str]:
    """Return the words that somebody searches for, as far as they are looked at."""
    words = query[:LONGEST_QUERY].split()
    return list(dict.fromkeys(word for word in words if word.isprintable()))[:MOST_TERMS]


def shown_found(
    connection: Connection, lines: Sequence[IssueLine], terms: Sequence[str]
) -> list[Found]:
    """Return issues with the terms marked in their titles and in a few words of their texts."""
    marks = re.compile("|".join(map(re.escape, sorted(terms, key=len, reverse=True))), re.I)
    rows = connection.execute(_texts_of([line.digest for line in lines]))
    plain = {row.id: _told(row.title, row.markdown) for row in rows}
    return [
        Found(line, _marked(line.title, marks), _excerpt(plain.get(line.digest, ""), marks))
        for line in lines
    ]


def _told(title: str, markdown: str) -> str:
    """Return the words of a digest without its title and byline, which are shown by themselves."""
    return plain_of(_BYLINE.sub("", markdown, count=1)).removeprefix(title).strip()


def _texts_of(numbers: Sequence[int]) -> Select[tuple[int, str, str]]:
    return select(digests.c.id, digests.c.title, digests.c.markdown).where(
        digests.c.id.in_(numbers)
    )


def _excerpt(text: str, marks: re.Pattern[str]) -> Markup:
    """Return the words around the first place that was found, cut between words."""
    first = marks.search(text)
    start = max(0, first.start() - EXCERPT // 3) if first else 0
    end = min(len(text), start + EXCERPT)
    if start:
        start = text.find(" ", start, first.start() + 1 if first else end) + 1 or start
    if end < len(text):
        end = text.rfind(" ", first.end() if first else start, end) + 1 or end
    before, after = "… " if start else "", " …" if end < len(text) else ""
    return Markup("{}{}{}").format(before, _marked(text[start:end].strip(), marks), after)


def _marked(text: str, marks: re.Pattern[str]) -> Markup:
    parts, last = [], 0
    for match in marks.finditer(text):
        parts += [escape(text[last : match.start()]), Markup("<mark>{}</mark>").format(match[0])]
        last = match.end()
    return Markup("").join([*parts, escape(text[last:])])
