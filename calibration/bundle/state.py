"""What a bundle adjustment is given and what it solves for: views, which frame hangs on which, and all unknowns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.cameras.camera_model import CameraModel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

STATIC = -1
"""In place of a chain: the frame never moves in the room."""


@dataclass(frozen=True)
class Views:
    """V images of a rigid target, with up to n of its points each. A moment is an instant near which every camera took one frame."""

    camera: IntArray
    """(V,)"""
    moment: IntArray
    """(V,)"""
    target: IntArray
    """(V,)"""
    time_s: FloatArray
    """(V,) stamped capture time of the view's frame."""
    points: FloatArray
    """(V, n, 3) m in the target's frame; anything where ``seen`` is False."""
    pixels: FloatArray
    """(V, n, 2); NaN where not seen."""
    point: IntArray
    """(V, n) which point of all targets this is; -1 where not seen."""

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """(V, n) which points were seen."""
        return self.point >= 0

    def __len__(self) -> int:
        return len(self.camera)

    def select(self, which: npt.NDArray[np.bool_] | IntArray) -> Views:
        """Return some of the views."""
        return Views(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def without(self, outliers: npt.NDArray[np.bool_]) -> Views:
        """Return the views without some points (V, n)."""
        return replace(self, point=np.where(outliers, -1, self.point), pixels=np.where(outliers[..., None], np.nan, self.pixels))


@dataclass(frozen=True)
class Structure:
    """Which camera sits on which body, and which bodies and targets move. Each moving frame is a chain of one knot a moment."""

    body_of_camera: IntArray
    """(C,) index of a body."""
    chain_of_body: IntArray
    """(B,) index of a chain, ``STATIC`` for the room."""
    chain_of_target: IntArray
    """(G,) index of a chain, ``STATIC`` for a target that stays where it is in the room."""
    moment_s: FloatArray
    """(M,) times of the moments, increasing."""
    order: int
    """Terms of the motion near a knot: 1 pose alone, 2 with velocity, 3 with acceleration."""

    @property
    def chains(self) -> int:
        """Number of moving frames."""
        return int(max(self.chain_of_body.max(initial=-1), self.chain_of_target.max(initial=-1))) + 1

    def camera_chain(self, camera: IntArray) -> IntArray:
        """Return the chain of the body that each camera sits on."""
        return np.asarray(self.chain_of_body[self.body_of_camera[camera]])


@dataclass(frozen=True)
class State:
    """The unknowns. Rotations are disturbed on the right, ``R exp(d)``; positions by adding."""

    models: tuple[CameraModel, ...]
    T_body_camera: FloatArray
    """(C, 4, 4)"""
    offset_s: FloatArray
    """(C,) true capture time minus stamped time."""
    T_room_target: FloatArray
    """(G, 4, 4); not used for targets that move."""
    T_room_knot: FloatArray
    """(N, M, 4, 4) pose of each chain at each moment."""
    rates: FloatArray
    """(N, M, order - 1, 6) derivatives of the pose at the knot: angular velocity in the moving frame (rad/s) and velocity in the room
    (m/s), then the accelerations."""

    @property
    def intrinsics(self) -> int:
        """Most intrinsic parameters of any camera."""
        return max(len(model.parameters) for model in self.models)


@dataclass(frozen=True)
class Motion:
    """Pose of one chain at V instants near its knots, with how it depends on the knot; identity for a static frame."""

    R: FloatArray
    """(V, 3, 3) R_room_frame."""
    p: FloatArray
    """(V, 3) m."""
    lift: FloatArray
    """(V, 6, 6 * order): from a change of the knot's terms to (rotation on the right, position)."""
    rate: FloatArray
    """(V, 6) angular velocity on the right and velocity: the same by time."""


def motion_of(state: State, chain: IntArray, moment: IntArray, dt: FloatArray) -> Motion:
    """Return the poses of ``chain`` (V,) at ``dt`` (V,) s after its knots ``moment`` (V,): ``R exp(w dt + ...)``, ``p + v dt + ...``."""
    count, order = len(chain), state.rates.shape[2] + 1
    moving = chain != STATIC
    lift = np.zeros((count, 6, 6 * order))
    if not moving.any():
        return Motion(np.broadcast_to(np.eye(3), (count, 3, 3)), np.zeros((count, 3)), lift, np.zeros((count, 6)))
    T = np.where(moving[:, None, None], state.T_room_knot[chain, moment], np.eye(4))
    rates = np.where(moving[:, None, None], state.rates[chain, moment], 0.0)
    powers = _powers(dt, order)
    turned = np.einsum("vk,vki->vi", powers[:, 1:], rates[..., :3])
    R_turn, J = rotation.exp(turned), rotation.right_jacobian(turned)
    lift[:, :3, :3] = np.swapaxes(R_turn, -1, -2)
    lift[:, 3:, 3:6] = np.eye(3)
    for term in range(1, order):
        lift[:, :3, 6 * term : 6 * term + 3] = powers[:, term, None, None] * J
        lift[:, 3:, 6 * term + 3 : 6 * term + 6] = powers[:, term, None, None] * np.eye(3)
    lift[~moving] = 0.0
    speed = np.einsum("vk,vki->vi", powers[:, : order - 1], rates)
    rate = np.concatenate([np.einsum("vij,vj->vi", J, speed[:, :3]), speed[:, 3:]], axis=1)
    position = T[:, :3, 3] + np.einsum("vk,vki->vi", powers[:, 1:], rates[..., 3:])
    return Motion(T[:, :3, :3] @ R_turn, position, lift, rate)


def _powers(dt: FloatArray, order: int) -> FloatArray:
    """Return (V, order) with dt^k / k!."""
    terms = [np.ones_like(dt)]
    for k in range(1, order):
        terms.append(terms[-1] * dt / k)
    return np.stack(terms, axis=1)


def moved(T: FloatArray, step: FloatArray) -> FloatArray:
    """Return poses (..., 4, 4) disturbed by (..., 6): rotation on the right, position added."""
    result = T.copy()
    result[..., :3, :3] = T[..., :3, :3] @ rotation.exp(step[..., :3])
    result[..., :3, 3] += step[..., 3:]
    return result


@dataclass(frozen=True)
class Layout:
    """Where each unknown stands among the global ones (cameras, offsets, static targets); held ones stand at ``size``, past the end."""

    intrinsics: IntArray
    """(C, P)"""
    mount: IntArray
    """(C, 6)"""
    offset: IntArray
    """(C,)"""
    target: IntArray
    """(G, 6)"""
    size: int


def layout(
    free_intrinsics: npt.NDArray[np.bool_], free_mount: npt.NDArray[np.bool_], free_offset: npt.NDArray[np.bool_],
    free_target: npt.NDArray[np.bool_],
) -> Layout:  # fmt: skip
    """Number the unknowns that are free: intrinsics (C, P), mounts (C,), offsets (C,), static targets (G,)."""
    wanted = [free_intrinsics, np.repeat(free_mount[:, None], 6, 1), free_offset, np.repeat(free_target[:, None], 6, 1)]
    size = sum(int(item.sum()) for item in wanted)
    numbers, first = [], 0
    for item in wanted:
        number = np.full(item.shape, size, dtype=np.int64)
        number[item] = first + np.arange(int(item.sum()))
        first += int(item.sum())
        numbers.append(number)
    return Layout(numbers[0], numbers[1], numbers[2], numbers[3], size)


def stepped(state: State, where: Layout, global_step: FloatArray, knot_step: FloatArray) -> State:
    """Return the state after a step: (size,) of the global unknowns, (M, N * 6 * order) of the knots."""
    padded = np.append(global_step, 0.0)
    models = tuple(
        model.with_parameters(model.parameters + padded[where.intrinsics[c, : len(model.parameters)]])
        for c, model in enumerate(state.models)
    )
    chains, moments = state.T_room_knot.shape[:2]
    terms = knot_step.reshape(moments, chains, state.rates.shape[2] + 1, 6).swapaxes(0, 1)
    return State(
        models,
        moved(state.T_body_camera, padded[where.mount]),
        state.offset_s + padded[where.offset],
        moved(state.T_room_target, padded[where.target]),
        moved(state.T_room_knot, terms[:, :, 0]),
        state.rates + terms[:, :, 1:],
    )
