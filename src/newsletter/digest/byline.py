"""Reads who and when from a byline: an author only where one is named, and better none than a
wrong one.

What a date looks like is `dates`' matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from newsletter.digest.dates import (
    CLOCK,
    MONTHS,
    WEEKDAYS,
    ZONE,
    DateReading,
    find_date,
    plain,
    read_date,
    tell_date,
)
from newsletter.digest.findings import Findings
from newsletter.digest.model import Byline, Emphasis, Inline, LineBreak, Strong, Text, plain_text

Settle = Callable[[DateReading], DateReading]
"""Makes a day of a reading that leaves it open, where the digest's name says which."""

_LONGEST_BYLINE = 200
_MOST_WORDS = 8
"""Words of a name without emphasis; what is longer is a sentence."""

_EMOJI = re.compile(
    "[\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d"
    "\U0001f000-\U0001faff\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+"
)
_BREAKS = re.compile(
    r"\s*[•·|¦∙‧●/]\s+|\s*[•·|¦∙‧●]\s*|\s*[—–―]\s*|\s+[-~]+\s+|[()\[\]（）【】]|;\s"
)
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)]*$")

# Words that an author follows, in the languages that the emails speak.
_BY_WORDS = "by|von|par|por|di|door|przez|autorstwa|بقلم|מאת"
_AUTHOR_LABELS = (
    "author|authors|written by|words|words by|text|text by|editor|edited by|compiled by|curated by"
    "|reported by|presented by|from|autor|autorin|autoren|text von|redaktion|auteur|auteurs|texte"
    "|redaction|autora|autores|texto|autore|autrice|testo|a cura di|tekst|redactie|redakcja"
    "|opracowanie|الكاتب|كتبه|כתב|כתבה|文|著者|執筆|筆者"
)
_BY = re.compile(rf"(?:{_BY_WORDS})\s*:?\s+(?=\S)|(?:文|著)\s?[:：]\s*(?=\S)", re.IGNORECASE)
_BY_INSIDE = re.compile(rf"(?:^|\s)(?:{_BY_WORDS})\s*:?\s+(?=\S)", re.IGNORECASE)
_LABELLED = re.compile(rf"(?:{_AUTHOR_LABELS})\s?[:：]\s*(?=\S)", re.IGNORECASE)
_WRITTEN_BY = re.compile(
    r"(?:written|edited|compiled|curated|reported|presented|published|posted|brought to you"
    r"|geschrieben|verfasst|zusammengestellt|publie|ecrit|redige|escrito|publicado|scritto"
    r"|pubblicato|geschreven|gepubliceerd|samengesteld|opublikowano|opublikowane"
    r"|a cura)$"
)
"""What may stand before 'by' so that the author follows; behind other words it is a tool."""

# Words of what a byline says beside the author, as `dates.plain` writes them.
_LABELS = frozenset(
    word
    for words in (
        "updated update published publish posted post date dated edition issue issued no nr number"
        " vol volume generated generator created creation written compiled curated edited sent"
        " released release prepared read reading time times min mins minute minutes hour hours"
        " second seconds episode ep part week weekly day daily today yesterday version draft status"
        " category topic topics tags tag language location stories story sources articles items"
        " words subscribe share view online browser web last modified by at on for of the a an and"
        " is was with powered about total powered morning evening afternoon noon midnight good"
        " hello hi welcome automatically automated newsletter"
        " unsubscribe free public premium paid members internal confidential listen podcast archive"
        " archives home contact beta special breaking live summary brief briefing roundup recap"
        " overview english here translated sponsored photo photos illustration final",
        "aktualisiert aktualisierung stand veroffentlicht erschienen datum ausgabe nummer erstellt"
        " generiert lesezeit lesedauer minuten minute woche tag heute vom am um uhr der die das den"
        " fur guten morgen zuletzt geandert automatisch folge teil",
        "mis mise a jour publie publication paru edition numero genere cree creation lecture temps"
        " minutes semaine aujourd'hui le la les du de des en pour bonjour",
        "actualizado actualizacion publicado publicacion fecha edicion numero generado creado"
        " lectura tiempo minutos semana hoy el la los del de para buenos dias",
        "aggiornato aggiornamento pubblicato pubblicazione data edizione numero generato creato"
        " lettura tempo minuti settimana oggi il lo la del di per buongiorno",
        "atualizado atualizacao publicado publicacao data edicao numero gerado criado leitura tempo"
        " minutos semana hoje o os do da para bom dia",
        "bijgewerkt gepubliceerd datum editie uitgave nummer gegenereerd gemaakt leestijd minuten"
        " week vandaag de het een op van voor goedemorgen laatst",
        "aktualizacja zaktualizowano opublikowano opublikowane data wydanie numer wygenerowano"
        " utworzono czas czytania minut minuty tydzien dzis dzisiaj z dnia dla",
        "تحديث آخر محدث نشر تاريخ التاريخ العدد عدد الاصدار الإصدار اصدار إصدار قراءة القراءة وقت"
        " دقيقة دقائق اليوم في من",
        "עודכן עדכון פורסם תאריך גיליון מהדורה נוצר קריאה זמן דקות דקה היום מספר אחרון",
        "更新 更新日 最終更新 公開 公開日 日付 発行 発行日 配信 配信日 号 版 生成 作成 作成日"
        " 読了 分 約 月 火 水 木 金 土 日 月曜 火曜 水曜 木曜 金曜 土曜 日曜"
        " 月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日",
    )
    for word in (plain(word) for word in words.split())
)
_FUNCTION_WORDS = frozenset(
    [
        "by",
        "at",
        "on",
        "for",
        "of",
        "the",
        "a",
        "an",
        "and",
        "in",
        "to",
        "le",
        "la",
        "el",
        "il",
        "em",
        "am",
        "um",
        "op",
        "w",
        "z",
        "dnia",
        "vom",
        "den",
        "der",
        "die",
        "das",
        "de",
        "del",
        "di",
        "du",
        "da",
        "do",
        "as",
        "om",
        "o",
        "von",
        "par",
        "por",
        "door",
        "przez",
        "from",
    ]
)
_TIME = re.compile(
    rf"(?<![\w:])(?:{CLOCK})(?:\s?\(?(?:{ZONE})(?!\w)\)?)?|(?<![\w'])(?:{ZONE})(?!\w)"
)
_COUNTED = re.compile(
    r"(?:#|\b(?:no|nr|vol|num|n|issue|edition|volume|numero|numer|ausgabe|nummer|editie|wydanie"
    r"|edicion|edizione|edicao|episode|week|woche)\.?\s?[#°º:]?\s?)\s?[0-9ivxlc]+\b"
    r"|第\s?[0-9]+\s?[号回版]|[0-9]+\s?[号版分]"
    r"|\b[0-9]+\s?-?\s?(?:min|minute|minuten|minuti|minutos|minut|minuty|دقيقة|دقائق|דקות)"
)
_ADDRESS = re.compile(r"<[^<>]{0,200}>|[^\s<>]{1,64}@[^\s<>]{1,200}\.[a-z]{2,20}", re.IGNORECASE)
_LINKED = re.compile(r"https?://|www\.|\w@\w")


@dataclass(frozen=True, slots=True)
class _Parts:
    author: str | None
    date: DateReading | None
    by: bool
    apart: bool
    """The date stands by itself, or apart from the author by a mark."""


def read_byline(
    inlines: tuple[Inline, ...], line: int, findings: Findings, *, settle: Settle | None = None
) -> Byline | None:
    """Read the paragraph below the title as a byline; None when it is ordinary text.

    A byline is short. It names its author behind "By", or a date by itself or apart from other
    words by a dash, a bullet, a bar, a comma or brackets; or it is emphasised and holds a date.
    `settle` may make a day of a reading that leaves it open.
    """
    text = _text_of(inlines)
    if not text or len(text) > _LONGEST_BYLINE:
        return None
    parts = _split(text)
    if not _is_byline(text, parts, emphasised=_wholly_emphasised(inlines)):
        return None
    day = None
    if parts.date is not None:
        reading = settle(parts.date) if settle else parts.date
        tell_date(reading, findings, line)
        day = reading.day
    return Byline(parts.author, day, " ".join(plain_text(inlines).split()), line)


def looks_like_byline(text: str) -> bool:
    """Tell whether Markdown without its marks says who wrote it and when, and nothing else."""
    if not text or len(text) > _LONGEST_BYLINE:
        return False
    parts = _split(text)
    return parts.date is not None and _is_byline(text, parts, emphasised=False)


def _text_of(inlines: Sequence[Inline]) -> str:
    """Return the words, with a bullet where a line ends or a bold label begins another entry."""
    pieces: list[str] = []
    for node in inlines:
        if isinstance(node, LineBreak):
            pieces.append(" • ")
        elif (
            isinstance(node, Strong) and pieces and plain_text((node,)).rstrip()[-1:] in (":", "：")
        ):
            pieces.append(" • " + plain_text((node,)))
        elif isinstance(node, Emphasis | Strong):
            pieces.append(_text_of(node.children))
        else:
            pieces.append(plain_text((node,)))
    return " ".join("".join(pieces).split())


def _ends_label(words: str) -> bool:
    return words.rstrip()[-1:] in (":", "：")


def _is_byline(text: str, parts: _Parts, *, emphasised: bool) -> bool:
    ends = _SENTENCE_END.search(text) is not None
    if parts.date is not None:
        words = len((parts.author or "").split())
        return emphasised or ((parts.apart or parts.by) and words <= _MOST_WORDS)
    if not parts.by or parts.author is None:
        return False
    return emphasised or (not ends and len(text.split()) <= _MOST_WORDS)


def _wholly_emphasised(inlines: tuple[Inline, ...]) -> bool:
    marked = False
    for node in inlines:
        if isinstance(node, Emphasis | Strong):
            marked = True
        elif not (isinstance(node, Text) and not _EMOJI.sub("", node.text).strip()):
            return False
    return marked


def _split(text: str) -> _Parts:
    by = _BY.match(_EMOJI.sub(" ", text).strip()) is not None
    reading: DateReading | None = None
    rest: list[str] = []
    apart = False
    pieces = _pieces(text)
    if (whole := read_date(text)) is not None:
        return _Parts(None, whole, by=False, apart=True)
    for piece in pieces:
        found = find_date(piece) if reading is None else None
        if found is None:
            rest.append(piece)
            continue
        reading, before, behind = found
        rest += [words for words in (before, behind) if words.strip()]
        apart = (
            len(pieces) > 1
            or not (before or behind)
            or before.rstrip()[-1:] in (",", ":", ";")
            or _is_said_beside(before)
            or (not before and _BY.match(behind) is not None)
        )
    author = _author(rest, alone=reading is None or len(pieces) > 1, by=by)
    by = by or any(_named(piece) is not None for piece in rest)
    return _Parts(author, reading, by, apart)


def _pieces(text: str) -> list[str]:
    """Split at marks; a date with dashes, dots or brackets of its own stays whole."""
    marked = _EMOJI.sub(" • ", text)
    return [piece.strip() for piece in _BREAKS.split(marked) if piece and piece.strip(" ,;:")]


def _is_said_beside(before: str) -> bool:
    """Tell whether only labels and small words stand before a date ('Published on')."""
    words = [plain(word).strip(":,.;") for word in before.split()]
    return all(word in _LABELS or word in _FUNCTION_WORDS for word in words)


def _author(pieces: Sequence[str], *, alone: bool, by: bool) -> str | None:
    """Return the author: behind "By" or a label, else the first piece that can only be a name."""
    for piece in pieces:
        if (named := _named(piece)) is not None and (name := _name(named)):
            return name
    if by or not alone:
        return None
    return next((name for piece in pieces if _can_be_name(piece) and (name := _name(piece))), None)


def _named(piece: str) -> str | None:
    """Return what stands behind "By" or "Author:" in a piece; None when neither is there."""
    if match := _LABELLED.match(piece):
        return piece[match.end() :]
    if match := _BY.match(piece):
        return piece[match.end() :]
    match = _BY_INSIDE.search(piece)
    if match is None:
        return None
    before = plain(piece[: match.start()])
    if _WRITTEN_BY.search(before) or _WRITTEN_BY.search(
        re.sub(rf"(?:\s*(?:{'|'.join(_FUNCTION_WORDS)}))+$", "", before)
    ):
        return piece[match.end() :]
    return None


def _name(text: str) -> str | None:
    """Return a name without times, labels and marks; None when no name is left."""
    text = _ADDRESS.sub(" ", text.strip())
    if match := _BY.match(text):
        text = text[match.end() :]
    kept: list[str] = []
    for part in text.split(","):
        part = _without_tail(part.strip())
        if _is_no_name(part) and (kept or not _is_titled(part)):
            break
        kept.append(part)
    name = ", ".join(kept).strip(" ,;:.-–—/|~*_")
    # A name begins somewhere with a capital, or is of a script that has none.
    return name if name and any(not c.islower() for c in _initials(name)) else None


def _initials(name: str) -> list[str]:
    return [word[0] for word in re.findall(r"[^\W\d_]+", name)]


def _without_tail(part: str) -> str:
    """Take off what leads over to a date: small words, a weekday, 'updated:'."""
    words = part.split()
    while words:
        last = plain(words[-1])
        small = last in _FUNCTION_WORDS and words[-1].islower()
        label = last.strip(":.") in _LABELS and (words[-1].endswith(":") or words[-1].islower())
        if small or label or (last.strip(".:") in WEEKDAYS and len(words) > 1 and len(last) > 3):
            words.pop()
        else:
            break
    return " ".join(words)


def _is_no_name(part: str) -> bool:
    """Tell whether a part is a time, a label, a count or marks alone."""
    words = plain(part)
    if _LINKED.search(words):
        return True
    rest = _COUNTED.sub(" ", _TIME.sub(" ", words))
    letters = [word for word in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", rest) if not word.isdigit()]
    return all(
        word in _LABELS or word in _FUNCTION_WORDS or word in WEEKDAYS or word in MONTHS
        for word in letters
    ) or (rest != words and all(word in _FUNCTION_WORDS for word in letters))


def _is_titled(part: str) -> bool:
    """Tell whether a part is written like a name of several words: 'The Week', 'Day by Day'."""
    words = part.split()
    return (
        len(words) > 1
        and not any(c.isdigit() or c == ":" for c in part)
        and words[0][:1].isupper()
        and words[-1][:1].isupper()
        and plain(words[0]) not in _ABOUT_ISSUES
    )


def _can_be_name(piece: str) -> bool:
    """Tell whether a piece that no "By" introduces can only be a name.

    Nothing counted, labelled or linked, no weekday, no sentence: such words are about the issue.
    A name beside a comma alone may be a place, so it is none.
    """
    words = plain(piece).split()
    if not words or len(words) > 6 or piece.rstrip()[-1:] in (",", "!", "?", "…"):
        return False
    if any(c.isdigit() or c in "#@:：=<>{}" for c in piece) or _LINKED.search(piece):
        return False
    if _BY_INSIDE.search(piece):
        return False  # somebody else's part in it
    letters = [word for word in piece.split() if any(c.isalpha() for c in word)]
    # Small words such as 'von' and 'of' may stand in a name, others begin with a capital.
    if not letters or any(w[0].islower() and (len(w) > 3 or w is letters[0]) for w in letters):
        return False
    bare = [word.strip(".,'\"") for word in words]
    if any(word in WEEKDAYS and len(word) > 2 for word in bare[:1]):
        return False
    return not any(word in _ABOUT_ISSUES for word in bare)


_ABOUT_ISSUES = (_LABELS - _FUNCTION_WORDS) - frozenset(
    plain(word)
    for word in [
        "daily",
        "weekly",
        "day",
        "today",
        "post",
        "web",
        "morning",
        "evening",
        "times",
        "week",
        "story",
        "stories",
        "status",
        "data",
        "die",
        "das",
        "der",
        "los",
        "o",
        "os",
        "tag",
        "a",
        "dias",
        "folge",
    ]
)
"""Words that no author's name holds, though a newspaper's may hold 'daily' or 'times'."""
