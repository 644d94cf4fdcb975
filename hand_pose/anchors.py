"""What is worn is part of the rig: landmarks of the head and shoulders that go with the helmet and the backpack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.presets import BACKPACK
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import LANDMARK_PLACES, TYPICAL_LENGTHS

FloatArray = npt.NDArray[np.float64]

HELMET_SIGMA = 0.008
"""m: four points of a rigid head, so that its place is known to 4 mm and its turn to 5 degrees."""
MOUNT_SIGMA = 0.015
"""m: how far the helmet's origin may be from the middle of the eyes, the same all the time."""
BACKPACK_SIGMA = 0.04
"""m: shoulders move against the straps."""
SHOULDERS = {"left_shoulder": (0.03, 0.175, -0.05), "right_shoulder": (0.03, -0.175, -0.05)}
"""In the frame of the backpack, whose origin is at the foot of the neck (C7): joint centres lie in front of and below it."""


@dataclass(frozen=True)
class Anchors:
    """Landmarks whose place is known without looking, because what they belong to is located."""

    points: FloatArray
    """(T, 75, 3) m in the world; NaN where not known."""
    information: FloatArray
    """(75,) one over sigma squared; 0 for landmarks that are fixed to nothing."""

    @classmethod
    def of(cls, T_world_body: Mapping[str, FloatArray]) -> Anchors | None:
        """Take eyes and ears from the helmet and shoulders from the backpack; None if neither is there. A body of another name is a helmet."""
        if not T_world_body:
            return None
        frames = len(next(iter(T_world_body.values())))
        points, information = np.full((frames, 75, 3), np.nan), np.zeros(75)
        for body, T in T_world_body.items():
            places, sigma = (SHOULDERS, BACKPACK_SIGMA) if body == BACKPACK else (head_points(), HELMET_SIGMA)
            for name, place in places.items():
                index = LANDMARK_NAMES.index(name)
                points[:, index] = T[:, :3, :3] @ np.asarray(place) + T[:, :3, 3]
                information[index] = sigma**-2.0
        return cls(points, information)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(T,) True where some landmark is anchored."""
        return np.asarray(np.isfinite(self.points[..., 0]).any(axis=1))

    def add(self, points: FloatArray, frame: int, information: FloatArray, gradient: FloatArray) -> float:
        """Add the pull on landmarks (75, 3) of one frame to information (75, 3, 3) and gradient (75, 3) in place; return its cost."""
        used = np.flatnonzero((self.information > 0) & np.isfinite(self.points[frame, :, 0]))
        away = points[used] - self.points[frame, used]
        information[used] += self.information[used, None, None] * np.eye(3)
        gradient[used] += self.information[used, None] * away
        return float(np.sum(self.information[used, None] * away**2))


def head_points() -> dict[str, tuple[float, float, float]]:
    """Return where eyes and ears are in the helmet's frame: origin between the eyes, x forward, y left, z up, for a head of typical size."""
    places = {}
    for name in ("left_eye", "right_eye", "left_ear", "right_ear"):
        places[name] = np.sum([TYPICAL_LENGTHS[bone] * np.array(way) for bone, way in LANDMARK_PLACES[name][1].items()], axis=0)
    between = (places["left_eye"] + places["right_eye"]) / 2
    return {name: (float(x), float(y), float(z)) for name, (x, y, z) in ((name, place - between) for name, place in places.items())}
