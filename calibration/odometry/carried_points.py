"""Points that move with the rig: the wearer's chest, a visor's edge, dirt on a lens. They would say that nothing moves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.odometry.sights import Sights

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MOVED_RAD = 0.05
"""So far must others have gone through the image while a point was followed, else nothing can be said of it."""
_SHARE = 0.15
"""A point that went less than this share of the way of others is carried along."""
_OTHERS = 75
"""Percentile of the ways of a camera's points that tells how far others went: a half and more of an image may be carried."""


def without_carried(sights: Sights) -> Sights:
    """Return the sights without those of points that stayed in their camera's image while the others went through it."""
    carried = carried_points(sights)
    return sights.take(~carried[sights.point])


def carried_points(sights: Sights) -> BoolArray:
    """Return (P,) which points are carried along with the rig, by the way that each went through its camera's image, from moment to moment."""
    order = np.lexsort((sights.moment, sights.camera, sights.point))
    point, camera, moment, ray = (a[order] for a in (sights.point, sights.camera, sights.moment, sights.ray))
    next_one = (point[1:] == point[:-1]) & (camera[1:] == camera[:-1]) & (moment[1:] == moment[:-1] + 1)
    at = np.flatnonzero(next_one)
    if len(at) == 0:
        return np.zeros(sights.points, dtype=np.bool_)
    step = np.linalg.norm(ray[at + 1] - ray[at], axis=1)
    usual = np.zeros(len(sights.cameras) * sights.moments)
    number = camera[at] * sights.moments + moment[at]
    by_view = np.argsort(number, kind="stable")
    views, start = np.unique(number[by_view], return_index=True)
    for view, steps in zip(views, np.split(step[by_view], start[1:]), strict=True):
        usual[int(view)] = np.percentile(steps, _OTHERS)
    own = np.bincount(point[at], step, minlength=sights.points)
    others = np.bincount(point[at], usual[number], minlength=sights.points)
    return np.asarray((others > _MOVED_RAD) & (own < _SHARE * others))
