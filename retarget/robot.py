"""Robot: a URDF and its TOML, loaded, checked against each other, and ready to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.retarget.mapping import RobotFile, check_names, load_robot_file

FloatArray = npt.NDArray[np.float64]

ROBOTS_FOLDER = Path(__file__).with_name("robots")


@dataclass(frozen=True, eq=False)
class Robot:
    """One robot model with a free-flying base. Arrays are read-only; J actuated joints in group order."""

    name: str
    file: RobotFile
    """The checked TOML."""
    toml_path: Path
    urdf_path: Path
    model: Any
    """pinocchio.Model; its first joint is the free-flyer. Pinocchio's joint order is not ours: see ``position_rows``."""
    joint_names: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    link_names: tuple[str, ...]
    """Links of the URDF, the order of ``link_poses``."""
    lower: FloatArray
    """(J,) rad."""
    upper: FloatArray
    """(J,) rad."""
    velocity_limit: FloatArray
    """(J,) rad/s."""
    effort_limit: FloatArray
    """(J,) N m."""
    acceleration: FloatArray
    """(J,) rad/s^2."""
    rest: FloatArray
    """(J,) rad, the posture of joints that nothing is asked of."""
    position_rows: npt.NDArray[np.intp]
    """(J,) row of each joint in a Pinocchio configuration ``q`` (nq,)."""
    velocity_rows: npt.NDArray[np.intp]
    """(J,) row of each joint in a Pinocchio velocity (nv,)."""

    @classmethod
    def load(cls, name_or_toml: str | Path = "optimus") -> Robot:
        """Load a shipped robot by name, or any robot by the path of its TOML.

        Raises: UnknownNameError for a robot, joint, link or landmark that does not exist; UsageError for a URDF that cannot be read, has no limits
        or does not match the TOML.
        """
        path = find_robot(name_or_toml)
        file = load_robot_file(path)
        urdf = path.parent / file.urdf
        model = _load_model(urdf, path)
        actuated = tuple(model.names[2:])
        links = tuple(frame.name for frame in model.frames if frame.type == pin.FrameType.BODY)
        check_names(file, links=links, joints=actuated, source=str(path), urdf=urdf.name)

        names = tuple(joint for group in file.groups.values() for joint in group)
        ids = [model.getJointId(name) for name in names]
        q_rows = np.array([model.joints[i].idx_q for i in ids], dtype=np.intp)
        v_rows = np.array([model.joints[i].idx_v for i in ids], dtype=np.intp)
        arrays = {
            "lower": model.lowerPositionLimit[q_rows], "upper": model.upperPositionLimit[q_rows],
            "velocity_limit": model.velocityLimit[v_rows], "effort_limit": model.effortLimit[v_rows],
            "acceleration": _accelerations(file, names),
            "rest": np.radians([file.rest.get(name, 0.0) for name in names]),
            "position_rows": q_rows, "velocity_rows": v_rows,
        }  # fmt: skip
        _check_limits(names, arrays, urdf)
        for array in arrays.values():
            array.flags.writeable = False
        return cls(
            name=file.name, file=file, toml_path=path, urdf_path=urdf, model=model, joint_names=names, groups=dict(file.groups),
            link_names=links, **arrays,
        )  # fmt: skip

    def members(self, joint_or_group: str) -> tuple[str, ...]:
        """Return a group's joints, or the joint itself. Raises: UnknownNameError."""
        if joint_or_group in self.groups:
            return self.groups[joint_or_group]
        if joint_or_group in self.joint_names:
            return (joint_or_group,)
        raise UnknownNameError("joint or group", joint_or_group, f"robot '{self.name}'", (*self.groups, *self.joint_names))

    def frame_id(self, link: str) -> int:
        """Return Pinocchio's frame index of a link. Raises: UnknownNameError."""
        if link not in self.link_names:
            raise UnknownNameError("link", link, f"robot '{self.name}'", self.link_names)
        return int(self.model.getFrameId(link, pin.FrameType.BODY))

    def joints_between(self, start: str | None, *ends: str | None) -> npt.NDArray[np.bool_]:
        """Return which joints (J,) move any of the links ``ends`` against the link ``start``, or against the base where that is None."""
        moved = np.zeros(self.model.njoints, dtype=bool)
        for end in ends:
            if end is not None:
                moved[list(self.model.supports[self.model.frames[self.frame_id(end)].parentJoint])] = True
        if start is not None:
            moved[list(self.model.supports[self.model.frames[self.frame_id(start)].parentJoint])] = False
        ours: npt.NDArray[np.bool_] = moved[[self.model.getJointId(name) for name in self.joint_names]]
        return ours

    def configuration(self, positions: npt.ArrayLike, base_pose: npt.ArrayLike) -> FloatArray:
        """Return Pinocchio's q (nq,) from joint positions (J,) rad and the base pose (7,): m and quaternion xyzw."""
        q: FloatArray = pin.neutral(self.model)
        q[:7] = np.asarray(base_pose, dtype=np.float64)
        q[self.position_rows] = np.asarray(positions, dtype=np.float64)
        return q

    def link_poses(self, positions: npt.ArrayLike, base_pose: npt.ArrayLike, links: Sequence[str] | None = None) -> FloatArray:
        """Return T_world_link (T, L, 4, 4), or (L, 4, 4) for one configuration.

        ``positions``: (T, J) or (J,) rad; ``base_pose``: (T, 7) or (7,) m and quaternion xyzw; ``links``: which, all by default.
        """
        positions, base_pose = np.asarray(positions, dtype=np.float64), np.asarray(base_pose, dtype=np.float64)
        single = positions.ndim == 1
        frames = [self.frame_id(link) for link in (self.link_names if links is None else links)]
        data = self.model.createData()
        rows = positions[None] if single else positions
        bases = base_pose[None] if single else base_pose
        poses = np.empty((len(rows), len(frames), 4, 4))
        for t, (row, base) in enumerate(zip(rows, bases, strict=True)):
            pin.framesForwardKinematics(self.model, data, self.configuration(row, base))
            for i, frame in enumerate(frames):
                poses[t, i] = data.oMf[frame].homogeneous
        return poses[0] if single else poses

    def zero_points(self) -> dict[str, FloatArray]:
        """Return the place (3,) m of every link in the base frame at zero: the source of all bone lengths."""
        poses = self.link_poses(np.zeros(len(self.joint_names)), [0, 0, 0, 0, 0, 0, 1])
        return {name: poses[i, :3, 3] for i, name in enumerate(self.link_names)}

    def standing_height(self) -> float:
        """Return the base's height (m) above the lowest link at zero: where a standing robot's base is."""
        return float(-min(place[2] for place in self.zero_points().values()))


def robot_names() -> tuple[str, ...]:
    """Return the names of the shipped robots."""
    return tuple(sorted(path.parent.name for path in ROBOTS_FOLDER.glob("*/*.toml") if path.stem == path.parent.name))


def find_robot(name_or_toml: str | Path) -> Path:
    """Return the TOML of a shipped robot, or the path that was given. Raises: UnknownNameError, UsageError."""
    text = str(name_or_toml)
    if text.endswith(".toml") or isinstance(name_or_toml, Path):
        path = Path(name_or_toml)
        if not path.is_file():
            raise UsageError(f"robot file {path} does not exist; give the path of a robot's TOML, or one of: {', '.join(robot_names())}.")
        return path
    if text not in robot_names():
        raise UnknownNameError("robot", text, "the shipped robots (or give the path of a TOML)", robot_names())
    return ROBOTS_FOLDER / text / f"{text}.toml"


def _load_model(urdf: Path, toml: Path) -> Any:
    if not urdf.is_file():
        raise UsageError(f"{toml}: urdf = '{urdf.name}' is not beside it; expected {urdf}.")
    try:
        return pin.buildModelFromUrdf(str(urdf), pin.JointModelFreeFlyer())
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"{urdf} cannot be read as a URDF: {str(error).strip().splitlines()[-1]}") from None


def _accelerations(file: RobotFile, names: tuple[str, ...]) -> FloatArray:
    values = dict.fromkeys(names, file.acceleration)
    for entry in file.joints:
        if entry.acceleration is not None:
            for name in entry.joints:
                values |= dict.fromkeys(file.groups.get(name, (name,)), entry.acceleration)
    return np.array([values[name] for name in names])


def _check_limits(names: tuple[str, ...], arrays: dict[str, Any], urdf: Path) -> None:
    limits = {"range": arrays["upper"] - arrays["lower"], "velocity": arrays["velocity_limit"], "effort": arrays["effort_limit"]}
    for what, values in limits.items():
        bad = [name for name, value in zip(names, values, strict=True) if not (0 < value < 1e6)]
        if bad:
            listed = ", ".join(bad[:5]) + (" ..." if len(bad) > 5 else "")
            raise UsageError(
                f"{urdf}: no {what} limit for {listed}; give each actuated joint a <limit> with lower, upper, effort and velocity."
            )
    for name, lower, rest, upper in zip(names, arrays["lower"], arrays["rest"], arrays["upper"], strict=True):
        if not lower <= rest <= upper:
            raise UsageError(
                f"rest angle of joint '{name}' is {np.degrees(rest):.1f} degrees, outside its range {np.degrees(lower):.1f} to {np.degrees(upper):.1f}."
            )
