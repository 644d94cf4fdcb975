"""What the cameras of one body saw of the targets of a tag map, point by point, so that all moments can be solved at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.state import Views
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.rig import Rig
from bodydouble.errors import DataError, UsageError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_SAME_POINT_M = 1e-6


@dataclass(frozen=True)
class Sightings:
    """N points in F frames of C cameras at M moments. Frames are sorted by moment, points by frame and target; every frame has a point."""

    cameras: tuple[str, ...]
    models: tuple[CameraModel, ...]
    T_camera_body: FloatArray
    """(C, 4, 4)"""
    camera: IntArray
    """(F,)"""
    moment: IntArray
    """(F,)"""
    dt_s: FloatArray
    """(F,) how long after its moment a frame was really taken; 0 where times are not known."""
    frame: IntArray
    """(N,) of each point."""
    target: IntArray
    """(N,) index in the map."""
    p_target: FloatArray
    """(N, 3) m, the point in its target's frame."""
    p_room: FloatArray
    """(N, 3) m, the same in the room."""
    pixels: FloatArray
    """(N, 2)"""
    moments: int
    """M; some may have no frame."""
    slack: FloatArray
    """(F, 6, 6) covariance by which the camera may be disturbed in each frame beyond what the body's pose says (see ``frame_slack``); 0 at first."""

    @cached_property
    def moment_of_point(self) -> IntArray:
        """(N,)"""
        return self.moment[self.frame]

    @cached_property
    def camera_of_point(self) -> IntArray:
        """(N,)"""
        return self.camera[self.frame]

    @cached_property
    def points_of_camera(self) -> tuple[IntArray, ...]:
        """The points of each camera."""
        camera = self.camera_of_point
        return tuple(np.flatnonzero(camera == c) for c in range(len(self.models)))

    @cached_property
    def view(self) -> IntArray:
        """(N,) number of the image of one target in one frame that a point belongs to; views are numbered in the order of the points."""
        if len(self.frame) == 0:
            return np.zeros(0, dtype=np.int64)
        new = (np.diff(self.frame) != 0) | (np.diff(self.target) != 0)
        return np.concatenate([[0], np.cumsum(new)])

    @cached_property
    def view_start(self) -> IntArray:
        """(V,) the first point of each view."""
        return np.flatnonzero(np.diff(self.view, prepend=-1))

    @property
    def as_views(self) -> Views:
        """Each point as a view of its own, for what estimates noise."""
        numbers = np.arange(len(self.frame))[:, None]
        return Views(
            self.camera_of_point, self.moment_of_point, self.target, self.dt_s[self.frame], self.p_target[:, None], self.pixels[:, None],
            numbers,
        )  # fmt: skip

    def take(self, moments: IntArray) -> Sightings:
        """Return what was seen at ``moments`` (H,), in their order, as moments 0 to H - 1; a moment may be taken more than once."""
        frames, moment = _gathered(np.searchsorted(self.moment, np.arange(self.moments + 1)), moments)
        points, frame = _gathered(np.searchsorted(self.frame, np.arange(len(self.camera) + 1)), frames)
        return replace(
            self, camera=self.camera[frames], moment=moment, dt_s=self.dt_s[frames], frame=frame, target=self.target[points],
            p_target=self.p_target[points], p_room=self.p_room[points], pixels=self.pixels[points], moments=len(moments),
            slack=self.slack[frames],
        )  # fmt: skip

    def keep(self, points: BoolArray) -> Sightings:
        """Return the same moments with some of the points (N,)."""
        frames, frame = np.unique(self.frame[points], return_inverse=True)
        return replace(
            self, camera=self.camera[frames], moment=self.moment[frames], dt_s=self.dt_s[frames], frame=frame, target=self.target[points],
            p_target=self.p_target[points], p_room=self.p_room[points], pixels=self.pixels[points],
            slack=self.slack[frames],
        )  # fmt: skip


def sightings_of(rig: Rig, tag_map: TagMap, observations: Observations, body: str, times_s: FloatArray) -> Sightings:
    """Lay out what the cameras on ``body`` saw of the targets of the map; ``times_s`` (T,) are those of the moments, by corrected clocks.

    Raises: UsageError when a target has other points in the map than in the observations; DataError when the two share no target.
    """
    columns, targets = _mapped_points(tag_map, observations)
    rows = [c for c, name in enumerate(observations.cameras) if rig.camera(name).body == body]
    cameras = [rig.camera(observations.cameras[c]) for c in rows]
    pixels = observations.pixels[rows][:, :, columns].swapaxes(0, 1)
    moment, camera, point = np.nonzero(np.isfinite(pixels).all(axis=-1))
    frames, frame = np.unique(moment * len(rows) + camera, return_inverse=True)
    taken_s = observations.times_s[rows] + np.array([item.time_offset_s for item in cameras])[:, None]
    frame_moment, frame_camera = np.divmod(frames, max(len(rows), 1))
    late = taken_s[frame_camera, frame_moment] - times_s[frame_moment]
    own, T = observations.targets.points[columns], tag_map.T_room_target[targets]
    p_room = np.einsum("pij,pj->pi", T[:, :3, :3], own) + T[:, :3, 3]
    T_camera_body = np.stack([item.T_camera_body for item in cameras]) if cameras else np.zeros((0, 4, 4))
    return Sightings(
        tuple(item.name for item in cameras), tuple(item.model for item in cameras), T_camera_body, frame_camera, frame_moment,
        np.nan_to_num(late), frame, targets[point], own[point], p_room[point], pixels[moment, camera, point], observations.moments,
        np.zeros((len(frames), 6, 6)),
    )  # fmt: skip


def _mapped_points(tag_map: TagMap, observations: Observations) -> tuple[IntArray, IntArray]:
    """Return which points of the observations are on the map, grouped by target, and the map's target of each."""
    known, seen = tag_map.targets, observations.targets
    columns, targets = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for g, name in enumerate(known.names):
        if name not in seen.names:
            continue
        here, there = seen.points_of(seen.names.index(name)), known.points[known.points_of(g)]
        if len(here) != len(there) or not np.allclose(seen.points[here], there, rtol=0, atol=_SAME_POINT_M):
            raise UsageError(
                f"target '{name}' has {_described(there)} in tag map '{tag_map.name}' but {_described(seen.points[here])} in what was looked for; "
                "detect with the boards of the map, or correct the size in one of the two."
            )
        columns.append(here)
        targets.append(np.full(len(here), g))
    if len(columns) == 1:
        raise DataError(
            f"None of the targets that were looked for ({', '.join(seen.names)}) is in tag map '{tag_map.name}' ({', '.join(known.names)}). "
            "Give the map of the room that was filmed."
        )
    return np.concatenate(columns), np.concatenate(targets)


def _described(points: FloatArray) -> str:
    size = 1000 * (points.max(axis=0) - points.min(axis=0))
    return f"{len(points)} points over {size[0]:.1f} x {size[1]:.1f} mm"


def _gathered(starts: IntArray, which: IntArray) -> tuple[IntArray, IntArray]:
    """Return the members of the groups ``which``, group by group, and for each the place of its group in ``which``; ``starts`` has one entry more."""
    count = starts[which + 1] - starts[which]
    group = np.repeat(np.arange(len(which)), count)
    first = np.repeat(starts[which] - (np.cumsum(count) - count), count)
    return first + np.arange(int(count.sum())), group
