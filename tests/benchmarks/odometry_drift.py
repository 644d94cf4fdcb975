"""How far visual odometry drifts from the truth of simulated recordings, whose tag maps it is not told.

    python tests/benchmarks/odometry_drift.py FOLDER... [--workers N]

FOLDER: recordings of `bodydouble simulate` with all cameras on one body. The first pose is laid on the true one. Per recording: frames located, the way
of the body, the largest error of position along it in mm and as a share of the way, the largest error of rotation, how many sigma the errors are
(root mean square over the six axes; 1 is right), and the times of tracking and of solving. Everything here is simulated.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from bodydouble.calibration import Rig, rotation
from bodydouble.calibration.localization.rig_motion import BodyMotion
from bodydouble.calibration.odometry.rig_odometry import solve_motion
from bodydouble.calibration.odometry.tracking import track
from bodydouble.calibration.transform import invert
from bodydouble.capture import Recording
from bodydouble.hand_pose.simulation.truth import TRUTH_NAME, Truth

COLUMNS = ("located", "way m", "mm", "% of the way", "deg", "sigma", "points", "track s", "solve s", "film s")


def errors(body: BodyMotion, truth: Truth, name: str) -> tuple[np.ndarray, float]:
    """Return the errors (n, 6) at the located moments (rad about the body's axes, m) and the length of the true way in m."""
    row = truth.body_names.index(name)
    moments = np.flatnonzero(body.observed)
    nearest = np.abs(truth.times_s[None] - body.times_s[moments][:, None]).argmin(axis=1)
    true = truth.T_world_body[nearest, row]
    T = true[0] @ invert(body.T_room_body[moments[0]]) @ body.T_room_body[moments]
    way = np.linalg.norm(np.diff(truth.T_world_body[:, row, :3, 3], axis=0), axis=1).sum()
    turned = rotation.log(np.swapaxes(true[:, :3, :3], 1, 2) @ T[:, :3, :3])
    return np.concatenate(
        [turned, (T[:, :3, 3] - true[:, :3, 3]) @ true[0, :3, :3] @ body.T_room_body[moments[0], :3, :3].T], axis=1
    ), float(way)


def main() -> None:
    """Print one line a recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    print("simulated | " + " | ".join(COLUMNS))
    for folder in given.folders:
        recording, rig, truth = Recording.open(folder), Rig.load(folder / "rig.toml"), Truth.load(folder / TRUTH_NAME)
        frame_sets = recording.frame_sets()
        began = time.perf_counter()
        sights = track(recording, rig, frame_sets, workers=given.workers)
        tracked = time.perf_counter()
        motion = solve_motion(rig, sights, frame_sets.times_s, frame_sets.camera_times_s)
        solved = time.perf_counter()
        ((name, body),) = motion.bodies.items()
        error, way = errors(body, truth, name)
        away, turned = np.linalg.norm(error[:, 3:], axis=1).max(), np.linalg.norm(error[:, :3], axis=1).max()
        later = error[1:]
        square = np.einsum("ti,tij,tj->t", later, np.linalg.inv(body.covariance[body.observed][1:]), later) / 6
        figures = (
            f"{int(body.observed.sum())}/{len(frame_sets)}", f"{way:.2f}", f"{1e3 * away:.1f}", f"{100 * away / way:.2f}", f"{np.degrees(turned):.2f}",
            f"{np.sqrt(square.mean()):.1f}", f"{body.points[body.observed].mean():.0f}", f"{tracked - began:.1f}", f"{solved - tracked:.1f}",
            f"{frame_sets.times_s[-1] - frame_sets.times_s[0]:.1f}",
        )  # fmt: skip
        print(f"{folder.name} | " + " | ".join(figures), flush=True)


if __name__ == "__main__":
    main()
