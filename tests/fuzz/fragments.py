"""Digests of fragments: what people, editors and language models write, right and wrong, mixed."""

from __future__ import annotations

from hypothesis import strategies as st

INLINES = (
    "plain words", "**bold**", "*slanted*", "`code`", "~~struck~~", "**", "*", "_", "__", "`", "~~",
    "[words](https://example.org/a)", "[words](https://example.org/a b)", "[words]()", "[](x)",
    "[words](javascript:alert(1))", "[words][missing]", "![](https://example.org/i.png)",
    "![a](i.png){width=1 height=2}", "https://example.org/_/__a*b*(c)", "www.example.org",
    "<https://example.org>", "<ada@example.org>", "<!-- note -->", "<!--", "-->", "<b>", "</b>",
    "<script>alert(1)</script>", "&amp;", "&#0;", "&bogus;", "[^1]", "[^2]", "[^1][^2]", "[^]",
    "[^ 1]", "[^1, 2]", "[^9999999999]", "[^a b]", "[1]", "(1)", "【4†source】", "\ue200cite\ue202",
    "{{ first_name }}", '{{ first_name | default("reader") }}', "{{", "}}", "{{ }}", "{% x %}",
    "{{ first_name | default( }}", "{{{{ a }}}}", "\\", "\\[", "\\*", "$x$", ":tada:", "==x==",
    "\u202e", "\u2066", "\u200d", "\u200b", "👩\u200d🚒", "é", "e\u0301" * 40, "שלום", "مرحبا",
    "日本語", "\ufffd", "\ufeff", "\x0b", "\x0c", "\x1b[31m", "a" * 300, "mailto:ada@example.org",
    "[a](https://[::1]:99999/)", "[a](//example.org)", "https://", "http://",
    "[a](https://é.example)",
    "[[x]]", "[x](<>)", "[x](<a b>)", '[x](https://example.org "t")', "[a [b](c) d](e)",
)  # fmt: skip
LINES = (
    "# Title", "# ", "#", "##", "## Section", "### Story", "#### Deep", "###Tight", "####### Seven",
    "===", "---", "- - -", "***", "- item", "* item", "1. one", "999999999. many", "  - nested",
    "- [ ] task", "- [x] done", "- [^1]: x", "> quote", ">", ">> deep", "> # heading",
    "- # heading",
    "```", "```py", "~~~", "    indented", "\tindented", "| a | b |", "| --- | --- |", "|  |  |",
    "| |", "|---|", "| a |", "| [^1] |  |", "[^1]: https://example.org", "[^1]:",
    "  [^2]: indented",
    "[^1]: [words](https://example.org) — note", "[^note]: words", "[1]: https://example.org",
    "[1] https://example.org", "1. https://example.org", "[x]: <>", "**Why it matters:** Because.",
    "**Why it matters**", "Why it matters: x", "### Why it matters", "*By Ada • November 24, 2026*",
    "By Ada", "*Updated 09:30*", "Published on 24 November 2026", "24.11.2026", "By 7 min read",
    "31 février 2026", "## Sources", "### References and notes", "Sources:", "**Sources**",
    "Thanks for reading.", "<div>", "</div>", "<!--", "-->", "<!-- a", "<?php", "<![CDATA[", "\\",
    ": definition", "Term", "{.class}", ":::note", "%%", "$$", "&nbsp;", "\u2028", "\x0c", " ", "",
)  # fmt: skip
FRONTS = (
    "title: A", "title:", "title: [a", "subject: '{{ first_name }}'", "subject: {a: b}",
    "preheader: x",
    "date: 2026-11-24", "date: 24/11/2026", "date: 99999-01-01", "draft: true", "draft: maybe",
    "published: false", "status: draft", "author: [a, b]", "author: 7", "language: xx-??",
    "language: he",
    "slug: ../../etc", "slug: ''", "tags: [a, [b]]", "key", "- list", "'", '"', "{",
    "a: &x b", "b: *x",
    "? complex", "!!python/object:os.system x", "\tx: y", "x: |", "  text", "---", "...",
    "subject: \u202e",
)  # fmt: skip

_words = st.lists(st.sampled_from(INLINES) | st.text(max_size=12), min_size=1, max_size=8)
_text = st.tuples(_words, st.sampled_from((" ", "", "\n"))).map(lambda made: made[1].join(made[0]))
_line = st.sampled_from(LINES)
_filled = st.tuples(_line, _text).map(" ".join)
_nested = st.tuples(st.sampled_from(("> ", "- ", "1. ", "  ", "    ", "| ")), _line | _filled).map(
    "".join
)
_block = st.one_of(_line, _text, _filled, _nested)
_body = st.lists(st.tuples(_block, st.sampled_from(("\n\n", "\n", "\n\n\n", "\r\n"))), max_size=25)
_front = st.lists(st.sampled_from(FRONTS), max_size=5).map(
    lambda keys: "---\n" + "\n".join(keys) + "\n---\n"
)

digests_of_fragments: st.SearchStrategy[str] = st.tuples(
    st.just("") | _front,
    st.sampled_from(("", "# A title\n\n*By Ada Example • November 24, 2026*\n\nWords.\n\n")),
    _body.map(lambda parts: "".join(text + end for text, end in parts)),
).map("".join)
"""Markdown documents, at times with front matter; most of them are no good digests."""
