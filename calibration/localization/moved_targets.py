"""Which targets of a room are not where the tag map says, since when, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.localization.body_localization import Located
from bodydouble.calibration.localization.moment_starts import target_poses_of
from bodydouble.calibration.localization.rig_motion import Outcome
from bodydouble.calibration.localization.sightings import Sightings
from bodydouble.calibration.transform import apply, invert

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_FEWEST_VIEWS = 5
_FEWEST_POINTS = 4
_FEWEST_TARGETS = 3


@dataclass(frozen=True)
class Verdicts:
    """What poses that others decide say about V views of single targets, in the order of time."""

    moment: IntArray
    """(V,)"""
    target: IntArray
    """(V,)"""
    wrong: BoolArray
    """(V,) whether more than half of the points do not agree."""


def judge_views(located: Sequence[Located]) -> Verdicts:
    """Return a verdict on every view whose moment was located by at least four points of other targets."""
    moments, targets, wrong = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=bool)]
    for found in located:
        s, start = found.sightings, found.sightings.view_start
        bad, moment, target = wrong_views(found), s.moment_of_point[start], s.target[start]
        key, count = moment * (int(s.target.max(initial=0)) + 1) + target, np.bincount(s.moment_of_point, found.agrees, minlength=s.moments)
        _, same = np.unique(key, return_inverse=True)
        own = np.bincount(same, np.bincount(s.view, found.agrees, minlength=len(start)))[same] if len(start) else np.zeros(0)
        sure = (found.outcome[moment] == Outcome.LOCATED) & (count[moment] - own >= _FEWEST_POINTS)
        moments.append(moment[sure])
        targets.append(target[sure])
        wrong.append(bad[sure])
    order = np.argsort(np.concatenate(moments), kind="stable")
    return Verdicts(np.concatenate(moments)[order], np.concatenate(targets)[order], np.concatenate(wrong)[order])


def wrong_views(found: Located) -> BoolArray:
    """Return (V,) the views of which more than half of the points do not agree with the pose."""
    s = found.sightings
    count, agree = (np.bincount(s.view, weights, minlength=len(s.view_start)) for weights in (None, found.agrees))
    return np.asarray(2 * agree < count)


def moved_since(verdicts: Verdicts) -> dict[int, int]:
    """Return target to the moment from which on most of its views are wrong; 0 if they always were.

    The moment is the one that splits its views best into right ones before and wrong ones after.
    """
    moved = {}
    for target in np.unique(verdicts.target).tolist():
        rows = np.flatnonzero(verdicts.target == target)
        wrong = verdicts.wrong[rows]
        right_before = np.concatenate([[0], np.cumsum(~wrong)])
        wrong_after = wrong.sum() - np.concatenate([[0], np.cumsum(wrong)])
        split = int(np.argmax(right_before + wrong_after))
        after = wrong[split:]
        if len(after) >= _FEWEST_VIEWS and after.mean() > 0.5:
            moved[int(target)] = int(verdicts.moment[rows[split]]) if right_before[split] else 0
    return moved


def wrong_cameras(found: Located) -> list[str]:
    """Return the cameras that see several targets and most of them where they are not, while most cameras of the body are right."""
    s, start = found.sightings, found.sightings.view_start
    sure = found.outcome[s.moment_of_point[start]] == Outcome.LOCATED
    wrong, camera, target = wrong_views(found)[sure], s.camera_of_point[start][sure], s.target[start][sure]
    seeing = [c for c in range(len(s.cameras)) if (camera == c).any()]
    bad = [
        c for c in seeing
        if (camera == c).sum() >= _FEWEST_VIEWS and wrong[camera == c].mean() > 0.5 and len(np.unique(target[(camera == c) & wrong])) >= _FEWEST_TARGETS
    ]  # fmt: skip
    return [s.cameras[c] for c in bad] if 2 * len(bad) < len(seeing) else []


def still_in_place(s: Sightings, moved: dict[int, int], knocked: set[str]) -> BoolArray:
    """Return (N,) the points of cameras that are not ``knocked``, on targets that had not ``moved`` by then."""
    since = np.full(int(max([s.target.max(initial=0), *moved])) + 1, np.iinfo(np.int64).max)
    for target, first in moved.items():
        since[target] = first
    trusted = np.array([name not in knocked for name in s.cameras], dtype=bool)
    return np.asarray((s.moment_of_point < since[s.target]) & trusted[s.camera_of_point])


def distance_moved(whole: Located, target: int, since: int, T_room_target: FloatArray) -> float:
    """Return how far the middle of a target is from its place in the map, in m: the median over its views; NaN where none tells.

    ``whole`` has the poses that were found without it, and the sightings of all targets. Its two poses in a view have about the same middle.
    """
    s = whole.sightings
    start = s.view_start
    count = np.diff(np.append(start, len(s.frame)))
    moment = s.moment_of_point[start]
    views = np.flatnonzero(
        (s.target[start] == target) & (moment >= since) & (count >= _FEWEST_POINTS) & (whole.outcome[moment] == Outcome.LOCATED)
    )
    T_camera_target = target_poses_of(s, views)[:, 0]
    good = np.isfinite(T_camera_target[:, 0, 0])
    if not good.any():
        return float("nan")
    first = start[views[good]]
    middle = np.unique(s.p_target[s.target == target], axis=0).mean(axis=0)
    T_room_camera = whole.knots.T[s.moment_of_point[first]] @ invert(s.T_camera_body[s.camera_of_point[first]])
    places = apply(T_room_camera, apply(T_camera_target[good], middle))
    return float(np.linalg.norm(np.median(places, axis=0) - apply(T_room_target[target], middle)))
