"""The peer of `benchmarks.rendering`: Markdown to an email with the two libraries and no more.

`python -m benchmarks.rendering_peer DIGEST` does it once in a fresh process and prints the seconds
with and without the imports.
"""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


def page(markdown: str) -> str:
    """Return a bare MJML page of a digest, a text for each of its stories; footnotes as typed."""
    html = _parser().render(markdown)
    first, *stories = html.split("<h3>")
    texts = [first, *(f"<h3>{story}" for story in stories)]
    column = "".join(
        f'<mj-text padding="0 24px" font-size="17px" line-height="1.6">{text}</mj-text>'
        for text in texts
    )
    return (
        "<mjml><mj-head><mj-title>News</mj-title></mj-head><mj-body><mj-section><mj-column>"
        f"{column}</mj-column></mj-section></mj-body></mjml>"
    )


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")


def convert(mjml: str) -> str:
    """Return the HTML of an MJML page."""
    from mjml import mjml2html

    return mjml2html(mjml, fonts={})


def once(file: Path) -> None:
    """Do it once and print the seconds with and without the imports."""
    start = time.perf_counter()
    import markdown_it  # noqa: F401
    import mjml  # noqa: F401

    ready = time.perf_counter()
    convert(page(file.read_text(encoding="utf-8")))
    end = time.perf_counter()
    print(end - start, end - ready)


if __name__ == "__main__":
    once(Path(sys.argv[1]))
