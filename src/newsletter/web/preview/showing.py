"""Prepares what the page shows of one look: the message merged for one reader, or what is wrong.

Everything is read anew each time, the settings too: what stands on the disk is what is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from newsletter.audience.eligibility import merge_field_names
from newsletter.audience.lists import MailingList, get_list, list_lists
from newsletter.clock import Clock
from newsletter.delivery.preflight import prepare_for_list
from newsletter.delivery.preparing import ArchiveUrl, Prepared, prepare
from newsletter.delivery.proofs import Proof, ProofReader, proof_for
from newsletter.digest.library import LATEST, find_digest, list_digests
from newsletter.digest.model import Finding, Severity
from newsletter.errors import DigestError, NewsletterError, Place
from newsletter.logs import get_logger, place_of
from newsletter.rendering.content import EmailContent
from newsletter.rendering.render import shown_preheader
from newsletter.settings import Settings
from newsletter.storage.database import Database
from newsletter.web.preview.looks import Look
from newsletter.web.preview.readers import (
    IMAGINED,
    NOBODY,
    Match,
    Reader,
    find_readers,
    imagined_reader,
    subscriber_reader,
)

GIVEN = "given"
"""The choice that means a digest from outside the library, named at the start."""

_AROUND = 3
"""Lines that are shown before and behind the one that is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no message to show: an error with its file, its line and the lines around it."""

    problem: str
    fix: str | None
    place: str
    line: int | None = None
    excerpt: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """The message as one reader gets it; `proof.message` is the whole of it as bytes."""

    reader: Reader
    proof: Proof
    preheader: str
    sender: str


@dataclass(frozen=True, slots=True)
class Shown:
    """All that one page tells.

    `digests` are (value, label), newest first; `chosen` is the value of the one that is shown, and
    `markdown` its lines.
    """

    look: Look
    digests: tuple[tuple[str, str], ...] = ()
    chosen: str = ""
    lists: tuple[str, ...] = ()
    mailing_list: MailingList | None = None
    path: Path | None = None
    markdown: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    prepared: Prepared | None = None
    message: Message | None = None
    problem: Problem | None = None
    matches: tuple[Match, ...] = ()


class Showcase:
    """What the preview was started with, and how a look at it is prepared.

    `reload` reads the settings anew, `start` is what an empty look means, `pages` gives the public
    page of each digest of a list, which the message leads to.
    """

    def __init__(
        self,
        reload: Callable[[], Settings],
        clock: Clock,
        database: Database | None,
        *,
        start: Look,
        given: Path | None = None,
        pages: Callable[[MailingList], ArchiveUrl] | None = None,
    ) -> None:
        self._reload = reload
        self._clock = clock
        self._database = database
        self._start = start
        self._given = given
        self._pages = pages
        self._settings = reload()

    @property
    def given(self) -> Path | None:
        """The digest from outside the library, where one was named."""
        return self._given

    @property
    def settings(self) -> Settings:
        """The settings as they were last read without an error."""
        return self._settings

    def show(self, look: Look, *, survey: bool = False) -> Shown:
        """Prepare a look; what goes wrong on the way is part of what is shown.

        With `survey` the findings are those for the list's readers, which are read for it once.
        """
        shown = Shown(look)
        try:
            self._settings = self._reload()
            shown = self._choose(shown)
            path = self._path(shown.chosen)
            shown = replace(shown, path=path, markdown=_lines_of(path))
            return self._prepare(shown, path, survey=survey)
        except NewsletterError as error:
            return replace(shown, problem=_explain(error))
        except Exception as error:  # noqa: BLE001 - a template of the operator may fail in any way
            at = place_of(error, steps=4)
            get_logger("preview").warning("not_shown", error=type(error).__name__, at=at)
            return replace(shown, problem=_explain_fault(error, self._templates))

    def watched(self) -> tuple[list[Path], list[Path]]:
        """Return the folders of digests and the folders of templates, as they are set now."""
        digests = [self._settings.path(self._settings.newsletter.digests)]
        if self._given is not None:
            digests.append(self._given.parent.resolve())
        return digests, [self._templates]

    @property
    def _templates(self) -> Path:
        return self._settings.path(self._settings.newsletter.templates)

    @property
    def _library(self) -> Path:
        return self._settings.path(self._settings.newsletter.digests)

    def _choose(self, shown: Shown) -> Shown:
        """Add what there is to choose from, and what is chosen."""
        look = shown.look
        shown = replace(
            shown,
            digests=tuple(self._digests()),
            chosen=look.digest or self._start.digest,
        )
        if self._database is None:
            return shown
        with self._database.read() as connection:
            lists = list_lists(connection)
            named = look.mailing_list or self._start.mailing_list
            chosen = (
                get_list(connection, named) if named else (lists[0] if len(lists) == 1 else None)
            )
            found = find_readers(connection, chosen, look.find) if chosen and look.find else ()
        return replace(
            shown,
            lists=tuple(one.name for one in lists),
            mailing_list=chosen,
            matches=tuple(found),
        )

    def _digests(self) -> Iterator[tuple[str, str]]:
        if self._given is not None:
            yield GIVEN, str(self._given)
        digests: tuple[Path, ...] = ()
        # Without a library, or without a date in it, others can still be shown.
        with suppress(DigestError):
            digests = list_digests(self._library)
            yield LATEST, f"Latest: {find_digest(LATEST, self._library).name}"
        yield from ((path.name, path.name) for path in reversed(digests))

    def _path(self, chosen: str) -> Path:
        """Return the file of a choice: never a path that a URL names."""
        if chosen == GIVEN and self._given is not None:
            return self._given
        if chosen == LATEST:
            return find_digest(LATEST, self._library)
        for path in list_digests(self._library):
            if path.name == chosen:
                return path
        raise DigestError(
            f"there is no digest '{chosen}' any more",
            where=Place(self._library),
            fix="choose another one above",
        )

    def _prepare(self, shown: Shown, path: Path, *, survey: bool) -> Shown:
        prepared = self._prepared(path, shown.mailing_list, survey=survey)
        findings = tuple(sorted(prepared.findings, key=_order))
        shown = replace(shown, prepared=prepared, findings=findings)
        if prepared.fault is not None:
            return replace(shown, problem=_explain(prepared.fault))
        if prepared.content is None:
            cause = min(findings, key=_is_cause)
            return replace(shown, problem=_explain_finding(cause, path, shown.markdown))
        reader = self._reader(shown, prepared.content)
        return replace(shown, message=_merged(prepared, prepared.content, reader, self._clock))

    def _prepared(self, path: Path, mailing_list: MailingList | None, *, survey: bool) -> Prepared:
        if mailing_list is None or self._database is None:
            return prepare(path, self._settings, None, ())
        page = self._pages(mailing_list) if self._pages is not None else None
        with self._database.read() as connection:
            if survey:
                return prepare_for_list(
                    connection, path, self._settings, mailing_list, archive_url=page
                )
            fields = merge_field_names(connection, mailing_list.id)
        return prepare(path, self._settings, mailing_list, fields, archive_url=page)

    def _reader(self, shown: Shown, content: EmailContent) -> Reader:
        key = shown.look.reader or self._start.reader or NOBODY
        found: Reader | None = None
        if key.isascii() and key.isdigit() and shown.mailing_list and self._database is not None:
            with self._database.read() as connection:
                found = _by_number(connection, shown.mailing_list, key)
        return found or imagined_reader(key if key in IMAGINED else NOBODY, content)


def _merged(prepared: Prepared, content: EmailContent, reader: Reader, clock: Clock) -> Message:
    """Merge the message; its links are those of a proof, which belong to nobody."""
    merged_for = ProofReader(reader.address, reader.name, reader.values, smtputf8=True)
    proof = proof_for(content, prepared.identity, merged_for, at=clock.now())
    return Message(
        reader, proof, shown_preheader(content, reader.values), prepared.identity.from_name
    )


def _by_number(connection: Connection, mailing_list: MailingList, key: str) -> Reader | None:
    number = int(key)
    return subscriber_reader(connection, mailing_list, number) if number < 2**63 else None


def _order(finding: Finding) -> tuple[bool, int]:
    """Errors first, then by line; what has no line comes last."""
    return finding.severity is not Severity.ERROR, finding.line or 10**9


def _explain(error: NewsletterError) -> Problem:
    where = error.where or Place()
    line = where.line
    path = Path(where.path) if where.path is not None else None
    excerpt: tuple[tuple[int, str], ...] = ()
    # The settings may hold a password: their lines are not shown.
    if path is not None and line is not None and path.suffix != ".toml":
        excerpt = _excerpt(_lines_of(path), line)
    return Problem(error.problem, error.fix, str(where), line, excerpt)


def _is_cause(finding: Finding) -> int:
    """Order findings by how likely they are why there is no message at all."""
    if finding.code.startswith("front-matter"):
        return 0
    return 1 if finding.code == "no-title" else 2


def _explain_finding(finding: Finding, path: Path, lines: tuple[str, ...]) -> Problem:
    place = str(Place(path, finding.line)) if finding.line else finding.place or str(path)
    excerpt = _excerpt(lines, finding.line) if finding.line else ()
    return Problem(finding.problem, finding.fix, place, finding.line, excerpt)


def _explain_fault(error: Exception, templates: Path) -> Problem:
    """Explain an error that is none of ours: as far as it comes from a template, with its line."""
    file, line = templates, None
    trace = error.__traceback__
    while trace is not None:
        named = Path(trace.tb_frame.f_code.co_filename)
        if templates in named.parents or named.suffix in (".j2", ".css"):
            file, line = named, trace.tb_lineno
        trace = trace.tb_next
    words = " ".join(str(error).split())[:300]
    return Problem(
        f"the message cannot be made: {type(error).__name__}{f': {words}' if words else ''}",
        "correct the line of the template" if line else "undo the last change of a template",
        str(Place(file, line)),
        line,
        _excerpt(_lines_of(file), line) if line else (),
    )


def _lines_of(path: Path) -> tuple[str, ...]:
    """Return the lines of a text file; none of what is no readable file."""
    try:
        return tuple(path.read_text(encoding="utf-8", errors="replace").split("\n"))
    except OSError:
        return ()


def _excerpt(lines: tuple[str, ...], line: int) -> tuple[tuple[int, str], ...]:
    first = max(line - _AROUND, 1)
    chosen = lines[first - 1 : line + _AROUND]
    return tuple((first + at, text[:500]) for at, text in enumerate(chosen))
