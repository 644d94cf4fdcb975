"""How a head, a torso or a hand-held board can move between two moments: what ties the knots of a trajectory together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MotionPrior:
    """One standard deviation of human motion; rotation and translation.

    Acceleration is a random walk between moments (white jerk), and no rate is far from zero. Source of the form: Barfoot, "State
    Estimation for Robotics", 2nd ed., section 11.1 (white-noise-on-jerk); the magnitudes are those of moderate head and arm motion.
    """

    velocity: tuple[float, float] = (2.0, 0.7)
    """rad/s, m/s"""
    acceleration: tuple[float, float] = (15.0, 5.0)
    """rad/s^2, m/s^2"""
    settling_s: float = 0.1
    """How long an acceleration lasts: white jerk has the power acceleration^2 / settling_s."""

    def rate_information(self, order: int) -> FloatArray:
        """Return (6 * order,) inverse variances of a knot's terms; 0 for the pose."""
        sigma = [self.velocity, self.acceleration][: order - 1]
        return np.concatenate([np.zeros(6), *([np.repeat(1 / np.square(pair), 3) for pair in sigma])])

    def link_whitening(self, gap_s: FloatArray, order: int) -> FloatArray:
        """Return whitening matrices (L, 2, order, order) of rotation and translation for knots ``gap_s`` (L,) apart."""
        h = gap_s[:, None, None]
        if order == 3:
            Q = np.block([[h**5 / 20, h**4 / 8, h**3 / 6], [h**4 / 8, h**3 / 3, h**2 / 2], [h**3 / 6, h**2 / 2, h]])
            power = np.square(self.acceleration) / self.settling_s
        else:
            Q = np.block([[h**3 / 3, h**2 / 2], [h**2 / 2, h]])
            power = np.square(self.acceleration) * self.settling_s
        L = np.linalg.cholesky(Q)
        whiten = np.linalg.inv(L)
        return np.stack([whiten / np.sqrt(power[0]), whiten / np.sqrt(power[1])], axis=1)


def link_residuals(T: FloatArray, rates: FloatArray, gap_s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return how the next knot differs from where the one before would have gone, with Jacobians.

    ``T`` (N, M, 4, 4), ``rates`` (N, M, order - 1, 6), ``gap_s`` (M - 1,). Returns residuals (N, M - 1, 6 * order) and Jacobians
    (N, M - 1, 6 * order, 6 * order) by the terms of the earlier and the later knot.
    """
    chains, moments = T.shape[:2]
    order = rates.shape[2] + 1
    h = gap_s[None, :, None]
    before, after = rates[:, :-1], rates[:, 1:]
    turned = rotation.log(np.swapaxes(T[:, :-1, :3, :3], -1, -2) @ T[:, 1:, :3, :3])
    went = np.concatenate([turned, T[:, 1:, :3, 3] - T[:, :-1, :3, 3]], axis=-1)
    residual = np.empty((chains, moments - 1, 6 * order))
    from_before = np.zeros((chains, moments - 1, 6 * order, 6 * order))
    from_after = np.zeros_like(from_before)
    inverse = rotation.right_jacobian_inverse(turned)
    from_after[..., :3, :3] = inverse
    from_before[..., :3, :3] = -np.swapaxes(inverse, -1, -2)  # the left Jacobian's inverse is the right one's transpose
    from_after[..., 3:6, 3:6], from_before[..., 3:6, 3:6] = np.eye(3), -np.eye(3)
    residual[..., :6] = went
    for term in range(order):
        rows = slice(6 * term, 6 * term + 6)
        if term:
            residual[..., rows] = after[:, :, term - 1] - before[:, :, term - 1]
            from_after[..., rows, rows], from_before[..., rows, rows] = np.eye(6), -np.eye(6)
        factor = np.ones_like(h)
        for later in range(term + 1, order):
            factor = factor * h / (later - term)
            columns = slice(6 * later, 6 * later + 6)
            residual[..., rows] -= factor * before[:, :, later - 1]
            from_before[..., rows, columns] = -factor[..., None] * np.eye(6)
    return residual, from_before, from_after
