"""The wheel stands alone: built, installed into a clean environment, it runs the demonstration."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from tests.command import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


def test_the_wheel_is_whole_and_runs_the_demo_in_a_clean_environment(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run([*build, "--outdir", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    for part in ("templates/email/digest.mjml.j2", "subscribers/example.csv"):
        assert f"newsletter/_bundled/{part}" in names
    assert "newsletter/py.typed" in names
    home = tmp_path / "clean"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ["--require-hashes", "-r", str(ROOT / "requirements.lock")]
    subprocess.run([*pip, *locked], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)

    shown = subprocess.run(
        [str(home / "bin" / "newsletter"), "demo", "--json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )

    assert json.loads(shown.stdout)["accepted"] == 12
    assert len(list((tmp_path / "demo" / "outbox" / "1").glob("*.eml"))) == 12
