"""Filling the email templates: Jinja2 in a sandbox, then MJML; faults name the template's line.

What goes into a template is made elsewhere: of a digest in `render`, of a letter in `letters`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import jinja2
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup
from mjml import mjml2html

from newsletter.errors import Place, TemplateError
from newsletter.rendering.mjml_tags import refuse_unknown_tags
from newsletter.resources import bundled

PREHEADER_PADDING = Markup("&#847;&#8199;&#65279;") * 60
"""Blank to the eye, and not folded away by clients: keeps body text out of the preview line."""

_TAG = re.compile(r"<[A-Za-z][^<>\\\n\r\t\u0080-\U0010ffff]*+[^<>]++>|<mj-title>[^<]*+</mj-title>")
_VALUE = re.compile(r'"[^"]*"|>[^<]+<')
"""An attribute's value, or the words of the title, which become one."""

_ODD = re.compile(r"[\\\n\r\t\u0080-\U0010ffff]")

_FIX = "correct the line; templates/email/README.md says what may be used"


def fill_template(
    folder: Path, name: str, values: Mapping[str, object], *, theme: str = "paper"
) -> str:
    """Return a template's MJML; values are escaped unless they are `Markup`.

    `folder` is the operator's; files it lacks are the program's. In both, a file under
    `themes/THEME/` wins over its namesake. Raises `TemplateError` with the template's own line.
    """
    try:
        return _environment(folder, theme).get_template(name).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"the template does not parse: {error.message}",
            where=Place(error.filename or error.name, error.lineno),
            fix=_FIX,
        ) from None
    except jinja2.TemplateError as error:
        line, found = _template_line(error, name)
        raise TemplateError(
            f"the template does not render: {error.message or type(error).__name__}",
            where=Place(found, line),
            fix=_FIX,
        ) from None


def to_html(mjml: str, *, name: str) -> str:
    """Return the HTML of a filled template; raises `TemplateError` for what MJML does not know."""
    refuse_unknown_tags(mjml, name=name)
    try:
        # Without this, MJML fetches a web font for every family it knows (A9).
        return mjml2html(_guarded(mjml), fonts={})
    except ValueError as error:
        raise TemplateError(
            f"MJML refuses what the template makes: {error}",
            where=Place(name),
            fix="check that every tag is closed",
        ) from None


def _guarded(mjml: str) -> str:
    """Write as references what MJML would spell out in attributes: an accent as `\\u{301}`.

    It does so to all that joins, breaks or is not seen, and to backslashes: in the words of an
    alternative text, a label, the title.
    """
    return _TAG.sub(lambda tag: _VALUE.sub(_referenced, tag[0]), mjml)


def _referenced(value: re.Match[str]) -> str:
    return _ODD.sub(_reference, value[0])


def _reference(found: re.Match[str]) -> str:
    character = found[0]
    kind = unicodedata.category(character)
    spelled_out = character.isascii() or kind[0] in "MCZ" or kind in ("Lm", "Sk")
    return f"&#{ord(character)};" if spelled_out else character


@functools.lru_cache(maxsize=8)
def _environment(folder: Path, theme: str) -> SandboxedEnvironment:
    roots = (folder, bundled("templates/email"))
    folders = [part for root in roots for part in (root / "themes" / theme, root)]
    return SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template_line(error: BaseException, name: str) -> tuple[int | None, str]:
    """Find the template's own line: Jinja puts it into the traceback."""
    trace, line = error.__traceback__, None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.endswith((".j2", ".css")):
            line, name = trace.tb_lineno, file
        trace = trace.tb_next
    return line, name
