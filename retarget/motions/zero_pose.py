"""Where every point of the person is in the zero pose (standing, arms hanging, palms to the thighs), at the typical lengths of the skeleton table."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import JOINTS, LANDMARK_PLACES, TYPICAL_LENGTHS, Offset
from bodydouble.retarget.mapping import END_POINTS, HUMAN_LINKS

FloatArray = npt.NDArray[np.float64]

FACE = LANDMARK_NAMES[:11]
"""Landmarks of the face, which are points of the head and no link's origin."""

LANDMARK_OF_POINT: dict[str, str] = {point: landmark for point, landmark in END_POINTS.items()} | {name: name for name in FACE}
"""Human point to the landmark that it is; completed below for the joints."""
for _side in ("left", "right"):
    _parts = {"upper_arm": "shoulder", "forearm": "elbow", "hand": "wrist", "thigh": "hip", "shank": "knee", "foot": "ankle"}
    LANDMARK_OF_POINT |= {f"{_side}_{link}": f"{_side}_{landmark}" for link, landmark in _parts.items()}
    LANDMARK_OF_POINT |= {
        f"{_side}_thumb_{link}": f"{_side}_hand_thumb_{landmark}"
        for link, landmark in {"metacarpal": "cmc", "proximal": "mcp", "distal": "ip"}.items()
    }
    for _finger in ("index", "middle", "ring", "little"):
        _parts = {"proximal": "mcp", "middle": "pip", "distal": "dip"}
        LANDMARK_OF_POINT |= {f"{_side}_{_finger}_{link}": f"{_side}_hand_{_finger}_{landmark}" for link, landmark in _parts.items()}


@functools.cache
def zero_places() -> dict[str, FloatArray]:
    """Return the place (3,) m of every link's origin, end point and point of the face, the pelvis at the origin. Arrays are read-only."""
    joints: dict[str, FloatArray] = {"pelvis": np.zeros(3)}
    places = {"pelvis": np.zeros(3)}
    for joint in JOINTS:
        joints[joint.name] = joints[joint.parent] + _vector(joint.offset)
        if joint.link:
            places[joint.link] = joints[joint.name]
    for point, landmark in LANDMARK_OF_POINT.items():
        carrier, offset = LANDMARK_PLACES[landmark]
        places[point] = joints[carrier] + _vector(offset)
    assert set(HUMAN_LINKS) <= set(places)
    for place in places.values():
        place.flags.writeable = False
    return places


def zero_offset(point: str, origin: str) -> FloatArray:
    """Return where ``point`` is seen from ``origin`` in the zero pose, (3,) m."""
    places = zero_places()
    return np.asarray(places[point] - places[origin])


def _vector(offset: Offset) -> FloatArray:
    return np.sum([TYPICAL_LENGTHS[bone] * np.array(vector) for bone, vector in offset.items()], axis=0) if offset else np.zeros(3)
