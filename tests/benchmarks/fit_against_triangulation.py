"""Compare the fit with plain and robust triangulation of the same detections, on the real four-camera sample; prints one table.

    .venv/bin/python tests/benchmarks/fit_against_triangulation.py

Reprojection over every camera, frame and each of 12 main joints seen with visibility >= 0.5. The triangulations have no bones, so their errors are
not those of a body: the last column says by how much their bones change. Times are of this run and of use only as ratios.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from bodydouble import assets
from bodydouble.calibration import Rig
from bodydouble.cli.demo import SAMPLE, make_recording
from bodydouble.datasets.measure import bone_length_variation_pct
from bodydouble.hand_pose import HumanMotion, Landmarks, detect, estimate, reprojection_residuals
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.triangulate import triangulate, triangulate_linear
from bodydouble.retarget import Robot, retarget

FloatArray = npt.NDArray[np.float64]
LIMBS = [
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
]


def bone_spread_pct(points: FloatArray) -> float:
    """Return the standard deviation over the median of a limb's length, in %, the mean over eight limbs."""
    row = LANDMARK_NAMES.index
    lengths = [np.linalg.norm(points[:, row(a)] - points[:, row(b)], axis=-1) for a, b in LIMBS]
    return float(np.mean([100 * np.nanstd(length) / np.nanmedian(length) for length in lengths]))


def timed(work: Callable[[], FloatArray]) -> tuple[FloatArray, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        recording = make_recording(assets.path_of(SAMPLE), Path(folder) / "recording")
        rig = Rig.load(recording.folder / "rig.toml")
        landmarks = detect(recording, recording.frame_sets())
    began = time.perf_counter()
    motion = estimate(landmarks, rig)
    fit_seconds = time.perf_counter() - began
    began = time.perf_counter()
    retarget(motion, Robot.load("optimus"))
    retarget_seconds = time.perf_counter() - began

    table = Table(title=f"{landmarks.frames} frames, {len(landmarks.cameras)} cameras")
    for column in ("estimate", "left/right", "median px", "p95 px", "bones vary %", "time s"):
        table.add_column(column, justify="left" if column in ("estimate", "left/right") else "right")
    raw = np.zeros(motion.relabelled.shape, dtype=bool)
    for sides, swap in (("as detected", raw), ("as the fit decided", motion.relabelled == 1)):
        observations = Observations.of(landmarks.exchanged(swap), rig)
        cameras, frames = observations.weight.shape[:2]
        rays, weight = observations.rays.reshape(cameras, -1, 3), observations.weight.reshape(cameras, -1)
        confidence = np.nan_to_num(landmarks.exchanged(swap).confidence).reshape(cameras, -1)
        sigma = np.nan_to_num(observations.sigma_rad, nan=1.0).reshape(cameras, -1)
        for name, work in (
            (
                "plain weighted triangulation",
                lambda r=rays, c=confidence, o=observations: triangulate_linear(np.repeat(o.origins, 75, axis=1), r, c),
            ),
            (
                "robust triangulation",
                lambda r=rays, w=weight, s=sigma, o=observations: triangulate(np.repeat(o.origins, 75, axis=1), r, w, s).points,
            ),
        ):
            points, seconds = timed(work)
            points = points.reshape(frames, 75, 3)
            add_row(table, name, sides, with_points(motion, points, swap), landmarks, rig, bone_spread_pct(points), seconds)
    add_row(table, "fit of the human tree", "as the fit decided", motion, landmarks, rig, bone_length_variation_pct(motion), fit_seconds)
    console = Console()
    console.print(table)
    console.print(
        f"fit {landmarks.frames / fit_seconds:.0f} frames/s, retargeting to 78 joints {landmarks.frames / retarget_seconds:.0f} frames/s"
    )


def with_points(motion: HumanMotion, points: FloatArray, swap: npt.NDArray[np.bool_]) -> HumanMotion:
    return replace(motion, landmarks=points, relabelled=swap.astype(np.uint8))


def add_row(table: Table, name: str, sides: str, motion: HumanMotion, landmarks: Landmarks, rig: Rig, bones: float, seconds: float) -> None:
    measured = reprojection_residuals(motion, landmarks, rig)
    table.add_row(name, sides, f"{measured.median_px:.1f}", f"{measured.p95_px:.1f}", f"{bones:.1f}", f"{seconds:.2f}")


if __name__ == "__main__":
    main()
