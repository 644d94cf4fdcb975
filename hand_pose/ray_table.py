"""Every ray that was seen, one row a ray, ordered by frame and landmark: what is summed in each step of a fit, without what was not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

NEAREST_M = 0.05
"""A point nearer than this before a camera, or behind it, is pulled nowhere."""
BEHIND_COST = float(np.log1p(1e3))
"""What such a point costs, so that no fit gets better by going behind a camera."""


@dataclass(frozen=True)
class RayTable:
    """M rays over F frames. Rows of ``axes``: the ray, and two directions across it, (3, 3, M); ``shift`` (3, M) is each times the camera's place."""

    frames: int
    key: IntArray
    """(M,) 75 x frame + landmark, ascending."""
    axes: FloatArray
    shift: FloatArray
    inverse_sigma: FloatArray
    weight: FloatArray

    @classmethod
    def of(cls, origins: FloatArray, rays: FloatArray, basis: FloatArray, sigma_rad: FloatArray, weight: FloatArray) -> RayTable:
        """Collect the rays (C, T, 75, 3) of positive weight."""
        by_frame = np.moveaxis(weight, 0, 2) > 0  # (T, 75, C)
        frame, landmark, camera = np.nonzero(by_frame)
        axes = np.concatenate([rays[camera, frame, landmark][:, None], basis[camera, frame, landmark]], axis=1)
        shift = np.einsum("mki,mi->km", axes, origins[camera, frame])
        return cls(
            weight.shape[1], frame * 75 + landmark, np.ascontiguousarray(np.moveaxis(axes, 0, 2)), shift,
            1.0 / sigma_rad[camera, frame, landmark], weight[camera, frame, landmark],
        )  # fmt: skip

    def select(self, frames: IntArray) -> RayTable:
        """Return the rays of some frames, in ascending order, which become 0 to F - 1."""
        place = np.full(self.frames, -1)
        place[frames] = np.arange(len(frames))
        frame, landmark = np.divmod(self.key, 75)
        rows = np.flatnonzero(place[frame] >= 0)
        key = place[frame[rows]] * 75 + landmark[rows]
        return RayTable(len(frames), key, self.axes[:, :, rows], self.shift[:, rows], self.inverse_sigma[rows], self.weight[rows])

    def pull(self, points: FloatArray, widen: float | FloatArray = 1.0) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return information (F, 75, 3, 3), gradient (F, 75, 3) and robust cost (F,) of points (F, 75, 3); see ``Observations.pull``."""
        information, gradient = np.zeros((self.frames * 75, 9)), np.zeros((self.frames * 75, 3))
        cost = np.zeros(self.frames)
        if not len(self.key):
            return information.reshape(-1, 75, 3, 3), gradient.reshape(-1, 75, 3), cost
        scaled, depth = self._scaled(points)
        valid = depth > NEAREST_M
        scale = self.inverse_sigma / widen / np.where(valid, depth, 1.0)
        scaled = scaled * np.where(valid, scale, 0.0)
        squared = scaled[0] ** 2 + scaled[1] ** 2
        influence = self.weight / (1.0 + squared)
        inverse = np.where(valid, widen / self.inverse_sigma, 0.0)
        # d(across / depth) = (across direction - tangent x ray) / depth
        one = (self.axes[1] - scaled[0] * inverse * self.axes[0]) * scale
        two = (self.axes[2] - scaled[1] * inverse * self.axes[0]) * scale
        influence = np.where(valid, influence, 0.0)
        sums = np.empty((10, len(self.key)))
        heavy_one, heavy_two = influence * one, influence * two
        sums[0:3] = heavy_one[0] * one + heavy_two[0] * two
        sums[3:5] = heavy_one[1] * one[1:] + heavy_two[1] * two[1:]
        sums[5] = heavy_one[2] * one[2] + heavy_two[2] * two[2]
        sums[6:9] = scaled[0] * heavy_one + scaled[1] * heavy_two
        sums[9] = self.weight * np.where(valid, np.log1p(squared), BEHIND_COST)
        starts = np.flatnonzero(np.diff(self.key, prepend=-1))
        total = np.add.reduceat(sums, starts, axis=1)
        rows = self.key[starts]
        information[rows] = total[[0, 1, 2, 1, 3, 4, 2, 4, 5]].T
        gradient[rows] = total[6:9].T
        cost = np.bincount(rows // 75, total[9], minlength=self.frames)
        return information.reshape(-1, 75, 3, 3), gradient.reshape(-1, 75, 3), cost

    def cost(self, points: FloatArray, widen: float = 1.0) -> FloatArray:
        """Return the robust cost (F,) alone."""
        scaled, depth = self._scaled(points)
        valid = depth > NEAREST_M
        scaled = scaled * (self.inverse_sigma / widen / np.where(valid, depth, 1.0))
        each = self.weight * np.where(valid, np.log1p(scaled[0] ** 2 + scaled[1] ** 2), BEHIND_COST)
        return np.asarray(np.bincount(self.key // 75, each, minlength=self.frames))

    def _scaled(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the distances across (2, M) and along (M,) each ray, m."""
        x, y, z = points.reshape(-1, 3)[self.key].T
        along = self.axes[:, 0] * x + self.axes[:, 1] * y + self.axes[:, 2] * z - self.shift
        return along[1:], along[0]
