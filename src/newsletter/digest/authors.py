"""Tells who wrote a digest from a byline without its date: better nobody than a wrong name.

Words of what else stands in bylines are tables here, in the languages that the emails speak.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from newsletter.digest.dates import CLOCK, MONTHS, WEEKDAYS, ZONE, plain


def _words(text: str) -> frozenset[str]:
    return frozenset(plain(word) for word in text.split())


# Words that an author follows, in the languages that the emails speak.
_BY_WORDS = "by|von|par|por|di|door|przez|autorstwa|بقلم|מאת"
_AUTHOR_LABELS = (
    "author|authors|written by|words|words by|text|text by|editor|edited by|compiled by|curated by"
    "|reported by|presented by|from|autor|autorin|autoren|text von|redaktion|auteur|auteurs|texte"
    "|redaction|autora|autores|texto|autore|autrice|testo|a cura di|tekst|redactie|redakcja"
    "|opracowanie|الكاتب|كتبه|כתב|כתבה|文|著者|執筆|筆者"
)
BY = re.compile(rf"(?:{_BY_WORDS})\s*:?\s+(?=\S)|(?:文|著)\s?[:：]\s*(?=\S)", re.IGNORECASE)
"""What begins the name of an author."""
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
_LABELS = _words(
    "updated update published publish posted post date dated edition issue issued no nr number "
    "vol volume generated generator created creation written compiled curated edited sent "
    "released release prepared read reading time times min mins minute minutes hour hours "
    "second seconds episode ep part week weekly day daily today yesterday version draft status "
    "category topic topics tags tag language location stories story sources articles items "
    "words subscribe share view online browser web last modified by at on for of the a an and "
    "is was with powered about total powered morning evening afternoon noon midnight good "
    "hello hi welcome automatically automated newsletter "
    "unsubscribe free public premium paid members internal confidential listen podcast archive "
    "archives home contact beta special breaking live summary brief briefing roundup recap "
    "overview english here translated sponsored photo photos illustration final "
    "aktualisiert aktualisierung stand veroffentlicht erschienen datum ausgabe nummer erstellt "
    "generiert lesezeit lesedauer minuten minute woche tag heute vom am um uhr der die das den "
    "fur guten morgen zuletzt geandert automatisch folge teil "
    "mis mise a jour publie publication paru edition numero genere cree creation lecture temps "
    "minutes semaine aujourd'hui le la les du de des en pour bonjour "
    "actualizado actualizacion publicado publicacion fecha edicion numero generado creado "
    "lectura tiempo minutos semana hoy el la los del de para buenos dias "
    "aggiornato aggiornamento pubblicato pubblicazione data edizione numero generato creato "
    "lettura tempo minuti settimana oggi il lo la del di per buongiorno "
    "atualizado atualizacao publicado publicacao data edicao numero gerado criado leitura tempo "
    "minutos semana hoje o os do da para bom dia "
    "bijgewerkt gepubliceerd datum editie uitgave nummer gegenereerd gemaakt leestijd minuten "
    "week vandaag de het een op van voor goedemorgen laatst "
    "aktualizacja zaktualizowano opublikowano opublikowane data wydanie numer wygenerowano "
    "utworzono czas czytania minut minuty tydzien dzis dzisiaj z dnia dla "
    "تحديث آخر محدث نشر تاريخ التاريخ العدد عدد الاصدار الإصدار اصدار إصدار قراءة القراءة وقت "
    "دقيقة دقائق اليوم في من "
    "עודכן עדכון פורסם תאריך גיליון מהדורה נוצר קריאה זמן דקות דקה היום מספר אחרון "
    "更新 更新日 最終更新 公開 公開日 日付 発行 発行日 配信 配信日 号 版 生成 作成 作成日 "
    "読了 分 約 月 火 水 木 金 土 日 月曜 火曜 水曜 木曜 金曜 土曜 日曜 "
    "月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日 "
)
_FUNCTION_WORDS = _words(
    "by at on for of the a an and in to le la el il em am um op w z dnia vom den der die "
    "das de del di du da do as om o von par por door przez from"
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


def is_said_beside(before: str) -> bool:
    """Tell whether only labels and small words stand before a date ('Published on')."""
    words = [plain(word).strip(":,.;") for word in before.split()]
    return all(word in _LABELS or word in _FUNCTION_WORDS for word in words)


def author_in(pieces: Sequence[str], *, alone: bool, by: bool) -> str | None:
    """Return the author: behind "By" or a label, else the first piece that can only be a name."""
    for piece in pieces:
        if (named := named_author(piece)) is not None and (name := _name(named)):
            return name
    if by or not alone:
        return None
    return next((name for piece in pieces if _can_be_name(piece) and (name := _name(piece))), None)


def named_author(piece: str) -> str | None:
    """Return what stands behind "By" or "Author:" in a piece; None when neither is there."""
    if match := _LABELLED.match(piece):
        return piece[match.end() :]
    if match := BY.match(piece):
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
    if match := BY.match(text):
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


_ABOUT_ISSUES = (_LABELS - _FUNCTION_WORDS) - _words(
    "daily weekly day today post web morning evening times week story stories status "
    "data die das der los o os tag a dias folge"
)
"""Words that no author's name holds, though a newspaper's may hold 'daily' or 'times'."""
