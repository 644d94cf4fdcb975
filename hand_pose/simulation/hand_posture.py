"""How a simulated hand bends: from finger angles to the rotations of its bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.hand_pose.simulation.body import Body

FloatArray = npt.NDArray[np.float64]

ANGLES = ("first", "second", "third", "fourth")
OPEN_HAND = np.zeros((5, 4))
"""Thumb to little finger; of a finger: spread (towards the thumb), knuckle, middle joint, end joint; of the thumb: palmar abduction (out of the palm's
plane), flexion across the palm, middle joint, end joint. rad from the mesh's own rest, a flat relaxed hand."""
RELAXED_HAND = np.array(
    [[0.15, 0.1, 0.15, 0.15], [0.0, 0.25, 0.3, 0.15], [0.0, 0.3, 0.35, 0.2], [0.0, 0.35, 0.4, 0.2], [0.0, 0.4, 0.4, 0.2]]
)
RANGE = np.array(
    [
        [(-0.3, 0.9), (-0.5, 0.7), (-0.2, 0.9), (-0.2, 1.2)],
        *[[(-0.35, 0.35), (-0.4, 1.55), (-0.1, 1.8), (-0.1, 1.3)]] * 4,
    ]
)
"""(5, 4, 2) rad: what each angle may be. AAOS (1965) as tabled in Norkin and White, less the bend that the mesh's rest already has."""


@dataclass(frozen=True)
class HandFrame:
    """Axes of a hand at rest: rows x along the fingers, y = z x x, z out of the back. Both hands flat with palms down and pointing forward: identity."""

    R_hand_rest: FloatArray
    """(3, 3) takes vectors of the rest frame to the hand's."""

    @classmethod
    def of(cls, body: Body, side: str) -> HandFrame:
        """Take the axes from the joints of a body at rest; ``side`` is "L" or "R"."""
        wrist, middle = body.head(f"wrist.{side}"), body.head(f"finger3-1.{side}")
        x = middle - wrist
        x /= np.linalg.norm(x)
        across = body.head(f"finger2-1.{side}") - body.head(f"finger5-1.{side}")  # towards the thumb
        y = across if side == "R" else -across
        y -= x * (x @ y)
        y /= np.linalg.norm(y)
        return cls(np.stack([x, y, np.cross(x, y)]))


def finger_axes(body: Body, side: str) -> dict[str, FloatArray]:
    """Return bone to the axes (k, 3), unit, in the rest frame, that its angles turn about: two at the first joint of each finger, else one."""
    frame = HandFrame.of(body, side).R_hand_rest
    back = frame[2]
    radial = frame[1] if side == "R" else -frame[1]  # towards the thumb
    axes: dict[str, FloatArray] = {}
    for finger in range(1, 6):
        bones = [f"finger{finger}-{k}.{side}" for k in (1, 2, 3)]
        points = [body.head(bone) for bone in bones] + [_tip(body, finger, side)]
        for k, bone in enumerate(bones):
            along = points[k + 1] - points[k]
            along /= np.linalg.norm(along)
            if finger == 1:
                # The thumb's nail faces the radial side: it bends across the palm.
                nail = radial - along * (along @ radial)
                nail /= np.linalg.norm(nail)
                bend = np.cross(nail, along)
                lift = np.cross(along, -back)
                axes[bone] = np.stack([lift / np.linalg.norm(lift), bend]) if k == 0 else bend[None]
            else:
                up = back - along * (along @ back)
                up /= np.linalg.norm(up)
                bend = np.cross(up, along)
                # Fingers spread towards the thumb about the back's normal, the same way round for all.
                spread = up if np.cross(up, along) @ radial > 0 else -up
                axes[bone] = np.stack([spread, bend]) if k == 0 else bend[None]
    return axes


def _tip(body: Body, finger: int, side: str) -> FloatArray:
    first = 33 if side == "L" else 54
    return np.asarray(body.landmarks[first + 4 * finger])


def finger_rotations(body: Body, side: str, angles: npt.ArrayLike, axes: dict[str, FloatArray]) -> dict[int, FloatArray]:
    """Return row of bone to its rotation (3, 3) against its parent, for angles (5, 4) in rad as of ``OPEN_HAND``."""
    values = np.asarray(angles, dtype=np.float64)
    rows, vectors = [], []
    for finger in range(1, 6):
        first, second, third, fourth = values[finger - 1]
        bones = [f"finger{finger}-{k}.{side}" for k in (1, 2, 3)]
        two = axes[bones[0]]
        rows += [body.bone(bone) for bone in bones]
        vectors += [(two[0] * first, two[1] * second), (two[0] * 0, axes[bones[1]][0] * third), (two[0] * 0, axes[bones[2]][0] * fourth)]
    turned = Rotation.from_rotvec([v[0] for v in vectors]) * Rotation.from_rotvec([v[1] for v in vectors])
    return dict(zip(rows, turned.as_matrix(), strict=True))
