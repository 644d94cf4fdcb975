"""A start for the bundle adjustment: put cameras, targets and moments together one at a time, best connected first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.state import STATIC, Structure, Views
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.pnp import target_poses
from bodydouble.calibration.transform import apply, invert, nearest_rotation

FloatArray = npt.NDArray[np.float64]

_SAME_ANGLE = 0.15
"""rad; poses of one thing from different images that are nearer than this agree."""
_SAME_PLACE = 0.08
"""Relative to the distance from the camera."""
_NEAR = 1.5
"""Times these: poses up to here are averaged."""

_MOMENTS = 60
"""Moments from which what stands still is placed; the others are placed afterwards."""
_CANDIDATES, _JUDGES, _SUPPORT = 4, 6, 60
"""Poses tried for a moment, views that judge them, and views that place a camera or a target: the largest in the image."""


@dataclass
class PoseGraph:
    """What is placed so far. NaN poses are not placed."""

    T_body_camera: FloatArray
    T_room_target: FloatArray
    T_room_knot: FloatArray
    reference_camera: dict[int, int] = field(default_factory=dict)
    """Body to the camera whose mount is held (its frame is the body's), where the body's own frame is not tied to anything else."""
    reference_target: int | None = None
    """The static target whose frame is the room's, where there is one."""

    @property
    def placed_cameras(self) -> npt.NDArray[np.bool_]:
        """(C,)"""
        return np.isfinite(self.T_body_camera[:, 0, 0])

    @property
    def placed_targets(self) -> npt.NDArray[np.bool_]:
        """(G,) of the static targets; False for those that move."""
        return np.isfinite(self.T_room_target[:, 0, 0])


def connect(
    models: Sequence[CameraModel], structure: Structure, views: Views, mounts: FloatArray | None = None
) -> tuple[PoseGraph, npt.NDArray[np.bool_]]:
    """Place every camera, target and moment that the views tie together.

    Returns the graph and which views (V,) have a pose at all. The frame of the room is that of the best seen static target, or of the best
    connected room camera where all targets move; the frame of a moving body is that of its best connected camera, which stays where
    ``mounts`` (C, 4, 4) says (identity by default). What could not be placed is NaN.
    """
    return _Builder(models, structure, views, mounts).build()


class _Builder:
    def __init__(self, models: Sequence[CameraModel], structure: Structure, views: Views, mounts: FloatArray | None) -> None:
        self.models, self.structure, self.views = models, structure, views
        self.mounts = mounts if mounts is not None else np.tile(np.eye(4), (len(models), 1, 1))
        cameras, targets = len(structure.body_of_camera), len(structure.chain_of_target)
        self.graph = PoseGraph(
            np.full((cameras, 4, 4), np.nan),
            np.full((targets, 4, 4), np.nan),
            np.full((structure.chains, len(structure.moment_s), 4, 4), np.nan),
        )
        self.seen = views.seen
        self.points = self.seen.sum(axis=1)
        self.size = _image_size(views)
        self.usable = np.ones(len(views), dtype=bool)
        self.rays = np.empty((*views.point.shape, 3))
        for c, model in enumerate(models):
            self.rays[views.camera == c] = model.rays(views.pixels[views.camera == c])
        self.found: dict[int, list[FloatArray]] = {}
        self.body_chain = structure.camera_chain(views.camera)
        self.target_chain = structure.chain_of_target[views.target]

    def build(self) -> tuple[PoseGraph, npt.NDArray[np.bool_]]:
        moments = np.unique(self.views.moment)
        few = moments[np.linspace(0, len(moments) - 1, min(len(moments), _MOMENTS)).astype(int)]
        self.used = np.isin(self.views.moment, few)
        self._choose_room()
        while True:
            self._place_moments()
            if not self._place_best():
                if self.used.all():
                    break
                # The rest of the moments, now that what stands still is in place; perhaps they also tie in what is missing.
                self.used[:] = True
        return self.graph, self.usable

    def _poses(self, v: int) -> list[FloatArray]:
        if v not in self.found:
            seen = self.seen[v]
            model = self.models[self.views.camera[v]]
            found = target_poses(model, self.views.points[v][seen], self.views.pixels[v][seen], self.rays[v][seen])
            self.found[v] = [pose for pose, _ in found]
            self.usable[v] = bool(found)
        return self.found[v]

    def _rows(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self.usable & self.used)

    def _choose_room(self) -> None:
        static = self.usable & self.used & (self.target_chain == STATIC)
        if static.any():
            weight = np.bincount(self.views.target[static], self.points[static])
            self.graph.reference_target = int(np.argmax(weight))
            self.graph.T_room_target[self.graph.reference_target] = np.eye(4)
            return
        in_room = self.usable & (self.body_chain == STATIC)
        rows = np.flatnonzero(in_room if in_room.any() else self.usable)
        if len(rows) == 0:
            return
        # The camera that shares most moments with others, not the one that saw most alone.
        shared = np.array([len(np.unique(self.views.camera[rows][self.views.moment[rows] == m])) - 1 for m in self.views.moment[rows]])
        camera = int(np.argmax(np.bincount(self.views.camera[rows], shared + 1e-3)))
        self._hold(camera)

    def _hold(self, camera: int) -> None:
        self.graph.T_body_camera[camera] = self.mounts[camera]
        self.graph.reference_camera[int(self.structure.body_of_camera[camera])] = camera

    def _parts(self, v: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return T_room_body, T_body_camera and T_room_target of a view; NaN where not placed."""
        graph, m = self.graph, self.views.moment[v]
        body = np.eye(4) if self.body_chain[v] == STATIC else graph.T_room_knot[self.body_chain[v], m]
        moving = self.target_chain[v] != STATIC
        target = graph.T_room_knot[self.target_chain[v], m] if moving else graph.T_room_target[self.views.target[v]]
        return body, graph.T_body_camera[self.views.camera[v]], target

    def _has(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return (V,) whether each view's body, mount and target are placed."""
        graph, moment = self.graph, self.views.moment

        def at(chain: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
            known = np.isfinite(graph.T_room_knot[:, :, 0, 0])
            return known[np.maximum(chain, 0), moment] if len(known) else np.zeros(len(chain), dtype=bool)

        body = (self.body_chain == STATIC) | at(self.body_chain)
        target = np.where(self.target_chain == STATIC, graph.placed_targets[self.views.target], at(self.target_chain))
        return body, graph.placed_cameras[self.views.camera], target

    def _place_moments(self) -> None:
        """Place what moves, at every moment where something placed sees it: the pose that explains all its views best."""
        graph = self.graph
        while True:
            waiting: dict[tuple[int, int], list[tuple[int, bool]]] = {}
            has_body, has_mount, has_target = self._has()
            chain = np.where(has_body, self.target_chain, self.body_chain)
            for v in np.flatnonzero(self.usable & self.used & has_mount & (has_body != has_target) & (chain != STATIC)).tolist():
                waiting.setdefault((int(chain[v]), int(self.views.moment[v])), []).append((v, bool(has_body[v])))
            if not waiting:
                return
            placed = False
            for (number, moment), members in waiting.items():
                members.sort(key=lambda member: -self.size[member[0]])
                candidates = []
                for v, is_target in members:
                    body, mount, target = self._parts(v)
                    for T in self._poses(v):
                        candidates.append(body @ mount @ T if is_target else target @ invert(T) @ invert(mount))
                    if len(candidates) >= _CANDIDATES:
                        break
                if not candidates:
                    continue
                errors = [self._error(candidate, members[:_JUDGES]) for candidate in candidates] if len(candidates) > 1 else [0.0]
                graph.T_room_knot[number, moment] = candidates[int(np.argmin(errors))]
                placed = True
            if not placed:
                return

    def _error(self, pose: FloatArray, members: list[tuple[int, bool]]) -> float:
        total = 0.0
        for v, is_target in members:
            body, mount, target = self._parts(v)
            T = invert(body @ mount) @ pose if is_target else invert(pose @ mount) @ target
            seen = self.seen[v]
            error = self.models[self.views.camera[v]].project(apply(T, self.views.points[v][seen])) - self.views.pixels[v][seen]
            square = np.square(error).sum(axis=-1)
            total += float(np.minimum(np.where(np.isfinite(square), square, 1e4), 1e4).sum())
        return total

    def _place_best(self) -> bool:
        """Place the camera mount or static target that most views support; False when nothing is left that any view supports."""
        support: dict[tuple[str, int], list[int]] = {}
        has_body, has_mount, has_target = self._has()
        ready = self.usable & self.used & has_body
        for v in np.flatnonzero(ready & has_target & ~has_mount).tolist():
            support.setdefault(("camera", int(self.views.camera[v])), []).append(v)
        for v in np.flatnonzero(ready & has_mount & ~has_target & (self.target_chain == STATIC)).tolist():
            support.setdefault(("target", int(self.views.target[v])), []).append(v)
        if not support:
            return self._hold_next_body()
        kind, index = max(support, key=lambda key: int(self.points[support[key]].sum()))
        rows = sorted(support[kind, index], key=lambda v: -self.size[v])[:_SUPPORT]
        candidates, owner, distance = [], [], []
        for row, v in enumerate(rows):
            body, mount, target = self._parts(v)
            for T in self._poses(v):
                candidates.append(invert(body) @ target @ invert(T) if kind == "camera" else body @ mount @ T)
                owner.append(row)
                distance.append(np.linalg.norm(T[:3, 3]))
        if not candidates:
            return bool(self._rows().size) and self._place_best()  # those views turned out to have no pose and are no longer usable
        pose = _consensus(np.stack(candidates), np.array(owner), np.array(distance))
        if kind == "camera":
            self.graph.T_body_camera[index] = pose
        else:
            self.graph.T_room_target[index] = pose
        return True

    def _hold_next_body(self) -> bool:
        """Start a body that sees something placed but has no camera yet: its best connected camera becomes its frame."""
        points = np.zeros(len(self.models))
        for v in np.flatnonzero(self.usable & self.used & (self.body_chain != STATIC)).tolist():
            _, _, target = self._parts(v)
            if int(self.structure.body_of_camera[self.views.camera[v]]) not in self.graph.reference_camera and np.isfinite(target[0, 0]):
                points[self.views.camera[v]] += self.points[v]
        if not points.any():
            return False
        self._hold(int(np.argmax(points)))
        return True


def _image_size(views: Views) -> FloatArray:
    """Return (V,) how large each view's target is in the image, as the spread of its points in px."""
    middle = np.nanmean(views.pixels, axis=1, keepdims=True)
    return np.asarray(np.sqrt(np.nansum(np.square(views.pixels - middle), axis=(1, 2))))


def _consensus(poses: FloatArray, owner: npt.NDArray[np.int64], distance: FloatArray) -> FloatArray:
    """Return the average of those poses (N, 4, 4) that agree with the one that most images agree with.

    ``owner`` (N,) tells which image a pose came from (an image may offer two, the better one first), ``distance`` (N,) how far in m the camera was.
    """
    few = np.linspace(0, len(poses) - 1, min(len(poses), 200)).astype(int)
    far = _apart(poses[few], poses, distance)
    votes = np.zeros((len(few), int(owner.max()) + 1))
    for row, vote in zip(far, votes, strict=True):
        np.maximum.at(vote, owner, np.exp(-np.square(row)))  # each image has one vote, however many poses it offers
    best = int(np.argmax(votes.sum(axis=1).round(6)))  # among equals the first, not the one that rounding favours
    order = np.argsort(far[best], kind="stable")
    nearest = order[np.unique(owner[order], return_index=True)[1]]
    near = nearest[far[best][nearest] < _NEAR]
    result: FloatArray = poses[few[best]].copy()
    weight = 1 / np.square(distance[near])
    result[:3, :3] = nearest_rotation(np.einsum("n,nij->ij", weight, poses[near, :3, :3]))
    result[:3, 3] = np.average(poses[near, :3, 3], axis=0, weights=weight)
    return result


def _apart(some: FloatArray, poses: FloatArray, distance: FloatArray) -> FloatArray:
    """Return (S, N) how far some poses (S, 4, 4) are from all (N, 4, 4), 1 where they just agree."""
    trace = some[:, :3, :3].reshape(-1, 9) @ poses[:, :3, :3].reshape(-1, 9).T
    angle = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    gap = np.linalg.norm(some[:, None, :3, 3] - poses[None, :, :3, 3], axis=-1)
    return np.asarray(np.hypot(angle / _SAME_ANGLE, gap / (_SAME_PLACE * distance)))
