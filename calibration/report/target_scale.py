"""The size of each board and tag, measured with the calibrated rig: one that differs from the others has a wrong size in its file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.observations import Observations
from bodydouble.calibration.rig import Rig
from bodydouble.calibration.transform import rotate

FloatArray = npt.NDArray[np.float64]

_MOST_MOMENTS = 300
_FEWEST_MOMENTS = 10
_LEAST_SURE = 1e-3
_NARROWEST = np.sin(np.radians(3.0)) ** 2
"""Rays of two cameras that meet at a smaller angle than this tell no distance."""


def relative_target_sizes(observations: Observations, rig: Rig) -> dict[str, float]:
    """Return measured over declared size of each target, divided by the median over all targets; empty unless two can be measured.

    All targets are measured with the same rig, whose scale is a compromise between them, so only their ratio means anything. A target counts
    when two cameras of one body saw it together in at least ten moments; its size is the median over the moments, and what is known to no better than
    0.1 % is left out.
    """
    found: dict[str, list[float]] = {name: [] for name in observations.targets.names}
    if len(found) < 2:
        return {}
    for body in rig.bodies:
        rows = [c for c, name in enumerate(observations.cameras) if name in rig.cameras and rig.cameras[name].body == body]
        if len(rows) >= 2:
            _measure(observations, rig, rows, found)
    size = {
        name: float(np.median(ratios))
        for name, ratios in found.items()
        if len(ratios) >= _FEWEST_MOMENTS and _spread(ratios) <= _LEAST_SURE
    }
    if len(size) < 2:
        return {}
    middle = float(np.median(list(size.values())))
    return {name: value / middle for name, value in size.items()}


def _measure(observations: Observations, rig: Rig, rows: list[int], found: dict[str, list[float]]) -> None:
    together = np.flatnonzero((observations.seen[rows].sum(axis=0) >= 2).any(axis=-1))
    chosen = together[np.unique(np.linspace(0, max(len(together) - 1, 0), min(len(together), _MOST_MOMENTS)).astype(np.int64))]
    points = _triangulated(observations, rig, rows, chosen)
    for number, name in enumerate(observations.targets.names):
        group = observations.targets.points_of(number)
        true = observations.targets.points[group]
        for moment in points[:, group]:
            known = np.isfinite(moment[:, 0])
            if known.sum() >= 2:
                found[name].append(_scale(moment[known], true[known]))


def _spread(ratios: list[float]) -> float:
    """Return one standard deviation of the median, from the median absolute deviation."""
    return float(1.253 * 1.4826 * np.median(np.abs(np.array(ratios) - np.median(ratios))) / np.sqrt(len(ratios)))


def _scale(measured: FloatArray, true: FloatArray) -> float:
    """Return the size of measured points in sizes of the true ones, turned to fit best (Umeyama, 1991): noise does not make it larger."""
    measured, true = measured - measured.mean(axis=0), true - true.mean(axis=0)
    return float(np.linalg.svd(measured.T @ true, compute_uv=False).sum() / np.square(true).sum())


def _triangulated(observations: Observations, rig: Rig, rows: list[int], moments: npt.NDArray[np.int64]) -> FloatArray:
    """Return (M, P, 3) where the rays of two or more cameras meet best, in their body's frame; NaN elsewhere."""
    A = np.zeros((len(moments), len(observations.targets.points), 3, 3))
    b = np.zeros((*A.shape[:2], 3))
    rays = np.zeros(A.shape[:2])
    for row in rows:
        camera = rig.cameras[observations.cameras[row]]
        direction = rotate(camera.T_body_camera, camera.model.rays(observations.pixels[row, moments]))
        good = np.asarray(np.isfinite(direction).all(axis=-1))
        across = np.eye(3) - direction[..., :, None] * direction[..., None, :]
        across = np.where(good[..., None, None], across, 0.0)
        A += across
        b += across @ camera.T_body_camera[:3, 3]
        rays += good
    decided = (rays >= 2) & (np.linalg.eigvalsh(A)[..., 0] > _NARROWEST / 2)
    result: FloatArray = np.full(b.shape, np.nan)
    result[decided] = np.linalg.solve(A[decided], b[decided][..., None])[..., 0]
    return result
