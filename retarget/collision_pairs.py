"""Which capsules are worth keeping apart: those that can meet, and that don't touch by design.

Left out are pairs of one body and of neighbours in the tree (through fixed joints and through joints that turn about the same place, such as the three of a
hip), pairs that overlap both at zero and at rest, or in one of them and most other postures (parts that were built into each other), thumb tip against
fingertip of one hand (a pinch is meant), the robot file's own list, and pairs that never came near in thousands of random postures. How near is near depends
on how well so many postures cover the joints in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.retarget.capsule_fitting import Capsule

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]

POSTURES = 3000
CHUNK = 150
COVERED = 0.003
"""m that a capsule may stand out of another one that makes it needless."""
SAME_PLACE = 0.012
"""m: joints nearer to each other than this turn about the same place."""
NEAR_BY_JOINTS = ((2, 0.004), (4, 0.012), (7, 0.03), (1000, 0.05))
"""With at most so many joints between two capsules, a pair is kept if it came nearer than this (m)."""
MOSTLY = 0.5
"""Share of postures; a pair that overlaps in more of them, and at zero or at rest, is built that way."""


def candidate_pairs(model: Any, joint_of: IndexArray) -> IndexArray:
    """Return the pairs (P, 2) of capsules on bodies that are no neighbours. ``joint_of``: the model joint that carries each capsule."""
    near = _neighbours(model)
    joints = joint_of
    first, second = np.triu_indices(len(joints), 1)
    apart = ~near[joints[first], joints[second]]
    return np.column_stack([first[apart], second[apart]])


def without_ignored(pairs: IndexArray, links: Sequence[str], ignore: Sequence[tuple[str, str]]) -> IndexArray:
    """Return the pairs without those whose links match a pair of patterns (``*`` stands for anything), either way round."""
    hits = {p: np.array([fnmatchcase(link, p) for link in links]) for pattern in ignore for p in pattern}
    drop = np.zeros(len(pairs), dtype=bool)
    for p, q in ignore:
        drop |= (hits[p][pairs[:, 0]] & hits[q][pairs[:, 1]]) | (hits[q][pairs[:, 0]] & hits[p][pairs[:, 1]])
    return pairs[~drop]


def can_meet(
    model: Any, joint_of: IndexArray, ends: FloatArray, radii: FloatArray, pairs: IndexArray, postures: FloatArray, designed: FloatArray
) -> IndexArray:
    """Return the pairs that come near in some of the ``postures`` and don't overlap by design.

    ``ends``: (C, 2, 3) m in the frame of the carrying joint; ``postures``: (N, nq); ``designed``: (D, nq) postures such as zero and rest, in which the robot
    is whole: pairs that overlap in all of them, or in one of them and most of the others, are left out.
    """
    joints = joint_of
    built = _gaps(model, joints, ends, radii, pairs, designed)
    overlapping = np.asarray(built < 0).sum(axis=1)
    apart = overlapping < len(designed)
    pairs, together = pairs[apart], overlapping[apart] > 0
    threshold = _thresholds(model, joints, pairs)
    least, overlaps, seen = np.full(len(pairs), np.inf), np.zeros(len(pairs)), np.zeros(len(pairs))
    open_pairs = np.arange(len(pairs))
    for start in range(0, len(postures), CHUNK):
        chunk = postures[start : start + CHUNK]
        gaps = _gaps(model, joints, ends, radii, pairs[open_pairs], chunk)
        least[open_pairs] = np.minimum(least[open_pairs], gaps.min(axis=1))
        overlaps[open_pairs] += (gaps < 0).sum(axis=1)
        seen[open_pairs] += len(chunk)
        # A pair that is near and has been seen often enough to tell whether it is built together needs no further look.
        open_pairs = open_pairs[(least[open_pairs] > threshold[open_pairs]) | (seen[open_pairs] < 2 * CHUNK)]
    kept: IndexArray = pairs[(least <= threshold) & ~(together & (overlaps >= MOSTLY * seen))]
    return kept


def covered_by_neighbours(
    model: Any, joint_of: IndexArray, ends: FloatArray, radii: FloatArray, postures: FloatArray
) -> npt.NDArray[np.bool_]:
    """Return which capsules (C,) lie within 3 mm in those of neighbouring bodies in all postures: motors inside a joint, knuckles."""
    joints = joint_of
    near = _neighbours(model)
    placed = _placed(model, joints, ends, postures)
    covered = np.zeros(len(joints), dtype=bool)
    for i in np.argsort(radii):
        others = np.flatnonzero(near[joints[i], joints] & (joints != joints[i]) & ~covered)
        if not len(others):
            continue
        held = True
        for posture in placed:
            points = Capsule(posture[i, 0], posture[i, 1], float(radii[i])).surface(5, 8)
            gaps = segment_distances(points[:, None], points[:, None], posture[None, others, 0], posture[None, others, 1]) - radii[others]
            if gaps.min(axis=1).max() > COVERED:
                held = False
                break
        covered[i] = held
    return covered


def segment_distances(a1: FloatArray, b1: FloatArray, a2: FloatArray, b2: FloatArray) -> FloatArray:
    """Return the distances (...) m between segments a1 b1 and a2 b2 (..., 3). Ericson, Real-Time Collision Detection (2005), 5.1.9."""
    d1, d2, r = b1 - a1, b2 - a2, a1 - a2
    a, e = np.maximum((d1 * d1).sum(-1), 1e-18), np.maximum((d2 * d2).sum(-1), 1e-18)
    b, c, f = (d1 * d2).sum(-1), (d1 * r).sum(-1), (d2 * r).sum(-1)
    denominator = a * e - b * b
    s = np.clip(np.where(denominator > 1e-12 * a * e, (b * f - c * e) / np.maximum(denominator, 1e-30), 0.0), 0, 1)
    t = np.clip((b * s + f) / e, 0, 1)
    s = np.clip((b * t - c) / a, 0, 1)
    gap = r + s[..., None] * d1 - t[..., None] * d2
    distance: FloatArray = np.sqrt((gap * gap).sum(-1))
    return distance


def _gaps(model: Any, joints: IndexArray, ends: FloatArray, radii: FloatArray, pairs: IndexArray, postures: FloatArray) -> FloatArray:
    """Return the distance (P, N) m between the surfaces of each pair in each posture, negative where they overlap."""
    placed = _placed(model, joints, ends, postures)
    result = np.empty((len(pairs), len(postures)))
    for t in range(len(postures)):
        one, two = placed[t, pairs[:, 0]], placed[t, pairs[:, 1]]
        result[:, t] = segment_distances(one[:, 0], one[:, 1], two[:, 0], two[:, 1])
    return result - (radii[pairs[:, 0]] + radii[pairs[:, 1]])[:, None]


def _placed(model: Any, joints: IndexArray, ends: FloatArray, postures: FloatArray) -> FloatArray:
    """Return the ends (N, C, 2, 3) m of all capsules in each posture."""
    data = model.createData()
    placed = np.empty((len(postures), len(joints), 2, 3))
    rotations, places = np.empty((model.njoints, 3, 3)), np.empty((model.njoints, 3))
    for t, q in enumerate(postures):
        pin.forwardKinematics(model, data, q)
        for i, pose in enumerate(data.oMi):
            rotations[i], places[i] = pose.rotation, pose.translation
        placed[t] = np.einsum("cij,ckj->cki", rotations[joints], ends) + places[joints][:, None]
    return placed


def _neighbours(model: Any) -> npt.NDArray[np.bool_]:
    """Return which bodies (njoints, njoints) are the same or next to each other, counting joints about the same place as one."""
    near = np.eye(model.njoints, dtype=bool)
    for joint in range(1, model.njoints):
        parent = model.parents[joint]
        near[joint, parent] = near[parent, joint] = True
        # Through a body whose two joints are at the same place, the bodies beyond it are neighbours too.
        child, ancestor = joint, parent
        while ancestor > 0 and np.linalg.norm(model.jointPlacements[child].translation) < SAME_PLACE:
            child, ancestor = ancestor, model.parents[ancestor]
            near[joint, ancestor] = near[ancestor, joint] = True
    return near


def _thresholds(model: Any, joints: IndexArray, pairs: IndexArray) -> FloatArray:
    supports = [set(model.supports[j]) for j in range(model.njoints)]
    between = {}
    result = np.empty(len(pairs))
    for row, (i, j) in enumerate(joints[pairs]):
        if (i, j) not in between:
            count = len(supports[i] ^ supports[j])
            between[i, j] = next(near for most, near in NEAR_BY_JOINTS if count <= most)
        result[row] = between[i, j]
    return result
