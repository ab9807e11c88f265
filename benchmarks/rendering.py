"""Digest to HTML and text, warm and in a fresh process, beside its two libraries alone.

The peer turns the same Markdown into HTML with markdown-it-py, puts it into a bare MJML page and
that into an email with mjml2html: no model, nothing checked, no text part. The floor is mjml2html
alone over the peer's page. All run interleaved. `python -m benchmarks.rendering FILE …` measures
those digests, and without any the samples, with the reference digest where it lies beside the
repository.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.measuring import interleaved, say, seconds, spread
from benchmarks.rendering_peer import convert, page

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = Path("/nowhere")
IDENTITY = {
    "title": "Daily",
    "list_id": "daily.news.example.org",
    "from_name": "The Daily",
    "from_email": "daily@news.example.org",
    "base_url": "https://news.example.org",
    "postal_address": "1 Main Street",
    "timezone": "Europe/Paris",
    "language": "en",
}
ROUNDS = 15
TIMES = 5
"""How often each act runs in a round; the round counts its median."""
COLD_ROUNDS = 5


def files() -> list[Path]:
    """Return what is measured without being told: a small digest, the samples, the reference."""
    samples = [ROOT / "tests" / "digests" / f"{name}.md" for name in ("twenty-stories", "blocks")]
    reference = sorted((ROOT.parent / "shared" / "digests").glob("*.md"))
    return [ROOT / "tests" / "digests" / "one-story.md", *samples, *reference]


def warm(file: Path) -> None:
    """Compare ours with the peer and the floor, in a process that has done it before."""
    from newsletter.digest.parser import load
    from newsletter.rendering.content import ListIdentity
    from newsletter.rendering.merge import SlotAllocator
    from newsletter.rendering.render import render
    from newsletter.rendering.text.writer import TextWriter
    from newsletter.rendering.words import words_of

    identity = ListIdentity(**IDENTITY)
    digest = load(file).digest
    markdown = file.read_text(encoding="utf-8")
    mjml = page(markdown)
    language = digest.language or "en"

    def text() -> None:
        slots = SlotAllocator(digest.content_hash, lambda _text: False)
        writer = TextWriter(slots, digest.sources, words_of(language))
        writer.write(digest, identity, language=language)

    rates = interleaved(
        ROUNDS,
        {
            "whole": _timed(lambda: render(load(file).digest, identity, templates=NOWHERE)),
            "peer": _timed(lambda: convert(page(markdown))),
            "floor": _timed(lambda: convert(mjml)),
            "model": _timed(lambda: load(file)),
            "render": _timed(lambda: render(digest, identity, templates=NOWHERE)),
            "text": _timed(text),
        },
    )
    name = file.stem
    size = len(render(digest, identity, templates=NOWHERE).html.encode())
    for what, key in (
        ("Markdown to model, HTML and text", "whole"),
        ("  to the model", "model"),
        ("  model to HTML and text", "render"),
        ("  the text part alone", "text"),
        ("markdown-it-py and mjml2html, HTML only", "peer"),
        ("mjml2html alone", "floor"),
    ):
        say(f"{name}: {what}, ms", str(spread([rate * 1e3 for rate in rates[key]])))
    say(f"{name}: bytes of HTML, ours and the peer's", f"{size:,}; {len(convert(mjml).encode()):,}")
    for key, other in (("peer", "the peer"), ("floor", "mjml2html alone")):
        ratios = [a / b for a, b in zip(rates["whole"], rates[key], strict=True)]
        say(f"{name}: whole against {other}", f"{spread(ratios)} ×")


def cold(file: Path) -> None:
    """Compare ours with the peer, each in a fresh process."""
    runs = {"benchmarks.rendering": "ours", "benchmarks.rendering_peer": "the peer"}
    taken: dict[str, list[tuple[float, float]]] = {module: [] for module in runs}
    for number in range(COLD_ROUNDS + 1):
        for module in runs:
            words = [sys.executable, "-m", module, str(file)]
            words += ["--once"] if module == "benchmarks.rendering" else []
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
            imported, made = map(float, done.stdout.split())
            if number:  # the first reads the files of both into memory
                taken[module].append((imported, made))
    for at, what in ((0, "with imports"), (1, "without imports")):
        for module, who in runs.items():
            times = [run[at] * 1e3 for run in taken[module]]
            say(f"{file.stem}: fresh process, {what}, {who}, ms", str(spread(times)))


def once(file: Path) -> None:
    """Do it once and print the seconds with and without the imports."""
    start = time.perf_counter()
    from newsletter.digest.parser import load
    from newsletter.rendering.content import ListIdentity
    from newsletter.rendering.render import render

    ready = time.perf_counter()
    render(load(file).digest, ListIdentity(**IDENTITY), templates=NOWHERE)
    end = time.perf_counter()
    print(end - start, end - ready)


def _timed(act: Callable[[], object]) -> Callable[[], float]:
    return lambda: median(seconds(act) for _ in range(TIMES))


def rendering(given: list[Path] | None = None) -> None:
    """Measure the digests that are given, else the known ones."""
    for file in given or files():
        warm(file)
        cold(file)


def main(words: list[str]) -> None:
    """Play a part in a process of its own, or measure."""
    match words:
        case [file, "--once"]:
            once(Path(file))
        case _:
            gc.freeze()
            rendering([Path(word).resolve() for word in words])


if __name__ == "__main__":
    main(sys.argv[1:])
