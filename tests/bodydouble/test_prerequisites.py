from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bodydouble import prerequisites

SCRIPT = Path(prerequisites.__file__)
ROOT = SCRIPT.parents[1]


def test_it_runs_without_any_installed_package() -> None:
    done = subprocess.run([sys.executable, "-I", "-S", str(SCRIPT), "--packages"], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_missing_libraries_are_named_by_their_packages_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(prerequisites, "library_loads", lambda library: "glib" not in library and "gthread" not in library)
    monkeypatch.setattr(prerequisites, "can_make_environments", lambda: False)
    monkeypatch.setattr(sys, "argv", ["prerequisites.py"])
    assert prerequisites.main() == 1
    assert "apt-get install libglib2.0-0 python3-venv\n" in capsys.readouterr().err


def test_a_library_that_does_not_exist_does_not_load() -> None:
    assert not prerequisites.library_loads("libnone-such.so.9")


@pytest.mark.parametrize(("version", "fine"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((4, 0), True)])
def test_an_old_python_is_told(version: tuple[int, int], fine: bool) -> None:
    problem = prerequisites.python_problem(version)
    assert (problem is None) == fine
    assert fine or "PYTHON=python3.11" in str(problem)


def test_the_download_is_announced(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(prerequisites, "missing_packages", list)
    monkeypatch.setattr(sys, "argv", ["prerequisites.py"])
    assert prerequisites.main() == 0
    assert f"About {prerequisites.DOWNLOAD_GB} GB is downloaded" in capsys.readouterr().out


def test_too_little_disk_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(prerequisites, "missing_packages", list)
    monkeypatch.setattr(prerequisites.shutil, "disk_usage", lambda path: prerequisites.shutil._ntuple_diskusage(10, 9, 10**9))
    monkeypatch.setattr(sys, "argv", ["prerequisites.py"])
    assert prerequisites.main() == 1
    assert "Only 1.0 GB of disk is free" in capsys.readouterr().err


def test_every_package_stands_in_the_integration_script() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert [package for _, package, _ in prerequisites.SYSTEM_LIBRARIES if package not in script] == []


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)


def test_make_says_which_python_it_did_not_find(tmp_path: Path) -> None:
    done = make("demo", f"VENV={tmp_path / 'venv'}", "PYTHON=python3.99")
    assert done.returncode != 0
    assert "python3.99 was not found. Install Python 3.11 or newer" in done.stdout + done.stderr
    assert not (tmp_path / "venv").exists()
