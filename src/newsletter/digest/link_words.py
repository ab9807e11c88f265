"""What the words of a link say: nothing, or the address of another site than it leads to (B4).

Pure functions, for digests and for rendered emails alike.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_MEANINGLESS = frozenset(
    {
        *("here", "click", "click here", "see here", "right here", "this", "this link", "link"),
        *("the link", "more", "read more", "see more", "learn more", "this page", "this site"),
        *("hier", "hier klicken", "klick hier", "klicken sie hier", "mehr", "mehr lesen"),
        *("weiterlesen", "mehr erfahren", "dieser link", "diesem link"),
        *("ici", "cliquez ici", "cliquer ici", "lien", "ce lien", "lire la suite", "plus"),
        *("en savoir plus", "aquí", "haz clic aquí", "haga clic aquí", "pulse aquí", "enlace"),
        *("este enlace", "leer más", "más", "más información", "qui", "clicca qui", "leggi di più"),
        *("aqui", "clique aqui", "leia mais", "saiba mais", "klik hier", "lees meer", "meer"),
        *("tutaj", "kliknij tutaj", "więcej", "här", "klicka här", "läs mer", "her", "klik her"),
        *("klikk her", "les mer", "læs mere", "tästä", "täällä", "klikkaa tästä", "lue lisää"),
        *("zde", "klikněte zde", "kattints ide", "itt", "aici", "click aici", "burada"),
        *("buraya tıklayın", "tıklayın", "εδώ", "κάντε κλικ εδώ", "здесь", "тут", "ссылка"),
        *("нажмите здесь", "подробнее", "читать далее", "натисніть тут"),
        *(
            "こちら",
            "ここ",
            "ここをクリック",
            "詳細はこちら",
            "这里",
            "點擊這裡",
            "点击这里",
            "点此",
        ),
        *("更多", "여기", "여기를 클릭", "더보기", "هنا", "اضغط هنا", "انقر هنا", "المزيد"),
        *("כאן", "לחץ כאן", "לחצו כאן", "עוד", "اینجا", "کلیک کنید"),
    }
)
_AROUND = " \t\n\u00a0.,:;!?…()[]«»‹›<>→»\"'“”„‘’*_"

# An address with a scheme, with www, or with a path: a bare name such as 'Booking.com' is a name.
_ADDRESS = re.compile(
    r"(?:https?://(?P<full>[^\s/?#@]+)"
    r"|(?P<www>www\.[^\s/?#@]+\.[^\W\d_]{2,24})"
    r"|(?P<path>(?:[\w-]+\.)+[^\W\d_]{2,24})(?=/\S))"
    r"(?::\d+)?(?:[/?#]\S*)?",
    re.IGNORECASE,
)


def is_meaningless(words: str) -> bool:
    """Tell whether words alone do not say what is behind a link: 'here', 'more', 'cliquez ici'."""
    return " ".join(words.strip(_AROUND).casefold().split()) in _MEANINGLESS


def named_host(words: str) -> str | None:
    """Return the host that words look like an address of, in small letters; None: no address."""
    found = _ADDRESS.fullmatch(words.strip(_AROUND))
    if found is None:
        return None
    host = found["full"] or found["www"] or found["path"]
    return host.partition(":")[0].casefold()


def other_site(words: str, url: str) -> str | None:
    """Return the host that the words name when the link leads to another site; None: it does not.

    The same site are a host, its subdomains, and both with `www`.
    """
    named = named_host(words)
    if named is None:
        return None
    try:
        host = (urlsplit(url).hostname or "").casefold()
    except ValueError:
        return None
    named, host = _bare(named), _bare(host)
    same = named == host or host.endswith(f".{named}") or named.endswith(f".{host}")
    return None if same or not host else named


def _bare(host: str) -> str:
    try:
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        return host
    return host.removeprefix("www.")
