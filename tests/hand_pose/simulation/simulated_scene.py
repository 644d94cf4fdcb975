"""A person who is nothing but two balls, a left and a right hand: enough to render, and made in no time."""

from __future__ import annotations

from typing import Any

import numpy as np

from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.transform import pose_from
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.look import Look
from bodydouble.hand_pose.simulation.moment import Moment, Part
from bodydouble.hand_pose.simulation.object_meshes import sphere
from bodydouble.hand_pose.simulation.renderer import Renderer
from bodydouble.hand_pose.simulation.room import Room
from bodydouble.hand_pose.simulation.scene_object import SceneObject

BALL_M = 0.04
"""Diameter of a hand."""
LEFT, RIGHT = np.array([0.6, 0.2, 1.2]), np.array([0.6, -0.2, 1.2])
QUIET = Look(noise=0, exposure=0)
CUP = SceneObject("cup", "cylinder", (0.1, 0.1, 0.1), (250, 10, 10))
CAMERA = FisheyeCamera((400, 300), (190.0, 190.0), (199.5, 149.5))
AHEAD = pose_from(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), [0.0, 0.0, 1.2])
"""T_world_camera that looks along x."""


def two_balls() -> Body:
    ball = sphere(BALL_M)
    V, F = len(ball.vertices), len(ball.triangles)
    landmarks = np.concatenate([np.tile(LEFT, (54, 1)), np.tile(RIGHT, (21, 1))])
    return Body(
        vertices=np.concatenate([ball.vertices + LEFT, ball.vertices + RIGHT]), triangles=np.concatenate([ball.triangles, ball.triangles + V]),
        part=np.repeat([Part.LEFT_HAND, Part.RIGHT_HAND], F), bones=("root",), parents=np.array([-1]), heads=np.zeros((1, 3)),
        follows=np.zeros((2 * V, 1)), weights=np.ones((2 * V, 1)), landmark_bone=np.zeros(75), landmarks=landmarks, stature=1.7,
    )  # fmt: skip


def moment(**values: Any) -> Moment:
    body = two_balls()
    values = {"landmarks": body.landmarks, "T_world_object": {"cup": at(2.0, 0.0, 1.2)}, "vertices": body.vertices} | values
    return Moment(0.0, joints=np.zeros((1, 3)), T_world_body={}, **values)


def renderer(room: Room | None = None, *, furniture: tuple[SceneObject, ...] = (), look: Look = QUIET) -> Renderer:
    return Renderer(two_balls(), furniture, (CUP,), room or Room.make(0, furniture), look)


def at(x: float, y: float, z: float) -> Any:
    return pose_from(np.eye(3), [x, y, z])
