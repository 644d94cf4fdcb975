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
    """M rays over F frames.

    With v from the camera to the point, depth d = r . v and n = v / d, the error across the ray is |n|^2 - 1 squared radians, and half its second
    derivative (1 - n r^T - r n^T + |n|^2 r r^T) / d^2: no directions across the ray are needed.
    """

    key: IntArray
    """(M,) 75 x frame + landmark, ascending."""
    first: IntArray
    """(F + 1,) the first row of each frame, and M."""
    rays: FloatArray
    """(3, M) unit directions."""
    origins: FloatArray
    """(3, M) m."""
    inverse_sigma: FloatArray
    """(M,) 1/rad."""
    weight: FloatArray

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.first) - 1

    @classmethod
    def of(cls, origins: FloatArray, rays: FloatArray, sigma_rad: FloatArray, weight: FloatArray) -> RayTable:
        """Collect the rays (C, T, 75, 3) of positive weight (C, T, 75)."""
        frame, landmark, camera = np.nonzero(np.moveaxis(weight, 0, 2) > 0)
        return cls(
            frame * 75 + landmark, np.searchsorted(frame, np.arange(weight.shape[1] + 1)),
            np.ascontiguousarray(rays[camera, frame, landmark].T), np.ascontiguousarray(origins[camera, frame].T),
            1.0 / sigma_rad[camera, frame, landmark], weight[camera, frame, landmark],
        )  # fmt: skip

    def select(self, frames: IntArray) -> RayTable:
        """Return the rays of some frames (F,), in ascending order, which become 0 to F - 1."""
        start, count = self.first[frames], self.first[frames + 1] - self.first[frames]
        first = np.concatenate([[0], np.cumsum(count)])
        rows: IntArray | slice = np.repeat(start - first[:-1], count) + np.arange(first[-1])
        if len(frames) and first[-1] == self.first[frames[-1] + 1] - start[0]:  # on end: no copies
            rows = slice(start[0], start[0] + first[-1])
        shift = np.repeat(75 * (np.arange(len(frames)) - frames), count)
        return RayTable(
            self.key[rows] + shift, first, self.rays[:, rows], self.origins[:, rows], self.inverse_sigma[rows], self.weight[rows]
        )

    def pull(self, points: FloatArray, widen: float = 1.0) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return information (F, 75, 3, 3), gradient (F, 75, 3) and robust cost (F,) of points (F, 75, 3); see ``Observations``."""
        information, gradient = np.zeros((self.frames * 75, 9)), np.zeros((self.frames * 75, 3))
        if not len(self.key):
            return information.reshape(-1, 75, 3, 3), gradient.reshape(-1, 75, 3), np.zeros(self.frames)
        n, inverse_depth, angle, squared = self._seen_from(points, widen)
        r = self.rays
        influence = self.weight / (1.0 + squared)
        influence *= np.square(self.inverse_sigma / widen)
        influence *= inverse_depth
        sums = np.empty((10, len(self.key)))
        away = angle * r
        away -= n - r  # |n|^2 r - n
        np.multiply(away, -influence, out=sums[6:9])
        influence *= inverse_depth
        heavy_r, heavy_n = influence * r, influence * n
        for row, (i, j) in enumerate(((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))):
            np.multiply(heavy_r[i], away[j], out=sums[row])
            sums[row] -= heavy_n[i] * r[j]
        sums[[0, 3, 5]] += influence
        sums[9] = self.weight * np.where(inverse_depth > 0, np.log1p(squared), BEHIND_COST)
        starts = np.flatnonzero(np.diff(self.key, prepend=-1))
        total = np.add.reduceat(sums, starts, axis=1)
        rows = self.key[starts]
        information[rows] = total[[0, 1, 2, 1, 3, 4, 2, 4, 5]].T
        gradient[rows] = total[6:9].T
        cost = np.asarray(np.bincount(rows // 75, total[9], minlength=self.frames), dtype=np.float64)
        return information.reshape(-1, 75, 3, 3), gradient.reshape(-1, 75, 3), cost

    def cost(self, points: FloatArray, widen: float = 1.0) -> FloatArray:
        """Return the robust cost (F,) alone."""
        _, inverse_depth, _, squared = self._seen_from(points, widen)
        each = self.weight * np.where(inverse_depth > 0, np.log1p(squared), BEHIND_COST)
        return np.asarray(np.bincount(self.key // 75, each, minlength=self.frames))

    def _seen_from(self, points: FloatArray, widen: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return n (3, M), 1/d (M,), |n|^2 - 1 (M,) and that in squared sigmas (M,); all 0 for a point that is not before its camera."""
        n = np.ascontiguousarray(points.reshape(-1, 3)[self.key].T)
        n -= self.origins
        depth = np.einsum("im,im->m", n, self.rays)
        ahead = depth > NEAREST_M
        inverse = np.zeros_like(depth)
        np.divide(1.0, depth, out=inverse, where=ahead)
        n *= inverse
        across = n - self.rays
        across *= ahead
        angle = np.einsum("im,im->m", across, across)
        return n, inverse, angle, angle * np.square(self.inverse_sigma / widen)
