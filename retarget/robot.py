"""Robot: a URDF or MJCF and its TOML, loaded, checked against each other, and ready to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.cache import cache_folder
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.retarget.actuation import Actuation, Mimic, reduce_mimics
from bodydouble.retarget.collision_draft import collision_model
from bodydouble.retarget.collision_model import CollisionModel
from bodydouble.retarget.description import Description, read_description
from bodydouble.retarget.joint_limits import joint_limits
from bodydouble.retarget.mapping import RobotFile
from bodydouble.retarget.mapping_names import KnownNames, check_names
from bodydouble.retarget.pinocchio_model import add_point, build_model
from bodydouble.retarget.robot_file import find_robot, load_robot_file, robot_names
from bodydouble.retarget.urdf_description import turned_by_angles

FloatArray = npt.NDArray[np.float64]

ROUNDED = np.radians(0.01)
"""rad: a TOML's degrees may be out of a range by so much and still mean its end."""

__all__ = ["Robot", "find_description", "find_robot", "robot_names"]


@dataclass(frozen=True, eq=False)
class Robot:
    """One robot model. Arrays are read-only; J actuated joints in group order."""

    name: str
    file: RobotFile
    """The checked TOML."""
    toml_path: Path
    urdf_path: Path
    """The robot's description: a URDF, or an MJCF."""
    description: Description
    model: Any
    """pinocchio.Model with all joints independent; the free-flyer is first if the base floats. Its joint order is not ours: see ``position_rows``."""
    floating: bool
    """Whether the base moves. If not, the model has no free-flyer, and a base pose only says where the robot is mounted."""
    joint_names: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    link_names: tuple[str, ...]
    """Links of the description, then the points of the TOML: the order of ``link_poses``."""
    actuation: Actuation
    """How the model's joints follow the actuated ones."""
    lower: FloatArray
    """(J,) rad."""
    upper: FloatArray
    """(J,) rad."""
    velocity_limit: FloatArray
    """(J,) rad/s."""
    effort_limit: FloatArray
    """(J,) N m; inf where nobody says."""
    acceleration: FloatArray
    """(J,) rad/s^2."""
    rest: FloatArray
    """(J,) rad, the posture of joints that nothing is asked of."""
    zero: FloatArray
    """(J,) rad, the posture in which the robot stands as the person does at zero."""
    position_rows: npt.NDArray[np.intp]
    """(J,) row of each actuated joint's own Pinocchio joint in a configuration ``q`` (nq,)."""
    velocity_rows: npt.NDArray[np.intp]
    """(J,) the same in a Pinocchio velocity (nv,)."""
    assumed: dict[str, tuple[str, ...]]
    """"velocity", "effort", "acceleration": joints whose limit nobody gives."""

    @classmethod
    def load(cls, name_or_toml: str | Path = "optimus", description: str | Path | None = None) -> Robot:
        """Load a shipped robot by name, or any robot by the path of its TOML.

        ``description``: the URDF or MJCF to use instead of the one that the TOML names.

        Raises: UnknownNameError for a robot, joint, link or landmark that does not exist; UsageError for a file that cannot be read, has no limits
        or does not match the TOML; DataError for a damaged one; MissingDependencyError for a description that is not here and could not be fetched.
        """
        path = find_robot(name_or_toml)
        file = load_robot_file(path)
        source = Path(description) if description is not None else find_description(file, path)
        described = read_description(source)
        mimics = {name: rule for name, rule in described.mimics.items() if name not in file.uncoupled}
        mimics |= {name: Mimic(rule.joint, rule.ratio, rule.offset) for name, rule in file.mimic.items()}
        check_names(file, KnownNames.of(file, described, source=str(path)))

        floating = file.base == "floating"
        model = build_model(described, floating=floating, mount=turned_by_angles(np.radians(file.mount)))
        for point in file.points:
            add_point(model, point.name, point.link, point.at)
        names = tuple(joint for group in file.groups.values() for joint in group)
        actuation = reduce_mimics(tuple(model.names[2 if floating else 1 :]), names, mimics, source=str(path))
        limits = joint_limits(described, file, actuation, names)
        ids = [model.getJointId(name) for name in names]
        arrays = {
            "lower": limits.lower, "upper": limits.upper, "velocity_limit": limits.velocity, "effort_limit": limits.effort,
            "acceleration": limits.acceleration,
            "rest": np.array([file.rest.get(name, 0.0) * described.unit(name) for name in names]),
            "zero": np.array([file.zero.get(name, 0.0) * described.unit(name) for name in names]),
            "position_rows": np.array([model.joints[i].idx_q for i in ids], dtype=np.intp),
            "velocity_rows": np.array([model.joints[i].idx_v for i in ids], dtype=np.intp),
        }  # fmt: skip
        # A joint that can't be at 0 rests, and stands, as near to it as it can, unless the TOML says otherwise.
        for posture, given in (("rest", file.rest), ("zero", file.zero)):
            free = np.array([name not in given for name in names], dtype=bool)
            arrays[posture][free] = np.clip(0.0, limits.lower, limits.upper)[free]
            _check_posture(posture, names, arrays)
            arrays[posture] = np.clip(arrays[posture], limits.lower, limits.upper)
        for array in arrays.values():
            array.flags.writeable = False
        return cls(
            name=file.name, file=file, toml_path=path, urdf_path=source, description=described, model=model, floating=floating, joint_names=names,
            groups=dict(file.groups), link_names=_frame_names(model), actuation=actuation, assumed=limits.assumed, **arrays,
        )  # fmt: skip

    @cached_property
    def collision(self) -> CollisionModel:
        """The robot's body as capsules, and which of them are kept apart."""
        return collision_model(self)

    @cached_property
    def mass(self) -> float:
        """All of the robot's mass in kg; 0 where its file gives none."""
        return float(sum(inertia.mass for inertia in self.model.inertias))

    @property
    def contacts(self) -> tuple[str, ...]:
        """Human points of the feet that may stand on something."""
        return self.file.contacts

    def link_rotation_offset(self, link: str) -> FloatArray:
        """Return R_offset (3, 3): the link's world rotation times it has the axes that the human link would have. Identity where the TOML says nothing."""
        return turned_by_angles(np.radians(self.file.orientation.get(link, (0.0, 0.0, 0.0))))

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
        following = moved[2 if self.floating else 1 :] & (self.actuation.actuator >= 0)
        ours = np.zeros(len(self.joint_names), dtype=bool)
        ours[self.actuation.actuator[following]] = True
        return ours

    def configuration(self, positions: npt.ArrayLike, base_pose: npt.ArrayLike) -> FloatArray:
        """Return Pinocchio's q (nq,) from the actuated joints' positions (J,) rad and the base pose (7,): m and quaternion xyzw.

        A fixed base is no part of q.
        """
        joints = self.actuation.joint_positions(np.asarray(positions, dtype=np.float64))
        return np.concatenate([np.asarray(base_pose, dtype=np.float64), joints]) if self.floating else joints

    def link_poses(self, positions: npt.ArrayLike, base_pose: npt.ArrayLike, links: Sequence[str] | None = None) -> FloatArray:
        """Return T_world_link (T, L, 4, 4), or (L, 4, 4) for one configuration.

        ``positions``: (T, J) or (J,) rad; ``base_pose``: (T, 7) or (7,) m and quaternion xyzw (of a fixed base: where it is mounted); ``links``:
        which, all by default.
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
            if not self.floating:
                poses[t] = pin.XYZQUATToSE3(base).homogeneous @ poses[t]
        return poses[0] if single else poses

    def zero_points(self) -> dict[str, FloatArray]:
        """Return the place (3,) m of every link in the base frame at the zero posture: the source of all bone lengths."""
        poses = self.link_poses(self.zero, [0, 0, 0, 0, 0, 0, 1])
        return {name: poses[i, :3, 3] for i, name in enumerate(self.link_names)}

    def standing_height(self) -> float:
        """Return the base's height (m) above the lowest link at the zero posture: where a standing robot's base is."""
        return float(-min(place[2] for place in self.zero_points().values()))


def find_description(file: RobotFile, toml: Path) -> Path:
    """Return the URDF or MJCF of a robot: beside its TOML, else out of its asset (fetched if it is not here yet), else from the cache's ``robots``.

    Raises: UsageError; MissingDependencyError where it could not be fetched.
    """
    named = file.urdf or file.mjcf
    beside = toml.parent / named
    if beside.is_file():
        return beside
    if file.asset:
        from bodydouble import assets

        return assets.path_of(file.asset) / named
    kept = cache_folder() / "robots" / named
    if kept.is_file():
        return kept
    key = "urdf" if file.urdf else "mjcf"
    if not file.obtain:
        raise UsageError(f"{toml}: {key} = '{named}' is not beside it; expected {beside}.")
    raise UsageError(
        f"robot '{file.name}' needs {named} ({file.obtain}), which is not here; put it at {kept}, give it with --urdf FILE, "
        f'or write a TOML with extends = "{file.name}" and {key} = "FILE".'
    )


def _frame_names(model: Any) -> tuple[str, ...]:
    return tuple(frame.name for frame in model.frames if frame.type == pin.FrameType.BODY)


def _check_posture(posture: str, names: tuple[str, ...], arrays: dict[str, Any]) -> None:
    for name, lower, angle, upper in zip(names, arrays["lower"], arrays[posture], arrays["upper"], strict=True):
        if not lower - ROUNDED <= angle <= upper + ROUNDED:
            raise UsageError(
                f"{posture} angle of joint '{name}' is {np.degrees(angle):.1f} degrees, outside its range "
                f"{np.degrees(lower):.1f} to {np.degrees(upper):.1f}."
            )
