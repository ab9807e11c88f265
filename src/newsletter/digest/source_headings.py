"""The words of a heading that holds sources, in the languages that the emails speak."""

from __future__ import annotations

import re
import unicodedata

_HEADINGS = (
    "sources|source|references|reference|footnotes|footnote|notes|endnotes|citations|bibliography"
    "|works cited|source list|list of sources|sources cited|source notes|further sources",
    "quellen|quelle|fußnoten|quellenangaben|quellenverzeichnis|nachweise|einzelnachweise|belege"
    "|literatur|anmerkungen",
    "références|notes de bas de page|bibliographie|liste des sources",
    "fuentes|referencias|notas|notas al pie|citas|bibliografía",
    "fontes|referências|notas de rodapé|citações|bibliografia",
    "fonti|riferimenti|note|note a piè di pagina|citazioni",
    "bronnen|bron|bronvermelding|voetnoten|referenties|verwijzingen|noten",
    "źródła|źródło|przypisy|odnośniki|odniesienia",
    "المصادر|مصادر|المراجع|مراجع|الهوامش|المصادر والمراجع",
    "מקורות|מקור|הערות שוליים|הפניות|מראי מקום",
    "出典|参考文献|出典一覧|脚注|情報源|参考|参考資料|参考リンク|ソース",
)
_AND = "and|und|et|y|e|i|en|oraz|&|[+]|/|,|:|-|–|—|[(]|[|]|・|と"
_MARKS = re.compile(r"^[\W\d_]+|[\W_]+$")


def _plain(words: str) -> str:
    composed = unicodedata.normalize("NFC", " ".join(words.split())).casefold()
    return _MARKS.sub("", composed.replace("\ufe0f", ""))


SOURCE_HEADINGS = frozenset(_plain(words) for row in _HEADINGS for words in row.split("|"))
"""What a heading that holds sources says, in small letters."""

_FIRST = re.compile(
    rf"({'|'.join(re.escape(words) for words in sorted(SOURCE_HEADINGS, key=len, reverse=True))})"
    rf"\s*(?:{_AND})(?=\s|\W|$)"
)


def is_sources_heading(words: str) -> bool:
    """Tell whether a heading's words say that sources follow, whatever marks stand around them.

    "Sources & further reading" does, "Sources of the Nile" does not.
    """
    plain = _plain(words)
    if plain in SOURCE_HEADINGS:
        return True
    first = _FIRST.match(plain)
    return first is not None and len(plain.split()) <= 6 and ". " not in plain
