"""The person behind an arm or a hand: pelvis, spine, thorax, shoulders and, for a hand alone, the elbow. All of it is inferred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.mapping import SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.rotations import about, across, axes_along, known_rows, mean_rotation, turned, unit
from bodydouble.retarget.motions.trunk_turns import hip_middle, shoulder_middle
from bodydouble.retarget.motions.zero_pose import zero_offset, zero_places

FloatArray = npt.NDArray[np.float64]

UP = np.array([0.0, 0.0, 1.0])
FORWARD, INWARD, HEIGHT = 0.20, 0.02, 1.05
"""m: where a hand of which nothing else is known is on average: before its shoulder, from there towards the middle, above the floor. The elbow is then bent
by 80 degrees."""
DOWN = 0.35
"""rad that such a hand points down, as its forearm does."""
OWN_AXES = 0.25
"""rad: a hand whose turn stays this near to its mean in 95 % of the frames is seen in its own axes."""
POLE = np.array([-0.4, 0.15, -1.0])
"""Where a left elbow points that nobody saw, in the thorax frame: down, out and back."""
LEVEL = 0.3
"""A direction with a level part shorter than this does not tell where a person faces."""


@dataclass(frozen=True)
class Completed:
    """A body with a trunk, and what was made up for it."""

    body: BodyPoints
    inferred: tuple[str, ...]
    """In words."""
    placed: tuple[str, ...] = ()
    """Sides whose hand was put where it is."""


def with_trunk(body: BodyPoints, turns: dict[str, FloatArray], *, axes_known: bool) -> Completed:
    """Return ``body`` with the trunk that it lacks. ``turns``: what ``link_turns`` found.

    A hand without its elbow is placed, by its mean, before an upright person at ``HEIGHT``; what it does about that mean is kept. If the file's axes are
    not known either, it is also turned so that its mean turn is that of a relaxed hand: fingers ahead, thumb up. Where all is there, nothing changes.
    """
    sides = tuple(side for side in SIDES if body.knows(f"{side}_hand"))
    if body.knows("left_thigh", "right_thigh") and (known_rows(turns["thorax"]).any() or not sides):
        return Completed(body, ())
    made: list[str] = []
    alone = not any(body.knows(f"{side}_{part}") for side in SIDES for part in ("forearm", "upper_arm", "thigh"))
    if alone and sides:
        body, turns = _before_person(body, turns, sides, axes_known)
        made.append("the hand's place, before an upright person" + ("" if axes_known else "; its mean turn, fingers ahead and thumb up"))
        if not axes_known and all(_turns_little(turns[f"{side}_hand"]) for side in sides):
            made.append("how the hand turns, since the file's axes are the hand's own")
    thorax = turns["thorax"]
    if not known_rows(thorax).any():
        thorax = _upright(body, turns, sides)
        made.append("thorax")
    thorax = _held(thorax)
    neck = _neck(body, thorax, sides, alone)
    places = {"neck": neck}
    for side in SIDES:
        places[f"{side}_upper_arm"] = neck + turned(thorax, zero_offset(f"{side}_upper_arm", "neck")[None])
    body = body.with_places(places)
    for side in sides:
        if not body.knows(f"{side}_forearm"):
            body = body.with_places({f"{side}_forearm": _elbow(body, thorax, side)})
            made.append(f"{side} elbow")
    pelvis = axes_along(np.broadcast_to(UP, neck.shape), thorax[:, :, 1], "zy")
    hips = neck - turned(thorax, zero_offset("neck", "pelvis")[None])
    if not known_rows(hip_middle(body)).any():
        body = body.with_places(
            {"pelvis": hips} | {f"{side}_thigh": hips + turned(pelvis, zero_offset(f"{side}_thigh", "pelvis")[None]) for side in SIDES}
        )
        body = body.with_turns({"pelvis": pelvis})
        made.append("pelvis and spine")
    body = body.with_turns({"thorax": thorax} | {f"{side}_clavicle": thorax for side in SIDES})
    return Completed(body, tuple(made), sides if alone else ())


def _turns_little(turns: FloatArray) -> bool:
    """Tell whether a hand keeps its turn, as in files whose axes are fixed to the hand (dex-retargeting's: z to the middle knuckle, x out of the palm)."""
    apart = np.trace(mean_rotation(turns).T @ turns[known_rows(turns)], axis1=1, axis2=2)
    return len(apart) > 1 and bool(np.percentile((apart - 1) / 2, 5.0) > np.cos(OWN_AXES))


def _before_person(
    body: BodyPoints, turns: dict[str, FloatArray], sides: tuple[str, ...], axes_known: bool
) -> tuple[BodyPoints, dict[str, FloatArray]]:
    """Move hands of which nothing else is known to a place where a person can work: the person stands at the origin, or where the hands' way leads."""
    rotation = np.eye(3)
    if not axes_known and len(sides) == 1:
        mean = mean_rotation(turns[f"{sides[0]}_hand"])
        if np.isfinite(mean).all():
            rotation = about("y", DOWN - np.pi / 2) @ mean.T
    moved = {link: rotation @ turn for link, turn in turns.items()}
    body = body.moved(rotation, np.zeros(3))
    facing = _facing(body, moved, sides)
    aside = np.cross(UP, facing)
    wrists = np.stack([body.place(f"{side}_hand") for side in sides])
    middle = np.nanmean(wrists, axis=(0, 1))
    place = FORWARD * facing + _beside(sides) * aside + HEIGHT * UP
    return body.moved(np.eye(3), place - middle), moved


def _beside(sides: tuple[str, ...]) -> float:
    """Return how far (m) to the left of the person's middle the hands are on average."""
    out = float(zero_offset("left_upper_arm", "neck")[1]) - INWARD
    return 0.0 if len(sides) == 2 else out if sides == ("left",) else -out


def _facing(body: BodyPoints, turns: dict[str, FloatArray], sides: tuple[str, ...]) -> FloatArray:
    """Return the level direction (3,) in which the person faces: as the fingers point on average, else x."""
    pointing = []
    for side in sides:
        ahead = -turns[f"{side}_hand"][:, :, 2]
        known = known_rows(ahead)
        if known.any():
            pointing.append(ahead[known].mean(axis=0))
        reach = unit(body.place(f"{side}_hand") - body.place(f"{side}_forearm"))
        if known_rows(reach).any():
            pointing.append(np.nanmean(reach, axis=0))
    level = np.mean(pointing, axis=0) * (1.0, 1.0, 0.0) if pointing else np.zeros(3)
    return np.asarray(level / np.linalg.norm(level)) if np.linalg.norm(level) > LEVEL else np.array([1.0, 0.0, 0.0])


def _upright(body: BodyPoints, turns: dict[str, FloatArray], sides: tuple[str, ...]) -> FloatArray:
    """Return R_world_thorax (T, 3, 3) of an upright person: left along the shoulders or the hips where both are known, else facing where hands point."""
    up = np.broadcast_to(UP, (body.frames, 3))
    left, hips = (body.place(f"left_{part}") - body.place(f"right_{part}") for part in ("upper_arm", "thigh"))
    left = np.where(np.isfinite(left), left, hips)
    found = axes_along(up, left, "zy")
    if np.isfinite(found).any():
        return found
    return np.broadcast_to(axes_along(UP[None], np.cross(UP, _facing(body, turns, sides))[None], "zy"), (body.frames, 3, 3))


def _held(turns: FloatArray) -> FloatArray:
    """Return turns (T, 3, 3) with those that are NaN as the nearest known one in time."""
    known = np.flatnonzero(known_rows(turns))
    every = np.arange(len(turns))
    after = np.clip(np.searchsorted(known, every), 0, len(known) - 1)
    before = np.clip(after - 1, 0, None)
    nearest = np.where(np.abs(known[after] - every) <= np.abs(known[before] - every), known[after], known[before])
    return np.asarray(turns[nearest])


def _neck(body: BodyPoints, thorax: FloatArray, sides: tuple[str, ...], alone: bool) -> FloatArray:
    """Return where the middle of the shoulders (T, 3) is: from the shoulders that are known, from the elbows, or above and behind hands that are alone."""
    guesses = [body.place("neck"), shoulder_middle(body)]
    guesses += [body.place(f"{side}_upper_arm") - turned(thorax, zero_offset(f"{side}_upper_arm", "neck")[None]) for side in SIDES]
    for side in sides:
        elbow = body.place(f"{side}_forearm")
        if known_rows(elbow).any():
            still = np.nanmean(elbow, axis=0) - zero_offset(f"{side}_forearm", f"{side}_upper_arm")
            reach = np.linalg.norm(zero_offset(f"{side}_forearm", f"{side}_upper_arm"))
            guesses.append(elbow + reach * unit(still - elbow) - turned(thorax, zero_offset(f"{side}_upper_arm", "neck")[None]))
    place = np.full((body.frames, 3), np.nan)
    for guess in guesses:
        place = np.where(np.isfinite(place), place, guess)
    if alone and sides and not known_rows(place).any():
        zero = zero_places()
        sole = -zero["left_toe_tip"][2]
        facing = thorax[0, :, 0]
        wrists = np.nanmean([body.place(f"{side}_hand") for side in sides], axis=(0, 1))
        still = wrists - FORWARD * facing - _beside(sides) * np.cross(UP, facing)
        still[2] = zero["neck"][2] + sole
        return np.broadcast_to(still, (body.frames, 3)).copy()
    known = known_rows(place)
    if known.any() and not known.all():
        every, rows = np.arange(body.frames), np.flatnonzero(known)
        place = np.stack([np.interp(every, rows, place[rows, i]) for i in range(3)], axis=1)
    return place


def _elbow(body: BodyPoints, thorax: FloatArray, side: str) -> FloatArray:
    """Return where an elbow (T, 3) is that nobody saw, between shoulder and wrist: the upper arm keeps its length, the forearm does as far as it reaches."""
    shoulder, wrist = body.place(f"{side}_upper_arm"), body.place(f"{side}_hand")
    upper = float(np.linalg.norm(zero_offset(f"{side}_forearm", f"{side}_upper_arm")))
    fore = float(np.linalg.norm(zero_offset(f"{side}_hand", f"{side}_forearm")))
    way = wrist - shoulder
    distance = np.clip(np.linalg.norm(way, axis=1), abs(upper - fore) + 0.05, (upper + fore) * 0.995)
    ahead = (upper**2 - fore**2 + distance**2) / (2 * distance)
    aside = np.sqrt(np.clip(upper**2 - ahead**2, 0.0, None))
    along = unit(way)
    pole = turned(thorax, (POLE * (1.0, 1.0 if side == "left" else -1.0, 1.0))[None])
    return np.asarray(shoulder + along * ahead[:, None] + unit(across(pole, along)) * aside[:, None])
