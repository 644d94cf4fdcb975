"""A scenario without a person: a dark room in which a white dot, landmark 0, moves to the left; for tests of how recordings are made."""

from __future__ import annotations

import os
import time

import numpy as np

from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.rig import MountedCamera, Rig, Sigma
from bodydouble.calibration.transform import apply, invert, pose_from
from bodydouble.errors import UsageError
from bodydouble.hand_pose.simulation.moment import Moment, Visibility
from bodydouble.hand_pose.simulation.settings import SimulationSettings

SIZE = (96, 64)
SPEED = 0.3
TROUBLE = "MOVING_DOT_TROUBLE"


def rig(*names: str) -> Rig:
    """Return cameras on the helmet that look ahead, side by side."""
    model = PinholeCamera(SIZE, (60.0, 60.0), (47.5, 31.5))
    ahead = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    cameras = {
        name: MountedCamera(name, model, "helmet", pose_from(ahead, [0.1, 0.05 * n, 0.0]), Sigma(focal_px=1.0), 0.002)
        for n, name in enumerate(names)
    }
    return Rig("row", ("helmet",), cameras)


def settings(*names: str, **others) -> SimulationSettings:
    return SimulationSettings(**{"rig": rig(*(names or ("a", "b"))), "task": "dot", "seconds": 0.7, "seed": 1} | others)


class MovingDot:
    joint_names = ("root", "tip")
    body_names = ("helmet", "backpack")
    object_names = ("cup",)
    tag_map = None

    def __init__(self, settings: SimulationSettings) -> None:
        if settings.seconds < 0.02:
            raise UsageError("Task 'dot' takes 0.02 s at least; give it with --seconds.")
        self.person = {"stature_m": 1.7}
        self.trouble = os.environ.get(TROUBLE, "")

    def moment(self, time_s: float) -> Moment:
        landmarks = np.tile([1.0, -0.2, 0.0], (75, 1)) + 0.001 * np.arange(75)[:, None]
        landmarks[:, 1] += SPEED * time_s
        T_helmet = pose_from(np.eye(3), [0.02 * time_s, 0.0, 0.0])
        held = {"left": (np.array([True, True, False, False, False]), "cup")} if time_s > 0.3 else {}
        return Moment(
            time_s, np.zeros((3, 3), np.float32), np.zeros((2, 3)), landmarks, {"helmet": T_helmet, "backpack": np.eye(4)},
            {"cup": np.eye(4)}, held,
        )  # fmt: skip

    def image(self, moments, camera, T_world_camera, *, frame, number):
        if self.trouble == "slow":
            time.sleep(0.02)
        if self.trouble == "error" and frame == 12:
            raise ZeroDivisionError("no light")
        if self.trouble == "full" and frame == 12:
            raise OSError(28, "No space left on device")
        u, v = camera.model.project(apply(invert(T_world_camera[len(moments) // 2]), moments[len(moments) // 2].landmarks[0]))
        width, height = camera.model.image_size
        y, x = np.mgrid[:height, :width]
        bright = 230 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 8) + 16
        return np.repeat(bright[..., None], 3, axis=2).astype(np.uint8)

    def covered_image(self, camera, *, frame, number):
        width, height = camera.model.image_size
        return np.full((height, width, 3), 5, dtype=np.uint8)

    def visibility(self, moment, camera, T_world_camera):
        return np.full(75, Visibility.VISIBLE, dtype=np.uint8)

    def is_inside(self, moment, p_world):
        return bool(np.linalg.norm(p_world - moment.T_world_body["helmet"][:3, 3]) < 0.05)


def moving_dot(settings: SimulationSettings) -> MovingDot:
    return MovingDot(settings)
