"""Where shoulders hang below a head whose pose is known: the neck is short, and the trunk under it about upright.

Not seen, but nearly so: in simulated people at tables, shelves and with boxes (seeds 1 and 2) the middle of the shoulders stays within 2 cm of a point
below where the head nods, wherever they look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import REFERENCE_STATURE, TYPICAL_LENGTHS

FloatArray = npt.NDArray[np.float64]

SHOULDERS = [LANDMARK_NAMES.index(f"{side}_shoulder") for side in ("left", "right")]
PIVOT_TO_EYES = (0.09, 0.0, 0.10)
"""m from where the head nods to between the eyes, in the head's frame: eyes that look at a table are 0.1 m lower than those that look ahead."""
PIVOT_TO_SHOULDERS = (-0.015, 0.0, -0.135)
"""m from there to the middle of the shoulder joints, forward, left and up of the trunk, at ``REFERENCE_STATURE``."""
SIGMA_FORWARD, SIGMA_ASIDE, SIGMA_UP = 0.06, 0.03, 0.03
"""m of each shoulder: the trunk turns 20 degrees against where the head looks on average, which moves shoulders forward and back; they shrug."""
SIGMA_TIPPED = 0.08
"""m, where only the head says which way is up."""


@dataclass(frozen=True)
class NeckPull:
    """Expected places of both shoulders over T frames, in the world."""

    expected: FloatArray
    """(T, 2, 3) m of the left and the right shoulder; 0 where not known."""
    information: FloatArray
    """(T, 2, 3, 3) in 1/m^2; 0 where not known."""

    @classmethod
    def of(cls, T_world_head: FloatArray, forward: FloatArray, up: FloatArray, stature: float, *, level: bool = True) -> NeckPull:
        """Take shoulders from head poses (T, 4, 4), NaN where not known, of a trunk that faces ``forward`` (T, 3); ``level``: ``up`` (3,) is known."""
        expected = shoulders_below(T_world_head, forward, up, stature)
        sigma = np.array([SIGMA_FORWARD, SIGMA_ASIDE, SIGMA_UP]) if level else np.full(3, SIGMA_TIPPED)
        axes = np.stack([forward, np.cross(up, forward), np.broadcast_to(up, forward.shape)], axis=1)
        information = np.einsum("tai,a,taj->tij", axes, sigma**-2.0, axes)[:, None].repeat(2, axis=1)
        known = np.isfinite(expected.sum(axis=(1, 2)))
        return cls(np.where(known[:, None, None], expected, 0.0), np.where(known[:, None, None, None], information, 0.0))

    def add(self, points: FloatArray, information: FloatArray, gradient: FloatArray) -> FloatArray:
        """Add the pull on landmarks (T, 75, 3) to information (T, 75, 3, 3) and gradient (T, 75, 3) in place; return its cost (T,)."""
        away = points[:, SHOULDERS] - self.expected
        information[:, SHOULDERS] += self.information
        gradient[:, SHOULDERS] += np.einsum("tsij,tsj->tsi", self.information, away)
        return self.cost(points)

    def cost(self, points: FloatArray) -> FloatArray:
        """Return the cost (T,) of landmarks (T, 75, 3)."""
        away = points[:, SHOULDERS] - self.expected
        return np.asarray(np.einsum("tsi,tsij,tsj->t", away, self.information, away))

    def select(self, frames: npt.NDArray[np.intp]) -> NeckPull:
        """Return those of some frames."""
        return NeckPull(self.expected[frames], self.information[frames])


def shoulders_below(T_world_head: FloatArray, forward: FloatArray, up: FloatArray, stature: float = REFERENCE_STATURE) -> FloatArray:
    """Return where the left and the right shoulder joint are about (T, 2, 3) m under heads (T, 4, 4); NaN where those are not known."""
    pivot = T_world_head[:, :3, 3] - T_world_head[:, :3, :3] @ PIVOT_TO_EYES
    left = np.cross(up, forward)
    scale = stature / REFERENCE_STATURE
    ahead, _, above = PIVOT_TO_SHOULDERS
    middle = pivot + scale * (ahead * forward + above * up)
    beside = scale * TYPICAL_LENGTHS["shoulder_half_width"] * left
    return np.stack([middle + beside, middle - beside], axis=1)
