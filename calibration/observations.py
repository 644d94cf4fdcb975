"""What all cameras of a recording saw of boards and tags: pixels by camera, moment and point."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Targets
from bodydouble.calibration.bundle.state import Views
from bodydouble.calibration.pnp import FEWEST_POINTS
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

NO_FRAME = -1
_THINNEST = 0.1
"""Points whose spread across is less than this share of that along are nearly on one line, and say too little about a pose."""


@dataclass(frozen=True)
class Observations:
    """Points of boards and tags in C cameras at T moments. Arrays are read-only."""

    cameras: tuple[str, ...]
    image_size: tuple[tuple[int, int], ...]
    """(width, height) px of each camera's images, as they were detected in."""
    targets: Targets
    frame_index: npt.NDArray[np.int64]
    """(C, T) number of the frame in each camera's video; ``NO_FRAME`` where it has none."""
    times_s: FloatArray
    """(C, T) stamped capture times; NaN where there is no frame."""
    pixels: FloatArray
    """(C, T, P, 2) of the targets' points; NaN where not seen."""

    def __post_init__(self) -> None:
        shape = (len(self.cameras), self.frame_index.shape[1])
        freeze_arrays(self, {"frame_index": (shape, np.int64), "times_s": (shape, np.float64),
                             "pixels": ((*shape, len(self.targets.points), 2), np.float64)})  # fmt: skip

    @property
    def seen(self) -> BoolArray:
        """(C, T, P) which points were seen."""
        return np.isfinite(self.pixels[..., 0])

    @property
    def moments(self) -> int:
        """Number of moments T."""
        return int(self.frame_index.shape[1])

    @property
    def moment_s(self) -> FloatArray:
        """(T,) mean stamped time of each moment's frames."""
        present = np.isfinite(self.times_s)
        total = np.where(present, self.times_s, 0.0).sum(axis=0)
        return np.asarray(total / np.maximum(present.sum(axis=0), 1))

    def at(self, moments: BoolArray | npt.NDArray[np.int64]) -> Observations:
        """Return some of the moments."""
        return replace(self, frame_index=self.frame_index[:, moments], times_s=self.times_s[:, moments], pixels=self.pixels[:, moments])

    def where(self, frames: BoolArray) -> Observations:
        """Return the same moments with the points of only some frames (C, T); the others count as not seen."""
        return replace(self, pixels=np.where(frames[..., None, None], self.pixels, np.nan))

    def shared_moments(self) -> npt.NDArray[np.int64]:
        """Return (C, C) in how many moments two cameras saw a point of the same target; on the diagonal, in how many one camera saw any."""
        count = len(self.targets.names)
        saw = np.stack([self.seen[:, :, self.targets.target_of_point == g].any(axis=-1) for g in range(count)], axis=-1)
        return np.asarray((saw[:, None] & saw[None]).any(axis=-1).sum(axis=-1))


def views_of(observations: Observations) -> Views:
    """Return one view for each camera, moment and target with enough points that are not nearly on one line."""
    targets = observations.targets
    groups = [targets.points_of(g) for g in range(len(targets.names))]
    n = max((len(group) for group in groups), default=0)
    camera, moment, target, point = [], [], [], []
    seen = observations.seen
    thin = dict[bytes, bool]()
    for number, group in enumerate(groups):
        for row_of, column in np.argwhere(seen[:, :, group].sum(axis=-1) >= FEWEST_POINTS):
            here = group[seen[row_of, column, group]]
            key = here.tobytes()
            if key not in thin:
                spread = np.linalg.svd(targets.points[here] - targets.points[here].mean(axis=0), compute_uv=False)
                thin[key] = bool(spread[1] < _THINNEST * spread[0])
            if thin[key]:
                continue
            row = np.full(n, -1)
            row[: len(group)] = np.where(seen[row_of, column, group], group, -1)
            camera.append(row_of)
            moment.append(column)
            target.append(number)
            point.append(row)
    order = np.lexsort((target, camera, moment)) if camera else np.zeros(0, dtype=np.int64)
    c, m, g = (np.array(item, dtype=np.int64)[order] for item in (camera, moment, target))
    which = np.array(point, dtype=np.int64).reshape(-1, n)[order]
    known = which >= 0
    pixels = np.where(known[..., None], observations.pixels[c[:, None], m[:, None], np.maximum(which, 0)], np.nan)
    points = np.where(known[..., None], targets.points[np.maximum(which, 0)], 0.0)
    return Views(c, m, g, observations.times_s[c, m], points, pixels, which)
