"""The world of a motion that no map gave: level and heading are those of the head on average, the origin is the first pose of the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.localization.rig_motion import BodyMotion, RigMotion
from bodydouble.calibration.transform import invert, nearest_rotation, pose_from

FloatArray = npt.NDArray[np.float64]


def levelled(motion: RigMotion, T_body_head: FloatArray) -> RigMotion:
    """Return the motion of one body in a world whose axes are the mean ones of the head (x forward, y left, z up) and whose origin is its first place.

    ``T_body_head`` (4, 4). Nothing here measures gravity: a head that looks down on average tips the world by as much. Covariances stay those against
    the first pose.
    """
    ((name, body),) = motion.bodies.items()
    heads = body.T_room_body[body.observed] @ T_body_head
    T_world_room = invert(pose_from(nearest_rotation(heads[:, :3, :3].mean(axis=0)), heads[0, :3, 3]))
    return replace(motion, bodies={name: _moved(body, T_world_room)})


def _moved(body: BodyMotion, T_world_room: FloatArray) -> BodyMotion:
    turn = np.eye(6)  # rotations are about the body's own axes and stay
    turn[3:, 3:] = T_world_room[:3, :3]
    return replace(
        body, T_room_body=T_world_room @ body.T_room_body, covariance=turn @ body.covariance @ turn.T, rate=body.rate @ turn.T
    )  # fmt: skip
