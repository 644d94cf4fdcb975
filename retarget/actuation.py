"""Actuation: which model joint follows which actuator, for joints that are coupled by gears or tendons.

Pinocchio's model keeps every joint independent (its own mimic support rejects TALOS, and it ignores MJCF tendons); what is solved for is fewer:

    q_joint = ratio * q_actuated[actuator] + offset,  so  v_joint = ratio * v_actuated[actuator]  and  J_actuated = J_joint A

A joint that follows nothing has ratio 1 and offset 0; a joint that is held still has actuator -1 and stays at its offset. Gears are lossless
here: an actuator carries the torques of all its followers, each times its ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mimic:
    """One joint follows another: angle = ratio * angle of ``joint`` + offset (rad)."""

    joint: str
    ratio: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, eq=False)
class Actuation:
    """N model joints as linear functions of J actuated ones. Arrays are read-only."""

    joint_names: tuple[str, ...]
    """N model joints in Pinocchio's order, without the free-flyer."""
    actuated: int
    """J."""
    actuator: npt.NDArray[np.intp]
    """(N,) index of the actuated joint that moves this one; -1: none, it stays at ``offset``."""
    ratio: FloatArray
    """(N,); 0 where nothing moves it."""
    offset: FloatArray
    """(N,) rad."""

    def __post_init__(self) -> None:
        shape = (len(self.joint_names),)
        freeze_arrays(self, {"actuator": (shape, np.intp), "ratio": (shape, np.float64), "offset": (shape, np.float64)})

    @property
    def trivial(self) -> bool:
        """Whether every model joint has an actuator of its own."""
        return self.actuated == len(self.joint_names) and bool((self.ratio == 1).all() and (self.offset == 0).all())

    def matrix(self) -> FloatArray:
        """Return A (N, J): v_joint = A v_actuated."""
        matrix = np.zeros((len(self.joint_names), self.actuated))
        moved = np.flatnonzero(self.actuator >= 0)
        matrix[moved, self.actuator[moved]] = self.ratio[moved]
        return matrix

    def joint_positions(self, actuated: npt.ArrayLike) -> FloatArray:
        """Return the positions (..., N) rad of all model joints from those of the actuated ones (..., J)."""
        positions = np.asarray(actuated, dtype=np.float64)
        if self.actuated == 0:
            return np.broadcast_to(self.offset, (*positions.shape[:-1], len(self.offset))).copy()
        moved: FloatArray = self.ratio * positions[..., np.maximum(self.actuator, 0)] + self.offset
        return moved

    def actuated_limits(self, lower: npt.ArrayLike, upper: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the ranges (J,), (J,) rad in which no joint leaves its own range (N,), (N,): the intersection over the followers."""
        low, high = np.full(self.actuated, -np.inf), np.full(self.actuated, np.inf)
        for index, (own_low, own_high) in enumerate(
            zip(np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64), strict=True)
        ):
            actuator, ratio = int(self.actuator[index]), float(self.ratio[index])
            if actuator >= 0 and ratio != 0:
                ends = sorted(((own_low - self.offset[index]) / ratio, (own_high - self.offset[index]) / ratio))
                low[actuator], high[actuator] = max(low[actuator], ends[0]), min(high[actuator], ends[1])
        return low, high

    def actuated_speeds(self, speeds: npt.ArrayLike) -> FloatArray:
        """Return the speed limits (J,) rad/s at which no joint exceeds its own (N,)."""
        own = np.asarray(speeds, dtype=np.float64)
        limit = np.full(self.actuated, np.inf)
        for index in np.flatnonzero(self.ratio != 0):
            limit[self.actuator[index]] = min(limit[self.actuator[index]], own[index] / abs(self.ratio[index]))
        return limit

    def actuated_torques(self, torques: npt.ArrayLike) -> FloatArray:
        """Return the actuators' torques (..., J) N m that hold the model joints' torques (..., N): A' tau."""
        carried: FloatArray = np.asarray(torques, dtype=np.float64) @ self.matrix()
        return carried


def reduce_mimics(
    model_joints: tuple[str, ...], actuated: tuple[str, ...], mimics: dict[str, Mimic], *, held: dict[str, float] | None = None, source: str
) -> Actuation:
    """Return the actuation of a model from its mimic table; chains of followers are resolved to the actuated joint at their start.

    ``actuated``: the independent joints in the order in which they are stored; ``held``: joints that stay still, and where (rad).

    Raises: UnknownNameError for a joint that is not in the model; UsageError for joints that follow each other in a ring, or a
    follower that is asked to be actuated too. ``source`` names the file in the message.
    """
    held = held or {}
    for name in [*mimics, *(m.joint for m in mimics.values()), *actuated, *held]:
        if name not in model_joints:
            raise UnknownNameError("joint", name, source, model_joints)
    for name in actuated:
        if name in mimics:
            raise UsageError(
                f"{source}: joint '{name}' follows '{mimics[name].joint}', so it can't be in a group; take it out of [groups]."
            )
    index = {name: i for i, name in enumerate(actuated)}
    actuator, ratio, offset = [], [], []
    for joint in model_joints:
        name, factor, shift, seen = joint, 1.0, 0.0, [joint]
        while name in mimics:
            rule = mimics[name]
            shift += factor * rule.offset
            factor *= rule.ratio
            name = rule.joint
            if name in seen:
                raise UsageError(f"{source}: the joints {', '.join(seen)} follow each other in a ring; one of them must be independent.")
            seen.append(name)
        if name in index:
            actuator.append(index[name])
            ratio.append(factor)
            offset.append(shift)
        else:
            actuator.append(-1)
            ratio.append(0.0)
            offset.append(shift + factor * held.get(name, 0.0))
    return Actuation(model_joints, len(actuated), np.array(actuator), np.array(ratio), np.array(offset))
