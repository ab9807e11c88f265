"""Every email and letter is valid HTML by the Nu Html Checker, but for exceptions with reasons."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from tests.browser.email_samples import ROOT, email_named, write_all

pytestmark = pytest.mark.heavy

JAR = Path(os.environ.get("VNU_JAR", ROOT / ".venv" / "vnu" / "vnu.jar"))
INSTALL = (
    "apt-get install default-jre-headless; npm pack vnu-jar@26.9.27; "
    "tar -xzf vnu-jar-26.9.27.tgz; VNU_JAR=package/build/dist/vnu.jar"
)
# What mail clients need and the standard of web pages does not know.
EXCEPTIONS = {
    r"The “(align|valign|bgcolor|width|border|cellpadding|cellspacing|background)” attribute on "
    r"the “(td|table|tr|img)” element is obsolete\.": (
        "Outlook's Word engine reads table attributes where it ignores CSS"
    ),
    r"Attribute “xmlns:(v|o)” not allowed here\.": (
        "names the vocabulary of Outlook's conditional comments (VML, Office)"
    ),
    r"CSS: “mso-[a-z-]+”: Property “mso-[a-z-]+” doesn't exist\.": (
        "properties that only Outlook reads"
    ),
    r"Attribute “vertical-align” not allowed on element “td” at this point\.": (
        "MRML writes it beside the style that says the same"
    ),
    r"The “type” attribute for the “style” element is not needed": "MRML writes it",
    r"Trailing slash on void elements has no effect": "MJML is XML, and MRML keeps its slashes",
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the checker says of each email, and of one that is broken on purpose."""
    java = shutil.which("java")
    if java is None or not JAR.is_file():
        pytest.skip(f"needs the Nu Html Checker: {INSTALL}")
    folder = tmp_path_factory.mktemp("emails")
    paths = [str(path) for path in write_all(folder)]
    broken = folder / "broken.html"
    whole = email_named("2026-11-24", "paper").html
    broken.write_text(whole.replace("</h1>", "<div>in a heading</div></h1>", 1), encoding="utf-8")
    done = subprocess.run(
        [java, "-jar", JAR, "--format", "json", "--exit-zero-always", *paths, str(broken)],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    said: dict[str, list[str]] = defaultdict(list)
    for message in json.loads(done.stderr)["messages"]:
        name = Path(message["url"].removeprefix("file:")).stem
        near = " ".join(message.get("extract", "").split())
        said[name].append(f"{message['message']} [line {message.get('lastLine')}: {near}]")
    return {stem: said[stem] for stem in [*(Path(path).stem for path in paths), broken.stem]}


def _excepted(message: str) -> bool:
    return any(re.match(pattern, message) for pattern in EXCEPTIONS)


def test_every_email_is_valid_html_but_for_what_mail_clients_need(
    messages: dict[str, list[str]],
) -> None:
    wrong = {
        name: found
        for name, said in messages.items()
        if name != "broken" and (found := [line for line in said if not _excepted(line)])
    }

    assert wrong == {}, json.dumps(wrong, indent=1, ensure_ascii=False)


def test_the_checker_notices_what_is_not_excepted(messages: dict[str, list[str]]) -> None:
    assert [line for line in messages["broken"] if not _excepted(line)]


def test_each_exception_is_still_needed(messages: dict[str, list[str]]) -> None:
    everything = [line for said in messages.values() for line in said]

    idle = [
        pattern
        for pattern in EXCEPTIONS
        if not any(re.match(pattern, message) for message in everything)
    ]
    assert idle == []
