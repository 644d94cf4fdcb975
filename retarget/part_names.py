"""What the names of links and joints say about the part of the body that they are.

Names are cut into words at underscores, dots, digits and changes of case ("LHipYaw", "rh_ffproximal", "left_hip_yaw_joint"); the short forms of the
Shadow hand (th, ff, mf, rf, lf) are known. A name that says nothing is no error: geometry decides then.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from bodydouble.retarget.mapping import FINGERS

DIGITS = ("thumb", *FINGERS)

_SIDES = {
    "left": ("left", "l", "lh", "lf", "lt", "larm", "lleg", "lhand"),
    "right": ("right", "r", "rh", "rt", "rarm", "rleg", "rhand"),
}
_DIGIT_WORDS = {
    "thumb": ("thumb", "th", "pollex"),
    "index": ("index", "ff", "forefinger", "pointer"),
    "middle": ("middle", "mf", "mid"),
    "ring": ("ring", "rf"),
    "little": ("little", "pinky", "pinkie", "lf", "small"),
}
_PART_WORDS = {
    "toe": ("toe", "toes"),
    "ankle": ("ankle",),
    "foot": ("foot", "sole"),
    "knee": ("knee", "shank", "calf", "tibia", "shin"),
    "hip": ("hip", "thigh", "femur", "upperleg"),
    "wrist": ("wrist",),
    "elbow": ("elbow",),
    "forearm": ("forearm", "lowerarm", "ulna", "radius"),
    "shoulder": ("shoulder", "upperarm", "humerus"),
    "clavicle": ("clavicle", "collar", "scapula", "sternoclavicular"),
    "hand": ("hand", "palm", "gripper"),
    "neck": ("neck",),
    "head": ("head", "skull"),
    "waist": ("waist", "lumbar", "abdomen", "spine", "torso", "chest", "trunk", "thorax", "back"),
    "leg": ("leg", "lleg", "rleg"),
    "arm": ("arm", "larm", "rarm"),
}
_LIMBS = {
    "leg": {"toe", "ankle", "foot", "knee", "hip", "leg"},
    "arm": {"wrist", "elbow", "forearm", "shoulder", "clavicle", "hand", "arm"},
    "head": {"neck", "head"},
    "trunk": {"waist"},
}
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SHADOW = re.compile(r"^(th|ff|mf|rf|lf)(base|proximal|middle|distal|hub|knuckle|metacarpal|tip|j)$")
_LONG = {word: part for part, words in _PART_WORDS.items() for word in words if len(word) > 4}


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: "rh_FFJ4" gives rh, ff, j, 4."""
    found: list[str] = []
    for word in _WORD.findall(name):
        match = _SHADOW.match(word.lower())
        found += match.groups() if match else (word.lower(),)
    return tuple(found)


def side_of(name: str) -> str | None:
    """Return "left" or "right" where a name says so."""
    for word in words(name):
        for side, known in _SIDES.items():
            # "lf" is left only at the beginning: in lh_lffinger it is the little finger.
            if word in known and not (word == "lf" and name.lower().startswith(("lh", "rh", "lf"))):
                return side
    lowered = name.lower()
    return next((side for side in ("left", "right") if side in lowered), None)


def digit_of(names: Iterable[str]) -> str | None:
    """Return the finger that most of the names are of; the first word counts, since "left_index_middle" is a part of the index."""
    votes: Counter[str] = Counter()
    for name in names:
        for word in words(name):
            digit = next((digit for digit, known in _DIGIT_WORDS.items() if word in known), None)
            if digit is not None:
                votes[digit] += 1
                break
        else:
            lowered = name.lower()
            votes.update(digit for digit in ("thumb", "index", "pinky") if digit in lowered)
    if not votes:
        return None
    best = votes.most_common(1)[0][0]
    return {"pinky": "little"}.get(best, best)


def part_of(*names: str) -> str | None:
    """Return the body part ("knee", "wrist", ...) that the first of the names that says anything is of."""
    for name in names:
        own = words(name)
        pairs = {a + b for a, b in pairwise(own)}  # "upper_arm", "lower_arm"
        for part, known in _PART_WORDS.items():
            if any(word in pairs for word in known if word not in own) or any(word in known for word in own):
                if part in ("arm", "leg", "hand") and any(p in pairs for p in ("upperarm", "lowerarm", "upperleg")):
                    continue
                return part
        lowered = name.lower()
        for word, part in _LONG.items():
            if word in lowered:
                return part
    return None


def limb_of(part: str | None) -> str | None:
    """Return "leg", "arm", "head" or "trunk" for a part."""
    return next((limb for limb, parts in _LIMBS.items() if part in parts), None)
