"""What lies in `deploy/` is valid, and names only what there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from newsletter.cli.app import app
from newsletter.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
SERVICES = sorted(DEPLOY.glob("*.service"))
COMPOSE_FILES = ("compose.yaml", "compose.postgresql.yaml")
PROGRAM = "/opt/newsletter/bin/newsletter"


class _Unit(ConfigParser):
    """A unit file: keys keep their case, and only the last of several with one name counts."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, interpolation=None, delimiters=("=",))
        self.optionxform = str  # type: ignore[assignment,method-assign] # the documented way
        self.read(path, encoding="utf-8")


def compose(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def steps(word: str) -> list[str]:
    """Return the container file's steps of one kind, each on one line."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^{word} +(.+)$", text, re.MULTILINE)


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    for path in [*SERVICES, *DEPLOY.glob("*.timer")]:
        # It looks for the program, too, which is not installed here.
        text = path.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        (tmp_path / path.name.replace("@", "@1")).write_text(text, encoding="utf-8")

    units = sorted(str(path) for path in tmp_path.iterdir())
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_service_runs_a_command_there_is_without_rights(path: Path) -> None:
    service = _Unit(path)["Service"]
    words = shlex.split(service["ExecStart"])

    assert words[0] == PROGRAM
    assert known_command(words[1:])
    assert service["User"] == "newsletter"
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")
    assert service["CapabilityBoundingSet"] == ""


@pytest.mark.parametrize("name", ["newsletter.service", "newsletter-worker@.service"])
def test_what_runs_for_good_has_time_to_end_and_is_started_again(name: str) -> None:
    service = _Unit(DEPLOY / name)["Service"]

    assert int(service["TimeoutStopSec"]) > 30
    assert service["KillSignal"] == "SIGTERM"
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == "2 3"


def test_the_container_file_names_only_what_there_is() -> None:
    copied = [step.split()[:-1] for step in steps("COPY") if "--from" not in step]
    named = {word.replace("${LOCK}", "requirements.lock") for words in copied for word in words}

    assert {"requirements.lock", "pyproject.toml", "src", "templates"} <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_container_file_builds_from_pinned_parts_and_ends_without_rights() -> None:
    bases = {step.split()[0] for step in steps("FROM")}
    installs = [step for step in steps("RUN") if "pip install" in step]

    assert all(re.fullmatch(r"python:3\.11-slim-[a-z]+", base) for base in bases), bases
    assert all("--require-hashes" in step or "--no-deps" in step for step in installs)
    assert steps("USER") == ["newsletter"]
    assert "/readyz" in steps("HEALTHCHECK")[0]
    assert known_command(yaml.safe_load(steps("CMD")[0]))


def test_what_the_image_is_built_from_is_not_left_out() -> None:
    lines = (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = [step.split()[:-1] for step in steps("COPY") if "--from" not in step]
    named = {word for words in copied for word in words} - {"${LOCK}"}

    assert "*" in lines
    assert named <= kept
    assert {"requirements.lock", "deploy/postgresql.lock"} <= kept


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_a_compose_file_names_volumes_and_files_there_are(name: str) -> None:
    document = compose(name)

    for service in document["services"].values():
        volumes = [volume.split(":")[0] for volume in service.get("volumes", [])]
        assert set(volumes) <= set(document["volumes"])
        assert re.search(r":[\w.-]+$", service["image"]), "an image is named with its tag"
        if build := service.get("build"):
            assert (DEPLOY / build["context"] / build["dockerfile"]).resolve().is_file()
            lock = build.get("args", {}).get("LOCK", "requirements.lock")
            assert (DEPLOY / build["context"] / lock).resolve().is_file()
        if command := service.get("command"):
            assert known_command(command)


def test_the_pages_of_a_container_are_for_the_proxy_of_its_machine_alone() -> None:
    service = compose("compose.yaml")["services"]["newsletter"]

    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert service["read_only"] is True
    assert service["stop_grace_period"] == "40s"


def test_each_variable_of_the_example_is_a_setting() -> None:
    text = (DEPLOY / "newsletter.env.example").read_text(encoding="utf-8")
    names = re.findall(r"^#?(NEWSLETTER_[A-Z_]+)=", text, re.MULTILINE)

    assert names
    for name in names:
        model: Any = Settings
        for key in name.removeprefix("NEWSLETTER_").lower().split("__"):
            field = model.model_fields[key]
            model = field.annotation


def test_the_lock_of_postgresql_agrees_with_the_others_and_names_no_host() -> None:
    def pinned(path: Path) -> dict[str, str]:
        text = path.read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))

    lock = pinned(DEPLOY / "postgresql.lock")
    usual, tools = pinned(ROOT / "requirements.lock"), pinned(ROOT / "requirements-dev.lock")

    assert usual.items() <= lock.items()
    assert lock.items() <= (usual | tools).items()
    assert {"psycopg", "psycopg-binary", "procrastinate"} <= lock.keys()
    assert "://" not in (DEPLOY / "postgresql.lock").read_text(encoding="utf-8")


def known_command(words: list[str]) -> bool:
    """Return whether the words, after options of the whole program, begin with a command."""
    group: Any = get_command(app)
    rest = list(words)
    while rest and rest[0].startswith("--"):
        option = rest.pop(0)
        if option not in ("--log-json",):
            rest.pop(0)
    return bool(rest) and rest[0] in group.commands
