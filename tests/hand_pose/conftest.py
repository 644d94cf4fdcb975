"""A simulated person before simulated cameras: the human tree moved smoothly, so that the right answer is known to the last digit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from threadpoolctl import threadpool_limits

from bodydouble.calibration import MountedCamera, PinholeCamera, Rig
from bodydouble.hand_pose import human as human_module
from bodydouble.hand_pose.bones import typical_lengths
from bodydouble.hand_pose.estimation import estimate
from bodydouble.hand_pose.human import BONES, Human
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import LEFT_HAND, POSE, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.skeleton import JOINTS

FloatArray = npt.NDArray[np.float64]

IMAGE_SIZE = (1280, 1280)
PROPORTIONS = {"upper_arm": 1.05, "shank": 0.95, "thigh": 1.04, "forearm": 0.96, "trunk": 0.97, "shoulder_half_width": 1.05}
"""How the simulated person differs from a typical one of the same stature."""


@dataclass(frozen=True)
class Simulated:
    """What the person did, and what the cameras saw of it."""

    human: Human
    times_s: FloatArray
    configurations: FloatArray
    """(T, nq)."""
    points: FloatArray
    """(T, 75, 3) true landmarks, m."""
    rig: Rig
    landmarks: Landmarks


def rig_around(azimuths_deg: tuple[float, ...], *, distance: float = 3.5, height: float = 1.5) -> Rig:
    """Cameras on a circle that look at a point 0.9 m above the origin; azimuth 0 sees the person from the front."""
    model = PinholeCamera(IMAGE_SIZE, (1300.0, 1300.0), (639.5, 639.5))
    cameras = {}
    for number, azimuth in enumerate(np.radians(azimuths_deg)):
        place = np.array([distance * np.cos(azimuth), distance * np.sin(azimuth), height])
        forward = np.array([0.0, 0.0, 0.9]) - place
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = np.stack([right, np.cross(forward, right), forward], axis=1), place
        cameras[f"cam{number}"] = MountedCamera(f"cam{number}", model, "room", T)
    return Rig("simulated", ("room",), cameras)


def moving_person(human: Human, times_s: FloatArray, seed: int, speed: float) -> FloatArray:
    """Every joint sways within the middle of its range, the pelvis a little in the room."""
    rng = np.random.default_rng(seed)
    tangent = np.zeros((len(times_s), human.nv))
    for joint in JOINTS:
        columns = human.columns(joint.name)
        size = columns.stop - columns.start
        middle, half = ((joint.lower + joint.upper) / 2, (joint.upper - joint.lower) / 2) if size == 1 else (0.0, 0.5)
        amplitude = np.minimum(0.4 * half, 0.35)
        rate, phase = speed * rng.uniform(0.2, 0.5, size), rng.uniform(0, 2 * np.pi, size)
        centre = 0.5 * middle if size == 1 else 0.0
        tangent[:, columns] = centre + amplitude * np.sin(2 * np.pi * rate * times_s[:, None] + phase)
    pelvis = np.stack([0.15 * np.sin(2 * times_s), 0.1 * np.cos(1.5 * times_s), 0.95 + 0.05 * np.sin(3 * times_s)], axis=1)
    poses = np.stack([human.integrate(human.rest, row) for row in tangent])
    poses[:, :3] = pelvis
    half_turn = 0.25 * np.sin(1.2 * times_s)
    poses[:, 3:7] = np.stack([0 * times_s, 0 * times_s, np.sin(half_turn / 2), np.cos(half_turn / 2)], axis=1)
    return poses


def simulate(
    *, frames: int = 30, rate_hz: float = 30.0, azimuths_deg: tuple[float, ...] = (35.0, -40.0, 140.0, -130.0), noise_px: float = 2.0,
    seed: int = 0, speed: float = 1.0, stature: float = 1.80,
) -> Simulated:  # fmt: skip
    """Make a person of known bones move, and project every landmark into every camera; times are not uniform."""
    rng = np.random.default_rng(seed + 1)
    lengths = typical_lengths(stature) * np.array([PROPORTIONS.get(name, 1.0) for name in BONES])
    human = Human(lengths)
    times = np.arange(frames) / rate_hz + rng.uniform(-0.2, 0.2, frames) / rate_hz
    times -= times[0]
    poses = moving_person(human, times, seed, speed)
    points = np.stack([human.landmarks(q) for q in poses])
    rig = rig_around(azimuths_deg)
    pixels, shape = [], []
    for camera in rig.cameras.values():
        T = np.linalg.inv(camera.T_body_camera)
        p_camera = points @ T[:3, :3].T + T[:3, 3]
        pixels.append(camera.model.project(p_camera) + rng.normal(0, noise_px, (*points.shape[:2], 2)))
        own = p_camera.copy()
        own[:, POSE] -= (p_camera[:, 23:24] + p_camera[:, 24:25]) / 2
        for hand in (LEFT_HAND, RIGHT_HAND):
            own[:, hand] -= p_camera[:, hand].mean(axis=1, keepdims=True)
        shape.append(own)
    count = len(rig.cameras)
    landmarks = Landmarks(
        tuple(rig.cameras), np.tile(times, (count, 1)), np.stack(pixels), np.full((count, frames, 75), 0.95), np.stack(shape), {}
    )
    return Simulated(human, times, poses, points, rig, landmarks)


def without(landmarks: Landmarks, hidden: npt.NDArray[np.bool_]) -> Landmarks:
    """Return landmarks of which those that ``hidden`` (C, T, 75) marks were not detected."""
    return Landmarks(
        landmarks.cameras, landmarks.times_s, np.where(hidden[..., None], np.nan, landmarks.pixels),
        np.where(hidden, np.nan, landmarks.confidence), np.where(hidden[..., None], np.nan, landmarks.shape_m), landmarks.settings,
    )  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Keep small matrices in one thread, as ``estimate`` does."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@pytest.fixture(scope="session", autouse=True)
def exact_detector() -> Iterator[None]:
    """Let the simulated detector mark landmarks where anatomy has them; ``test_detector_offsets`` lets it not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(human_module, "detected_map", lambda: np.zeros((75, 3, len(BONES))))
        yield


@pytest.fixture(scope="session")
def make_simulated() -> Callable[..., Simulated]:
    """Give ``simulate(frames=, azimuths_deg=, noise_px=, seed=, ...)``."""
    return simulate


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    """Give a second of a person of 1.80 m before four cameras, 2 px of noise."""
    return simulate()


@pytest.fixture(scope="session")
def estimated(simulated: Simulated) -> HumanMotion:
    """Give what the estimator makes of ``simulated``."""
    return estimate(simulated.landmarks, simulated.rig)


@pytest.fixture(scope="session")
def hide() -> Callable[..., Landmarks]:
    """Give ``hide(landmarks, hidden (C, T, 75))``."""
    return without
