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

from bodydouble.calibration.drift_fit import POSE, TERMS, Linear, Placement
from bodydouble.calibration.drift_points import SharedPoints

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
    """What one stretch of time says about the changes of C cameras. D = ``TERMS`` C."""

    information: FloatArray
    """(D, D)"""
    vector: FloatArray
    """(D,) y = H x + e."""
    clustered: FloatArray
    """(D, D) covariance of e from clusters of points."""
    calibration: FloatArray
    """(6 C, 6 C) covariance of the calibration's own error."""
    freedom: float
    """Degrees of freedom of the clusters that ``clustered`` is from."""

    @property
    def cameras(self) -> int:
        """Number of cameras C."""
        return len(self.vector) // TERMS

    @cached_property
    def _pose(self) -> IntArray:
        return np.flatnonzero(np.arange(len(self.vector)) % TERMS < POSE)

    @cached_property
    def _whitened(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return z (r,), the design X (r, 6 C) and the inverse covariance of the error (r, r), in directions that the images tell."""
        unit = np.tile(np.repeat([PLAUSIBLE_ROTATION, PLAUSIBLE_POSITION], 3), self.cameras)
        H = self.information[np.ix_(self._pose, self._pose)] * unit * unit[:, None]
        values, vectors = np.linalg.eigh(H)
        told = values > max(1.0, 1e-10 * values.max(initial=0.0))
        root, U = np.sqrt(values[told]), vectors[:, told]
        z = (U.T @ (self.vector[self._pose] * unit)) / root
        X = root[:, None] * U.T / unit
        M = self.clustered[np.ix_(self._pose, self._pose)] * unit * unit[:, None]
        clustered = _floored((U.T @ M @ U) / root / root[:, None])
        return z, X, np.linalg.pinv(clustered + X @ self.calibration @ X.T)

    @property
    def design_effect(self) -> float:
        """By how much errors that are alike raise the variance, 1 for independent ones."""
        unit = np.tile(np.repeat([PLAUSIBLE_ROTATION, PLAUSIBLE_POSITION], 3), self.cameras)
        H, M = (matrix[np.ix_(self._pose, self._pose)] * unit * unit[:, None] for matrix in (self.information, self.clustered))
        values, vectors = np.linalg.eigh(H)
        told = values > max(1.0, 1e-10 * values.max(initial=0.0))
        return float(np.mean(np.diag(vectors.T @ M @ vectors)[told] / values[told])) if told.any() else 1.0

    def misfit(self) -> tuple[float, float]:
        """Return the squared misfit of "nobody moved" and how many numbers it is made of."""
        z, _, precision = self._whitened
        return float(z @ precision @ z), float(len(z))

    def explain(self, cameras: tuple[int, ...], given: tuple[int, ...] = ()) -> Explanation:
        """Return how well it explains the images that ``cameras`` moved; the gain is that over ``given`` cameras (a part of them) alone."""
        z, X, precision = self._whitened
        columns = np.concatenate([np.arange(c * POSE, (c + 1) * POSE) for c in cameras])
        Z = X[:, columns]
        prior = np.diag(np.tile(np.repeat([PLAUSIBLE_ROTATION**-2.0, PLAUSIBLE_POSITION**-2.0], 3), len(cameras)))
        A = Z.T @ precision @ Z
        covariance = np.asarray(np.linalg.inv(A + prior), dtype=np.float64)
        change = covariance @ (Z.T @ precision @ z)
        left = z - Z @ change
        gain = float(z @ precision @ z - left @ precision @ left)
        terms = float(np.trace(A @ covariance))
        if given:
            before = self.explain(given)
            gain, terms = gain - before.gain, terms - before.terms
        return Explanation(cameras, change.reshape(-1, POSE), covariance, max(gain, 0.0), terms, f_tail(gain, terms, self.freedom))

    def others_misfit(self, cameras: tuple[int, ...]) -> float:
        """Return how likely the misfit that is left is when only ``cameras`` moved."""
        total, size = self.misfit()
        found = self.explain(cameras)
        return f_tail(total - found.gain, size - found.terms, self.freedom)

    def image_gain(self, camera: int, terms: slice) -> tuple[float, FloatArray]:
        """Return how much extra terms of one camera (see ``drift_fit``) lower the misfit, errors taken as alike in all directions, and their values."""
        own = camera * TERMS + np.arange(TERMS)[terms]
        H, y = self.information[np.ix_(own, own)], self.vector[own]
        scale = np.sqrt(np.maximum(np.diag(H), 1e-30))
        values = np.linalg.lstsq(H / scale / scale[:, None], y / scale, rcond=1e-9)[0] / scale
        return float(y @ values) / self.design_effect, values


def evidence_of(
    points: SharedPoints, linear: Linear, place: Placement, window: IntArray, blocks: BoolArray, calibration: FloatArray, alike_s: float,
    *, by_part: bool = True,
) -> Evidence:  # fmt: skip
    """Sum up what the windows of some ``blocks`` (B,) say. ``by_part``: whether parts that err alike all the time count as such."""
    D = linear.information.shape[-1]
    change = np.zeros((len(place.motion), D // TERMS, TERMS))
    change[..., :POSE] = place.change
    H, y = np.zeros((D, D)), np.zeros(D)
    for w in np.unique(window[blocks]):
        rows = window == w
        H += linear.information[w]
        y += linear.information[w] @ change[w].ravel() - linear.score[rows].sum(axis=(0, 1))
    score = linear.score[blocks]
    seen = points.seen[:, blocks].any(axis=0)
    stretch = np.broadcast_to(_stretches(points.time_s[blocks], points.moment[blocks], alike_s)[:, None], seen.shape)[seen]
    part, rows = points.part[blocks][seen], score[seen]
    groups = len(np.unique(stretch))
    M = _clustered(rows, stretch) * groups / max(groups - 1, 1)
    freedom = groups - 1.0
    if by_part:
        views = points.seen[:, blocks].sum(axis=0)[seen].mean()
        each = max(2 * views - 3, 1.0) if points.known is None else 2 * views
        weight = np.bincount(np.unique(part, return_inverse=True)[1]).astype(np.float64)
        parts = float(weight.sum() ** 2 / (weight**2).sum())
        told = float(np.linalg.matrix_rank(H[np.ix_(_pose_terms(D), _pose_terms(D))]))
        left = max(parts * each - told, _LEAST_FREEDOM)
        both = _clustered(rows, stretch * (part.max() + 1) + part)
        M = M + _clustered(rows, part) * (parts * each / left) - both
        freedom = min(freedom, left)
    return Evidence(H, y, M, calibration, max(freedom, _LEAST_FREEDOM))


def f_tail(gain: float, terms: float, freedom: float) -> float:
    """Return the probability that chance gives a gain as large: F with ``terms`` and ``freedom``."""
    from scipy.stats import f

    return float(f.sf(gain / terms, terms, freedom)) if terms > 0 and gain > 0 else 1.0


def _pose_terms(D: int) -> IntArray:
    return np.flatnonzero(np.arange(D) % TERMS < POSE)


def _stretches(time_s: FloatArray, moment: IntArray, alike_s: float) -> IntArray:
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


def _floored(covariance: FloatArray) -> FloatArray:
    """Raise eigenvalues to at least their mean."""
    if len(covariance) == 0:
        return covariance
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.maximum(values, max(float(values.mean()), 1e-6))) @ vectors.T)
