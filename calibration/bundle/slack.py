"""What the unknowns do not explain about a whole view: a frame that was not taken when its stamp says, a board that moved meanwhile.

With corners found to a few hundredths of a pixel, such errors are ten times larger than theirs, and common to all corners of the view. So each
view's pose is given a random deviation of its own, whose spread is found along with everything else; then what a single view tells about its
lens keeps its full weight, and what views of different cameras tell about each other gets the weight it deserves (a mixed model; Pinheiro and
Bates, "Mixed-Effects Models in S and S-PLUS", 2000, ch. 2).

Deviations are Gaussian. With a heavy-tailed distribution two views a moment would do without a spread at all: one of them is fitted exactly, the
other one is called an outlier. Views that are far off are given up instead, and only once everything has settled: see ``rig_adjustment``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.linearization import Linearization

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LEAST = (1e-6, 1e-6, 1e-6)
_MOST = (0.05, 0.02, 0.05)


@dataclass(frozen=True)
class Slack:
    """One standard deviation of a view's own deviation; 0 switches a part off."""

    rotation: float = 0.0
    """rad, about each axis of the target."""
    position: float = 0.0
    """m, along each axis of the camera."""
    time_s: float = 0.0
    """Along the motion of the view."""
    given_up: BoolArray | None = field(default=None, compare=False)
    """(V,) views that are not believed: they have no deviation, and next to no weight."""

    def __bool__(self) -> bool:
        return self.rotation > 0 or self.position > 0 or self.time_s > 0

    def believed(self, count: int) -> BoolArray:
        """Return (count,) the views that are not given up."""
        return np.ones(count, dtype=np.bool_) if self.given_up is None else ~self.given_up

    def covariance(self, rate: FloatArray, free: BoolArray) -> FloatArray:
        """Return (V, 6, 6) covariances of the poses of views that move at ``rate`` (V, 6); 0 for those that are not ``free`` (V,)."""
        fixed = np.diag(np.square([self.rotation] * 3 + [self.position] * 3))
        own = free & self.believed(len(free))
        return (fixed + self.time_s**2 * rate[:, :, None] * rate[:, None, :]) * own[:, None, None]


@dataclass(frozen=True)
class Absorbed:
    """Residuals after each view took its most likely deviation."""

    residual: FloatArray
    """(V, n, 2) px."""
    cost: FloatArray
    """(V,) squared size of the deviation in sigmas."""
    decided: FloatArray
    """(V,) how many of the deviation's six parts the view's points decide."""
    slack: Slack
    """The spreads that these deviations suggest (one step of expectation-maximisation)."""


def absorb(linear: Linearization, weights: FloatArray, slack: Slack, free: BoolArray, informative: BoolArray) -> Absorbed:
    """Take each view's most likely deviation out of its residuals.

    ``weights`` (V, n) 1 / px^2. ``free`` (V,) views have a deviation;
    ``informative`` (V,) are the views whose deviation can be told, because others see the same thing at the time.
    """
    count = len(linear.rate)
    by_pose = linear.J[..., -6:]
    root = np.sqrt(weights)[..., None]
    A = (by_pose * root[..., None]).reshape(count, 2 * weights.shape[1], 6)
    g = np.einsum("vik,vi->vk", A, (np.nan_to_num(linear.residual) * root).reshape(count, 2 * weights.shape[1]))
    D = np.swapaxes(A, 1, 2) @ A
    S = slack.covariance(linear.rate, free)
    inverse = np.linalg.inv(np.eye(6) + D @ S)
    y = np.einsum("vij,vj->vi", inverse, g)
    deviation = -np.einsum("vij,vj->vi", S, y)
    residual = linear.residual + np.einsum("vnik,vk->vni", by_pose, deviation)
    Q = inverse @ D
    cost, decided = -np.einsum("vi,vi->v", y, deviation), np.einsum("vij,vji->v", S, Q)
    return Absorbed(residual, cost, decided, _spread(slack, y, Q, linear.rate, informative & slack.believed(count)))


def _spread(slack: Slack, y: FloatArray, Q: FloatArray, rate: FloatArray, informative: BoolArray) -> Slack:
    if not informative.any():
        return slack
    y, Q, rate = y[informative], Q[informative], rate[informative]

    def found(sigma: float, mean_square: FloatArray, decided: FloatArray, least: float, most: float) -> float:
        if sigma == 0:
            return 0.0
        return float(np.clip(np.sqrt(np.mean(sigma**4 * (mean_square - decided) + sigma**2)), least, most))

    diagonal = np.einsum("vii->vi", Q)
    along = np.einsum("vi,vi->v", rate, y)
    return replace(
        slack,
        rotation=found(slack.rotation, np.square(y[:, :3]), diagonal[:, :3], _LEAST[0], _MOST[0]),
        position=found(slack.position, np.square(y[:, 3:]), diagonal[:, 3:], _LEAST[1], _MOST[1]),
        time_s=found(slack.time_s, np.square(along), np.einsum("vi,vij,vj->v", rate, Q, rate), _LEAST[2], _MOST[2]),
    )
