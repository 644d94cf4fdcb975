"""What is worn is part of the rig: landmarks of the head and shoulders that go with the helmet and the backpack."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.presets import BACKPACK
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import LANDMARK_PLACES, TYPICAL_LENGTHS
from bodydouble.hand_pose.tangent import exp3, log3, matrices, quaternions

FloatArray = npt.NDArray[np.float64]

HELMET_SIGMA = 0.008
"""m: four points of a rigid head, so that its place is known to 4 mm and its turn to 5 degrees."""
BACKPACK_SIGMA = 0.04
"""m: shoulders move against the straps."""
MOUNT_SIGMA_M, MOUNT_SIGMA_RAD = 0.015, float(np.radians(5.0))
"""How far what is worn may sit from where it is meant to, the same all the time: the middle of the eyes from a helmet's origin."""
SHOULDERS = {"left_shoulder": (0.03, 0.175, -0.05), "right_shoulder": (0.03, -0.175, -0.05)}
"""In the frame of the backpack, whose origin is at the foot of the neck (C7): joint centres lie in front of and below it."""


@dataclass(frozen=True)
class Anchors:
    """Landmarks whose place is known without looking, because what they belong to is located.

    W worn things, each fixed to the person by a constant transform that is not known exactly: ``T_worn_person`` starts as the identity.
    """

    names: tuple[str, ...]
    T_world_worn: FloatArray
    """(W, T, 4, 4), NaN where not known."""
    places: FloatArray
    """(W, 75, 3) m, landmarks relative to what carries them; NaN for those that it does not carry."""
    information: FloatArray
    """(W, 75) one over sigma squared; 0 for landmarks that it does not carry."""
    T_worn_person: FloatArray
    """(W, 4, 4) how each is worn."""

    @classmethod
    def of(cls, T_world_body: Mapping[str, FloatArray]) -> Anchors | None:
        """Take eyes and ears from the helmet and shoulders from the backpack; None if neither is there. A body of another name is a helmet."""
        if not T_world_body:
            return None
        places, information = np.full((len(T_world_body), 75, 3), np.nan), np.zeros((len(T_world_body), 75))
        for row, body in enumerate(T_world_body):
            carried, sigma = (SHOULDERS, BACKPACK_SIGMA) if body == BACKPACK else (head_points(), HELMET_SIGMA)
            for name, place in carried.items():
                places[row, LANDMARK_NAMES.index(name)] = place
                information[row, LANDMARK_NAMES.index(name)] = sigma**-2.0
        worn = np.tile(np.eye(4), (len(T_world_body), 1, 1))
        return cls(tuple(T_world_body), np.stack(list(T_world_body.values())), places, information, worn)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(T,) True where some landmark is anchored."""
        return np.asarray(np.isfinite(self.T_world_worn[:, :, 0, 0]).any(axis=0))

    @functools.cached_property
    def _used(self) -> list[tuple[npt.NDArray[np.intp], FloatArray, FloatArray]]:
        """Of each worn thing its landmarks (N,), where they ought to be (T, N, 3), and their information (T, N), 0 where not known."""
        found = []
        for row, T in enumerate(self.T_world_worn):
            used = np.flatnonzero(self.information[row] > 0)
            points = self._on_body(row, used) @ np.swapaxes(T[:, :3, :3], 1, 2) + T[:, None, :3, 3]
            known = np.isfinite(points[..., 0])
            found.append((used, np.where(known[..., None], points, 0.0), np.where(known, self.information[row, used], 0.0)))
        return found

    def _on_body(self, row: int, used: npt.NDArray[np.intp]) -> FloatArray:
        T = self.T_worn_person[row]
        return np.asarray(self.places[row, used] @ T[:3, :3].T + T[:3, 3])

    def add(self, points: FloatArray, information: FloatArray, gradient: FloatArray) -> FloatArray:
        """Add the pull on landmarks (T, 75, 3) to information (T, 75, 3, 3) and gradient (T, 75, 3) in place; return its cost (T,)."""
        cost = np.zeros(len(points))
        for used, wanted, weight in self._used:
            away = points[:, used] - wanted
            information[:, used] += weight[..., None, None] * np.eye(3)
            gradient[:, used] += weight[..., None] * away
            cost += np.sum(weight[..., None] * away**2, axis=(1, 2))
        return cost

    def cost(self, points: FloatArray) -> FloatArray:
        """Return the cost (T,) of landmarks (T, 75, 3)."""
        total = np.zeros(len(points))
        for used, wanted, weight in self._used:
            total += np.sum(weight[..., None] * (points[:, used] - wanted) ** 2, axis=(1, 2))
        return total

    def mount_equations(self, points: FloatArray, jacobian: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return what landmarks (T, 75, 3) with a Jacobian (T, 75, 3, P) say of how things are worn.

        The parameters are of each worn thing a shift in m and a turn in rad in its own frame. Gives their information (6W, 6W), the mixed terms
        (T, P, 6W) with the other parameters, and the gradient (T, 6W); prior not included.
        """
        frames, count = len(points), 6 * len(self.names)
        information, mixed, gradient = (
            np.zeros((frames, count, count)),
            np.zeros((frames, jacobian.shape[-1], count)),
            np.zeros((frames, count)),
        )
        for row, (used, wanted, weight) in enumerate(self._used):
            columns = slice(6 * row, 6 * row + 6)
            R = np.nan_to_num(self.T_world_worn[row, :, :3, :3])
            own = np.zeros((len(used), 3, 6))
            own[:, :, :3] = np.eye(3)
            own[:, :, 3:] = -skew(self._on_body(row, used))
            rows = -np.einsum("tij,njk->tnik", R, own)  # the residual is landmark minus anchor
            weighted = weight[..., None, None] * rows
            information[:, columns, columns] = np.einsum("tnij,tnik->tjk", weighted, rows)
            mixed[:, :, columns] = np.einsum("tnij,tnik->tjk", jacobian[:, used], weighted)
            gradient[:, columns] = np.einsum("tnij,tni->tj", weighted, points[:, used] - wanted)
        return information, mixed, gradient

    def mount_prior(self) -> tuple[FloatArray, FloatArray]:
        """Return the prior's information (6W,) and its gradient (6W,)."""
        information = np.tile([MOUNT_SIGMA_M**-2.0] * 3 + [MOUNT_SIGMA_RAD**-2.0] * 3, len(self.names))
        return information, information * self.mounts.ravel()

    @property
    def mounts(self) -> FloatArray:
        """(W, 6) how far each is from where it is meant to be worn: shift in m, rotation vector in rad."""
        turn = log3(quaternions(self.T_worn_person[:, :3, :3]))
        return np.concatenate([self.T_worn_person[:, :3, 3], turn], axis=1)

    def moved(self, step: FloatArray) -> Anchors:
        """Return the anchors with each worn thing moved by ``step`` (6W,)."""
        T = self.T_worn_person.copy()
        shift, turn = np.split(step.reshape(-1, 6), 2, axis=1)
        R = matrices(exp3(turn))
        T[:, :3, 3] = np.einsum("wij,wj->wi", R, T[:, :3, 3]) + shift
        T[:, :3, :3] = R @ T[:, :3, :3]
        return replace(self, T_worn_person=T)

    def select(self, frames: npt.NDArray[np.intp]) -> Anchors:
        """Return those of some frames."""
        return replace(self, T_world_worn=self.T_world_worn[:, frames])


def skew(vectors: FloatArray) -> FloatArray:
    """Return the matrices (N, 3, 3) that take the cross product with vectors (N, 3) from the left."""
    found = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    found[:, 0, 1], found[:, 0, 2], found[:, 1, 2] = -z, y, -x
    return found - np.swapaxes(found, 1, 2)


def head_points() -> dict[str, tuple[float, float, float]]:
    """Return where eyes and ears are in the helmet's frame: origin between the eyes, x forward, y left, z up, for a head of typical size."""
    places = {}
    for name in ("left_eye", "right_eye", "left_ear", "right_ear"):
        places[name] = np.sum([TYPICAL_LENGTHS[bone] * np.array(way) for bone, way in LANDMARK_PLACES[name][1].items()], axis=0)
    between = (places["left_eye"] + places["right_eye"]) / 2
    return {name: (float(x), float(y), float(z)) for name, (x, y, z) in ((name, place - between) for name, place in places.items())}
