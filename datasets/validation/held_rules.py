"""Held samples: a solver, a detector or a sensor stalled and its last value was written again as if it were new."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bodydouble.check import Check
from bodydouble.datasets.validation.limits import complaints, limit
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.datasets.validation.runs import Run, longest_hold
from bodydouble.hand_pose.human_motion import Source
from bodydouble.hand_pose.landmarks import LEFT_HAND, POSE, RIGHT_HAND

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PARTS = {"body": POSE, "left hand": LEFT_HAND, "right hand": RIGHT_HAND}
LEAST_SEEN = 3
"""Landmarks of a part that a camera must see before they can be held."""
AT_END_RAD = 1e-4
"""A joint as near as this to an end of its range rests there and is not held."""


def held_samples(episode: OpenedEpisode) -> Iterator[Check]:
    """Look for robot joints, landmarks of the person and landmarks of cameras that repeat themselves to the last bit."""
    if episode.frames < limit("least_frames"):
        yield Check("held samples", "PASS", f"{episode.frames} frames are too few to tell")
        return
    found = [*_robot(episode), *_joints(episode), *_person(episode), *_views(episode)]
    yield from found
    if not found:
        yield Check("held samples", "PASS", "robot, person and landmarks never repeat themselves")


def _complain(what: str, run: Run, figure: str = "held_s") -> list[Check]:
    return complaints("held samples", figure, run.seconds, f"{what} to the last bit {run}")


def _robot(episode: OpenedEpisode) -> Iterator[Check]:
    robot = episode.robot
    same = robot.positions[1:] == robot.positions[:-1]
    driven = ~same.all(axis=0)
    if not driven.any():
        run = longest_hold(same.all(axis=1), episode.times_s)
        yield from _complain("robot/positions are the same", run) if _moves(episode) else ()
        return
    for group, names in robot.joint_groups.items():
        columns = np.array([robot.joint_names.index(name) for name in names], dtype=np.intp)
        known = (robot.joint_source[1:, columns] != Source.MISSING).any(axis=1)
        columns = columns[driven[columns]]
        if len(columns) >= 2:  # one joint alone may rest
            known &= _inside(episode)[1:, columns].mean(axis=1) >= 0.5  # and a hand that is shut as far as it goes may
            yield from _complain(
                f"robot/positions of {group} are the same", longest_hold(same[:, columns].all(axis=1) & known, episode.times_s)
            )


def _inside(episode: OpenedEpisode) -> BoolArray:
    """Return (T, J) whether a joint is inside its range and not at an end of it."""
    robot = episode.robot
    return np.asarray(np.minimum(robot.positions - robot.lower, robot.upper - robot.positions) > AT_END_RAD)


def _moves(episode: OpenedEpisode) -> bool:
    return bool((episode.motion.landmarks[1:] != episode.motion.landmarks[:-1]).any())


def _joints(episode: OpenedEpisode) -> Iterator[Check]:
    robot = episode.robot
    same = robot.positions[1:] == robot.positions[:-1]
    inside = _inside(episode)[1:]
    observed = robot.joint_source[1:] == Source.OBSERVED
    alone = same & inside & observed & ~same.all(axis=0)
    runs = {name: longest_hold(alone[:, column], episode.times_s) for column, name in enumerate(robot.joint_names)}
    long = {name: run for name, run in runs.items() if run.seconds > limit("held_joint_s")}
    for name, run in list(long.items())[:1]:
        others = f" and {len(long) - 1} other joints" if len(long) > 1 else ""
        yield from _complain(f"joint {name}{others} is the same", run, "held_joint_s")


def _person(episode: OpenedEpisode) -> Iterator[Check]:
    motion = episode.motion
    seen_pixels = episode.landmarks.pixels
    if not (np.isfinite(seen_pixels[:, 1:]) & (seen_pixels[:, 1:] != seen_pixels[:, :-1])).any():
        return  # nobody says that anything moved
    for part, rows in PARTS.items():
        points, observed = motion.landmarks[:, rows], (motion.landmark_source[:, rows] == Source.OBSERVED).mean(axis=1) >= 0.5
        same = _repeats(points) & observed[1:] & observed[:-1]
        yield from _complain(f"human/landmarks of the {part} are the same", longest_hold(same, episode.times_s))
    seen = np.asarray((motion.landmark_source == Source.OBSERVED).any(axis=1))  # beyond the last sight of a person nothing new is known
    for name, values in {"link_poses": motion.link_poses, "joint_angles": motion.joint_angles}.items():
        same = _repeats(values.reshape(len(values), -1, 1)) & seen[1:] & seen[:-1]
        if values.size:
            yield from _complain(f"human/{name} are the same", longest_hold(same, episode.times_s))


def _repeats(values: FloatArray) -> BoolArray:
    """Return (T - 1,) whether values (T, N, K) are those of the frame before: all that are known in both, and at least half of what is known in one."""
    known = np.asarray(np.isfinite(values).all(axis=-1))
    both, one = known[1:] & known[:-1], known[1:] | known[:-1]
    same = (values[1:] == values[:-1]).all(axis=-1)
    found: BoolArray = (same | ~both).all(axis=1) & (2 * both.sum(axis=1) >= one.sum(axis=1)) & (both.sum(axis=1) >= 1)
    return found


def _views(episode: OpenedEpisode) -> Iterator[Check]:
    for row, camera in enumerate(episode.cameras):
        there = np.flatnonzero(episode.present[row])
        if len(there) < 2:
            continue
        times, pixels = episode.camera_times_s[row][there], episode.landmarks.pixels[row][there]
        for part, rows in PARTS.items():
            seen = np.isfinite(pixels[:, rows]).all(axis=-1).sum(axis=1) >= LEAST_SEEN
            same = _repeats(pixels[:, rows]) & seen[1:] & (np.diff(times) > 0)
            run = longest_hold(same, times)
            run = Run(int(there[run.start]), int(there[run.stop]), run.seconds)
            yield from _complain(f"camera '{camera}': landmarks of the {part} are the same", run)
