"""The rule of the layout, that a stage imports only from stages to its left; and that importing stays fast."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("capture", "calibration", "hand_pose", "retarget", "datasets")
FOUNDATION = {"__version__", "errors", "assets", "config", "cache", "check", "atomic", "frozen_arrays", "gates", "guarded_file", "progress"}
SOURCES = sorted(p for folder in ("bodydouble", *STAGES) for p in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that a file imports, also inside functions and for type checkers alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names)


def broken_rules(path: Path) -> list[str]:
    owner = path.relative_to(ROOT).parts[0]
    inside = path.relative_to(ROOT).parts[1]
    broken = []
    for line, name in imported(path):
        where = f"{path.relative_to(ROOT)}:{line} imports {name}"
        first, *rest = name.split(".")
        if name.startswith("."):
            broken.append(f"{where}: import absolutely")
        elif first in STAGES:
            broken.append(f"{where}: it is bodydouble.{first}")
        elif first == "bodydouble" and rest:
            if owner in STAGES and rest[0] in STAGES and STAGES.index(rest[0]) > STAGES.index(owner):
                broken.append(f"{where}: {rest[0]} is to the right of {owner}")
            elif owner in STAGES and rest[0] not in STAGES and rest[0] not in FOUNDATION:
                broken.append(f"{where}: a stage may import of the foundation only {', '.join(sorted(FOUNDATION))}")
            elif owner == "bodydouble" and inside not in ("cli", "viewer", "__main__.py") and rest[0] in (*STAGES, "cli", "viewer"):
                broken.append(f"{where}: the foundation imports no stage and no command")
    return broken


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_stage_imports_only_from_stages_to_its_left(path: Path) -> None:
    assert broken_rules(path) == []


@pytest.mark.parametrize(
    ("place", "line", "reason"),
    [
        ("capture/x.py", "from bodydouble.datasets import Episode", "to the right"),
        ("retarget/x.py", "def f():\n    import bodydouble.datasets.episode", "to the right"),
        ("hand_pose/x.py", "from bodydouble import viewer", "foundation only"),
        ("hand_pose/x.py", "from .landmarks import Landmarks", "absolutely"),
        ("hand_pose/x.py", "from capture import Recording", "it is bodydouble.capture"),
        ("bodydouble/errors.py", "from bodydouble.capture import Recording", "imports no stage"),
    ],
)
def test_the_rule_is_seen_to_be_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, line: str, reason: str) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / place
    path.parent.mkdir()
    path.write_text(line)
    (message,) = broken_rules(path)
    assert reason in message


@pytest.mark.parametrize(
    ("command", "limit_s"),
    [
        (["-c", "import bodydouble"], 0.3),
        (["-c", "from bodydouble.capture import Recording"], 0.3),
        (["-m", "bodydouble", "--help"], 0.6),
    ],
    ids=["import bodydouble", "from bodydouble.capture import Recording", "bodydouble --help"],
)
def test_importing_is_fast(command: list[str], limit_s: float, tmp_path: Path) -> None:
    best = min(cpu_seconds([sys.executable, *command], tmp_path) for _ in range(5))
    assert best < limit_s


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Run a command and return the processor time it took: the time on the clock depends on what else runs."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("module", ["cv2", "mediapipe", "open3d", "pinocchio", "av", "h5py", "scipy"])
def test_capture_does_not_import_heavy_packages(module: str) -> None:
    code = f"import sys; from bodydouble.capture import Recording; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
