"""Angles in radians, lengths in metres: also where one array or one joint alone is in another unit."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bodydouble.check import Check
from bodydouble.datasets.schema import FARTHEST_M
from bodydouble.datasets.validation.limits import complaints, last_warning, limit, validation_limits
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.hand_pose.human_motion import largest_sigma, unpacked
from bodydouble.retarget.limits import finite_accelerations, finite_rates

FloatArray = npt.NDArray[np.float64]

STILL_RAD_PER_S = 1e-6
"""Speeds below this say nothing of a unit."""


def units(episode: OpenedEpisode) -> Iterator[Check]:
    """Angles are radians, each array beside the others: in degrees one is 57 times what another says."""
    found = [*_large_angles(episode), *_differing_joints(episode), *_other_ranges(episode), *_speed_limits(episode)]
    yield from found
    if not found:
        yield Check("units", "PASS", "angles are in radians")


def _large_angles(episode: OpenedEpisode) -> Iterator[Check]:
    paths = ("robot/positions", "robot/actions", "human/joint_angles", "robot/lower", "robot/upper")
    for path in (path for path in paths if path in episode.file):
        values = np.abs(episode.file[path][()])
        largest = float(np.nanmax(values, initial=0.0))
        where = ""
        if values.size and np.isfinite(largest):
            names = json.loads(episode.file[path.split("/")[0]].attrs["joint_names"])
            where = f" at {names[int(np.nanargmax(np.nan_to_num(values)) % values.shape[-1])]}"
        yield from complaints("units", "largest_angle_rad", largest, f"{path} reaches {largest:.1f}{where}: these are degrees, not radians")


def _differing_joints(episode: OpenedEpisode) -> Iterator[Check]:
    """Hold stored speeds and accelerations against those of the stored positions, joint by joint."""
    robot = episode.robot
    rates, sudden = finite_rates(robot.times_s, robot.positions), finite_accelerations(robot.times_s, robot.positions)
    pairs = [("velocities", robot.velocities[1:], rates)]
    if robot.accelerations is not None:
        pairs.append(("accelerations", robot.accelerations[2:], sudden))
    for name, stored, recomputed in pairs:
        factors = typical_factors(stored, recomputed)
        worst = np.fmax(factors, 1 / factors)
        bad = np.flatnonzero(worst > limit("speed_factor"))
        if len(bad):
            joints = ", ".join(f"{robot.joint_names[index]} {factors[index]:.3g}" for index in bad[:4])
            found = f"robot/{name} are another multiple of what robot/positions show ({joints}{' ...' if len(bad) > 4 else ''}): one is in degrees"
            yield from complaints("units", "speed_factor", float(worst[bad].max()), found)


def typical_factors(stored: FloatArray, recomputed: FloatArray) -> FloatArray:
    """Return (J,) by what factor ``stored`` (T, J) are larger, median over what moves; NaN where hardly anything does."""
    moves = np.minimum(np.abs(stored), np.abs(recomputed)) > STILL_RAD_PER_S
    ratio = np.where(moves, np.abs(stored / recomputed), np.nan)
    enough = np.isfinite(ratio).sum(axis=0) >= 3
    factors = np.full(stored.shape[1], np.nan)
    factors[enough] = np.nanmedian(ratio[:, enough], axis=0)
    return factors


def _other_ranges(episode: OpenedEpisode) -> Iterator[Check]:
    """Hold the width of the stored ranges against those of the robot's model, where it is at hand."""
    robot, model = episode.robot, episode.robot_model
    if model is None:
        return
    factor = (robot.upper - robot.lower) / (model.upper - model.lower)
    for index in np.flatnonzero(factor > last_warning("speed_factor"))[:1]:
        found = f"the range of {robot.joint_names[index]} is {factor[index]:.3g} times that of robot '{model.name}': it is in degrees"
        yield from complaints("units", "speed_factor", float(factor[index]), found)


def _speed_limits(episode: OpenedEpisode) -> Iterator[Check]:
    fastest = episode.robot.velocity_limit
    for index in np.flatnonzero(fastest > limit("largest_speed_limit_rad_per_s"))[:1]:
        found = f"robot/velocity_limit of {episode.robot.joint_names[index]} is {fastest[index]:.0f} rad/s"
        yield from complaints("units", "largest_speed_limit_rad_per_s", float(fastest[index]), found)


def lengths(episode: OpenedEpisode) -> Iterator[Check]:
    """Lengths are metres: in millimetres a person would be as tall as a mountain."""
    span = _span(episode.motion.landmarks)
    found = [*_spans(episode, span), *_places(episode), *_sigmas(episode)]
    yield from found
    if not found:
        yield Check("lengths", "PASS", f"positions are in metres; the person spans at most {span:.2f} m")


def _span(points: FloatArray) -> float:
    """Return the largest distance along an axis between points (T, N, 3) of one frame."""
    spans = np.fmax.reduce(points, axis=1, initial=-np.inf) - np.fmin.reduce(points, axis=1, initial=np.inf)
    return float(np.nan_to_num(spans, neginf=0.0, posinf=0.0).max(initial=0.0))


def _spans(episode: OpenedEpisode, span: float) -> Iterator[Check]:
    motion, robot = episode.motion, episode.robot
    found = f"human/landmarks of one frame are {span:.0f} m apart: these are not metres"
    yield from complaints("lengths", "largest_span_m", span, found)
    others = {
        "human/link_poses": _span(motion.link_poses[..., :3, 3]),
        "landmarks/shape_m": max((_span(shape) for shape in episode.landmarks.shape_m), default=0.0),
        "human/landmark_sigma": _median(motion.landmark_sigma),
        **{f"robot/task_errors/{name}": _median(values) for name, values in robot.task_errors.items() if name.endswith("_position")},
        "human's stature": motion.stature,
    }
    if motion.bone_lengths:
        others["human's longest bone"] = max(motion.bone_lengths.values())
    for name, size in others.items():
        yield from complaints("lengths", "largest_span_m", size, f"{name} is {size:.0f} m: these are not metres")


def _places(episode: OpenedEpisode) -> Iterator[Check]:
    remedy = validation_limits()["off_person_m"].remedy
    motion, robot = episode.motion, episode.robot
    bases = {"robot/base_pose": robot.base_pose[:, :3], "human/base_pose": motion.base_pose[:, :3]}
    farthest = {name: float(np.nanmax(np.abs(places), initial=0.0)) for name, places in bases.items()}
    far = [name for name, away in farthest.items() if away > FARTHEST_M]
    for name in far:
        yield Check("lengths", "FAIL", f"{name}: a base pose is {farthest[name]:.3g} m from the world's origin", remedy)
    middle = np.nanmean(motion.landmarks, axis=1)
    links = np.nanmean(motion.link_poses[..., :3, 3], axis=1)
    beside = {**{name: places for name, places in bases.items() if name not in far}, "human/link_poses": links}
    if motion.triangulated is not None:
        beside["human/triangulated"] = np.nanmedian(motion.triangulated, axis=1)
    for name, places in beside.items():
        away = _median(np.linalg.norm(places - middle, axis=-1))
        yield from complaints("lengths", "off_person_m", away, f"{name} is {away:.0f} m from the person's landmarks")


def _sigmas(episode: OpenedEpisode) -> Iterator[Check]:
    motion = episode.motion
    if motion.landmark_covariance is None:
        return
    told = largest_sigma(unpacked(motion.landmark_covariance))
    factor = _median(np.where((told > 0) & (motion.landmark_sigma > 0), motion.landmark_sigma / told, np.nan))
    found = f"human/landmark_sigma is {factor:.3g} times what human/landmark_covariance says"
    yield from complaints("lengths", "sigma_factor", max(factor, 1 / factor) if factor else factor, found)


def _median(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
