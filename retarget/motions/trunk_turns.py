"""How pelvis, spine, thorax, collar bones, neck and head are turned, from the points on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.mapping import SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.rotations import best_rotation, halfway, known_rows, least_rotation, median_known, turned_back, unit
from bodydouble.retarget.motions.zero_pose import FACE, zero_places

FloatArray = npt.NDArray[np.float64]

APART = 0.03
"""m: a joint of the spine nearer to the hips' middle than this says nothing about the pelvis."""
HANGING = -0.5
"""An upper arm whose direction is this far down the thorax leaves the collar bone at rest."""
UPRIGHT = 0.35
"""rad from the vertical within which a thorax is upright."""
LEAN = 0.7
"""rad: a neck that leans further than this on average does so on purpose and is not how the file draws a straight one."""


def trunk_turns(body: BodyPoints) -> dict[str, FloatArray]:
    """Return R_world_link (T, 3, 3) of the trunk's links and the head, NaN where the points do not tell.

    Pelvis and thorax: the rotation that brings the zero pose's hips, shoulders and joints of the spine nearest to the measured ones. Links whose turn
    ``body`` has already keep it, and others are built on it.
    """
    body = _with_middles(body)
    thorax = given_or(body, "thorax", _fit(body, ["left_upper_arm", "right_upper_arm", "neck", _below(body)]))
    pelvis = given_or(body, "pelvis", _fit(body, ["left_thigh", "right_thigh", _above(body)]))
    turns = {"thorax": thorax, "pelvis": pelvis}
    turns["spine"] = given_or(body, "spine", halfway(pelvis, thorax))
    turns |= _head(body, thorax)
    for side in SIDES:
        turns[f"{side}_clavicle"] = given_or(body, f"{side}_clavicle", _clavicle(body, thorax, side))
    return turns


def shoulder_middle(body: BodyPoints) -> FloatArray:
    """Return (T, 3) the middle of the shoulders."""
    return (body.place("left_upper_arm") + body.place("right_upper_arm")) / 2


def hip_middle(body: BodyPoints) -> FloatArray:
    """Return (T, 3) the middle of the hips, or the file's pelvis where they are not known."""
    middle = (body.place("left_thigh") + body.place("right_thigh")) / 2
    return np.where(np.isfinite(middle), middle, body.place("pelvis"))


def given_or(body: BodyPoints, link: str, made: FloatArray) -> FloatArray:
    """Return how a link is turned (T, 3, 3): as ``body`` has it, else as ``made``."""
    given = body.turn(link)
    return np.where(np.isfinite(given), given, made)


def _fit(body: BodyPoints, points: list[str]) -> FloatArray:
    zero = np.stack([zero_places()[point] for point in points])
    return best_rotation(zero, np.stack([body.place(point) for point in points], axis=1))


def _with_middles(body: BodyPoints) -> BodyPoints:
    """Fill in the neck by the middle of the shoulders and the pelvis by that of the hips, which is where the zero pose has them."""
    return body.with_places({"neck": shoulder_middle(body), "pelvis": hip_middle(body)})


def _below(body: BodyPoints) -> str:
    """Name the point under the shoulders that tells which way the thorax leans."""
    if body.knows("thorax"):
        return "thorax"
    return "pelvis"


def _above(body: BodyPoints) -> str:
    """Name the point over the hips that tells which way the pelvis leans."""
    for point in ("spine", "thorax"):
        if median_known(np.linalg.norm(body.place(point) - hip_middle(body), axis=1)) > APART:
            return point
    return "neck"


def _head(body: BodyPoints, thorax: FloatArray) -> dict[str, FloatArray]:
    zero = zero_places()
    face = [point for point in FACE if body.knows(point)]
    head = np.full((body.frames, 3, 3), np.nan)
    if len(face) >= 3:
        head = best_rotation(np.stack([zero[point] for point in face]), np.stack([body.place(point) for point in face], axis=1))
    nodding = _nodding(body, thorax)
    head = given_or(body, "head", np.where(np.isfinite(head), head, nodding))
    neck = given_or(body, "neck", np.where(np.isfinite(nodding), nodding, halfway(thorax, head)))
    return {"neck": neck, "head": head}


def _nodding(body: BodyPoints, thorax: FloatArray) -> FloatArray:
    """Return how the neck is turned by where the head is on it.

    How files draw a straight neck differs by 40 degrees, so its median while the thorax is upright is taken as straight: people then look ahead.
    """
    base = body.place("neck") if body.knows("neck") else shoulder_middle(body)
    direction = turned_back(thorax, unit(body.place("head") - base))
    known = known_rows(direction)
    if not known.any():
        return np.full((body.frames, 3, 3), np.nan)
    up = np.array([0.0, 0.0, 1.0])
    upright = known & (thorax[:, 2, 2] > np.cos(UPRIGHT))
    straight = unit(np.median(direction[upright if upright.any() else known], axis=0))
    if not np.dot(straight, up) > np.cos(LEAN):
        straight = up
    return np.asarray(thorax @ least_rotation(straight, direction))


def _clavicle(body: BodyPoints, thorax: FloatArray, side: str) -> FloatArray:
    """Return how a collar bone is turned against how it is when the arm hangs; as the thorax where the file has no such bone."""
    direction = turned_back(thorax, unit(body.place(f"{side}_upper_arm") - body.place(f"{side}_clavicle")))
    known = known_rows(direction)
    if not known.any():
        return thorax
    arm = turned_back(thorax, unit(body.place(f"{side}_forearm") - body.place(f"{side}_upper_arm")))
    hanging = known & (np.nan_to_num(arm[:, 2]) < HANGING)
    rest = unit(np.median(direction[hanging if hanging.any() else known], axis=0))
    return np.where(known[:, None, None], thorax @ least_rotation(rest, direction), thorax)
