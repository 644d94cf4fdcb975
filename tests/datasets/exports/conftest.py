"""Fixtures that tests of several export formats share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def exported_as(tmp_path: Path, simulated_images: Callable[[Any], Any]) -> Callable[..., Any]:
    """Write episodes to files and export these in a format to ``tmp_path / out``; return the export's path and its index."""

    def make(name: str, *episodes: Any, out: str = "out", with_images: bool = True, **settings: Any) -> Any:
        from bodydouble.datasets import write_episode
        from bodydouble.datasets.exports.export_plan import plan_export
        from bodydouble.datasets.exports.export_settings import ExportSettings
        from bodydouble.datasets.exports.exporting import export
        from bodydouble.datasets.exports.formats import export_format

        paths = []
        for number, episode in enumerate(episodes):
            paths.append(tmp_path / f"{out}_{number}.h5")
            write_episode(paths[-1], episode, images=simulated_images(episode) if with_images else None)
        chosen = export_format(name)
        chosen_settings = ExportSettings(allow_unconsented=True, **settings)
        plan = plan_export(name, paths, chosen_settings, own_rate_hz=chosen.own_rate_hz, images=chosen.images)
        return tmp_path / out, export(plan, tmp_path / out)

    return make


@pytest.fixture
def first_frame() -> Callable[[Any], Any]:
    """Cut an episode to its first frame."""

    def cut(value: Any, frames: int, cameras: int) -> Any:
        if isinstance(value, dict):
            return {name: cut(item, frames, cameras) for name, item in value.items()}
        if isinstance(value, np.ndarray) and value.shape[:1] == (frames,):
            return value[:1]
        if isinstance(value, np.ndarray) and value.shape[:2] == (cameras, frames):
            return value[:, :1]
        return value

    def make(episode: Any) -> Any:
        parts = {}
        for name in ("trajectory", "motion", "landmarks", "recording"):
            part = getattr(episode, name)
            fields = {field: cut(value, episode.frames, len(episode.cameras)) for field, value in vars(part).items()}
            parts[name] = type(part)(**fields)
        return replace(episode, **parts, poses=type(episode.poses)(), camera_track=None)

    return make


@pytest.fixture
def whole_robot(simulated_episode: Callable[..., Any]) -> Any:
    """Give an episode of all joints of optimus: the base turns left at 1 rad/s and the neck at 3 rad/s against it."""
    from scipy.spatial.transform import Rotation

    from bodydouble.retarget import Robot
    from bodydouble.retarget.trajectory import RobotTrajectory

    robot, episode = Robot.load("optimus"), simulated_episode()
    times = episode.times_s
    joints = len(robot.joint_names)
    positions = np.tile(robot.rest, (len(times), 1))
    positions[:, robot.joint_names.index("neck_yaw")] = 3.0 * times
    turned = Rotation.from_rotvec(np.outer(times, [0.0, 0.0, 1.0])).as_quat()
    trajectory = RobotTrajectory(
        robot="optimus", times_s=times, frame="room", joint_names=robot.joint_names, joint_groups=robot.groups, positions=positions,
        velocities=np.gradient(positions, times, axis=0), torques=np.full_like(positions, np.nan), joint_source=np.ones_like(positions),
        base_pose=np.concatenate([np.tile([0.1, 0.2, 0.9], (len(times), 1)) + np.outer(times, [2.0, 0, 0]), turned], axis=1),
        lower=robot.lower, upper=robot.upper, velocity_limit=robot.velocity_limit, effort_limit=np.full(joints, np.inf),
    )  # fmt: skip
    return replace(episode, trajectory=trajectory, poses=type(episode.poses)())
