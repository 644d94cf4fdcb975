"""Joint angles of a simulated person's arm, measured on a posed body, to compare with what people can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.hand_posture import HandFrame

FloatArray = npt.NDArray[np.float64]

LIMITS = np.radians([(0.0, 145.0), (-85.0, 85.0), (-65.0, 72.0), (-20.0, 35.0)])
"""(4, 2) rad, of elbow, pronation, wrist flexion and wrist deviation."""


@dataclass(frozen=True)
class ArmAngles:
    """rad. Neutral (0): elbow straight, thumb up when the forearm is held level, hand in line with the forearm."""

    elbow: float
    """Bend."""
    pronation: float
    """Palm down; negative: palm up (supination)."""
    wrist_flexion: float
    """Towards the palm."""
    wrist_deviation: float
    """Towards the little finger (ulnar); negative: towards the thumb."""

    def excess(self) -> float:
        """Return the most (rad) that any angle is beyond what people can do, 0 within (ranges: AAOS 1965, as in Norkin and White)."""
        values = np.array([self.elbow, self.pronation, self.wrist_flexion, self.wrist_deviation])
        return float(max(np.max(LIMITS[:, 0] - values), np.max(values - LIMITS[:, 1]), 0.0))

    def discomfort(self) -> float:
        """Return how far the arm is from its neutral posture: the squares of the angles over their usual ranges, and more beyond what is possible."""
        shares = np.array([(self.pronation - 0.35) / 1.25, (self.wrist_flexion - 0.1) / 0.8, (self.wrist_deviation - 0.1) / 0.35])
        over = np.maximum(np.abs(shares) - [0.9, 1.1, 1.0], 0.0)
        return float(shares @ shares + 50 * over @ over)


def arm_angles(body: Body, T_world_bone: FloatArray, side: str) -> ArmAngles:
    """Return the angles of the arm of one side ("left", "right") for bone poses (B, 4, 4).

    The turn of the forearm is measured against the hinge of the elbow; then flexion, then deviation, as Wu et al. (2005), "ISB recommendation on
    definitions of joint coordinate systems", part II, orders them.
    """
    letter = "L" if side == "left" else "R"
    sign = 1.0 if side == "left" else -1.0
    shoulder, elbow, wrist = (T_world_bone[body.bone(f"{name}.{letter}"), :3, 3] for name in ("upperarm01", "lowerarm01", "wrist"))
    upper, fore = elbow - shoulder, wrist - elbow
    x = fore / np.linalg.norm(fore)
    hinge = np.cross(upper, fore)
    z = -sign * hinge / np.linalg.norm(hinge)
    neutral = np.column_stack([x, np.cross(z, x), z])
    hand = T_world_bone[body.bone(f"wrist.{letter}"), :3, :3] @ HandFrame.of(body, letter).R_hand_rest.T
    turn, flexion, deviation = Rotation.from_matrix(neutral.T @ hand).as_euler("XYZ")
    cosine = upper @ fore / np.linalg.norm(upper) / np.linalg.norm(fore)
    # The y axis of a hand points away from the thumb on the left, towards it on the right.
    return ArmAngles(float(np.arccos(np.clip(cosine, -1, 1))), sign * turn, flexion, sign * deviation)
