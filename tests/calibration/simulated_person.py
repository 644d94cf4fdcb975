"""Landmarks of a simulated person in static cameras, with errors as networks make them: the same way all the time, alike from frame to frame, and gross."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import contains
from bodydouble.calibration.rig import Rig
from bodydouble.calibration.transform import pose_from_rotvec

FloatArray = npt.NDArray[np.float64]

LANDMARKS = 33
RATE_HZ = 30.0


@dataclass(frozen=True)
class SimulatedPerson:
    """What a rig's cameras see of one person."""

    pixels: FloatArray
    """(C, T, P, 2)"""
    confidence: FloatArray
    times_s: FloatArray
    """(C, T)"""


def see_person(
    rig: Rig, *, seed: int = 0, seconds: float = 12.0, bias_px: float = 4.0, noise_px: float = 4.0, alike_s: float = 0.2, gross: float = 0.03,
    hidden: float = 0.15, landmarks: int = LANDMARKS, after: Rig | None = None, moved_at_s: float = 0.0,
) -> SimulatedPerson:  # fmt: skip
    """Return landmarks of a person who walks about (0, 0, 1.2) and moves all limbs.

    ``bias_px`` is constant for each camera and landmark, ``noise_px`` changes as a first-order process with the time constant ``alike_s``, a share
    ``gross`` is 20 to 150 px off for half a second, ``hidden`` is not seen for a second at a time. From ``moved_at_s`` on the cameras stand as in ``after``.
    """
    rng = np.random.default_rng([seed, 11])
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    points = _walk(rng, times, landmarks)
    C, T, P = len(rig.cameras), len(times), landmarks
    pixels = np.full((C, T, P, 2), np.nan)
    keep = np.exp(-1 / (RATE_HZ * alike_s))
    for row, name in enumerate(rig.names):
        for which, when in ((rig, times < moved_at_s), (after or rig, times >= moved_at_s)):
            camera = which.cameras[name]
            T_camera = camera.T_camera_body
            pixels[row, when] = camera.model.project(points[when] @ T_camera[:3, :3].T + T_camera[:3, 3])
        noise = rng.normal(0, noise_px, (T, P, 2))
        for t in range(1, T):
            noise[t] = keep * noise[t - 1] + np.sqrt(1 - keep**2) * noise[t]
        pixels[row] += noise + rng.normal(0, bias_px, (P, 2))
        way = rng.normal(0, 1, (T, P, 2))
        far = way / np.linalg.norm(way, axis=-1, keepdims=True) * rng.uniform(20, 150, (T, P, 1))
        pixels[row] += np.where(_runs(rng, T, P, gross, 0.5)[..., None], far, 0.0)
        pixels[row, _runs(rng, T, P, hidden, 1.0)] = np.nan
        pixels[row, ~contains(rig.cameras[name].model, pixels[row])] = np.nan
    confidence = np.where(np.isfinite(pixels[..., 0]), 0.9, np.nan)
    return SimulatedPerson(pixels, confidence, np.tile(times, (C, 1)))


def moved(rig: Rig, name: str, turn_deg: npt.ArrayLike = (0, 0, 0), shift_m: npt.ArrayLike = (0, 0, 0)) -> Rig:
    """Return the rig with one camera turned and shifted along its own axes."""
    camera = rig.cameras[name]
    T = camera.T_body_camera @ pose_from_rotvec(np.radians(turn_deg), np.asarray(shift_m, dtype=np.float64))
    return replace(rig, cameras={**rig.cameras, name: replace(camera, T_body_camera=T)})


def exchanged(person: SimulatedPerson, one: int, two: int) -> SimulatedPerson:
    """Return what is seen when two cameras' videos have each other's names."""
    order = np.arange(len(person.pixels))
    order[[one, two]] = [two, one]
    return replace(person, pixels=person.pixels[order], confidence=person.confidence[order])


def _walk(rng: np.random.Generator, times: FloatArray, landmarks: int) -> FloatArray:
    """Return (T, P, 3) m in the room: points about a person's size apart that swing about a body that walks."""
    t = times[:, None, None]
    rest = rng.normal(0, 1, (landmarks, 3)) * [0.15, 0.25, 0.35]

    def swing(reach: float, low_hz: float, high_hz: float, count: int) -> FloatArray:
        rate, phase = rng.uniform(low_hz, high_hz, (2, count, 3)), rng.uniform(0, 2 * np.pi, (2, count, 3))
        return sum((reach * np.sin(2 * np.pi * rate[k] * t + phase[k]) for k in range(2)), np.zeros((len(times), count, 3)))

    return np.array([0, 0, 1.1]) + rest + swing(0.2, 0.05, 0.2, 1) * [1, 1, 0.1] + swing(0.08, 0.2, 1.0, landmarks)


def _runs(rng: np.random.Generator, T: int, P: int, share: float, seconds: float) -> npt.NDArray[np.bool_]:
    """Return (T, P) True for about a share of the time, ``seconds`` at a time."""
    length = max(round(seconds * RATE_HZ), 1)
    blocks = rng.random((T // length + 1, P)) < share
    return np.repeat(blocks, length, axis=0)[:T]
