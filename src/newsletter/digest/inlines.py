"""Turns the inline tokens of one paragraph into the model's inline values.

Works with a stack instead of recursion, so that no nesting can exhaust Python's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markdown_it.token import Token

from newsletter.digest.citations import numbers_in, spelling
from newsletter.digest.comments import tell_unclosed_comment
from newsletter.digest.findings import Findings, excerpt
from newsletter.digest.links import Address, check_address
from newsletter.digest.merge_fields import Tag
from newsletter.digest.model import (
    Citation,
    Code,
    Emphasis,
    Image,
    Inline,
    LineBreak,
    Link,
    MergeField,
    Strong,
    Struck,
    Text,
    plain_text,
)
from newsletter.digest.typed_markup import tell_typed_markup
from newsletter.digest.web_addresses import www_in

DEEPEST = 24
"""Emphasis and links in one another; what is deeper keeps its words and loses its markup."""

_MARKED: dict[str, Callable[[tuple[Inline, ...]], Inline]] = {
    "em_close": Emphasis,
    "strong_close": Strong,
    "s_close": Struck,
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


@dataclass
class Reading:
    """What reading one digest needs to know and gathers on the way.

    `sources` are the numbers that a citation may point to.
    """

    findings: Findings
    sources: frozenset[str] = frozenset()
    cited: set[str] = field(default_factory=set)


def read_inlines(
    tokens: Sequence[Token], content: str, line: int, reading: Reading
) -> tuple[Inline, ...]:
    """Return the values of a paragraph whose source is `content` and starts at `line`."""
    return _Reader(content, line, reading).read(tokens)


class _Frame:
    """An open emphasis or link (or the paragraph itself) with what it holds so far."""

    __slots__ = ("address", "nodes", "title", "words")

    def __init__(self, address: str | None = None, title: str | None = None) -> None:
        self.nodes: list[Inline] = []
        self.words: list[str] = []
        self.address = address
        self.title = title


class _Reader:
    def __init__(self, content: str, line: int, reading: Reading) -> None:
        self._content = content
        self._line = self._first_line = line
        self._offset = 0
        self._reading = reading
        self._findings = reading.findings
        self._frames = [_Frame()]
        self._in_link = False
        self._bad_link = False
        self._flattened = 0
        self._skip_space = False
        self._typed: list[str] = []
        """What stands as typed, to be looked through for markup that was meant."""

    def read(self, tokens: Sequence[Token]) -> tuple[Inline, ...]:
        for token in tokens:
            kind = token.type
            if kind in ("text", "text_special"):
                content = token.content
                if self._skip_space:
                    content, self._skip_space = content.removeprefix(" "), False
                self._frames[-1].words.append(content)
                # What was escaped is meant as it stands.
                self._typed.append(content if kind == "text" else "\0")
            elif kind == "softbreak":
                self._frames[-1].words.append(" ")
                self._typed.append("\n")
            elif kind.endswith("_open"):
                self._open(token)
            elif kind.endswith("_close"):
                self._close(token)
            else:
                self._typed.append("\0")
                self._single(token)
        return self._finish()

    def _single(self, token: Token) -> None:
        match token.type:
            case "code_inline":
                self._add(Code(token.content))
            case "hardbreak":
                self._add(LineBreak())
            case "footnote_ref":
                self._cite(token)
            case "merge_field":
                self._merge(token)
            case "image":
                self._image(token)
            case "raw_html":
                self._html(token)
            case "comment":
                self._comment(token)
            case _:
                self._frames[-1].words.append(token.content)

    def _at(self, token: Token) -> int:
        """Return the line of a token that carries its offset; offsets come in rising order."""
        offset = token.meta["offset"]
        self._line += self._content.count("\n", self._offset, offset)
        self._offset = max(self._offset, offset)
        return self._line

    def _flush(self) -> None:
        frame = self._frames[-1]
        if not frame.words:
            return
        text = _CONTROL.sub(" ", "".join(frame.words))
        frame.words.clear()
        if not text:
            return
        if self._in_link or "www." not in text.lower():
            frame.nodes.append(Text(text))
        else:
            frame.nodes.extend(_with_links(text))

    def _add(self, node: Inline) -> None:
        self._flush()
        self._frames[-1].nodes.append(node)

    # ------------------------------------------------------------ emphasis and links

    def _open(self, token: Token) -> None:
        is_link = token.type == "link_open"
        address = self._judge(token) if is_link else None
        if self._flattened or len(self._frames) > DEEPEST:
            self._flattened += 1
            self._findings.add(
                "too-deep",
                "emphasis or links are nested too deeply",
                "write \\*, \\_ or \\[ for the characters themselves",
                self._line,
            )
        elif is_link and address is None:
            self._bad_link = True
        else:
            self._flush()
            title = token.attrs.get("title")
            self._frames.append(_Frame(address, str(title) if title else None))
            self._in_link = self._in_link or is_link

    def _close(self, token: Token) -> None:
        if self._flattened:
            self._flattened -= 1
            return
        if token.type == "link_close" and self._bad_link:
            self._bad_link = False
            return
        self._flush()
        frame = self._frames.pop()
        children = tuple(frame.nodes)
        if token.type == "link_close":
            self._in_link = False
            url = frame.address or ""
            self._add(Link(url, children or (Text(url),), frame.title))
            if not plain_text(children).strip() and not any(isinstance(c, Image) for c in children):
                self._findings.add(
                    "empty-link-text",
                    f"the link to {excerpt(url)} has no words",
                    "write what the reader will find: [words](address)",
                    self._line,
                )
        elif children:
            self._add(_MARKED[token.type](children))

    def _judge(self, token: Token) -> str | None:
        address = check_address(str(token.attrs.get("href", "")))
        if token.markup == "linkify":
            # Nobody asked for a link: what is no address stays words.
            return address.url
        line = self._at(token) if "offset" in token.meta else self._line_of_autolink(token)
        if token.meta.get("spaced"):
            self._findings.add(
                "link-with-spaces",
                f"the address of a link holds spaces: {excerpt(address.url or '', 60)}",
                "write %20 for each space in the address",
                line,
            )
        self._tell(address, line)
        return address.url

    def _line_of_autolink(self, token: Token) -> int:
        href = str(token.attrs.get("href", "")).removeprefix("mailto:")
        found = self._content.find(f"<{href}", self._offset, self._offset + 100_000)
        if found >= 0:
            token.meta["offset"] = found
            return self._at(token)
        return self._line

    def _tell(self, address: Address, line: int) -> None:
        if address.url is None:
            self._findings.add(address.code, address.problem, address.fix, line)

    # ------------------------------------------------------------ single values

    def _cite(self, token: Token) -> None:
        label, line = str(token.meta["label"]), self._at(token)
        numbers = numbers_in(label, self._reading.sources)
        if token.content != "".join(f"[^{number}]" for number in numbers):
            problem, fix = spelling(token.content, numbers)
            self._findings.add("citation-spelling", problem, fix, line)
        for number in numbers:
            self._reading.cited.add(number)
            known = number in self._reading.sources
            if not known:
                self._findings.add(
                    "unknown-citation",
                    f"citation [^{excerpt(number)}] has no source",
                    f"add '[^{excerpt(number)}]: [label](https://…)' under Sources,"
                    " or correct the number",
                    line,
                )
            self._add(Citation(number, line, known))

    def _merge(self, token: Token) -> None:
        tag, line = token.meta["tag"], self._at(token)
        assert isinstance(tag, Tag)  # noqa: S101 - our own rule made the token
        if tag.name is not None:
            before = self._frames[-1].words[-1] if self._frames[-1].words else ""
            if before.endswith("]("):
                self._findings.add(
                    "merge-field-in-link",
                    f"the merge field '{tag.name}' stands where a link's address belongs",
                    "write the address in full; every reader gets the same",
                    line,
                )
            self._add(MergeField(tag.name, tag.default, line))
            return
        self._findings.add(tag.code, tag.problem, tag.fix, line)
        self._frames[-1].words.append(token.content)

    def _image(self, token: Token) -> None:
        line = self._at(token)
        alt = plain_text(_Reader(token.content, line, self._reading).read(token.children or ()))
        address = check_address(str(token.attrs.get("src", "")), image=True)
        self._tell(address, line)
        if address.url is None:
            self._frames[-1].words.append(alt)
            return
        width, height = token.meta.get("size", (None, None))
        title = token.attrs.get("title")
        self._add(
            Image(address.url, alt.strip(), str(title) if title else None, width, height, line)
        )

    def _comment(self, token: Token) -> None:
        """Leave a comment out, with one of the spaces around it."""
        line = self._at(token)
        if token.meta.get("unclosed"):
            tell_unclosed_comment(self._findings, line)
        self._skip_space = not self._frames[-1].words or self._frames[-1].words[-1][-1:].isspace()

    def _html(self, token: Token) -> None:
        self._findings.add(
            "raw-html",
            f"'{excerpt(token.content, 40)}' is HTML and will be shown as it is typed",
            "use Markdown instead, or put it in backticks when it is meant to be shown",
            self._at(token),
        )
        self._frames[-1].words.append(token.content)

    def _finish(self) -> tuple[Inline, ...]:
        self._flush()
        tell_typed_markup("".join(self._typed), self._content, self._first_line, self._findings)
        return tuple(self._frames[0].nodes)


def _with_links(text: str) -> list[Inline]:
    """Split text at web addresses without a scheme, which readers expect to press on."""
    nodes: list[Inline] = []
    done = 0
    for start, shown in www_in(text):
        address = check_address(f"http://{shown}")
        if address.url is None:
            continue
        if start > done:
            nodes.append(Text(text[done:start]))
        nodes.append(Link(address.url, (Text(shown),)))
        done = start + len(shown)
    if done < len(text):
        nodes.append(Text(text[done:]))
    return nodes
