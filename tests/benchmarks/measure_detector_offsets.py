"""Measure where the hand detector marks each landmark, relative to anatomy: writes hand_pose/detector_offsets.toml. Simulated people.

    .venv/bin/python tests/benchmarks/measure_detector_offsets.py RECORDING... [--write]

RECORDING are folders that `bodydouble simulate` made, other than those that accuracy is judged on. The tree is fitted to the true landmarks, which gives
the frames of its links; then each landmark's constant offset in its link's frame is the one that the rays of its detections pass nearest, by robust
least squares over all views that show the hand, left and right hands together. Detections are kept in the cache.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.capture import open_recording
from bodydouble.datasets.pipeline import ProcessSettings, prepare
from bodydouble.hand_pose import detector_offsets, human
from bodydouble.hand_pose.baseline import at_frames
from bodydouble.hand_pose.batched_kinematics import BatchedKinematics, topology
from bodydouble.hand_pose.bones import estimate_constants
from bodydouble.hand_pose.estimation import master_times
from bodydouble.hand_pose.human import BONES, Human
from bodydouble.hand_pose.landmarks import HAND_NAMES, LEFT_HAND, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.metrics import unoccluded_hands
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import fit_poses
from bodydouble.hand_pose.simulation.moment import Visibility
from bodydouble.hand_pose.simulation.truth import TRUTH_NAME, Truth
from bodydouble.hand_pose.start_pose import reach, stand, start_pose

FloatArray = npt.NDArray[np.float64]

SIGMA_M = 0.003
"""How closely the tree is held to the true landmarks."""
FAR_M = 0.05
"""A ray that passes further from its true landmark is of something else."""
LEAST_M = 0.0015
"""Smaller offsets are not worth a line."""
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class TruePoints:
    """True landmarks in the place of observations."""

    points: FloatArray
    anchors: None = None
    depth: None = None
    posture: None = None

    def select(self, frames: npt.NDArray[np.intp]) -> TruePoints:
        return replace(self, points=self.points[frames])

    def pull(self, points: FloatArray, *, widen: float = 1.0) -> tuple[FloatArray, FloatArray, FloatArray]:
        sigma = SIGMA_M * widen
        away = points - self.points
        information = np.broadcast_to(np.eye(3) / sigma**2, (*away.shape, 3)).copy()
        return information, away / sigma**2, np.sum(away**2, axis=(1, 2)) / sigma**2


def fitted_to(points: FloatArray, stature: float) -> tuple[Human, FloatArray]:
    """Return the tree and its configurations (T, nq) nearest to true landmarks (T, 75, 3)."""
    person = human.Human(_typical(stature))
    frames = np.arange(len(points))

    def start(who: Human) -> FloatArray:
        q = start_pose(who, points)
        for side in ("left", "right"):
            q = stand(who, reach(who, q, points, side, UP), points, side)
        return q

    chosen = np.unique(np.linspace(0, len(points) - 1, 24).astype(int))
    truth = TruePoints(points)
    first = fit_poses(person, start(person)[chosen], truth, chosen, widen=(4.0, 1.0), iterations=20)  # type: ignore[arg-type]
    constants = estimate_constants(truth, chosen, first, stature)  # type: ignore[arg-type]
    person = Human(constants.lengths)
    return person, fit_poses(person, start(person), truth, frames, widen=(4.0, 1.0), iterations=20)  # type: ignore[arg-type]


def _typical(stature: float) -> FloatArray:
    from bodydouble.hand_pose.bones import typical_lengths

    return typical_lengths(stature)


def rays_in_links(folder: Path) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Return of each landmark of the hand: places of cameras and rays (M, 3) relative to the true landmark in its link's frame, and the hand's length.

    Lengths are divided by the hand's; right hands are mirrored.
    """
    recording = open_recording(folder)
    prepared = prepare(recording, ProcessSettings())
    truth = Truth.load(folder / TRUTH_NAME)
    landmarks: Landmarks = prepared.landmarks
    points = truth.landmarks_at(master_times(landmarks))
    person, configurations = fitted_to(points, float(truth.settings.get("stature", 1.7)) if "stature" in truth.settings else 1.7)
    here = BatchedKinematics.of(person, configurations)
    off = np.linalg.norm(here.landmarks - points, axis=-1)
    print(
        f"{folder.name}: the tree is {1e3 * off[:, 33:].mean():.1f} mm from the true hands, {1e3 * off[:, :33].mean():.1f} mm from the true body"
    )
    length = sum(person.lengths[BONES.index(name)] for name in detector_offsets.HAND_LENGTH)
    moving = [name for name in landmarks.cameras if prepared.rig.camera(name).body != "room"]
    seen = Observations.of(landmarks.select(tuple(moving)), prepared.rig, prepared.camera_poses)
    clear = np.stack(
        [
            at_frames(
                truth.visibility[truth.camera(name)], prepared.frame_sets.frame_index[landmarks.cameras.index(name)], Visibility.NOT_FILMED
            )
            for name in moving
        ]
    )
    whole = np.repeat(unoccluded_hands(clear), 21, axis=-1)
    clear = clear >= Visibility.SELF_HIDDEN
    clear[:, :, LEFT_HAND.start :] &= whole  # of a hand that a box hides in part the rest is guessed, and not by a constant
    carrier = topology().carrier
    found = []
    for number in range(21):
        origins, rays = [], []
        for hand, mirror in ((LEFT_HAND, 1.0), (RIGHT_HAND, -1.0)):
            row = hand.start + number
            other = (RIGHT_HAND if hand is LEFT_HAND else LEFT_HAND).start + number
            R = here.rotations[:, carrier[row]]
            own = np.einsum("tji,ctj->cti", R, seen.origins - points[:, row])
            for source in (row, other):  # a wrong label is of no matter here
                towards = np.einsum("tji,ctj->cti", R, seen.rays[:, :, source])
                away = np.linalg.norm(own - towards * np.sum(own * towards, axis=-1, keepdims=True), axis=-1)
                near = np.isfinite(away) & (away < FAR_M) & clear[:, :, row]
                origins.append(own[near] * (1.0, mirror, 1.0) / length)
                rays.append(towards[near] * (1.0, mirror, 1.0))
        found.append((np.concatenate(origins), np.concatenate(rays), np.array([length])))
    return found


def offset(origins: FloatArray, rays: FloatArray) -> tuple[FloatArray, float]:
    """Return the point (3,) that rays (M, 3) pass nearest and the median distance, by reweighted least squares with Geman and McClure's function."""
    projectors = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    constants = np.einsum("mij,mj->mi", projectors, origins)
    weight = np.ones(len(rays))
    point = np.zeros(3)
    for _ in range(20):
        point = np.linalg.solve(np.einsum("m,mij->ij", weight, projectors), weight @ constants)
        away = np.linalg.norm(np.einsum("mij,j->mi", projectors, point) - constants, axis=1)
        weight = 1.0 / (1.0 + (away / max(float(np.median(away)), 1e-6) / 1.5) ** 2) ** 2
    return point, float(np.median(away))


def main() -> None:
    """Measure, print a table, and write the file if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    human.detected_map = lambda: np.zeros((75, 3, len(BONES)))  # the tree itself, whatever was measured before
    each = {folder.name: rays_in_links(folder) for folder in given.recordings}
    print("simulated | " + " | ".join(["all mm", "spread mm", "rays", *each]))
    lines = []
    for number, name in enumerate(HAND_NAMES):
        length = float(np.mean([found[number][2][0] for found in each.values()]))
        point, spread = offset(*(np.concatenate([found[number][part] for found in each.values()]) for part in (0, 1)))
        alone = [1e3 * length * offset(found[number][0], found[number][1])[0] for found in each.values()]
        count = sum(len(found[number][0]) for found in each.values())
        print(f"{name} | {_mm(1e3 * length * point)} | {1e3 * length * spread:.1f} | {count} | " + " | ".join(_mm(one) for one in alone))
        if length * np.linalg.norm(point) >= LEAST_M:
            lines.append(f"{name} = [{point[0]:.4f}, {point[1]:.4f}, {point[2]:.4f}]")
    if given.write:
        path = detector_offsets.TABLE
        text = path.read_text(encoding="utf-8").partition("[hand]")[0]
        path.write_text(text + "[hand]\n" + "\n".join(lines) + "\n", encoding="utf-8")
        print(f"wrote {path}")


def _mm(values: FloatArray) -> str:
    return " ".join(f"{value:+.1f}" for value in values)


if __name__ == "__main__":
    main()
