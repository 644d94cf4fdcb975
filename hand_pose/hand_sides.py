"""Which hand each worn camera sees: decided for all cameras of a frame at once and over time, never image by image.

A view's detector gives at most one left and one right hand; whether it has them exchanged is one bit a view, and the bits of all worn cameras are one
state of a frame. A state is cheap when the rays of each hand meet, at the depth that the hand's size says, on its own side of the body, near where that
hand was, and when few labels are contradicted. The cheapest path of states through time is found by dynamic programming (Viterbi 1967), with each
path's own memory of where it saw the hands last.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.triangulate import triangulate

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

DECISIVE = np.array([0, 4, 5, 8, 9, 12, 17])
"""Wrist, three fingertips and three knuckles: what is triangulated to decide."""
WRIST, MIDDLE_KNUCKLE = 0, 9
FARTHEST_M = 1.15
"""A hand further than this from the eyes is not the wearer's: shoulders are 0.3 m below them and an arm with its hand is 0.75 m long."""
SINGLE_COST = 0.4
"""Cost of a hand that one camera alone sees, in units of one fully outlying view."""
DEPTH_SPREAD = 0.3
"""Relative error of a hand's distance judged by its size: hands differ by 8 %, the model's by more."""
DEPTH_COST = 0.5
LABEL_COST, LABEL_COST_OF_SURE = 0.0125, 0.0625
"""Cost of contradicting the model's label at a score of 0.5, and what is added up to a score of 1: 6 % of labels are wrong in helmet views, and not one by
one: what is taken for the other hand is so by all cameras and for as long as it looks so. Where an elbow is and where a hand was must outweigh that."""
SIDE_COST, SIDE_M = 0.6, 0.25
"""Cost of an elbow wholly on the other side of the body, and how far from the middle that is."""
FOREARM_M = 0.26
MIXED_COST = 0.6
"""Cost of each view that is exchanged where most are not, or the other way round: the tracker has told already which hands of all views are one."""
JUMP_COST, SPEED = 1.5, 4.0
"""Cost of a hand that is elsewhere than it was, and the m/s at which its way counts half; hands reach 5 m/s."""
TRIANGULATED_M, SINGLE_M = 0.04, 0.15
"""Error of a hand's place from several cameras and from one."""
SWITCH_COST, SWITCH_M = 1.5, 0.12
"""Cost of one hand appearing where the other one just was and is no more."""
APPEAR_COST = 0.3
MEMORY_S = 0.6
"""How long the last place of a hand means something."""
MAX_JOINT_CAMERAS = 6
BLOCK = 256
"""Frames worked on at a time."""


@dataclass(frozen=True)
class HandSides:
    """What was decided for C cameras over T frames."""

    swap: BoolArray
    """(C, T) True where a view's left and right are exchanged."""
    dropped: BoolArray
    """(C, T, 2) True where what a view calls its left, its right hand is not the wearer's."""
    places: FloatArray
    """(T, 2, 3) m, the middle of the left and of the right hand in the world; NaN where not seen."""


@dataclass(frozen=True)
class HandViews:
    """What is known of every view's two hands, before sides are decided. Axis 2 of (C, T, 2, ...) is what the view calls left, right."""

    origins: FloatArray
    """(C, T, 3)."""
    rays: FloatArray
    """(C, T, 2, 21, 3) in the world, NaN where not seen."""
    sigma_rad: FloatArray
    """(C, T, 2) expected error of a ray."""
    score: FloatArray
    """(C, T, 2) how sure the model is of the label."""
    guess: FloatArray
    """(C, T, 2, 21, 3) m in the world, each view's own guess from the hand's size; NaN where not seen."""

    @classmethod
    def of(cls, origins: FloatArray, rays: FloatArray, sigma_rad: FloatArray, confidence: FloatArray, shape_world: FloatArray) -> HandViews:
        """Take the hands out of arrays (C, T, 75, ...); ``shape_world`` is the model's own 3D guess in world axes."""

        def hands(values: FloatArray) -> FloatArray:
            return np.stack([values[:, :, LEFT_HAND], values[:, :, RIGHT_HAND]], axis=2)

        directions = hands(rays)
        return cls(
            origins, directions, hands(sigma_rad)[..., 0], hands(confidence)[..., 0], _placed(origins, directions, hands(shape_world))
        )

    @property
    def seen(self) -> BoolArray:
        """(C, T, 2)."""
        return np.isfinite(self.rays[..., 0, 0])


def decide_hands(views: HandViews, times_s: FloatArray, free: BoolArray, T_world_head: FloatArray) -> HandSides:
    """Return the sides of every view's hands.

    ``free`` (C,): cameras whose labels may be wrong; those of the others (room cameras, whose hands hang on a body) are kept. ``T_world_head``
    (T, 4, 4): origin between the eyes, x forward, y left, z up; NaN where not known.
    """
    cameras, frames = views.seen.shape[:2]
    from_head = np.linalg.norm(_middles(views) - T_world_head[None, :, None, :3, 3], axis=-1)
    dropped = views.seen & free[:, None, None] & (from_head > FARTHEST_M)
    kept = _without(views, dropped)
    order = np.flatnonzero(free)
    best = order[np.argsort(-kept.seen[order].sum(axis=(1, 2)), kind="stable")[:MAX_JOINT_CAMERAS]]
    states = np.array(list(itertools.product((False, True), repeat=len(best))), dtype=bool).reshape(-1, len(best))
    costs, places, several = _evidence(kept, states, best, free, T_world_head)
    sees = kept.seen[best].any(axis=2).astype(float)
    costs += MIXED_COST * np.minimum(states @ sees, ~states @ sees)
    path = _cheapest_path(costs, places, several, times_s)
    swap = np.zeros((cameras, frames), dtype=bool)
    swap[best] = states[path].T
    chosen = places[path, np.arange(frames)]
    for camera in [c for c in order if c not in best]:
        middle = _middles(kept)[camera]
        as_is = np.nansum(np.linalg.norm(middle - chosen, axis=-1), axis=-1)
        swap[camera] = np.nansum(np.linalg.norm(middle[:, ::-1] - chosen, axis=-1), axis=-1) + 0.05 < as_is
    return HandSides(swap, dropped, chosen)


def _placed(origins: FloatArray, rays: FloatArray, shape: FloatArray) -> FloatArray:
    """Return each view's hand (..., 21, 3) moved to where its own rays pass its points closest: a hand of known size has a distance."""
    projectors = np.eye(3) - rays[..., :, None] * rays[..., None, :]
    right = np.einsum("ctsnij,ctsnj->ctsi", projectors, origins[:, :, None, None] - shape)
    normal = projectors.sum(axis=3)
    placed = np.full(rays.shape, np.nan)
    there = np.isfinite(right).all(axis=-1) & np.isfinite(normal).all(axis=(-1, -2))
    if there.any():
        shift = np.linalg.solve(normal[there], right[there][..., None])[..., 0]
        placed[there] = shape[there] + shift[:, None]
    return placed


def _middles(views: HandViews) -> FloatArray:
    """Return (C, T, 2, 3) m, the middle of each view's guess."""
    return np.asarray(views.guess.mean(axis=3))


def _without(views: HandViews, dropped: BoolArray) -> HandViews:
    gone = dropped[..., None, None]
    return HandViews(
        views.origins, np.where(gone, np.nan, views.rays), views.sigma_rad, views.score, np.where(gone, np.nan, views.guess)
    )  # fmt: skip


def _evidence(
    views: HandViews, states: BoolArray, best: npt.NDArray[np.intp], free: BoolArray, T_world_head: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return costs (S, T), places (S, T, 2, 3) and whether several cameras see that hand (S, T, 2), of every state by itself."""
    cameras, frames = views.seen.shape[:2]
    used = np.union1d(best, np.flatnonzero(~free)).astype(np.intp)
    cost, place = np.zeros((len(states), frames)), np.full((len(states), frames, 2, 3), np.nan)
    several = np.zeros((len(states), frames, 2), dtype=bool)
    for first in range(0, frames, BLOCK):
        part = slice(first, min(first + BLOCK, frames))
        groups: dict[bytes, _Group] = {}
        for number, state in enumerate(states):
            swap = np.zeros(cameras, dtype=bool)
            swap[best] = state
            for side in (0, 1):
                slot = np.where(swap, 1 - side, side)[used]
                group = groups.get(slot.tobytes()) or groups.setdefault(slot.tobytes(), _Group.of(views, used, slot, part))
                cost[number, part] += group.cost + _wrong_side(group, side, T_world_head[part])
                place[number, part, side], several[number, part, side] = group.middle, group.count >= 2
                against = np.where(free[used] & (slot != side), 1.0, 0.0)
                cost[number, part] += (against[:, None] * group.label_cost).sum(axis=0)
    return cost, place, several


@dataclass(frozen=True)
class _Group:
    """One hand as some views of T frames see it."""

    cost: FloatArray
    """(T,) disagreement."""
    count: npt.NDArray[np.int_]
    """(T,) views."""
    middle: FloatArray
    """(T, 3)."""
    elbow: FloatArray
    """(T, 3) where the forearm comes from if the wrist is straight."""
    label_cost: FloatArray
    """(C, T) of contradicting each view's label."""

    @classmethod
    def of(cls, views: HandViews, cameras: npt.NDArray[np.intp], slot: npt.NDArray[np.intp], part: slice) -> _Group:
        rays = views.rays[cameras, part, slot][:, :, DECISIVE]
        seen = np.isfinite(rays[..., 0, 0])
        count = seen.sum(axis=0)
        guess = views.guess[cameras, part, slot]
        own = guess[:, :, DECISIVE].mean(axis=2)
        C, K = len(rays), len(DECISIVE)
        middle, points = _mean(own), _mean(guess[:, :, [WRIST, MIDDLE_KNUCKLE]])
        cost = np.where(count == 1, SINGLE_COST, 0.0)
        rows = np.flatnonzero(count >= 2)
        if len(rows):
            sigma = np.repeat(np.nan_to_num(views.sigma_rad[cameras, part, slot][:, rows], nan=1.0)[..., None], K, axis=2)
            found = triangulate(
                np.repeat(views.origins[cameras, part][:, rows, None], K, axis=2).reshape(C, -1, 3), rays[:, rows].reshape(C, -1, 3),
                np.repeat(seen[:, rows, None], K, axis=2).reshape(C, -1).astype(np.float64), sigma.reshape(C, -1), refinements=1,
            )  # fmt: skip
            at = found.points.reshape(len(rows), K, 3)
            # Rays of cameras beside each other are too near to parallel to be intersected: there the hand's size says where it is.
            sized = _mean(guess[:, rows][:, :, DECISIVE])
            apart = _disagreement(sized, views.origins[cameras, part][:, rows], rays[:, rows], sigma)
            outlying = np.where(np.isfinite(found.cost), found.cost, apart.ravel()).reshape(len(rows), K).mean(axis=1)
            whole = np.isfinite(at).all(axis=(1, 2))
            middle[rows[whole]] = at[whole].mean(axis=1)
            points[rows[whole]] = at[whole][:, [0, 4]]
            camera = views.origins[cameras, part][:, rows]
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = np.linalg.norm(middle[rows] - camera, axis=-1) / np.linalg.norm(own[:, rows] - camera, axis=-1)
                error = (np.log(ratio) / DEPTH_SPREAD) ** 2
            cost[rows] = outlying + DEPTH_COST * np.nansum(np.where(seen[:, rows], error / (1.0 + error), 0.0), axis=0)
        along = points[:, 1] - points[:, 0]
        length = np.linalg.norm(along, axis=-1, keepdims=True)
        elbow = points[:, 0] - FOREARM_M * along / np.maximum(length, 1e-6)
        score = np.where(seen, np.nan_to_num(views.score[cameras, part, slot], nan=0.5), 0.0)
        label = np.where(seen, LABEL_COST + LABEL_COST_OF_SURE * np.clip(2.0 * score - 1.0, 0.0, 1.0), 0.0)
        return cls(cost, count, middle, elbow, label)


def _disagreement(points: FloatArray, origins: FloatArray, rays: FloatArray, sigma: FloatArray) -> FloatArray:
    """Return (F, K) by how many views rays (C, F, K, 3) miss points (F, K, 3): robust, each view counts one at most; all where they are not known."""
    towards = points - origins[:, :, None]
    distance = np.linalg.norm(towards, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.einsum("cfki,cfki->cfk", towards, rays) / distance
        squared = (np.arccos(np.clip(cosine, -1.0, 1.0)) / sigma) ** 2
    seen = np.isfinite(rays[..., 0])
    missed: FloatArray = np.where(seen, np.where(np.isfinite(squared), squared / (1.0 + squared), 1.0), 0.0).sum(axis=0)
    return missed


def _mean(values: FloatArray) -> FloatArray:
    """Return the mean over the first axis of what is there; NaN where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    mean: FloatArray = np.where(count > 0, np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return mean


def _wrong_side(group: _Group, side: int, T_world_head: FloatArray) -> FloatArray:
    """Return (T,): how surely the elbow is on the side of the other arm; crossed hands have their elbows on their own sides still."""
    left = np.einsum("ti,ti->t", group.elbow - T_world_head[:, :3, 3], T_world_head[:, :3, 1])
    own = left if side == 0 else -left
    cost: FloatArray = SIDE_COST * np.nan_to_num(np.clip((SIDE_M / 4 - own) / SIDE_M, 0.0, 1.0))
    return cost


def _cheapest_path(costs: FloatArray, places: FloatArray, several: BoolArray, times_s: FloatArray) -> npt.NDArray[np.intp]:
    """Return the state of every frame (T,); each surviving path remembers where it saw either hand last."""
    states, frames = costs.shape
    total = costs[:, 0].copy() if frames else np.zeros(states)
    came_from = np.zeros((frames, states), dtype=np.intp)
    last = places[:, 0].copy() if frames else np.zeros((states, 2, 3))
    last_s = np.where(np.isfinite(last[..., 0]), times_s[0] if frames else 0.0, -np.inf)
    for frame in range(1, frames):
        now = places[:, frame]
        there = np.isfinite(now[..., 0])
        age = times_s[frame] - last_s  # (S, 2)
        error = np.where(several[:, frame], TRIANGULATED_M, SINGLE_M)  # of the state now
        moving = np.zeros((states, states))  # [before, now]
        for side in (0, 1):
            apart = np.linalg.norm(now[None, :, side] - last[:, None, side], axis=-1)
            reach = SPEED * np.where(np.isfinite(age[:, None, side]), age[:, None, side], 1.0) + error[None, :, side]
            jump = (apart / reach) ** 2
            known = (age[:, None, side] < MEMORY_S) & there[None, :, side]
            moving += np.where(known, JUMP_COST * np.nan_to_num(jump / (1.0 + jump)), np.where(there[None, :, side], APPEAR_COST, 0.0))
            other = 1 - side
            from_other = np.linalg.norm(now[None, :, side] - last[:, None, other], axis=-1)
            gone = there[None, :, side] & ~there[None, :, other] & (age[:, None, other] < MEMORY_S)
            nearer = gone & ~(known & (apart < from_other))
            moving += np.where(nearer, SWITCH_COST * np.exp(-((np.nan_to_num(from_other, nan=9.0) / SWITCH_M) ** 2)), 0.0)
        candidate = total[:, None] + moving
        came_from[frame] = np.argmin(candidate, axis=0)
        total = np.min(candidate, axis=0) + costs[:, frame]
        last, last_s = last[came_from[frame]], last_s[came_from[frame]]
        last = np.where(there[..., None], now, last)
        last_s = np.where(there, times_s[frame], last_s)
    path = np.zeros(frames, dtype=np.intp)
    if frames:
        path[-1] = int(np.argmin(total))
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path
