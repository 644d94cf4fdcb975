from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bodydouble import diagnosis, prerequisites
from bodydouble.diagnosis import Check


def test_every_check_that_does_not_pass_has_a_remedy() -> None:
    checks = diagnosis.diagnose()
    assert {"python", "mediapipe", "one OpenCV", "libGL.so.1", "import cv2", "cache", "disk", "cores", "memory"} <= {c.name for c in checks}
    for check in checks:
        assert check.verdict in ("PASS", "WARN", "FAIL")
        assert bool(check.remedy) == (check.verdict != "PASS"), check


@pytest.mark.parametrize(
    ("requirement", "verdict"),
    [
        ("numpy>=1.0", "PASS"),
        ("numpy>=999", "FAIL"),
        ("numpy>=1.0,<1.1", "FAIL"),
        ("numpy", "PASS"),
        ("none-such>=1", "FAIL"),
        ("pydantic>=2,<99", "PASS"),
    ],
)
def test_a_dependency_is_held_against_what_was_asked(requirement: str, verdict: str) -> None:
    (check,) = diagnosis.check_dependencies([requirement])
    assert check.verdict == verdict
    assert verdict == "PASS" or f'pip install "{requirement}"' in check.remedy


def test_versions_are_compared_as_numbers() -> None:
    assert diagnosis._release("4.11") > diagnosis._release("4.9.2")
    assert diagnosis._release("2.0") == diagnosis._release("2.0.0")
    assert diagnosis._release("3.0rc1") == diagnosis._release("3.0")


def test_what_bodydouble_declares_is_installed() -> None:
    assert [c for c in diagnosis.check_dependencies() if c.verdict != "PASS"] == []


@pytest.mark.parametrize("names", [["opencv-contrib-python", "opencv-python"], ["opencv-contrib-python", "opencv-python-headless"]])
def test_two_opencv_packages_fail_and_both_are_named(names: list[str]) -> None:
    check = diagnosis.check_opencv(names)
    assert check.verdict == "FAIL"
    assert all(name in check.found for name in names)
    assert check.remedy.endswith("pip install opencv-contrib-python")


def test_one_opencv_package_passes() -> None:
    assert diagnosis.check_opencv(["opencv-contrib-python"]) == Check("one OpenCV", "PASS", "opencv-contrib-python")


def test_a_library_that_does_not_load_names_its_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "library_loads", lambda library: library != "libEGL.so.1")
    (failed,) = [c for c in diagnosis.check_libraries() if c.verdict == "FAIL"]
    assert failed == Check("libEGL.so.1", "FAIL", "does not load; MediaPipe and Open3D needs it", "apt-get install libegl1")


def test_a_module_that_does_not_import_gives_its_reason() -> None:
    fine, missing = diagnosis.check_imports(["json", "none_such"])
    assert fine.verdict == "PASS"
    assert (missing.verdict, missing.found) == ("FAIL", "ModuleNotFoundError: No module named 'none_such'")


def test_missing_models_only_warn_because_they_are_fetched_when_needed(isolated_cache: Path) -> None:
    checks = diagnosis.check_models()
    assert {c.verdict for c in checks} == {"WARN"}
    assert {c.remedy for c in checks} == {"bodydouble assets fetch"}


def test_a_cache_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert diagnosis.check_cache(tmp_path / "file" / "cache").verdict == "FAIL"
    assert diagnosis.check_cache(tmp_path / "new").verdict == "PASS"
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(("free_gb", "verdict"), [(0.5, "FAIL"), (3.0, "WARN"), (50.0, "PASS")])
def test_free_disk_is_graded_at_a_folder_that_need_not_exist_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gb: float, verdict: str
) -> None:
    usage: Any = shutil._ntuple_diskusage(0, 0, int(free_gb * 1e9))  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert diagnosis.check_disk(tmp_path / "a" / "b").verdict == verdict


@pytest.mark.parametrize(("total_gb", "verdict"), [(None, "WARN"), (1.0, "FAIL"), (3.0, "WARN"), (16.0, "PASS")])
def test_memory_is_graded(total_gb: float | None, verdict: str) -> None:
    assert diagnosis.check_memory(total_gb).verdict == verdict


def test_the_memory_of_this_machine_is_plausible() -> None:
    total = diagnosis.total_memory_gb()
    assert total is None or 0.1 < total < 100_000
