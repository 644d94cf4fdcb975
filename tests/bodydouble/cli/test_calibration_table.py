"""What `bodydouble calibrate rig` prints when it is done."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bodydouble.calibration import MountedCamera, PinholeCamera, Sigma
from bodydouble.calibration.boards.board import Targets
from bodydouble.calibration.report.checks import checks_of
from bodydouble.calibration.report.coverage import coverage_of
from bodydouble.calibration.report.links import Link
from bodydouble.calibration.report.summary import CameraSummary, ReportSummary
from bodydouble.calibration.rig_calibration import HeldOutScore
from bodydouble.cli.calibration_table import print_calibration


def camera(name: str, *, held: bool = False, held_out: int = 40) -> CameraSummary:
    model = PinholeCamera((1280, 960), (900.0, 902.0), (639.5, 479.5), (0.0, 0.0, 0.0, 0.0, 0.0))
    sigma = Sigma(0.8, 0.6, None, None, None) if held else Sigma(0.8, 0.6, 2e-4, 3e-4, 2e-4)
    x, y = np.meshgrid(np.arange(0, 1280, 20.0), np.arange(0, 960, 20.0))
    pixels = np.stack([x, y], -1).reshape(-1, 2)
    normals = np.array([[0.5, 0, -0.866], [-0.5, 0, -0.866]])
    mounted = MountedCamera(name, model, "room", np.eye(4), sigma, time_offset_s=0.0 if held else -5e-3)
    return CameraSummary(
        name, "room", model, sigma, mounted.T_body_camera, held, mounted.time_offset_s, 50, pixels, np.full_like(pixels, 0.1), normals,
        coverage_of(model, pixels), 0.1, np.full(held_out, 0.2),
    )  # fmt: skip


@pytest.fixture
def summary() -> ReportSummary:
    """A rig of two cameras without a fault."""
    score = HeldOutScore(np.tile([2e-4, -2e-4], 50), 100, 20, {})
    return ReportSummary(
        "rig", "made up", (camera("left", held=True), camera("right")), np.array([[50, 40], [40, 50]]), (Link(0, 1, 40),), ((0, 1),), (),
        score, 2e-4, {}, 100, 50, Targets(("board",), np.zeros((4, 3)), np.zeros(4, dtype=np.int64)), np.full((1, 4, 4), np.nan),
        np.full((1, 2), np.nan), held_out_as_stamped=replace(score, distance_error_m=np.tile([4e-4, -4e-4], 50)), solve_seconds=1.2,
    )  # fmt: skip


def printed(summary: ReportSummary, *, report: Path | None = Path("report"), width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_calibration(console, summary, checks_of(summary, "hands"), "hands", Path("rig.toml"), report)
    return console.file.getvalue()


def test_the_verdict_comes_last_with_where_everything_was_written(summary):
    lines = printed(summary).splitlines()
    assert lines[-2] == "PASS for hands: all 17 checks pass; solved in 1.2 s"
    assert lines[-1] == f"Wrote rig.toml and {Path('report') / 'calibration_report.html'}"


def test_every_camera_has_a_row_with_what_is_known_of_it(summary):
    left, right = (line for line in printed(summary).splitlines() if line.startswith(("left", "right")))
    assert "901.0 ± 0.8" in left
    assert left.count("held") == 3
    assert "± 0.3 mm" in right.replace("0.30", "0.3")
    assert "-5.00 ± 0.20" in right


def test_both_held_out_figures_are_printed_and_told_apart(summary):
    text = printed(summary)
    assert "Held out: 100 board distances on 20 unseen moments are off by 0.20 mm (median), 0.20 mm (RMSE), 0.20 mm (p95)." in text
    assert "With the frames as their time stamps have them, before the clocks were found: 0.40 mm (median)" in text
    assert "time stamps" not in printed(replace(summary, held_out_as_stamped=summary.held_out))


def test_the_one_thing_to_do_first_names_the_camera(summary):
    left, right = summary.cameras
    bad = replace(right, sigma=replace(right.sigma, position_m=0.02, focal_px=40.0))
    text = printed(replace(summary, cameras=(left, bad)))
    assert "FAIL  sigma of the focal length  'right': 4.44 % (passes at 0.3 % or less)" in text
    assert "FAIL for hands: 2 checks failed; solved" in text
    assert "Do this first: Film the board with 'right' from near" in text
    assert "What to do about the others: see the report." in text
    assert "--report DIR" in printed(replace(summary, cameras=(left, bad)), report=None)


def test_a_camera_without_held_out_corners_is_named(summary):
    text = printed(replace(summary, cameras=(summary.cameras[0], camera("right", held_out=0))))
    assert "Not measured: 'right', which saw no board together with another camera on these frames." in text
    assert "not measured" in next(line for line in text.splitlines() if line.startswith("right"))


def test_without_held_out_frames_it_says_that_nothing_was_measured(summary):
    text = printed(replace(summary, held_out=HeldOutScore(np.zeros(0), 0, 0, {})))
    assert "Held out: not measured." in text
    assert "nan" not in text


def test_names_with_brackets_are_printed_as_they_are_and_long_lists_are_cut(summary):
    names = [f"[bold]cam{k}" for k in range(9)]
    text = printed(
        replace(
            summary, cameras=tuple(replace(camera(name), views=3) for name in names), groups=(tuple(range(9)),), shared=np.full((9, 9), 40)
        ),
        width=300,
    )
    assert "[bold]cam0" in text
    assert "'[bold]cam3': 3 views, 5 more (passes at 20 views or more)" in text
