"""One row of a subscriber file as a person: address, values, tags, and what is odd about them.

Knows no database: whether a person is new, known, suppressed or gone is said by `import_staging`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from newsletter.audience.address import DISPOSABLE, ROLES, AddressRefused, parse_address
from newsletter.audience.csv_columns import ATTRIBUTE_PREFIX, HELD_TOGETHER
from newsletter.audience.csv_reading import CsvFile, RawRow
from newsletter.audience.eligibility import field_name
from newsletter.audience.headings import plain_words
from newsletter.audience.json_reading import UNFIT, cell_of
from newsletter.audience.spreadsheets import unprotected
from newsletter.audience.status_columns import SHOWN, Outcome, StatusReader
from newsletter.audience.status_words import away_by_name
from newsletter.audience.tags import tag_name, tag_words
from newsletter.clock import zone_named
from newsletter.errors import AudienceError
from newsletter.logs import mask_address
from newsletter.one_line import one_line

LONGEST_NAME = 200
LONGEST_LANGUAGE = 35
SAMPLES = 3
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_KEPT = 100
"""Different odd values remembered of a kind, and valid ones: a bound for hostile files."""


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """What the operator lets in beyond persons' own addresses."""

    allow_role: bool = False
    allow_disposable: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not imported: where, a stable code, why, and its cells where they were kept.

    Cells are as they stood in the file, under the headings of the report's columns.
    """

    row: int
    code: str
    problem: str
    cells: tuple[str, ...] = ()


class Person(NamedTuple):
    """What a row says of somebody, ready to be stored; None where it says nothing.

    `attributes` is JSON text. `stays` is why the file itself keeps a new person away, `says` the
    words of it.
    """

    row: int
    key: str
    address: str
    name: str | None
    timezone: str | None
    language: str | None
    attributes: str | None
    stays: str | None
    says: str | None
    tags: Sequence[str]


class Oddities:
    """Counts values that were left out or changed, and remembers a bounded number of them."""

    def __init__(self, one: str, outcome: str) -> None:
        self._one, self._outcome = one, outcome
        self._counts: dict[str, int] = {}
        self._more = 0

    def add(self, value: str) -> None:
        """Count one."""
        shown = value[:60]
        if shown in self._counts or len(self._counts) < _KEPT:
            self._counts[shown] = self._counts.get(shown, 0) + 1
        else:
            self._more += 1

    def warnings(self) -> list[str]:
        """Return a line for each of the ten most frequent, and one for all others."""
        by_count = sorted(self._counts.items(), key=lambda found: -found[1])
        told = [
            f"{self._one} '{value}' in {count} rows; {self._outcome}"
            for value, count in by_count[:10]
        ]
        more = self._more + sum(count for _, count in by_count[10:])
        if more:
            told.append(f"{self._one}: others in {more} rows; {self._outcome}")
        return told


class _Checked:
    """A column whose values are looked up: valid ones are remembered, others counted."""

    def __init__(self, position: int | None, check: Callable[[str], str | None], odd: str) -> None:
        self._position, self._check = position, check
        self._valid: dict[str, str] = {}
        self.odd = Oddities(odd, "left empty there")

    def of(self, cells: list[str]) -> str | None:
        if self._position is None or not (value := cells[self._position]):
            return None
        if (known := self._valid.get(value)) is not None:
            return known
        checked = self._check(value)
        if checked is None:
            self.odd.add(value)
        elif len(self._valid) < 10 * _KEPT:
            self._valid[value] = checked
        return checked


class RowReader:
    """Reads the rows of one file; counts its oddities and keeps a masked sample."""

    def __init__(self, file: CsvFile, policy: ImportPolicy, tags: Sequence[str]) -> None:
        self._policy, self._tags = policy, tuple(tags)
        at = file.position
        self._email = file.positions("email")[0]
        self._name, self._first, self._last = at("name"), at("first_name"), at("last_name")
        self._tag_column = at("tags")
        self._statuses = StatusReader(file.statuses())
        self._away = away_by_name(plain_words(file.path.stem))
        self._by_name = f"the file's name says '{file.path.stem[:SHOWN]}'"
        self._attributes = _attributes_of(file)
        self._together = [
            (position, column.attribute)
            for position, column in enumerate(file.columns)
            if column.attribute in HELD_TOGETHER
        ]
        self._zones = _Checked(at("timezone"), zone_named, "unknown time zone")
        self._languages = _Checked(at("language"), _language, "no language tag")
        self._bad_tags = Oddities("no tag", "left out there")
        self._unknown = Oddities(
            "not known whether they may be mailed:",
            "not added: correct the column, or name it "
            f"'{ATTRIBUTE_PREFIX}…' if it is about something else",
        )
        self._long_names = 0
        self.samples: list[dict[str, str]] = []

    def read(self, raw: RawRow) -> Person | Refusal:
        """Read a row; a refusal holds no cells."""
        row, read, code, problem = raw
        if problem:
            return Refusal(row, code, problem)
        # Most cells have no quote to take away: a look at the first sign is quicker than a call.
        cells = [c if c[:1] != "'" else unprotected(c) for c in map(str.strip, read)]
        try:
            address = parse_address(cells[self._email])
        except AddressRefused as refused:
            return Refusal(row, refused.code, refused.problem)
        local, _, domain = address.key.rpartition("@")
        if local in ROLES and not self._policy.allow_role:
            return Refusal(
                row, "role", f"'{address.text}' names a function, not a person (--allow-role)"
            )
        if domain in DISPOSABLE and not self._policy.allow_disposable:
            return Refusal(row, "disposable", f"'{domain}' gives throw-away addresses")
        person = self._person(row, address.key, address.text, cells)
        if len(self.samples) < SAMPLES:
            self.samples.append(_masked(person))
        return person

    def warnings(self) -> list[str]:
        """Return what was odd so far."""
        kinds = (self._unknown, self._zones.odd, self._languages.odd, self._bad_tags)
        told = [warning for kind in kinds for warning in kind.warnings()]
        if self._long_names:
            told.append(
                f"a name longer than {LONGEST_NAME} characters in {self._long_names} rows; cut"
            )
        return told

    def _person(self, row: int, key: str, address: str, cells: list[str]) -> Person:
        attributes = [
            f"{name}: {encode_basestring_ascii(value)}"
            for position, name in self._attributes
            if (value := cells[position])
        ]
        if self._together:
            attributes = self._with_together(attributes, cells)
        stays, words = self._away, self._by_name if self._away is not None else None
        if self._statuses.columns:
            verdict = self._statuses.of(cells)
            if verdict.away is not None:
                stays, words = verdict.away, verdict.words
                if verdict.outcome is Outcome.UNKNOWN:
                    self._unknown.add(f"{verdict.title}: {verdict.cell or 'empty'}")
        return Person(
            row,
            key,
            address,
            self._full_name(cells),
            self._zones.of(cells),
            self._languages.of(cells),
            "{" + ", ".join(attributes) + "}" if attributes else None,
            stays,
            words,
            self._tags if self._tag_column is None else self._all_tags(cells[self._tag_column]),
        )

    def _with_together(self, attributes: list[str], cells: list[str]) -> list[str]:
        """Add what a cell holds as one object of JSON; columns of their own win."""
        taken = {name for position, name in self._attributes if cells[position]}
        for position, title in self._together:
            cell = cells[position]
            held = {title: cell} if (found := _object_in(cell)) is None else found
            for key, value in held.items():
                name, text = encode_basestring_ascii(field_name(key)), cell_of(value)
                if name not in {'""', *taken} and text and not UNFIT.search(text):
                    taken.add(name)
                    attributes.append(f"{name}: {encode_basestring_ascii(text)}")
        return attributes

    def _full_name(self, cells: list[str]) -> str | None:
        name = "" if self._name is None else cells[self._name]
        if not name:
            parts = (cells[at] for at in (self._first, self._last) if at is not None)
            name = " ".join(part for part in parts if part)
        name = one_line(name)
        if len(name) > LONGEST_NAME:
            self._long_names += 1
            name = name[:LONGEST_NAME].rstrip()
        return name or None

    def _all_tags(self, cell: str) -> Sequence[str]:
        if not cell:
            return self._tags
        found = set(self._tags)
        for word in tag_words(cell):
            try:
                found.add(tag_name(word))
            except AudienceError:
                self._bad_tags.add(word)
        return sorted(found)


def _attributes_of(file: CsvFile) -> list[tuple[int, str]]:
    """Return the columns whose cells are attributes, with their names as JSON.

    First and last name are merge fields too.
    """
    return [
        (position, encode_basestring_ascii(column.attribute or column.field or ""))
        for position, column in enumerate(file.columns)
        if (column.attribute is not None and column.attribute not in HELD_TOGETHER)
        or column.field in ("first_name", "last_name")
    ]


def _object_in(cell: str) -> dict[str, object] | None:
    """Return the object that a cell holds as JSON; None where it holds something else."""
    if not cell.startswith("{"):
        return None
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _language(text: str) -> str | None:
    """Return a language tag as RFC 5646 §2.1.1 spells it: `en_us.UTF-8` is `en-US`."""
    tag = re.split(r"[.@]", text, maxsplit=1)[0].strip().replace("_", "-")
    if len(tag) > LONGEST_LANGUAGE or not _LANGUAGE.fullmatch(tag):
        return None
    first, *others = tag.lower().split("-")
    return "-".join([first, *map(_subtag, others)])


def _subtag(part: str) -> str:
    return {2: part.upper(), 4: part.title()}.get(len(part), part)


def _masked(person: Person) -> dict[str, str]:
    """Show a person so that an operator sees what was understood, and nobody learns who it is."""
    shown = {"email": mask_address(person.address)}
    if person.name:
        shown["name"] = f"{person.name[:1]}…"
    for name, value in (("timezone", person.timezone), ("language", person.language)):
        if value:
            shown[name] = value
    if person.tags:
        shown["tags"] = "; ".join(person.tags)
    for name, value in json.loads(person.attributes or "{}").items():
        shown[f"attributes.{name}"] = f"{value[:1]}…"
    return shown
