"""Decides which addresses a digest may link to (A10); it fetches nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from newsletter.digest.findings import excerpt

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Browsers drop spaces and controls before they look at the scheme, so we look without them too.
_IGNORED = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060\ufeff]+")
_SAFE = "!#$%&'()*+,/:;=?@[]~-._"
_LOOKS_LIKE_HOST = re.compile(r"(?:[\w-]+\.)+[A-Za-z]{2,24}(?:[/?#].*)?", re.DOTALL)
_BRACES = re.compile(r"\{\{|%7b%7b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address: `url` to link to, or None with the finding that says why not."""

    url: str | None
    code: str = ""
    problem: str = ""
    fix: str = ""


def check_address(raw: str, *, image: bool = False) -> Address:
    """Return what a link (or an image) may point to.

    https and http with a host; mailto with an address, but for images. Spaces and characters
    outside ASCII come out percent-encoded, hosts as A-labels (RFC 5890).
    """
    what = "image" if image else "link"
    shown = excerpt(raw)
    seen = _IGNORED.sub("", raw)
    if _BRACES.search(raw):
        return Address(
            None,
            "merge-field-in-link",
            f"the {what} address '{shown}' holds a merge field",
            "write the address in full; every reader gets the same",
        )
    scheme = _SCHEME.match(seen)
    if scheme is None or _LOOKS_LIKE_HOST.fullmatch(seen.partition(":")[0] or "/"):
        return _relative(seen, shown, what)
    name = scheme[1].lower()
    if name not in (("https", "http") if image else ("https", "http", "mailto")):
        return Address(
            None,
            "unsafe-link",
            f"the {what} address '{shown}' has the scheme '{excerpt(name)}', which is not sent",
            "use an address that starts with https://"
            + ("" if image else ", http:// or mailto:, or take the link out"),
        )
    if _CONTROL.search(raw):
        return _invalid(what, shown, "holds a line break or control character")
    return _mailto(raw.strip(), shown) if name == "mailto" else _web(raw.strip(), shown, what)


def _relative(seen: str, shown: str, what: str) -> Address:
    if not seen:
        problem = f"a {what} has no address"
    else:
        problem = f"the {what} address '{shown}' is not a whole URL"
    host = _LOOKS_LIKE_HOST.fullmatch(seen.lstrip("/"))
    guess = f", perhaps https://{excerpt(seen.lstrip('/'))}" if host else ""
    return Address(
        None,
        "relative-link",
        problem,
        f"give the whole URL, starting with https://{guess}: a mail has no page to start from",
    )


def _invalid(what: str, shown: str, why: str) -> Address:
    return Address(
        None,
        "invalid-link",
        f"the {what} address '{shown}' {why}",
        "copy the address again from the browser's address bar",
    )


def _mailto(raw: str, shown: str) -> Address:
    target = raw.partition(":")[2]
    if "@" not in target.partition("?")[0] and "to=" not in target:
        return _invalid("link", shown, "names no mail address")
    return Address(f"mailto:{quote(target, safe=_SAFE)}")


def _web(raw: str, shown: str, what: str) -> Address:
    scheme, _, rest = raw.partition(":")
    if not rest.startswith("//"):
        return _invalid(what, shown, "lacks the '//' behind its scheme")
    try:
        parts = urlsplit(f"{scheme.lower()}:{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return _invalid(what, shown, "cannot be read")
    if not host or _IGNORED.search(parts.netloc) or "\\" in parts.netloc:
        return _invalid(what, shown, "names no host")
    netloc = parts.netloc
    if not netloc.isascii():
        ascii_host = _a_labels(host)
        if ascii_host is None or "@" in netloc:
            return _invalid(what, shown, "names a host that cannot exist")
        netloc = ascii_host if port is None else f"{ascii_host}:{port}"
    tail = rest[2 + len(parts.netloc) :]
    return Address(f"{scheme.lower()}://{quote(netloc, safe=_SAFE)}{quote(tail, safe=_SAFE)}")


def _a_labels(host: str) -> str | None:
    import idna

    if len(host) > 253:  # RFC 1035 §2.3.4; also keeps the mapping below quick
        return None
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None
