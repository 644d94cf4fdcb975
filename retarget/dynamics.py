"""What a motion asks of a robot's motors and of the ground: inverse dynamics with the base as given and with the base free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.retarget.robot import Robot
from bodydouble.retarget.support import Sole, distribute, soles, support_margin, zero_moment_point

FloatArray = npt.NDArray[np.float64]

SMOOTHED_S = 0.04
"""s to each side: derivatives are those of the parabola through the frames in reach. Motors follow no faster; people's hands move below 8 Hz."""
UNEXPLAINED = 0.02
"""Share of the robot's weight (N; as N m, of a lever of 1 m) that contacts may leave unexplained before the robot counts as out of balance."""


@dataclass(frozen=True)
class Dynamics:
    """Inverse dynamics of T frames and J actuated joints. The first and last frame are NaN."""

    torques: FloatArray
    """(T, J) N m with the base as given: whatever holds it up acts on the base itself, so leg torques do not carry the robot's weight."""
    supported_torques: FloatArray
    """(T, J) N m with a free base that the planted feet hold up, as well as they can; NaN where none is planted, and for a robot that is bolted down."""
    centre_of_pressure: FloatArray
    """(T, 2) m in the world: the zero-moment point at the planted contacts' height; NaN where none is planted."""
    support_margin: FloatArray
    """(T,) m from there to the edge of the planted soles, positive inside."""
    flags: dict[str, npt.NDArray[np.uint8]]
    """Name to (T,) 0/1. "effort_exceeded": some joint needs more torque than its motor has, on its feet where those are planted, else with the base as given.
    "out_of_balance": feet are planted and no forces at them give this motion, by tipping over or for want of friction."""


def joint_torques(robot: Robot, times_s: FloatArray, configurations: FloatArray) -> FloatArray:
    """Return the torques (T, J) N m that move the joints so with the base as given; see ``Dynamics.torques``."""
    return inverse_dynamics(robot, times_s, configurations).torques


def inverse_dynamics(
    robot: Robot, times_s: FloatArray, configurations: FloatArray, contacts: Mapping[str, npt.NDArray[np.generic]] | None = None
) -> Dynamics:
    """Return the torques and ground forces of ``configurations`` (T, nq) over true times, by recursive Newton-Euler (Featherstone 2008, 5.3).

    ``contacts`` maps contact points of the robot to (T,) true where planted. With a free base the wrench that the base lacks must come from the ground:
    it is shared out over the planted soles by ``support.distribute``, and the joints bear what the soles push. Raises: UnknownNameError for a
    contact point that the robot does not have. Of a robot whose file gives no mass nothing is known: all is NaN and no flag is set.
    """
    frames, joints = len(times_s), len(robot.joint_names)
    torques, supported = np.full((frames, joints), np.nan), np.full((frames, joints), np.nan)
    pressure, margin = np.full((frames, 2), np.nan), np.full(frames, np.nan)
    unbalanced = np.zeros(frames, dtype=bool)
    if frames >= 3 and robot.mass > 0:
        velocities, accelerations = smoothed_derivatives(robot, times_s, configurations)
        work = _Work(robot, soles(robot, tuple(contacts or ())) if robot.floating else ())
        planted = [np.asarray(contacts[sole.contact]) > 0 for sole in work.soles] if contacts else []
        for t in range(1, frames - 1):
            if not np.isfinite(configurations[t]).all():
                continue
            torques[t] = work.as_given(configurations[t], velocities[t], accelerations[t])
            on_ground = [sole for sole, down in zip(work.soles, planted, strict=True) if down[t]]
            if on_ground:
                supported[t], pressure[t], margin[t], unbalanced[t] = work.on_its_feet(on_ground)
    needed = np.where(np.isfinite(supported), supported, torques)
    with np.errstate(invalid="ignore"):
        flags = {
            "effort_exceeded": np.asarray((np.abs(needed) > robot.effort_limit).any(axis=1), dtype=np.uint8),
            "out_of_balance": unbalanced.astype(np.uint8),
        }
    return Dynamics(torques, supported, pressure, margin, flags)


class _Work:
    """Pinocchio's work space for one robot: one frame after the other."""

    def __init__(self, robot: Robot, of: tuple[Sole, ...]) -> None:
        self.robot, self.model, self.soles = robot, robot.model, of
        self.data = robot.model.createData()
        self.weight = float(robot.mass * np.linalg.norm(robot.model.gravity.linear))
        self._external = [pin.Force.Zero() for _ in range(robot.model.njoints)]
        self._reduce = _reduction(robot)

    def as_given(self, q: FloatArray, v: FloatArray, a: FloatArray) -> FloatArray:
        """Return the actuated joints' torques (J,)."""
        self._state = (q, v, a)
        self._effort = pin.rnea(self.model, self.data, q, v, a).copy()
        return self._actuated(self._effort)

    def on_its_feet(self, planted: list[Sole]) -> tuple[FloatArray, FloatArray, float, bool]:
        """Return torques (J,), centre of pressure (2,), support margin and whether no forces give the motion, for the state given last."""
        q, v, a = self._state
        pin.forwardKinematics(self.model, self.data, q)
        base = self.data.oMi[1]
        wrench = base.act(pin.Force(self._effort[:3], self._effort[3:6]))
        force, moment = wrench.linear, wrench.angular
        places = [self.data.oMi[sole.joint] for sole in planted]
        points = [sole.points @ pose.rotation.T + pose.translation for sole, pose in zip(planted, places, strict=True)]
        everywhere = np.concatenate(points)
        pressure = zero_moment_point(force, moment, float(everywhere[:, 2].mean()), self.weight)
        margin = support_margin(pressure, everywhere[:, :2])
        yaw = float(np.arctan2(base.rotation[1, 0], base.rotation[0, 0]))
        forces, left = distribute(force, moment, everywhere, yaw)

        external = list(self._external)
        first = 0
        for sole, pose, own in zip(planted, places, points, strict=True):
            pushes = forces[first : first + len(own)]
            first += len(own)
            world = pin.Force(pushes.sum(axis=0), np.cross(own, pushes).sum(axis=0))
            external[sole.joint] = external[sole.joint] + pose.actInv(world)
        effort = pin.rnea(self.model, self.data, q, v, a, external)
        return self._actuated(effort), pressure, margin, bool(margin < 0) or left > UNEXPLAINED * self.weight

    def _actuated(self, effort: FloatArray) -> FloatArray:
        """Return what the motors give (J,) for generalised forces (nv,)."""
        rows, actuators, ratios = self._reduce
        return np.asarray(np.bincount(actuators, weights=ratios * effort[rows], minlength=len(self.robot.joint_names)), dtype=np.float64)


def _reduction(robot: Robot) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Return row in nv, actuator and ratio of every joint that a motor drives: a motor bears its followers' torque times their ratio."""
    actuation = robot.actuation
    rows = np.array([robot.model.joints[robot.model.getJointId(name)].idx_v for name in actuation.joint_names], dtype=np.intp)
    driven = actuation.actuator >= 0
    return rows[driven], actuation.actuator[driven], actuation.ratio[driven]


def smoothed_derivatives(robot: Robot, times_s: FloatArray, configurations: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Pinocchio's velocities and accelerations (T, nv) of configurations (T, nq) over true times.

    Those of the parabola fitted to the frames within ``SMOOTHED_S``, at least one to each side (Savitzky and Golay 1964): central differences where
    frames are that far apart. The free-flyer's are in the base's own axes.
    """
    model = robot.model
    steps = np.array([pin.difference(model, a, b) for a, b in pairwise(configurations)])
    coordinates = np.concatenate([np.zeros((1, model.nv)), np.cumsum(steps, axis=0)])
    weights = local_parabolas(times_s, SMOOTHED_S)
    velocities, accelerations = _fitted(weights, coordinates)
    if robot.floating:
        velocities[:, :6], accelerations[:, :6] = _base_derivatives(configurations[:, :7], weights)
    return velocities, accelerations


Stencils = tuple[npt.NDArray[np.intp], FloatArray, FloatArray]


def local_parabolas(times_s: FloatArray, reach_s: float) -> Stencils:
    """Return neighbours (T, W) of each frame and their weights (T, W) in the first and second derivative of the parabola fitted around it.

    Neighbours are the frames within ``reach_s`` to each side, at least one to each side and three in all; (T, W) is padded with weight 0.
    """
    frames = len(times_s)
    reach = reach_s * (1 + 1e-9)
    first = np.minimum(np.searchsorted(times_s, times_s - reach), np.arange(frames) - 1).clip(0)
    last = np.maximum(np.searchsorted(times_s, times_s + reach, side="right") - 1, np.arange(frames) + 1).clip(max=frames - 1)
    first, last = np.minimum(first, (last - 2).clip(0)), np.maximum(last, np.minimum(first + 2, frames - 1))
    index = first[:, None] + np.arange(int((last - first).max()) + 1)
    used = index <= last[:, None]
    index = np.minimum(index, frames - 1)
    s = (times_s[index] - times_s[:, None]) / reach_s
    basis = np.stack([np.ones_like(s), s, s * s], axis=2) * used[:, :, None]
    solved = np.linalg.solve(basis.transpose(0, 2, 1) @ basis, basis.transpose(0, 2, 1))
    return index, solved[:, 1] / reach_s, 2.0 * solved[:, 2] / reach_s**2


def _fitted(weights: Stencils, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    index, first, second = weights
    rates, accelerations = np.zeros_like(values), np.zeros_like(values)
    for w in range(index.shape[1]):
        rates += first[:, w, None] * values[index[:, w]]
        accelerations += second[:, w, None] * values[index[:, w]]
    return rates, accelerations


def _base_derivatives(base: FloatArray, weights: Stencils) -> tuple[FloatArray, FloatArray]:
    """Return spatial velocity and acceleration (T, 6), linear first, in the base's axes, of poses (T, 7): m and quaternion xyzw."""
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_quat(base[:, 3:])
    rate, acceleration = _fitted(weights, base[:, :3])
    index, first, second = weights
    spin, change = np.zeros_like(rate), np.zeros_like(rate)
    for w in range(index.shape[1]):
        # rotation vectors seen from the frame itself: at zero their rate is the angular velocity, and w' = phi'' - phi' x phi' / 2 = phi''
        away = (turned.inv() * turned[index[:, w]]).as_rotvec()
        spin += first[:, w, None] * away
        change += second[:, w, None] * away
    linear = turned.inv().apply(rate)
    return np.concatenate([linear, spin], axis=1), np.concatenate(
        [turned.inv().apply(acceleration) - np.cross(spin, linear), change], axis=1
    )
