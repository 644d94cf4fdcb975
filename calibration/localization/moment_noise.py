"""How large the errors of corners and of whole frames are at moments whose poses are known, and how well the poses are known then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.noise import scale_of
from bodydouble.calibration.localization.frame_slack import FrameSlack, find_slack
from bodydouble.calibration.localization.moment_poses import (
    FrameNormals,
    Images,
    Knots,
    absorbed,
    covariances,
    frame_normals,
    information,
    left_over,
    predict,
    robust_weights,
    with_prior,
)
from bodydouble.calibration.localization.sightings import Sightings

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_NOISE_SPREAD = 2.5
"""How far the noise of one camera may be from that of all."""
_LARGEST_NOISE_PX = 3.0
"""No corner detector is worse than that on average; what is further off than 5 times as much is not where it was thought to be."""
_NOISE_ROUNDS = 3
_REWEIGHTED = 3


def settled(s: Sightings, images: Images, sigma: FloatArray, left: FloatArray | None = None) -> tuple[FrameNormals, FloatArray]:
    """Return the frames' normal equations with robust weights that follow from what their disturbances leave over (N, 2), and that."""
    steps = _REWEIGHTED if left is None and s.slack.any() else 1
    left = images.residual if left is None else left
    for _ in range(steps):
        normals = frame_normals(s, images, robust_weights(s, left, sigma))
        left = left_over(s, images, normals)
    return normals, left


def covariance_of(s: Sightings, knots: Knots, agrees: BoolArray, variance: FloatArray) -> FloatArray:
    """Return (M, 12, 12) of pose and rate; ``variance`` (C,) px^2 of a point that agrees, others count for nothing."""
    images = predict(s, knots)
    H, _ = information(s, images, frame_normals(s, images, agrees / variance[s.camera_of_point]))
    return covariances(with_prior(H, knots))


def scale(s: Sightings, knots: Knots, sigma: FloatArray, *, common: bool = False) -> FloatArray:
    """Return (C,) the most likely scale of corner errors, one for all cameras if ``common``; ``sigma`` (C,) is that of before."""
    return _scale_of(s, knots, predict(s, knots), sigma, common=common)[0]


def _scale_of(
    s: Sightings, knots: Knots, images: Images, sigma: FloatArray, left: FloatArray | None = None, *, common: bool = False
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return the same, and what the frames' disturbances leave over (N, 2); ``left`` is that of before, where it is known."""
    if len(s.frame) == 0:
        return np.full(len(s.models), _LARGEST_NOISE_PX), np.zeros((0, 2))
    normals, left = settled(s, images, sigma, left)
    residual, views, cameras = left[:, None], s.as_views, len(s.models)
    correction = correction_of(s, knots, images, normals)
    together = scale_of(residual, views, cameras, 0.0, common=True) * np.sqrt(_overall(s, correction))
    together = np.minimum(together, _LARGEST_NOISE_PX)
    if common:
        return np.asarray(together), left
    own = scale_of(residual, views, cameras, 0.0) * np.sqrt(correction)
    return np.clip(own, together / _NOISE_SPREAD, np.minimum(together * _NOISE_SPREAD, _LARGEST_NOISE_PX)), left


def correction_of(s: Sightings, knots: Knots, images: Images, normals: FrameNormals) -> FloatArray:
    """Return (C,) by how much squared residuals are larger than they look, because the unknowns have taken up a part of them."""
    H, _ = information(s, images, normals)
    total = 2.0 * np.bincount(s.camera_of_point, minlength=len(s.models))
    left = total - absorbed(s, images, normals, covariances(with_prior(H, knots)))
    return np.asarray(np.maximum(total, 1.0) / np.maximum(left, 0.1 * np.maximum(total, 1.0)))


def _overall(s: Sightings, correction: FloatArray) -> float:
    """Return the correction for all cameras together."""
    total = np.bincount(s.camera_of_point, minlength=len(s.models))
    return float(total.sum() / (total / correction).sum())


def noise_of(
    s: Sightings, knots: Knots, sigma: FloatArray, slack: FrameSlack, rounds: int = _NOISE_ROUNDS
) -> tuple[Sightings, FloatArray, FrameSlack]:
    """Return the sightings with each frame's slack, the scale of corner errors that it leaves over, and the slack."""
    images = predict(s, knots)
    if not s.slack.any() and slack:
        s = replace(s, slack=slack.covariance(images.by_time, np.zeros(len(s.camera))))
    sigma, left = _scale_of(s, knots, images, sigma)
    for _ in range(rounds if slack else 0):
        slack, covariance = find_slack(s, knots, images, robust_weights(s, left, sigma), slack)
        s = replace(s, slack=covariance)
        sigma, left = _scale_of(s, knots, images, sigma, left)
    return s, sigma, slack
