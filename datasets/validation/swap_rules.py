"""Left and right exchanged: of the person, of one hand, of a camera's landmarks or of the robot; over the whole episode or a stretch of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from bodydouble.check import Check
from bodydouble.datasets.hand_head_poses import human_poses, robot_poses
from bodydouble.datasets.stored_groups import read_poses
from bodydouble.datasets.validation.chirality import backwards, curl
from bodydouble.datasets.validation.limits import complaints, limit
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.datasets.validation.runs import longest_run
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, MAIN_JOINTS, RIGHT_HAND, swapped_sides

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

LABEL = "swapped hands"
SIDES = ("left", "right")
LEAST_SEEN = 5
"""Landmarks that a camera must see of a part before its sides can be told."""
SURE = 0.5
"""Confidence from which a camera's landmark counts."""
HANDS = np.arange(LEFT_HAND.start, RIGHT_HAND.stop)
BODY = np.array([*MAIN_JOINTS, 31, 32])
"""Main joints and toes."""


def swapped_hands(episode: OpenedEpisode) -> Iterator[Check]:
    """Hold left and right of every part against what they hang on, what they look like, where they were and where others put them."""
    if episode.frames < limit("least_frames"):
        yield Check(LABEL, "PASS", f"{episode.frames} frames are too few to tell")
        return
    found = [*_at_other_arm(episode), *_against_links(episode), *_jumps(episode), *_views(episode), *_robot(episode), *_mirrored(episode)]
    yield from found
    if not found:
        yield Check(LABEL, "PASS", "left and right are themselves in person, landmarks and robot")


def _at_other_arm(episode: OpenedEpisode) -> Iterator[Check]:
    """Each hand's wrist is the wrist of its own arm."""
    motion = episode.motion
    hands = _pair(motion.landmark, "{}_hand_wrist")
    arms = _pair(motion.landmark, "{}_wrist")
    yield from _exchange(episode, "the hands of human/landmarks are at the other arm's wrist", _nearer_to_other(hands, arms))


def _against_links(episode: OpenedEpisode) -> Iterator[Check]:
    """Hands, shoulders and hips of the landmarks are beside the links of their side."""
    motion = episode.motion
    parts = {"hands": ("{}_hand_wrist", "{}_hand"), "shoulders": ("{}_shoulder", "{}_upper_arm"), "hips": ("{}_hip", "{}_thigh")}
    for part, (point, link) in parts.items():
        if {link.format(side) for side in SIDES} <= set(motion.link_names):
            links = _pair(lambda name: motion.link(name)[:, :3, 3], link)
            marks = _nearer_to_other(_pair(motion.landmark, point), links)
            yield from _exchange(episode, f"{part} of human/landmarks are at the links of the other side", marks)


def _pair(read: object, name: str) -> FloatArray:
    """Return (2, T, 3) of left and right."""
    return np.stack([read(name.format(side)) for side in SIDES])  # type: ignore[operator]


def _nearer_to_other(these: FloatArray, those: FloatArray) -> BoolArray:
    """Return (T,) whether pairs (2, T, K) are far nearer to each other's counterparts than to their own."""
    own = np.linalg.norm(these - those, axis=-1).sum(axis=0)
    other = np.linalg.norm(these - those[::-1], axis=-1).sum(axis=0)
    apart = np.linalg.norm(those[0] - those[1], axis=-1)
    found: BoolArray = (other < limit("swap_ratio") * own) & (apart > limit("swap_least_m"))
    return found


def _exchange(episode: OpenedEpisode, text: str, marks: BoolArray) -> list[Check]:
    run = longest_run(marks, episode.times_s)
    return complaints(LABEL, "swapped_s", run.seconds, f"{text} {run}")


def _jumps(episode: OpenedEpisode) -> Iterator[Check]:
    """Hands and shoulders do not change places from one frame to the next."""
    motion = episode.motion
    pairs: dict[str, FloatArray] = {
        "the wrists of human/landmarks": _pair(motion.landmark, "{}_wrist"),
        "the hands of human/landmarks": _pair(motion.landmark, "{}_hand_wrist"),
        "the shoulders of human/landmarks": _pair(motion.landmark, "{}_shoulder"),
    }
    if {f"{side}_hand" for side in SIDES} <= set(motion.link_names):
        pairs["human/link_poses"] = _pair(lambda name: motion.link(name)[:, :3, 3], "{}_hand")
    hands = hands_of_robot(episode)
    if hands is not None:
        pairs["the robot"] = hands
    for what, pair in pairs.items():
        first = _changes_places(pair, episode.times_s)
        if first is not None:
            yield from complaints(LABEL, "swapped_s", np.inf, f"left and right of {what} change places at frame {first}")


FASTEST_M_PER_S = 7.0
"""Of a hand or shoulder; both that are faster at once, and end where the other was, have been exchanged."""


def _changes_places(pair: FloatArray, times_s: FloatArray) -> int | None:
    """Return the first frame at which a pair (2, T, 3) has changed places, None if it never does."""
    known = np.flatnonzero(np.isfinite(pair).all(axis=(0, 2)))
    seen, times = pair[:, known], times_s[known]
    moved = np.linalg.norm(seen[:, 1:] - seen[:, :-1], axis=-1)
    crossed = np.linalg.norm(seen[:, 1:] - seen[::-1, :-1], axis=-1)
    fast = (moved > FASTEST_M_PER_S * np.diff(times)).all(axis=0) & (moved > limit("swap_least_m")).all(axis=0)
    first = np.flatnonzero(fast & (crossed.sum(axis=0) < limit("swap_ratio") * moved.sum(axis=0)))
    return int(known[first[0] + 1]) if len(first) else None


def _views(episode: OpenedEpisode) -> Iterator[Check]:
    """What each camera sees fits the person as the fit labelled it, not the other way round."""
    other, pixels = swapped_sides(), episode.labelled.pixels
    sure = np.nan_to_num(episode.labelled.confidence) >= SURE
    for row, camera in enumerate(episode.cameras):
        for part, rows in {"body": BODY, "hands": HANDS}.items():
            own = np.linalg.norm(pixels[row][:, rows] - episode.projected[row][:, rows], axis=-1)
            exchanged = np.linalg.norm(pixels[row][:, rows] - episode.projected[row][:, other[rows]], axis=-1)
            usable = np.isfinite(own) & np.isfinite(exchanged) & sure[row][:, rows]
            enough = usable.sum(axis=1) >= LEAST_SEEN
            own, exchanged = (np.nanmedian(np.where(usable, error, np.nan), axis=1) for error in (own, exchanged))
            marks = enough & (exchanged < limit("swap_ratio") * own)
            there = np.flatnonzero(enough)
            run = longest_run(marks[there], episode.times_s[there])
            text = f"camera '{camera}': left and right of the {part} are exchanged for {run.seconds:.2f} s, against the person"
            yield from complaints(LABEL, "swapped_s", run.seconds, text + (f", from frame {there[run.start]}" if len(there) else ""))


def _robot(episode: OpenedEpisode) -> Iterator[Check]:
    """The robot's hands follow the person's of the same side, seen from the robot's base, and not the mirror image of the other ones."""
    robot, human = hands_of_robot(episode), _hands_in_base(human_poses(episode.motion, episode.robot))
    if robot is None or human is None:
        return
    mirrored = MIRROR * human[::-1]
    # Limbs of another length put the robot's hands elsewhere by about the same all the time.
    own, other, size = _spread(robot - human), _spread(robot - mirrored), np.nanmedian(robot - human, axis=1, keepdims=True)
    exchanged = float(np.nanmedian(other)) if np.isfinite(other).any() else float("nan")
    if exchanged < limit("mirrored_ratio") * float(np.nanmedian(own)) and float(np.nanmedian(own)) > LEAST_OFF_M:
        text = "the robot's left and right follow the person's right and left, all the time"
        yield from complaints(LABEL, "swapped_s", np.inf, text)
        return
    crossed = np.linalg.norm(robot - MIRROR * (human + size)[::-1], axis=-1).sum(axis=0)
    marks = (crossed < limit("swap_ratio") * own) & (own > 2 * limit("swap_least_m"))
    yield from _exchange(episode, "the robot's left and right follow the person's right and left", marks)


MIRROR = np.array([1.0, -1.0, 1.0])
"""What exchanging left and right joints makes of a place, seen from the base."""
LEAST_OFF_M = 0.03
"""A robot that follows within this is not exchanged, whatever else would fit as well."""


def _spread(away: FloatArray) -> FloatArray:
    """Return (T,) how far two hands (2, T, 3) are from what they are off by typically, in m, both together."""
    found: FloatArray = np.linalg.norm(away - np.nanmedian(away, axis=1, keepdims=True), axis=-1).sum(axis=0)
    return found


def hands_of_robot(episode: OpenedEpisode) -> FloatArray | None:
    """Return (2, T, 3) m in the robot's base, from its joints where its model is at hand."""
    found = None if episode.robot_model is None else _hands_in_base(robot_poses(episode.robot, episode.robot_model))
    return _hands_in_base(read_poses(episode.file).robot) if found is None else found


def _hands_in_base(poses: Mapping[str, FloatArray]) -> FloatArray | None:
    names = [f"T_base_{side}_hand" for side in SIDES]
    return np.stack([poses[name][:, :3] for name in names]) if set(names) <= set(poses) else None


def _mirrored(episode: OpenedEpisode) -> Iterator[Check]:
    """Hands and body are of the side that they are called, by their shape."""
    points = episode.motion.landmarks
    bent = 0.5 * (curl(points[:, LEFT_HAND]) - curl(points[:, RIGHT_HAND]))
    wrong = float(np.nanmedian(bent)) if np.isfinite(bent).any() else float("nan")
    text = f"the fingers of both hands curl to the back of the hand by {wrong:.2f} palm lengths: each is the other's"
    yield from complaints(LABEL, "wrong_curl", wrong, text)
    facing = backwards(dict(zip(LANDMARK_NAMES, np.swapaxes(points, 0, 1), strict=True)))
    share = 100 * float(np.nanmean(facing)) if np.isfinite(facing).any() else float("nan")
    yield from complaints(LABEL, "backwards_pct", share, f"face and feet point behind the person in {share:.0f} % of the frames")
