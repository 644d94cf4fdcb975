"""How well "this camera moved" explains what shared points say, against "nobody moved", with errors that are alike within a moment or a limb.

Near the best fit all that the images say about the cameras' changes is a vector ``y = H x + e``: H the information, x the true changes. The
covariance of e is not H, as it would be with independent errors; it is summed up from clusters of points that err together, by stretches of time and
by parts of the body, both ways (Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011). Its eigenvalues against H are
then raised to at least their mean, the design effect of Rao and Scott (Annals of Statistics 1984), since few clusters leave some too small. The
calibration's own uncertainty adds to it. Each hypothesis is a generalised least-squares fit, judged by an F test that knows how few clusters there were.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.drift.fit import Linear
from bodydouble.calibration.drift.placement import POSE, Placement
from bodydouble.calibration.drift.points import SharedPoints

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

PLAUSIBLE_ROTATION, PLAUSIBLE_POSITION = 0.1, 0.1
"""rad, m. How far a camera that was pushed goes; what the images do not tell is taken to be of that size."""
_FEWEST_CLUSTERS = 10
_LEAST_FREEDOM = 3.0


@dataclass(frozen=True)
class Explanation:
    """One hypothesis: some cameras moved, all others stand where the calibration says."""

    cameras: tuple[int, ...]
    change: FloatArray
    """(len(cameras), 6) rotation vector in rad and displacement in m, in the frame of each camera as calibrated."""
    covariance: FloatArray
    """(6 n, 6 n)"""
    gain: float
    """By how much it lowers the squared misfit, in squared standard deviations."""
    terms: float
    """How many numbers of the change the images can tell."""
    p_value: float
    """How likely a gain as large is when nothing moved."""


@dataclass(frozen=True)
class Evidence:
    """What one stretch of time says about the changes of C cameras. D = 6 C."""

    information: FloatArray
    """(D, D)"""
    vector: FloatArray
    """(D,) y = H x + e."""
    clustered: FloatArray
    """(D, D) covariance of e from clusters of points."""
    calibration: FloatArray
    """(D, D) covariance of the calibration's own error."""
    clusters: float
    """Degrees of freedom of the clusters that ``clustered`` is from."""

    @property
    def cameras(self) -> int:
        """Number of cameras C."""
        return len(self.vector) // POSE

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the F test."""
        return self._whitened[3]

    @cached_property
    def _whitened(self) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        """Return z (r,), the design X (r, 6 C) and the inverse covariance of the error (r, r), in directions that the images tell, and its freedom."""
        unit = np.tile(np.repeat([PLAUSIBLE_ROTATION, PLAUSIBLE_POSITION], 3), self.cameras)
        H = self.information * unit * unit[:, None]
        values, vectors = np.linalg.eigh(H)
        told = values > max(1.0, 1e-10 * values.max(initial=0.0))
        root, U = np.sqrt(values[told]), vectors[:, told]
        z = (U.T @ (self.vector * unit)) / root
        X = root[:, None] * U.T / unit
        M = self.clustered * unit * unit[:, None]
        clustered = (U.T @ M @ U) / root / root[:, None]
        return z, X, np.linalg.pinv(_floored(clustered) + X @ self.calibration @ X.T), self.clusters * _directions(clustered)

    def explain(self, cameras: tuple[int, ...]) -> Explanation:
        """Return how well it explains the images that ``cameras`` moved."""
        z, X, precision, freedom = self._whitened
        columns = np.concatenate([np.arange(c * POSE, (c + 1) * POSE) for c in cameras])
        Z = X[:, columns]
        prior = np.diag(np.tile(np.repeat([PLAUSIBLE_ROTATION**-2.0, PLAUSIBLE_POSITION**-2.0], 3), len(cameras)))
        A = Z.T @ precision @ Z
        covariance = np.asarray(np.linalg.inv(A + prior), dtype=np.float64)
        change = covariance @ (Z.T @ precision @ z)
        left = z - Z @ change
        gain = float(z @ precision @ z - left @ precision @ left)
        terms = float(np.trace(A @ covariance))
        return Explanation(cameras, change.reshape(-1, POSE), covariance, max(gain, 0.0), terms, f_tail(gain, terms, freedom))

    def precision(self, camera: int) -> FloatArray:
        """Return the inverse covariance (6, 6) of one camera's change if all others stand as calibrated."""
        _, X, precision, _ = self._whitened
        own = X[:, camera * POSE : (camera + 1) * POSE]
        return np.asarray(own.T @ precision @ own)


def evidence_of(
    points: SharedPoints, linear: Linear, place: Placement, window: IntArray, blocks: BoolArray, calibration: FloatArray, alike_s: float
) -> Evidence:
    """Sum up what the windows of some ``blocks`` (B,) say."""
    D = linear.information.shape[-1]
    change = place.change.reshape(len(place.motion), D)
    H, y = np.zeros((D, D)), np.zeros(D)
    for w in np.unique(window[blocks]):
        rows = window == w
        H += linear.information[w]
        y += linear.information[w] @ change[w] - linear.score[rows].sum(axis=(0, 1))
    score = linear.score[blocks]
    seen = points.seen[:, blocks].any(axis=0)
    stretch = np.broadcast_to(stretches(points.time_s[blocks], points.moment[blocks], alike_s)[:, None], seen.shape)[seen]
    part, rows = points.part[blocks][seen], score[seen]
    # What a move adds to every score alike is no error.
    rows = rows - rows.mean(axis=0)
    groups = len(np.unique(stretch))
    M = _clustered(rows, stretch) * groups / max(groups - 1, 1)
    freedom = groups - 1.0
    views = points.seen[:, blocks].sum(axis=0)[seen].mean()
    each = max(2 * views - 3, 1.0) if points.known is None else 2 * views
    weight = np.bincount(np.unique(part, return_inverse=True)[1]).astype(np.float64)
    parts = float(weight.sum() ** 2 / (weight**2).sum())
    told = float(np.linalg.matrix_rank(H))
    left = max(parts * each - told, _LEAST_FREEDOM)
    both = _clustered(rows, stretch * (part.max() + 1) + part)
    M = M + _clustered(rows, part) * (parts * each / left) - both
    freedom = min(freedom, left)
    return Evidence(H, y, M, calibration, max(freedom, _LEAST_FREEDOM))


def f_tail(gain: float, terms: float, freedom: float) -> float:
    """Return the probability that chance gives a gain as large: F with ``terms`` and ``freedom``."""
    from scipy.stats import f

    return float(f.sf(gain / terms, terms, freedom)) if terms > 0 and gain > 0 else 1.0


def f_quantile(probability: float, terms: float, freedom: float) -> float:
    """Return the mean gain for each term that chance exceeds with a probability."""
    from scipy.stats import f

    return float(f.isf(probability, terms, freedom))


def stretches(time_s: FloatArray, moment: IntArray, alike_s: float) -> IntArray:
    """Return which stretch of time each block is in: as long as errors stay alike, but so that there are enough."""
    span = float(time_s.max() - time_s.min()) if len(time_s) else 0.0
    if len(np.unique(moment)) <= _FEWEST_CLUSTERS or span <= 0:
        return np.unique(moment, return_inverse=True)[1].astype(np.int64)
    length = min(alike_s, span / _FEWEST_CLUSTERS)
    return np.asarray(np.floor((time_s - time_s.min()) / length * (1 - 1e-9)), dtype=np.int64)


def _clustered(rows: FloatArray, label: IntArray) -> FloatArray:
    """Return the sum over clusters of the outer product of each cluster's sum."""
    _, place = np.unique(label, return_inverse=True)
    sums = np.zeros((place.max(initial=-1) + 1, rows.shape[1]))
    np.add.at(sums, place, rows)
    return np.asarray(sums.T @ sums)


def _directions(covariance: FloatArray) -> float:
    """Return in how many directions independent errors as uneven as these would be (Thomas and Rao, JASA 1987): each cluster counts once for each."""
    return float(np.trace(covariance) ** 2 / max(float((covariance**2).sum()), 1e-12)) if len(covariance) else 1.0


def _floored(covariance: FloatArray) -> FloatArray:
    """Raise eigenvalues to at least their mean."""
    if len(covariance) == 0:
        return covariance
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.maximum(values, max(float(values.mean()), 1e-6))) @ vectors.T)
