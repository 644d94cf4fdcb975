"""How far off a simulated worn rig is calibrated, and whether its standard deviations tell.

Run: .venv/bin/python tests/benchmarks/calibration_coverage.py [--seeds 50]

For each seed a preset rig is built a little off its drawing (lenses, mounts, clocks 0 to 8 ms apart) and worn by somebody who looks around for 8 s among
24 tags; points are projected with 0.2 px noise, and no two cameras ever see the same tag at once. Errors are those of each camera relative to the
reference camera of its body. Everything here is simulated.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "calibration"))
from simulated_capture import as_built, person, room_tags, simulate

from bodydouble.calibration.presets import PRESETS, preset_rig
from bodydouble.calibration.rig_solve import RigSettings, calibrate_rig
from bodydouble.calibration.rotation import log
from bodydouble.calibration.transform import invert

INSIDE_95 = 1.96
ROTATION, POSITION, CLOCK, FOCAL = slice(0, 3), slice(3, 6), slice(6, 7), slice(7, 8)


def errors_and_sigmas(preset: str, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Return errors and sigmas (N, 8) of rotation (rad), position (m), clock (s) and focal length (px), and the seconds of solving."""
    board, poses = room_tags(seed)
    start = preset_rig(preset)
    seen, truth = simulate(as_built(start, seed), board.targets, poses, person(seed), seconds=8, rate_hz=15, seed=seed, exclusive=True)
    found = calibrate_rig(seen, RigSettings(start=start))
    errors, sigmas = [], []
    for name, camera in found.rig.cameras.items():
        reference = found.reference[camera.body]
        if name == reference:
            continue
        is_, should = (invert(rig.camera(reference).T_body_camera) @ rig.camera(name).T_body_camera for rig in (found.rig, truth.rig))
        clocks = [rig.camera(name).time_offset_s - rig.camera(reference).time_offset_s for rig in (found.rig, truth.rig)]
        focal = camera.model.focal[0] - truth.rig.camera(name).model.focal[0]
        errors.append([*log(should[:3, :3].T @ is_[:3, :3]), *(is_[:3, 3] - should[:3, 3]), clocks[0] - clocks[1], focal])
        s = camera.sigma
        within = (
            camera.body == found.rig.camera(found.rig.names[0]).body
        )  # of a second body the clock itself is not known, only its differences
        known = (
            s.rotation_rad,
            s.rotation_rad,
            s.rotation_rad,
            s.position_m,
            s.position_m,
            s.position_m,
            s.time_offset_s if within else None,
            s.focal_px,
        )
        sigmas.append([np.nan if value is None else value for value in known])
    return np.array(errors), np.array(sigmas), found.solve_seconds


def main(seeds: int, workers: int) -> None:
    """Print one table."""
    table = Table(
        title=f"Simulated worn rigs, {seeds} seeds each: worst error of any camera, and share of true values in the 95 % interval"
    )
    for title in (
        "rig",
        "rotation (deg)",
        "position (mm)",
        "clock (ms)",
        "in: rotation",
        "in: position",
        "in: clock",
        "in: focal",
        "solve (s, median)",
    ):
        table.add_column(title, justify="left" if title == "rig" else "right")
    for preset in PRESETS:
        with ProcessPoolExecutor(workers) as pool:
            results = list(
                track(pool.map(errors_and_sigmas, [preset] * seeds, range(seeds)), description=preset, total=seeds, transient=True)
            )
        errors, sigmas = (np.concatenate([result[k] for result in results]) for k in (0, 1))
        off = np.abs(errors) / sigmas

        def inside(part: slice, off: npt.NDArray[np.float64] = off) -> str:
            values = off[:, part][np.isfinite(off[:, part])]
            return f"{100 * np.mean(values < INSIDE_95):.1f} %"

        table.add_row(
            preset, f"{np.degrees(np.linalg.norm(errors[:, ROTATION], axis=1).max()):.4f}", f"{1e3 * np.linalg.norm(errors[:, POSITION], axis=1).max():.3f}",
            f"{1e3 * np.abs(errors[:, CLOCK]).max():.4f}", inside(ROTATION), inside(POSITION), inside(CLOCK), inside(FOCAL),
            f"{np.median([result[2] for result in results]):.1f}",
        )  # fmt: skip
    Console(width=160).print(table)
    Console(width=160).print(
        "Clocks are those within a body: tags that stand still do not tell the time between two bodies that move by themselves."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    main(arguments.seeds, arguments.workers)
