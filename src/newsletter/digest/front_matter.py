"""Reads the YAML front matter of a digest: flat `key: value` lines between two `---`.

Values are taken as written (`language: no` stays "no", a date stays text), so that YAML's own
types cannot surprise a writer. Nothing is constructed from it but text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from newsletter.digest.findings import Findings, excerpt

KEYS = ("title", "author", "date", "slug", "subject", "preheader", "language")
"""What a digest's front matter may say."""

HOLDING = {
    **dict.fromkeys(("draft", "wip", "private", "hidden", "hold"), True),
    **dict.fromkeys(("published", "publish", "public", "ready"), False),
}
"""Keys of other programs that keep a digest from being sent, with the value that does so."""

STATUS = "status"
"""The key that says in a word how far a digest is."""
_STATUS_HOLDS = frozenset(
    {
        *("draft", "drafts", "private", "pending", "review", "in-review", "needs-review"),
        *("idea", "ideas", "todo", "wip", "unpublished", "hidden", "hold", "on-hold"),
        *("scheduled", "future", "trash", "archived", "unfinished", "outline", "in-progress"),
        *("unlisted", "false", "no"),
    }
)
_STATUS_SENDS = frozenset(
    {
        *("published", "publish", "ready", "final", "done", "finished", "public", "live"),
        *("approved", "complete", "sent", "true", "yes"),
    }
)
_TRUE = frozenset({"true", "yes", "on", "1", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "n"})

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_SLUG = re.compile(r"[\w][\w.-]{0,199}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]+")
_KEY_LINE = re.compile(r"[A-Za-z_][\w-]*\s*:(\s|$)")
_LONGEST = 20_000
_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The values by key, the line of each key, and how many lines the whole took."""

    values: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    length: int = 0

    def get(self, key: str) -> str | None:
        """Return a value or None."""
        return self.values.get(key)


def read_front_matter(text: str, findings: Findings) -> FrontMatter:
    """Read the front matter at the start of a text with `\\n` line ends; problems to findings."""
    if match := re.match(r"(?:[ \t]*\n)+(?=---[ \t]*\n)", text):
        return _below_empty_lines(text[match.end() :], match[0].count("\n"), findings)
    if re.match(r"\+{3}[ \t]*\n(?:.*\n){0,200}?\+{3}[ \t]*(?:\n|$)", text[:_LONGEST]):
        _invalid(findings, 1, "it is TOML between '+++'; YAML between '---' is read")
        return FrontMatter()
    if not re.match(r"---[ \t]*\n", text):
        return FrontMatter()
    lines = text[: _LONGEST + 1].split("\n")
    end = next((n for n, line in enumerate(lines) if n and line.rstrip() in ("---", "...")), None)
    if end is None:
        # A rule on the first line is Markdown too; only what looks like keys is a lost block.
        first = next((line for line in lines[1:] if line.strip()), "")
        if _KEY_LINE.match(first):
            findings.add(
                "front-matter-unclosed",
                "the front matter that starts here is never closed",
                "write a line '---' below its last key",
                1,
            )
        return FrontMatter()
    inside = "\n".join(lines[1:end])
    if inside.strip() and not any(_is_yaml(line) for line in lines[1:end]):
        return FrontMatter()  # prose between two rules
    values, places = _values(inside, findings)
    return FrontMatter(values, places, end + 1)


def _below_empty_lines(text: str, lines: int, findings: Findings) -> FrontMatter:
    """Read front matter that stands below so many empty lines."""
    found = Findings()
    front = read_front_matter(text, found)
    for finding in found.sorted():
        findings.keep(replace(finding, line=(finding.line or 1) + lines))
    places = {key: line + lines for key, line in front.lines.items()}
    return FrontMatter(front.values, places, front.length and front.length + lines)


def _is_yaml(line: str) -> bool:
    return re.match(r"""["'{\[]?\w[\w -]*["']?\s*:|[{\[]|#|- """, line) is not None


def _values(source: str, findings: Findings) -> tuple[dict[str, str], dict[str, int]]:
    import yaml

    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    try:
        root = _compose(source)
    except yaml.YAMLError as error:
        _invalid(findings, _mark_line(error), _reason(error))
        return values, lines
    except (ValueError, OverflowError) as error:  # PyYAML lets chr() and int() fail like this
        _invalid(findings, 1, str(error))
        return values, lines
    if root is None:
        return values, lines
    if not isinstance(root, yaml.MappingNode):
        _invalid(findings, 2, "it is not made of 'key: value' lines")
        return values, lines
    for key_node, value_node in root.value:
        line = key_node.start_mark.line + 2
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
        if (holding := _holding(key)) is not None:
            _hold(holding, key, value_node, line, findings)
            continue
        if not _known(key, line, values, findings):
            continue
        value = _text(key, value_node, line, findings)
        if value is not None:
            values[key], lines[key] = value, line
    return values, lines


def _compose(source: str) -> object:
    """Compose YAML to nodes, refusing nesting that would exhaust PyYAML's recursion."""
    import yaml

    depth = 0
    for event in yaml.parse(source, Loader=yaml.BaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise yaml.YAMLError("it is nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.compose(source, Loader=yaml.BaseLoader)


def _holding(key: str) -> str | None:
    """Return the holding key that a key means, in whichever spelling; None for any other."""
    plain = re.sub(r"[\s_-]", "", key.casefold())
    plain = plain.removeprefix("is") if plain not in HOLDING else plain
    if plain in HOLDING or plain == STATUS:
        return plain
    if plain in ("poststatus", "visibility"):
        return STATUS
    return None


def _slip_of(key: str) -> str | None:
    """Return the holding key that a key is but for a letter too few, too many or two exchanged."""
    typed = key.casefold()
    for meant in HOLDING:
        longer, shorter = sorted((typed, meant), key=len, reverse=True)
        one_off = len(longer) == len(shorter) + 1 and any(
            longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer))
        )
        if len(meant) > 4 and (one_off or sorted(typed) == sorted(meant)):
            return meant
    return None


def _hold(meant: str, key: str, node: object, line: int, findings: Findings) -> None:
    """Tell of a draft; of a value that may mean one or not too, since a guess would send it."""
    import yaml

    value = str(node.value).strip() if isinstance(node, yaml.ScalarNode) else ""
    plain = re.sub(r"[\s_]+", "-", value.casefold())
    if meant == STATUS:
        holds = True if plain in _STATUS_HOLDS else False if plain in _STATUS_SENDS else None
        fix = "write 'draft' or 'published'"
    else:
        said = True if plain in _TRUE else False if plain in _FALSE else None
        holds = None if said is None else said is HOLDING[meant]
        fix = "write true or false"
        if any(c.isdigit() for c in value):
            fix += "; the day belongs to the key 'date'"
    if holds is None:
        shown = f"cannot be '{excerpt(value)}'" if value else "has no value"
        _wrong(findings, excerpt(key), shown, fix, line)
    elif holds:
        findings.add(
            "draft",
            f"the digest is a draft: its front matter says '{excerpt(key)}: {excerpt(value)}'",
            "take that line out when the digest is ready",
            line,
        )


def _known(key: str, line: int, values: Mapping[str, str], findings: Findings) -> bool:
    if key not in KEYS:
        if meant := _slip_of(key):
            # A slip of the pen must not send a draft.
            what = f"'{excerpt(key)}' is not known"
            _wrong(findings, "key", what, f"did you mean '{meant}'? Else take it out", line)
            return False
        close = difflib.get_close_matches(key.lower()[:40], KEYS, n=1)
        findings.add(
            "front-matter-unknown-key",
            f"the front matter key '{excerpt(key)}' is not known",
            f"did you mean '{close[0]}'?" if close else f"use one of {', '.join(KEYS)}",
            line,
        )
        return False
    if key in values:
        findings.add(
            "front-matter-duplicate-key",
            f"the front matter says '{key}' twice",
            "keep one of them",
            line,
        )
        return False
    return True


def _text(key: str, node: object, line: int, findings: Findings) -> str | None:
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        _wrong(findings, key, "is a list or a mapping", "give plain text on one line", line)
        return None
    value = " ".join(_CONTROL.sub(" ", str(node.value)).split())
    if not value or (node.style is None and value in ("~", "null")):
        _wrong(findings, key, "is empty", "give it a value or take the line out", line)
        return None
    if key == "language" and not _LANGUAGE.fullmatch(value):
        _wrong(findings, key, f"cannot be '{excerpt(value)}'", "give a tag like en or pt-BR", line)
        return None
    if key == "slug" and not _SLUG.fullmatch(value):
        fix = "use letters, digits, '-', '_' and '.'"
        _wrong(findings, key, f"cannot be '{excerpt(value)}'", fix, line)
        return None
    return value


def _wrong(findings: Findings, key: str, what: str, fix: str, line: int) -> None:
    findings.add("front-matter-value", f"the front matter's {key} {what}", fix, line)


def _invalid(findings: Findings, line: int, reason: str) -> None:
    findings.add(
        "front-matter-invalid",
        f"the front matter cannot be read: {excerpt(reason, 120)}",
        "write 'key: value' lines; put a value that holds ': ', '#' or quotes in quotation marks",
        line,
    )


def _mark_line(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)
    return int(mark.line) + 2 if mark is not None else 1


def _reason(error: Exception) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
