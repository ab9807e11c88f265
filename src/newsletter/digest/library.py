"""Finds digests in their folder by name, slug or date; reads no more of them than it must."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from newsletter.digest.dates import day_in_name
from newsletter.digest.model import Digest
from newsletter.digest.parser import load
from newsletter.errors import DigestError, Place
from newsletter.logs import get_logger, place_of

log = get_logger("digest")

LATEST = "latest"
"""The reference that means the digest with the last date."""

_SUFFIXES = (".md", ".markdown")
_NO_DIGESTS = frozenset({"readme", "contributing", "license", "changelog"})
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def list_digests(folder: Path) -> tuple[Path, ...]:
    """Return the Markdown files of a folder by name, so that dated ones are oldest first.

    Hidden files, a README and the like and subfolders are left out. Raises `DigestError` when the
    folder is missing or cannot be read.
    """
    try:
        files = [path for path in folder.iterdir() if _is_digest(path)]
    except OSError as error:
        raise DigestError(
            f"the folder of digests cannot be read: {error.strerror}",
            where=Place(folder),
            fix="run 'newsletter init', or correct 'digests' under [newsletter] in newsletter.toml",
        ) from None
    return tuple(sorted(files, key=lambda path: path.name))


def find_digest(reference: str, folder: Path) -> Path:
    """Return the file that a person means: a path, a file name, a slug, a date, or `latest`.

    Tried in this order: the path as given; the name in `folder`, with or without its suffix; names
    that start with the date; then the slug and date within the files. Raises `DigestError`, with
    suggestions, when none or several match.
    """
    reference = reference.strip()
    if not reference or "\0" in reference:
        raise DigestError("no digest is named", fix="name a file, a slug, a date or 'latest'")
    given = Path(reference)
    if _is_file(given):
        return given
    if given.name != reference or given.is_absolute():
        inside = folder / given
        if _is_file(inside):
            return inside
        raise _unknown(reference, list_digests(folder))
    for name in (reference, *(reference + suffix for suffix in _SUFFIXES)):
        if _is_file(folder / name):
            return folder / name
    digests = list_digests(folder)
    if reference.casefold() == LATEST:
        return _latest(digests, folder)
    return _one(reference, _matching(reference, digests), digests)


def day_of_name(path: Path) -> date | None:
    """Return the first day that a file's name says, as 2026-05-07; None: it says none."""
    return day_in_name(path.stem)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system names nothing
        return False


def _is_digest(path: Path) -> bool:
    return (
        path.suffix.lower() in _SUFFIXES
        and not path.name.startswith((".", "_"))
        and path.stem.lower() not in _NO_DIGESTS
        and path.is_file()
    )


def _matching(reference: str, digests: Sequence[Path]) -> list[Path]:
    wanted = reference.casefold()
    same = [path for path in digests if wanted in (path.stem.casefold(), path.name.casefold())]
    if same:
        return same
    day = _day(reference)
    if day is not None:
        dated = [path for path in digests if day_of_name(path) == day]
        if dated:
            return dated
    read = [(path, digest) for path in digests if (digest := _read(path)) is not None]
    by_slug = [path for path, digest in read if digest.slug.casefold() == wanted]
    if by_slug or day is None:
        return by_slug
    return [path for path, digest in read if digest.byline.day == day]


def _latest(digests: Sequence[Path], folder: Path) -> Path:
    days: dict[Path, date] = {}
    for path in digests:
        day = day_of_name(path)
        if day is None and (digest := _read(path)) is not None:
            day = digest.byline.day
        if day is not None:
            days[path] = day
    if not days:
        raise DigestError(
            "there is no digest with a date",
            where=Place(folder),
            fix="write one, named like 2026-05-07.md",
        )
    last = max(days.values())
    return _one(last.isoformat(), [path for path in digests if days.get(path) == last], digests)


def _one(reference: str, found: Sequence[Path], digests: Sequence[Path]) -> Path:
    if not found:
        raise _unknown(reference, digests)
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise DigestError(
            f"'{reference[:80]}' could be several digests: {names}{more}",
            where=Place(found[0].parent),
            fix="name the file",
        )
    return found[0]


def _unknown(reference: str, digests: Sequence[Path]) -> DigestError:
    names = {path.stem: path.name for path in digests} | {path.name: path.name for path in digests}
    asked = Path(reference).name[:100]
    close = dict.fromkeys(names[n] for n in difflib.get_close_matches(asked, names, n=4))
    if close:
        fix = f"did you mean {' or '.join(list(close)[:2])}?"
    elif digests:
        fix = f"the last ones are {', '.join(path.name for path in digests[-3:])}"
    else:
        fix = "the folder holds no digest yet: write one, named like 2026-05-07.md"
    where = Place(digests[0].parent) if digests else None
    return DigestError(f"there is no digest '{reference[:80]}'", where=where, fix=fix)


def _read(path: Path) -> Digest | None:
    """Return a digest, or None when it cannot be read: a search goes on past it."""
    try:
        return load(path).digest
    except DigestError:
        return None
    except Exception as fault:  # noqa: BLE001 - whoever works on that one tells its way
        log.warning("digest_met_a_fault", path=str(path), at=place_of(fault))
        return None


def _day(text: str) -> date | None:
    if not _DATED.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
