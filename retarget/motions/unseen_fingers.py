"""Joints of hands that a file does not have, from those that it has: knuckles from the hand's frame, joints between two known ones, fingertips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human_motion import Source
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.rotations import across, known_rows, turned, turned_back, unit
from bodydouble.retarget.motions.zero_pose import zero_offset

FloatArray = npt.NDArray[np.float64]

PARTS = {"thumb": ("metacarpal", "proximal", "distal", "tip")} | {finger: ("proximal", "middle", "distal", "tip") for finger in FINGERS}
STRETCHED = 99.0
"""Percentile of the distance over two bones of a finger at which they are taken to be straight: markers do not lie on joints, so tabled lengths do not fit."""
SLACK = 1.01
"""The two bones are this much longer together, so that they never lie quite straight and their bend has a direction."""
COUPLING = 2 / 3
"""How much a finger's last joint bends when its middle one does (Rijpkema and Girard 1991)."""
STILL = 5e-4
"""m: fingers whose points move less than this in the hand's frame over a whole file were not captured."""
MANY = 30
"""Frames from which on a file tells whether fingers move."""


def with_fingers(body: BodyPoints, hands: dict[str, FloatArray]) -> BodyPoints:
    """Return ``body`` with the joints filled in, as inferred, that known ones of the same hand tell. ``hands``: side to R_world_hand (T, 3, 3).

    - knuckles and base of the thumb: where a typical hand of this hand's size has them;
    - a finger's last joint between its middle one and the tip: bent by two thirds of what the middle one is;
    - another joint between two known ones: bent towards the back of the hand, bones in the typical ratio;
    - tips: on from the last bone, as long as typical beside it, a finger's bent by two thirds of what its middle joint is.
    """
    for side in SIDES:
        if not body.knows(f"{side}_hand"):
            continue
        size = hand_size(body, side)
        wrist, hand = body.place(f"{side}_hand"), hands[side]
        knuckles = [f"{side}_{digit}_{parts[0]}" for digit, parts in PARTS.items()]
        if known_rows(hand).any():
            body = body.with_places({name: wrist + turned(hand, size * zero_offset(name, f"{side}_hand")[None]) for name in knuckles})
        for digit, parts in PARTS.items():
            names = [f"{side}_{digit}_{part}" for part in parts]
            if body.knows(names[0], names[2]) and not body.knows(names[1]):
                body = body.with_places({names[1]: _between(body, names[0], names[1], names[2], hand, side)})
            if digit != "thumb" and body.knows(*names[:2], names[3]) and not body.knows(names[2]):
                body = body.with_places({names[2]: _coupled(body, names, hand)})
            if body.knows(*names[1:3]) and not body.knows(names[3]):
                body = body.with_places({names[3]: _tip(body, names, hand)})
    return body


def hand_size(body: BodyPoints, side: str) -> float:
    """Return a hand's size over the typical one: of its palm, else of its fingers' bones, else of the other hand, else 1."""
    for own in (side, "left" if side == "right" else "right"):
        palms = [(f"{own}_hand", f"{own}_{finger}_proximal") for finger in FINGERS]
        bones = [(f"{own}_{finger}_proximal", f"{own}_{finger}_middle") for finger in FINGERS]
        for pairs in (palms, bones):
            ratios = [
                float(np.nanmedian(np.linalg.norm(body.place(b) - body.place(a), axis=1)) / np.linalg.norm(zero_offset(b, a)))
                for a, b in pairs
                if body.knows(a, b)
            ]
            if ratios:
                return float(np.median(ratios))
    return 1.0


def still_fingers(body: BodyPoints, hands: dict[str, FloatArray]) -> tuple[str, ...]:
    """Return the sides whose fingers never move in the hand's frame: such files draw fingers that nobody captured."""
    found = []
    for side in SIDES:
        names = [f"{side}_{digit}_{part}" for digit, parts in PARTS.items() for part in parts[1:] if body.knows(f"{side}_{digit}_{part}")]
        if body.frames < MANY or not names:
            continue
        seen = np.stack([turned_back(hands[side], body.place(name) - body.place(f"{side}_hand")) for name in names], axis=1)
        if not known_rows(seen).any():
            continue
        middle = np.nanmedian(seen, axis=0)
        if np.nanpercentile(np.linalg.norm(seen - middle, axis=2), STRETCHED) < STILL:
            found.append(side)
    return tuple(found)


def marked_inferred(body: BodyPoints, sides: tuple[str, ...]) -> BodyPoints:
    """Return ``body`` with what lies beyond the knuckles of these hands marked as inferred."""
    source = dict(body.source)
    for side in sides:
        for digit, parts in PARTS.items():
            for part in parts[1:]:
                name = f"{side}_{digit}_{part}"
                if name in source:
                    source[name] = np.where(source[name] > 0, Source.INFERRED, Source.MISSING).astype(np.uint8)
    return replace(body, source=source)


def _coupled(body: BodyPoints, names: list[str], hand: FloatArray) -> FloatArray:
    """Return where a finger's last joint (T, 3) is, of whose other points (knuckle, middle joint, tip) all are known.

    Nobody can bend it alone: it follows the middle joint by ``COUPLING``. Bones are in the typical ratio and span what is between middle joint and tip.
    """
    knuckle, middle, tip = (body.place(names[row]) for row in (0, 1, 3))
    first, second = (float(np.linalg.norm(zero_offset(names[row + 1], names[row]))) for row in (1, 2))
    side = names[0].partition("_")[0]
    chord = tip - middle
    along, before = unit(chord), unit(middle - knuckle)
    away = _flexing(hand, side, along)
    bent = np.arctan2(-np.sum(before * away, axis=1), np.sum(before * along, axis=1))
    # Seen from the middle joint, the tip is turned by that joint's bend and a part of the last one's; nearly in proportion up to a right angle.
    share = 1.0 / (1.0 + COUPLING * second / (first + second))
    last = COUPLING * np.clip(bent * share, 0.0, np.pi / 2)
    whole = np.hypot(first + second * np.cos(last), second * np.sin(last))
    off = np.arctan2(second * np.sin(last), first + second * np.cos(last))
    length = first / whole * np.linalg.norm(chord, axis=1)
    return np.asarray(middle + length[:, None] * (along * np.cos(off)[:, None] - away * np.sin(off)[:, None]))


def _tip(body: BodyPoints, names: list[str], hand: FloatArray) -> FloatArray:
    """Return where a tip (T, 3) is of whose other joints the last two are known: on along the last bone, a finger's bent further as ``COUPLING`` says."""
    knuckle, middle, last = (body.place(name) for name in names[:3])
    length = (
        np.linalg.norm(zero_offset(names[3], names[2]))
        / np.linalg.norm(zero_offset(names[2], names[1]))
        * np.linalg.norm(last - middle, axis=1)
    )
    along, before = unit(last - middle), unit(middle - knuckle)
    bent = np.zeros(body.frames)
    palmar = np.zeros_like(along)
    if "thumb" not in names[0]:
        side = names[0].partition("_")[0]
        away = _flexing(hand, side, along)
        flexed = COUPLING * np.clip(np.arctan2(-np.sum(before * away, axis=1), np.sum(before * along, axis=1)), 0.0, np.pi * 0.75)
        usable = np.isfinite(flexed)
        bent, palmar = np.where(usable, flexed, 0.0), np.where(usable[:, None], away, 0.0)
    return np.asarray(last + length[:, None] * (along * np.cos(bent)[:, None] + palmar * np.sin(bent)[:, None]))


def _flexing(hand: FloatArray, side: str, along: FloatArray) -> FloatArray:
    """Return unit vectors (T, 3) to which the end of a finger's bone goes when the finger bends; ``along``: where the bone points."""
    axis = hand[:, :, 0] * (-1.0 if side == "left" else 1.0)
    return unit(np.cross(axis, along))


def _between(body: BodyPoints, a: str, b: str, c: str, hand: FloatArray, side: str) -> FloatArray:
    """Return where the joint (T, 3) between two others is: two bones in the typical ratio, together as long as the two ever are apart."""
    start, end = body.place(a), body.place(c)
    apart = np.linalg.norm(end - start, axis=1)
    first, second = np.linalg.norm(zero_offset(b, a)), np.linalg.norm(zero_offset(c, b))
    whole = max(float(np.nanpercentile(apart, STRETCHED)), 1e-6) * SLACK
    if "thumb" in a:  # of a thumb's base nothing is measured, so how far it stretches tells nothing
        whole = max(whole, float(first + second))
    first, second = whole * first / (first + second), whole * second / (first + second)
    distance = np.clip(apart, abs(first - second) + 1e-6, whole)
    ahead = (first**2 - second**2 + distance**2) / (2 * distance)
    aside = np.sqrt(np.clip(first**2 - ahead**2, 0.0, None))
    along = unit(end - start)
    # Fingers bend towards the palm, so their middle joints stand out at the back of the hand; the thumb's on its own side.
    back = unit(across(hand[:, :, 0], along)) if "thumb" in a else -_flexing(hand, side, along)
    return np.asarray(start + along * ahead[:, None] + back * aside[:, None])
