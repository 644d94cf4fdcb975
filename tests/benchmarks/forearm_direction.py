"""How near the forearm's direction comes to the truth on simulated recordings of worn cameras, with true wrists and hands plus noise.

    python tests/benchmarks/forearm_direction.py REC... [--step 6] [--noise-mm 10] [--train]

Each REC is a folder that `bodydouble simulate` made. The shoulder is the true one, off by about 6 cm; the forearm's length is the one given with
--forearm-m, not the true one, but for the elbow's error. With --train it also prints the feature weights that fit these recordings best.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.hand_pose.forearm import Forearm, candidates, find_forearm
from bodydouble.hand_pose.limb_contrast import View
from bodydouble.hand_pose.simulation.truth import Truth

FloatArray = npt.NDArray[np.float64]
SIDES = ("left", "right")


@dataclass(frozen=True)
class Arm:
    """One arm at one instant: what is given, and what is true."""

    views: list[View]
    side: str
    hand: FloatArray
    shoulder: FloatArray
    direction: FloatArray
    elbow: FloatArray
    forearm_m: float


def arms(folder: Path, step: int, noise_m: float) -> Iterator[Arm]:
    """Yield both arms at every ``step``-th frame."""
    truth, rig, rng = Truth.load(folder / "truth.h5"), Rig.load(folder / "rig.toml"), np.random.default_rng(0)
    off = rng.normal(0.0, 0.035, (2, 3))
    for row, images in enumerate(zip(*(_frames(_video(folder, name)) for name in truth.cameras), strict=False)):
        if row % step:
            continue
        views = [View(rig.camera(name).model, truth.T_world_camera[c, row], images[c]).reduced() for c, name in enumerate(truth.cameras)]
        landmarks = truth.camera_landmarks[0, row]
        for number, side in enumerate(SIDES):
            shoulder, elbow, wrist = landmarks[[11 + number, 13 + number, 15 + number]]
            hand = landmarks[33 + 21 * number : 54 + 21 * number] + rng.normal(0.0, noise_m / 3**0.5, 3) + rng.normal(0.0, 0.005, (21, 3))
            away = elbow - hand[0]
            yield Arm(views, side, hand, shoulder + off[number], away / np.linalg.norm(away), elbow, float(np.linalg.norm(elbow - wrist)))


def _video(folder: Path, name: str) -> Path:
    return next(path for path in (folder / f"{name}.mp4", folder / f"{name}.mkv") if path.exists())


def _frames(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def measure(arm: Arm, found: Forearm | None) -> list[float]:
    """Return degrees off, elbow's error in mm, squared error over the stated covariance, and the two sigmas in degrees; NaN where not answered."""
    if found is None:
        return [np.nan] * 5
    angle = np.degrees(np.arccos(np.clip(found.direction @ arm.direction, -1.0, 1.0)))
    elbow = np.linalg.norm(arm.hand[0] + arm.forearm_m * found.direction - arm.elbow) * 1e3
    off = arm.direction - found.direction
    return [float(angle), float(elbow), float(off @ found.information @ off), *(float(np.degrees(min(s, 3.0))) for s in found.sigmas)]


def train(given: list[Arm], forearm_m: float) -> FloatArray:
    """Return the weights of a conditional logit between directions, by gradient descent (needs torch)."""
    import torch

    data = []
    for arm in given:
        found = candidates(arm.views, arm.hand[0], arm.hand, arm.side, shoulder=arm.shoulder, forearm_m=forearm_m, keep_features=True)
        if found is not None and found.features is not None:
            angle = np.arccos(np.clip(found.directions @ arm.direction, -1.0, 1.0))
            hit = -0.5 * (angle / np.radians(3.0)) ** 2
            data.append([torch.tensor(values, dtype=torch.float32) for values in (found.features, found.log_prior, hit)])
    weights = torch.zeros(data[0][0].shape[-2:], requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=0.15)
    for _ in range(150):
        optimiser.zero_grad()
        scores = [torch.logsumexp((features * weights).sum((1, 3, 4)), 1) + prior for features, prior, _ in data]
        loss = -sum(torch.logsumexp(torch.log_softmax(score, 0) + hit, 0) for score, (_, _, hit) in zip(scores, data, strict=True)) / len(
            data
        )
        (loss + 1e-3 * (weights**2).sum()).backward()
        optimiser.step()
    return np.asarray(weights.detach().numpy())


def main() -> None:
    """Print one line an arm of each recording, and the whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--step", type=int, default=6)
    parser.add_argument("--noise-mm", type=float, default=10.0)
    parser.add_argument("--forearm-m", type=float, default=0.25)
    parser.add_argument("--train", action="store_true")
    asked = parser.parse_args()
    print("simulated | answered | angle deg: median mean p90 | elbow mm mean | chi2 (of 2): mean p95 (2, 6) | sigmas deg | CPU ms")
    everything, kept = [], []
    for folder in asked.recordings:
        rows: dict[str, list[list[float]]] = {side: [] for side in SIDES}
        for arm in arms(folder, asked.step, asked.noise_mm / 1e3):
            start = time.thread_time()
            found = find_forearm(arm.views, arm.hand[0], arm.hand, arm.side, shoulder=arm.shoulder, forearm_m=asked.forearm_m)
            rows[arm.side].append([*measure(arm, found), (time.thread_time() - start) * 1e3])
            if asked.train:
                kept.append(arm)
        for side in SIDES:
            print(f"{folder.name} {side} | {_line(rows[side])}", flush=True)
        everything += rows["left"] + rows["right"]
    print(f"all | {_line(everything)}")
    if asked.train:
        print("weights", train(kept, asked.forearm_m).round(2).tolist())


def _line(rows: list[list[float]]) -> str:
    values = np.array(rows)
    angle, elbow, chi2, better, worse = values[np.isfinite(values[:, 0]), :5].T
    answered = f"{100 * len(angle) / len(values):.0f} %"
    if not len(angle):
        return answered
    return (
        f"{answered} | {np.median(angle):.1f} {angle.mean():.1f} {np.percentile(angle, 90):.1f} | {elbow.mean():.0f} | "
        f"{chi2.mean():.2f} {np.percentile(chi2, 95):.1f} | {np.median(better):.1f} {np.median(worse):.1f} | {values[:, 5].mean():.1f}"
    )


if __name__ == "__main__":
    main()
