"""The person's links as a tree: which hangs on which, which joint angles turn it, and where it ends."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import JOINTS
from bodydouble.retarget.mapping import FINGERS, SIDES

ROOT = "pelvis"
BY_DOUBT = np.array([3, 0, 1, 2])
"""How doubtful MISSING, OBSERVED, INTERPOLATED, INFERRED are."""

END_LANDMARKS: dict[str, tuple[str, ...]] = {"head": ("left_ear", "right_ear")} | {
    f"{side}_{link}": (f"{side}_{landmark}",)
    for side in SIDES
    for link, landmark in [("toes", "foot_index"), ("thumb_distal", "hand_thumb_tip"), *((f"{f}_distal", f"hand_{f}_tip") for f in FINGERS)]
}
"""Link at the end of a limb to the landmarks in whose middle it ends."""


@functools.cache
def link_parents() -> dict[str, str]:
    """Return the link that each link of the human tree hangs on; the pelvis has none. Parents before children."""
    return {link: parent for link, (parent, _) in _links().items()}


def turning_angles(link: str) -> tuple[str, ...]:
    """Return the names of the joint angles between a link and its parent, as ``HumanMotion.joint_names`` has them; the pelvis has none."""
    return _links()[link][1] if link in _links() else ()


def kept_parents(links: tuple[str, ...]) -> tuple[int, ...]:
    """Return the row in ``links`` of the nearest link that each hangs on; -1 where there is none."""
    rows, parents = {link: row for row, link in enumerate(links)}, link_parents()
    found = []
    for link in links:
        above = parents.get(link)
        while above is not None and above not in rows:
            above = parents.get(above)
        found.append(-1 if above is None else rows[above])
    return tuple(found)


def link_source(motion: HumanMotion, link: str) -> npt.NDArray[np.uint8]:
    """Return how the turn of a link is known (T,): as the most doubtful of its joint's angles, inferred where the motion has none of them.

    The pelvis is observed where both hips are, else inferred. Whether the person is there at all is not looked at.
    """
    if link == ROOT:
        hips = [LANDMARK_NAMES.index(f"{side}_hip") for side in SIDES]
        seen = np.where((motion.landmark_source[:, hips] == Source.OBSERVED).all(axis=1), Source.OBSERVED, Source.INFERRED)
        return seen.astype(np.uint8)
    columns = [motion.joint_names.index(name) for name in turning_angles(link) if name in motion.joint_names]
    if not columns:
        return np.full(motion.frames, Source.INFERRED, np.uint8)
    sources = motion.joint_source[:, columns]
    return np.asarray(sources[np.arange(len(sources)), BY_DOUBT[sources].argmax(axis=1)])


@functools.cache
def _links() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return link to its parent link and the angles between them; a compound joint has several entries in the table, one of them with a link."""
    carried: dict[str, tuple[str, tuple[str, ...]]] = {ROOT: (ROOT, ())}
    found = {}
    for joint in JOINTS:
        parent, angles = carried[joint.parent]
        own = (joint.name,) if joint.axis is not None else tuple(f"{joint.name}_{axis}" for axis in "xyz")
        if joint.link:
            found[joint.link] = (parent, angles + own)
            carried[joint.name] = (joint.link, ())
        else:
            carried[joint.name] = (parent, angles + own)
    return found
