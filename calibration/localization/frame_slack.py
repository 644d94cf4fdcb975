"""What a body's pose does not explain about a whole frame: taken at another time than its stamp says, a shaken camera, a mount that is a little off.

Corners of tags are found to a few hundredths of a pixel, and such errors are many times larger and common to all points of the frame. So every frame's
camera has a random disturbance of its own: a turn about its axes, and a shift in time along its motion. How large they are is found by restricted
maximum likelihood (Patterson and Thompson, "Recovery of inter-block information", 1971) with Fisher scoring, from moments that several cameras saw.
Disturbances are Student's t as corner errors are, so that a frame that has gone wrong altogether counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.noise import FREEDOM
from bodydouble.calibration.localization.moment_poses import Images, Knots, covariances, information, of_frames, with_prior, with_slack
from bodydouble.calibration.localization.sightings import Sightings

FloatArray = npt.NDArray[np.float64]

_FEWEST_MOMENTS = 10
"""Seen by two or more cameras; fewer tell too little about what frames have in common."""
_STEPS = 12
_SETTLING = 3
"""How often the frames that are far off are found anew for each new slack."""
_MOST = (0.05, 0.05)
_LEAST = (1e-7, 1e-7)
_FAR = 36.0
_DECIDED = 2.0
"""Parts of a disturbance that count in its distribution: about that many are seen well."""


@dataclass(frozen=True)
class FrameSlack:
    """One standard deviation of the frames' disturbances; what a search starts from by default."""

    rotation: float = 3e-4
    """rad, about each axis of the camera."""
    time_s: float = 3e-4
    """0 where the frames have no times."""

    def __bool__(self) -> bool:
        return self.rotation > 0 or self.time_s > 0

    def covariance(self, by_time: FloatArray, size: FloatArray) -> FloatArray:
        """Return (F, 6, 6) for cameras that move ``by_time`` (F, 6); wider for frames whose disturbance has ``size`` (F,) sigmas squared."""
        return self.parts(by_time, size)[0] * self.rotation**2 + self.parts(by_time, size)[1] * self.time_s**2

    def parts(self, by_time: FloatArray, size: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (F, 6, 6) each: the covariance per variance of turn and time."""
        stretch = _stretch(size)[:, None, None]
        turn = np.broadcast_to(np.diag([1.0] * 3 + [0.0] * 3), (len(size), 6, 6))
        return turn * stretch, by_time[:, :, None] * by_time[:, None, :] * stretch


def far_off(size: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which frames (F,) are disturbed by more than 6 sigmas; ``size`` is their squared size by the covariance that was widened for it."""
    return np.asarray(size > _FAR * (FREEDOM + _DECIDED) / (FREEDOM + _FAR))


def _stretch(size: FloatArray) -> FloatArray:
    return np.asarray((FREEDOM + size) / (FREEDOM + _DECIDED))


def find_slack(s: Sightings, knots: Knots, images: Images, weights: FloatArray, slack: FrameSlack) -> tuple[FrameSlack, FloatArray]:
    """Return the most likely slack near ``slack``, and (F, 6, 6) the covariance of each frame's disturbance.

    ``weights`` (N,) = 1 / px^2 of the points. Nothing is found, and no slack given, where hardly any moment was seen by several cameras.
    """
    several = np.bincount(s.moment, minlength=s.moments)[s.moment] > 1
    if len(np.unique(s.moment[several])) < _FEWEST_MOMENTS:
        return FrameSlack(0.0, 0.0), np.zeros((len(s.moment), 6, 6))
    variance = np.square([slack.rotation, slack.time_s])
    floor, most = np.square(_LEAST), np.square(_MOST)
    size, own = np.zeros(len(s.moment)), of_frames(s, images, weights)
    for step_number in range(_STEPS):
        current = FrameSlack(*map(float, np.sqrt(variance)))
        for _ in range(_SETTLING if step_number else 2 * _SETTLING):
            parts = np.stack(current.parts(images.by_time, size))
            held = np.einsum("k,kfij->fij", variance, parts)
            normals = with_slack(own, held)
            H, g = information(s, images, normals)
            g[:, 6:] += (knots.rate - knots.expected_rate) / np.square(knots.rate_sigma)
            C = covariances(with_prior(H, knots))
            step = -np.einsum("mij,mj->mi", C, g)
            # The poses follow to first order.
            y = normals.pull + np.einsum("fij,fjk,fk->fi", normals.shrunk, images.lift, step[s.moment])
            size = np.einsum("fi,fij,fj->f", y, held, y) * _stretch(size)
        P = normals.shrunk - normals.shrunk @ images.lift @ C[s.moment] @ np.swapaxes(images.lift, 1, 2) @ normals.shrunk
        PE = P[None] @ parts
        slope = np.einsum("fi,kfij,fj->kf", y, parts, y) - np.einsum("kfii->kf", PE)
        curve = np.einsum("kfij,lfji->klf", PE, PE)
        gradient, fisher = slope[:, several].sum(axis=1), curve[..., several].sum(axis=2)
        free = (variance > 0) & (np.diag(fisher) > 0)
        fisher = fisher[np.ix_(free, free)]
        found = variance.copy()
        found[free] = variance[free] + np.linalg.solve(fisher + 1e-9 * np.diag(np.diag(fisher)), gradient[free])
        new = np.where(free, np.clip(found, np.maximum(variance / 9, floor), np.minimum(variance * 9, most)), 0.0)
        settled = bool((np.abs(np.log(np.where(free, new / np.where(free, variance, 1.0), 1.0))) < 0.02).all())
        variance = new
        if settled and step_number:
            break
    result = FrameSlack(*map(float, np.sqrt(variance)))
    return result, result.covariance(images.by_time, size)
