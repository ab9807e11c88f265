"""Documents that are drawn from the code are up to date, and locks name no host."""

import re
import runpy
from pathlib import Path

import pytest
from typer.main import get_command

from newsletter.cli.app import app

ROOT = Path(__file__).resolve().parents[3]
PAGES = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_reference_page_is_what_the_code_draws(name: str) -> None:
    committed = (ROOT / "docs" / name).read_text(encoding="utf-8")

    assert committed == PAGES[name](), "run: python docs/generate.py"


def commands(command: object, path: str = "newsletter") -> list[tuple[str, object]]:
    children = getattr(command, "commands", {})
    found = [] if children else [(path, command)]
    for name, child in children.items():
        found += commands(child, f"{path} {name}")
    return found


@pytest.mark.parametrize(("path", "command"), commands(get_command(app)))
def test_every_command_and_option_says_what_it_is(path: str, command: object) -> None:
    assert getattr(command, "help", None), path
    for parameter in getattr(command, "params", []):
        assert parameter.help or parameter.name == "help", f"{path} {parameter.name}"


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = declared.split("dependencies = [", 1)[1].split("]", 1)[0]

    for name in re.findall(r'"([a-z0-9-]+)', block):
        assert f"`{name}`" in reasons, name


def test_locks_name_no_host() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        assert "--hash=sha256:" in text


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "src").rglob("*.py")
    }

    assert {path: n for path, n in lengths.items() if n > 400} == {}
