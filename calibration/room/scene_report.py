"""What is said about measured points and clicks that do not fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.rig import Rig
from bodydouble.calibration.room.scene_adjustment import ScenePlacement
from bodydouble.calibration.room.scene_points import ScenePoints
from bodydouble.errors import UsageError

FloatArray = npt.NDArray[np.float64]

_UPRIGHT = 0.6
"""Cosine between a camera's upward direction and an axis from which on the camera stands upright along it."""


def wrong_clicks(scene: ScenePoints, found: ScenePlacement) -> tuple[str, ...]:
    """Return a sentence for each click that was left out, with the point that it may have been meant for."""
    predicted = scene.pixels + found.residual_px
    sentences = []
    for row, p in np.argwhere(scene.seen & ~found.good_click):
        distance = float(np.linalg.norm(found.residual_px[row, p]))
        others = np.linalg.norm(found.placement.project()[row] - scene.pixels[row, p], axis=-1)
        others[p] = np.inf
        near = int(np.nanargmin(others)) if np.isfinite(others).any() else p
        meant = f"; '{scene.names[near]}' is there" if others[near] < 5 * found.sigma_px else ""
        u, v = predicted[row, p]
        sentences.append(
            f"point '{scene.names[p]}' in camera '{scene.cameras[row]}' is {distance:.0f} px from where the others put it "
            f"({u:.0f}, {v:.0f}){meant}; it was left out, click it again"
        )
    return tuple(sentences)


def wrong_points(scene: ScenePoints, found: ScenePlacement) -> tuple[str, ...]:
    """Return a sentence for each measurement that the cameras agree is wrong."""
    sentences = []
    for p in np.flatnonzero(~found.good_point):
        seen = found.placement.points[p]
        distance = float(np.linalg.norm(seen - scene.points[p])) * 1000
        x, y, z = seen
        sentences.append(
            f"point '{scene.names[p]}' was measured {distance:.0f} mm from where the cameras see it ({x:.3f}, {y:.3f}, {z:.3f}); the measurement "
            "was left out, measure it again"
        )
    return tuple(sentences)


def axis_that_is_up(rig: Rig, middle: FloatArray) -> str:
    """Return which axis of the room the cameras in it stand upright along: "z" unless another one is likelier; "-y" is y pointing down.

    ``middle`` (3,) is what they look at. One camera on its side, or one that looks straight down, may deceive it. Raises: UsageError if every
    camera hangs upside down below the middle: what a flat scene with a mirrored axis comes out as.
    """
    static = [camera.T_body_camera for camera in rig.cameras.values() if camera.body == "room"]
    up = -np.stack([T[:3, 1] for T in static])
    above = np.stack([T[:3, 3] for T in static]) - middle
    if (up[:, 2] < -_UPRIGHT / 2).all() and (above[:, 2] < 0).all():
        raise UsageError(
            "the measured points put every camera below them and upside down, so z points down or one axis is mirrored; expected x forward, "
            "y left, z up. Turn the sign of x or of y (or of z), and run again."
        )
    for axis, letter in enumerate("xy"):
        for sign, name in ((1.0, letter), (-1.0, "-" + letter)):
            if (sign * up[:, axis]).min() > _UPRIGHT and (sign * above[:, axis]).mean() > above[:, 2].mean():
                return name
    return "z"


def warning_of_up(rig: Rig, scene: ScenePoints) -> tuple[str, ...]:
    """Return a sentence if the measured points do not seem to have z up. Raises: UsageError as ``axis_that_is_up``."""
    axis = axis_that_is_up(rig, scene.points.mean(axis=0))
    if axis == "z":
        return ()
    return (
        f"the cameras stand upright along {axis}, not along z; if none of them is mounted on its side or looks straight down, the measured points "
        "do not have z up",
    )
