"""A robot and its tasks as the plain arrays that the compiled loops take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.retarget.kernels.balance import Balance
from bodydouble.retarget.kernels.collisions import Capsules, pair_distances
from bodydouble.retarget.kernels.tasks import KINDS, MOVES_AT, MOVES_OF, TURNS_INSIDE, Tasks
from bodydouble.retarget.kernels.tree import Tree, place, work_space
from bodydouble.retarget.mapping import TaskEntry
from bodydouble.retarget.robot import Robot

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

RELATIVE = ("relative_position", "relative_direction", "relative_orientation")
COLLISION_WEIGHT = 2000.0
"""1/m: a tenth of a millimetre inside the margin costs as much as a palm that is 5 mm off."""
INFLUENCE_M, FINGER_INFLUENCE_M = 0.05, 0.008
"""Pairs this near are watched; fingers are always near each other, and their steps are short."""
SPARED = 1e-3
"""m: how much nearer than at rest parts may come that are near by design."""
BALANCE_WEIGHT = 12.0
"""1/m."""


class Layout:
    """Which variable is whose: parts that no task couples lie together, the part with the base last."""

    def __init__(self, robot: Robot, tasks: Sequence[TaskEntry]) -> None:
        model = robot.model
        self.robot = robot
        self.base = 6 if robot.floating else 0
        first = 2 if robot.floating else 1
        self.joints = len(robot.actuation.joint_names)
        self.parent = np.array([model.parents[first + n] - first for n in range(self.joints)], dtype=np.int64)
        self.chains = self._chains()
        """Motions from the base to each joint; row 0 is the base's own."""
        self.frames = sorted({name for task in tasks for name in (task.robot, task.origin, task.of) if name is not None})
        self.frame_joint = np.array([model.frames[robot.frame_id(name)].parentJoint - first for name in self.frames], dtype=np.int64)
        self.frame_joint = np.maximum(self.frame_joint, -1)
        row = {name: i for i, name in enumerate(self.frames)}
        self.roles = [self._roles(task, row) for task in tasks]
        self.part_start, self.variable = self._order()

    @property
    def trunk(self) -> int:
        """The last part: the one with the base, or the largest where there is none."""
        return len(self.part_start) - 2

    def _chains(self) -> list[list[int]]:
        chains = [list(range(6)) if self.base else []]
        for n in range(self.joints):
            chains.append(chains[self.parent[n] + 1] + [6 + n])
        return chains

    def _owner(self, motion: int) -> int:
        """Return the unordered variable of a motion: the base's six, then the actuated joints; -1 for none."""
        if motion < 6:
            return motion if self.base else -1
        actuator = int(self.robot.actuation.actuator[motion - 6])
        return self.base + actuator if actuator >= 0 else -1

    def _roles(self, task: TaskEntry, row: dict[str, int]) -> dict[int, int]:
        """Return motion to role of every motion that changes the task."""
        at = self.frame_joint[row[task.robot]] + 1
        roles = {motion: MOVES_AT for motion in self.chains[at]}
        whole = MOVES_AT
        if task.kind in (*RELATIVE, "direction"):
            of = task.of or task.origin
            if task.kind != "relative_orientation":
                whole |= MOVES_OF
                for motion in self.chains[self.frame_joint[row[str(of)]] + 1]:
                    roles[motion] = roles.get(motion, 0) | MOVES_OF
            if task.kind in RELATIVE:
                whole |= TURNS_INSIDE
                for motion in self.chains[self.frame_joint[row[str(task.origin)]] + 1]:
                    roles[motion] = roles.get(motion, 0) | TURNS_INSIDE
        if task.kind in RELATIVE:  # what carries all of it along changes nothing
            roles = {motion: role for motion, role in roles.items() if role != whole}
        return {motion: role for motion, role in roles.items() if self._owner(motion) >= 0}

    def _order(self) -> tuple[IndexArray, IndexArray]:
        count = self.base + len(self.robot.joint_names)
        part = np.arange(count)
        groups = [sorted({self._owner(motion) for motion in roles}) for roles in self.roles]
        groups.append(list(range(self.base)))
        for group in groups:
            for other in group[1:]:
                part[part == part[other]] = part[group[0]]
        trunk = part[0] if self.base else -1
        names, sizes = np.unique(part, return_counts=True)
        # Small parts first: rows of the trunk then reach back only where something couples them.
        ordered = sorted(names, key=lambda name: (name == trunk, sizes[list(names).index(name)], name))
        variable, start = np.empty(count, dtype=np.int64), [0]
        for name in ordered:
            members = np.flatnonzero(part == name)
            variable[members] = start[-1] + np.arange(len(members))
            start.append(start[-1] + len(members))
        return np.array(start, dtype=np.int64), variable

    def tree(self) -> Tree:
        """Return the joints, the variables and the frames of the tasks."""
        robot, model = self.robot, self.robot.model
        first = 2 if robot.floating else 1
        axes, prismatic = self._axes()
        owners = [self._owner(motion) for motion in range(6 + self.joints)]
        inertias = [model.inertias[first + n] for n in range(self.joints)]
        own = [model.inertias[1]] if robot.floating else [pin.Inertia.Zero()]
        placements = [model.frames[robot.frame_id(name)].placement for name in self.frames]
        turns = [placement.rotation @ robot.link_rotation_offset(name) for placement, name in zip(placements, self.frames, strict=True)]
        joint_placements = [model.jointPlacements[first + n] for n in range(self.joints)]
        return Tree(
            parent=self.parent,
            rotation=np.array([p.rotation for p in joint_placements]).reshape(-1, 3, 3),
            translation=np.array([p.translation for p in joint_placements]).reshape(-1, 3),
            axis=axes,
            prismatic=prismatic,
            actuator=np.asarray(robot.actuation.actuator, dtype=np.int64),
            ratio=np.concatenate([np.ones(6), robot.actuation.ratio]),
            offset=np.array(robot.actuation.offset),
            variable=np.array([self.variable[owner] if owner >= 0 else -1 for owner in owners], dtype=np.int64),
            actuated_variable=self.variable[self.base :].copy(),
            frame_joint=self.frame_joint,
            frame_rotation=np.array(turns).reshape(-1, 3, 3),
            frame_translation=np.array([p.translation for p in placements]).reshape(-1, 3),
            mass=np.array([i.mass for i in own + inertias]),
            centre=np.array([i.lever for i in own + inertias]),
        )

    def _axes(self) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return each joint's axis in its own frame, and whether it slides, as the model's own Jacobian has them."""
        model = self.robot.model
        data, first = model.createData(), 2 if self.robot.floating else 1
        pin.computeJointJacobians(model, data, pin.neutral(model))
        axes, prismatic = np.empty((self.joints, 3)), np.empty(self.joints, dtype=np.bool_)
        for n in range(self.joints):
            column = data.J[:, model.joints[first + n].idx_v]
            prismatic[n] = not np.any(np.abs(column[3:]) > 1e-9)
            axes[n] = data.oMi[first + n].rotation.T @ (column[:3] if prismatic[n] else column[3:])
        return axes, prismatic

    def tasks(self, tasks: Sequence[TaskEntry]) -> Tasks:
        """Return the tasks over the frames of ``tree``."""
        row = {name: i for i, name in enumerate(self.frames)}
        starts, motions, columns, roles = [0], [], [], []
        column_start, column_variable = [0], []
        for of_motion in self.roles:
            variables = sorted({int(self.variable[self._owner(motion)]) for motion in of_motion})
            for motion, role in of_motion.items():
                motions.append(motion)
                columns.append(variables.index(int(self.variable[self._owner(motion)])))
                roles.append(role)
            starts.append(len(motions))
            column_variable += variables
            column_start.append(len(column_variable))

        def rows(names: list[str | None]) -> IndexArray:
            return np.array([-1 if name is None else row[name] for name in names], dtype=np.int64)

        spread = [task.of or task.origin if task.kind in (*RELATIVE, "direction") else None for task in tasks]
        axes = [np.array(task.axis) / np.linalg.norm(task.axis) for task in tasks]
        integers = [np.array(values, dtype=np.int64) for values in (starts, motions, columns, roles, column_start, column_variable)]
        return Tasks(
            np.array([KINDS[task.kind] for task in tasks], dtype=np.int64),
            rows([task.robot for task in tasks]),
            rows(spread),
            rows([task.origin if task.kind in RELATIVE else None for task in tasks]),
            np.array(axes).reshape(-1, 3),
            *integers,
        )

    def capsules(self) -> Capsules:
        """Return the robot's capsules on the joints that carry their links."""
        robot, model = self.robot, self.robot.model
        collision, first = robot.collision, 2 if robot.floating else 1
        frames = [model.frames[robot.frame_id(link)] for link in collision.link]
        joints = np.array([max(frame.parentJoint - first, -1) for frame in frames], dtype=np.int64)
        ends = [
            np.array([frame.placement.act(np.asarray(p)) for frame, p in zip(frames, points, strict=True)]).reshape(-1, 3)
            for points in (collision.a, collision.b)
        ]
        chains = [[motion for motion in chain if self._owner(motion) >= 0] for chain in self.chains]
        pairs = np.asarray(collision.pairs, dtype=np.int64).reshape(-1, 2)
        capsules = Capsules(
            joints, ends[0], ends[1], np.array(collision.radius), pairs, np.cumsum([0] + [len(chain) for chain in chains]),
            np.array([m for chain in chains for m in chain], dtype=np.int64), np.full(len(pairs), float(collision.margin)),
            np.full(len(pairs), INFLUENCE_M), np.full(len(pairs), COLLISION_WEIGHT),
        )  # fmt: skip
        fingers = self.pair_parts(capsules) != self.trunk
        return capsules._replace(
            margin=np.clip(self._gaps_at_rest(capsules) - SPARED, 0.0, capsules.margin),
            influence=np.where(fingers, FINGER_INFLUENCE_M, INFLUENCE_M),
        )

    def pair_parts(self, capsules: Capsules) -> IndexArray:
        """Return the part (P,) whose variables move each pair apart: a hand's for its fingers and palm, the trunk's for all others."""
        moved_by = [set(self.chains[joint + 1]) for joint in capsules.joint]
        found = np.full(len(capsules.pairs), self.trunk, dtype=np.int64)
        for k, (i, j) in enumerate(capsules.pairs):
            between = [self._owner(motion) for motion in moved_by[i] ^ moved_by[j]]
            parts = {int(np.searchsorted(self.part_start, self.variable[o], side="right")) - 1 for o in between if o >= 0}
            if len(parts) == 1:
                found[k] = parts.pop()
        return found

    def _gaps_at_rest(self, capsules: Capsules) -> FloatArray:
        """Return how far apart (P,) m the two of each pair are at zero or at rest, whichever is less: parts that are near by design stay as near."""
        tree, gaps, found = self.tree(), np.full(len(capsules.pairs), np.inf), np.empty(len(capsules.pairs))
        placed = work_space(tree)
        for positions in (np.clip(np.zeros(len(self.robot.rest)), self.robot.lower, self.robot.upper), np.array(self.robot.rest)):
            place(tree, np.eye(3), np.zeros(3), positions, placed)
            pair_distances(capsules, placed, found)
            gaps = np.minimum(gaps, found)
        return gaps

    def balance(self) -> Balance:
        """Return what moves the centre of mass: the part with the base."""
        trunk = int(self.part_start[-2]) if self.base else 0
        owners = [self._owner(motion) for motion in range(6 + self.joints)]
        moving = [m for m, owner in enumerate(owners) if owner >= 0 and self.variable[owner] >= trunk]
        return Balance(np.array(moving, dtype=np.int64), BALANCE_WEIGHT)
