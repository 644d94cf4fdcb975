"""Values that may not be: NaN without a mask, masks without a meaning, quaternions that turn nothing, names twice, texts that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bodydouble.check import Check
from bodydouble.datasets.episode_file import read_provenance
from bodydouble.datasets.schema import FLAG, SOURCE, Field
from bodydouble.datasets.validation.limits import AGAIN
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.retarget.limits import beyond_limits

UNIT_TOLERANCE = 1e-6
"""How far a quaternion's norm may be from 1: rounding, nothing else."""


def missing_values(episode: OpenedEpisode) -> Iterator[Check]:
    """NaN is where the mask says missing, and nowhere else."""
    file = episode.file
    problems = [
        problem
        for field in episode.fields
        for path in episode.paths(field)
        if path in file and field.dtype == "float64"
        for problem in _missing_problems(episode, field, path)
    ]
    links, base = np.isnan(file["human/link_poses"][()]).any(axis=(1, 2, 3)), np.isnan(file["human/base_pose"][()]).any(axis=1)
    if not np.array_equal(links, base):
        problems.append("human/link_poses and human/base_pose are not missing together")
    pixels, confidence = np.isnan(file["landmarks/pixels"][()]).any(-1), np.isnan(file["landmarks/confidence"][()])
    if not np.array_equal(pixels, confidence):
        problems.append("landmarks/pixels and landmarks/confidence are not missing together")
    for problem in problems:
        yield Check("missing values", "FAIL", problem, AGAIN)
    if not problems:
        yield Check("missing values", "PASS", "NaN exactly where the masks say so")


def _missing_problems(episode: OpenedEpisode, field: Field, path: str) -> Iterator[str]:
    data = episode.file[path][()]
    if np.isinf(data).any() and not field.unlimited:
        yield f"{path} holds infinite values"
    missing = np.isnan(data)
    if field.missing == "never" and missing.any():
        yield f"{path} has {int(missing.sum())} NaN but may have none"
    if field.mask:
        problem = _mask_problem(missing, episode.file[field.mask][()] == 0)
        if problem:
            yield f"{path} against {field.mask}: {problem}"


def _mask_problem(missing: npt.NDArray[np.bool_], masked: npt.NDArray[np.bool_]) -> str:
    trailing = tuple(range(masked.ndim, missing.ndim))
    anything, everything = missing.any(axis=trailing), missing.all(axis=trailing)
    if (anything & ~masked).any():
        return f"{int((anything & ~masked).sum())} values are NaN but not marked missing"
    if (masked & ~everything).any():
        return f"{int((masked & ~everything).sum())} values are marked missing but hold numbers"
    return ""


def masks(episode: OpenedEpisode) -> Iterator[Check]:
    """Masks hold only values that mean something."""
    largest = {SOURCE: 3, FLAG: 1}
    known = [(path, largest[field.unit]) for field in episode.fields if field.unit in largest for path in episode.paths(field)]
    bad = [path for path, highest in known if episode.file[path][()].max(initial=0) > highest]
    for path in bad:
        yield Check("masks", "FAIL", f"{path} holds values without a meaning", AGAIN)
    if not bad:
        yield Check("masks", "PASS", "every mask value has a meaning")


def quaternions(episode: OpenedEpisode) -> Iterator[Check]:
    """Quaternions have norm 1."""
    paths = [path for field in episode.fields if field.quaternion_order for path in episode.paths(field) if path in episode.file]
    wrong = False
    for path in paths:
        norms = np.linalg.norm(episode.file[path][()][:, 3:7], axis=-1)
        worst = float(np.max(np.abs(norms[np.isfinite(norms)] - 1), initial=0.0))
        if worst > UNIT_TOLERANCE:
            wrong = True
            yield Check("quaternions", "FAIL", f"{path} has a quaternion of norm off by {worst:.3g}", AGAIN)
    if not wrong:
        yield Check("quaternions", "PASS", f"unit quaternions (xyzw) in {len(paths)} datasets")


def limits_of_joints(episode: OpenedEpisode) -> Iterator[Check]:
    """Ranges, speeds and accelerations, recomputed from the stored positions and true times."""
    robot = episode.robot
    labels = ("joint ranges", "joint speeds", "joint accelerations")
    faults = ("outside its range", "faster than its limit", "more sudden than its limit")
    for label, marks, fault in zip(labels, beyond_limits(robot), faults, strict=True):
        if marks is None:
            continue  # a file written before limits of acceleration were stored
        joints = [robot.joint_names[index] for index in np.flatnonzero(marks.any(axis=0))]
        if joints:
            found = f"{int(marks.sum())} values: {', '.join(joints[:4])}{' ...' if len(joints) > 4 else ''} {fault}"
            yield Check(label, "FAIL", found, AGAIN)
        else:
            yield Check(label, "PASS", f"no joint {fault}")


def names(episode: OpenedEpisode) -> Iterator[Check]:
    """Names are unique, and every joint is in exactly one group."""
    robot = episode.file["robot"].attrs
    joints, cameras = json.loads(robot["joint_names"]), list(episode.cameras)
    grouped = [joint for group in json.loads(robot["joint_groups"]).values() for joint in group]
    problems = [f"joint '{name}' appears twice" for name in sorted({n for n in joints if joints.count(n) > 1})]
    problems += [f"joint '{name}' is in {grouped.count(name)} groups" for name in joints if grouped.count(name) != 1]
    problems += [f"group holds '{name}', which is no joint of the robot" for name in sorted(set(grouped) - set(joints))]
    problems += [f"camera '{name}' appears twice" for name in sorted({n for n in cameras if cameras.count(n) > 1})]
    for problem in problems[:5]:
        yield Check("names", "FAIL", problem, AGAIN)
    if not problems:
        yield Check("names", "PASS", f"{len(joints)} joints, each in one group; {len(cameras)} cameras")


def descriptions(episode: OpenedEpisode) -> Iterator[Check]:
    """Texts are texts, and provenance is one JSON object."""
    read_provenance(episode.file)
    for name in ("task", "grade"):
        if not isinstance(episode.file.attrs[name], str):
            yield Check("descriptions", "FAIL", f"attribute {name} is not a text", AGAIN)
            return
    yield Check("descriptions", "PASS", "task, grade and provenance can be read")
