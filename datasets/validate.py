"""Validation of an episode file: the schema, and what must be true of the numbers in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.check import Check
from bodydouble.datasets.episode_file import UNREADABLE, open_episode_file, read_gate, read_provenance, rig_from_text
from bodydouble.datasets.images import decode_jpeg, jpeg_size
from bodydouble.datasets.quality import grade, judge
from bodydouble.datasets.schema import FARTHEST_M, FLAG, SOURCE, Field, fields_in
from bodydouble.errors import DataError, UsageError
from bodydouble.gates import Gate
from bodydouble.retarget.limits import beyond_limits, limit_violations
from bodydouble.retarget.trajectory import RobotTrajectory

FloatArray = npt.NDArray[np.float64]

TIMESTAMPS = "Check the recording's timestamps and process it again."
AGAIN = "Make the episode again with `bodydouble process`."
LARGEST_SPAN_M = 5.0
"""No person's landmarks are further apart."""
LARGEST_ANGLE = 4 * np.pi
"""rad: no joint of a person or robot turns further from zero; a right angle in degrees is 90."""
DECODED_PER_CAMERA = 8
"""Images a camera that are decoded whole; of all others the header and the end are checked."""


def validate_episode(path: Path) -> list[Check]:
    """Check one episode file; never raises for what is in the file, only for there being none.

    Raises: UsageError if there is no such file.
    """
    try:
        with open_episode_file(path) as file:
            checks = [Check("file", "PASS", f"whole, schema version {file.attrs['schema_version']}"), *_run(_schema, file)]
            if all(check.verdict != "FAIL" for check in checks):
                for rule in RULES:
                    checks += _run(rule, file)
            return checks
    except UsageError:
        raise
    except DataError as error:
        found, _, remedy = str(error).rpartition(". ")
        return [Check("file", "FAIL", found, remedy)]


def _run(rule: Callable[[Any], Iterator[Check]], file: Any) -> list[Check]:
    try:
        return list(rule(file))
    except UNREADABLE as error:
        return [Check(rule.__name__.lstrip("_"), "FAIL", f"could not be read: {error}", AGAIN)]


def _schema(file: Any) -> Iterator[Check]:
    """Paths, types and shapes against the one table, with every axis of one length everywhere."""
    try:
        axes = _axes(file)
    except (KeyError, ValueError, TypeError) as error:
        yield Check("schema", "FAIL", f"joint, link or camera names or the times are missing: {error}", AGAIN)
        return
    fields = _fields(file)
    wrong = [problem for field in fields for problem in _field_problems(file, field, axes)]
    wrong += [f"{name} is missing" for name in ("rig", "provenance", "quality") if name not in file]
    wrong += [f"attribute {name} is missing" for name in ("task", "grade") if name not in file.attrs]
    for problem in wrong:
        yield Check("schema", "FAIL", problem, AGAIN)
    unknown = sorted(set(_dataset_paths(file)) - {path for field in fields for path in _paths(file, field)})
    if unknown:
        yield Check("schema", "WARN", f"unknown datasets: {', '.join(unknown[:5])}", "They are ignored; remove them or update bodydouble.")
    if not wrong and not unknown:
        yield Check("schema", "PASS", f"{len(fields)} kinds of datasets, {axes['T']} frames")


def _fields(file: Any) -> tuple[Field, ...]:
    return fields_in(int(file.attrs["schema_version"]))


def _axes(file: Any) -> dict[str, int]:
    return {
        "T": len(file["robot/times_s"]),
        "C": len(json.loads(file["recording"].attrs["cameras"])),
        "J": len(json.loads(file["robot"].attrs["joint_names"])),
        "H": len(json.loads(file["human"].attrs["joint_names"])),
        "L": len(json.loads(file["human"].attrs["link_names"])),
        "S": len(json.loads(file["segments"].attrs["text"])) if "segments" in file else 0,
    }


def _paths(file: Any, field: Field) -> list[str]:
    if field.name != "*":
        return [field.path]
    return [f"{field.group}/{name}" for name in file[field.group]] if field.group in file else []


def _dataset_paths(file: Any) -> list[str]:
    found: list[str] = []
    for group in ("robot", "human", "landmarks", "recording", "poses", "cameras", "segments"):
        if group in file:
            file[group].visititems(lambda name, item, group=group: found.append(f"{group}/{name}") if hasattr(item, "dtype") else None)
    # visititems names a dataset with two names once, so the shared times need no place in the table twice
    return found


def _field_problems(file: Any, field: Field, axes: Mapping[str, int]) -> Iterator[str]:
    expected = tuple(axes[axis] if isinstance(axis, str) else axis for axis in field.shape)
    for path in _paths(file, field):
        if path not in file:
            if not field.optional:
                yield f"{path} is missing"
            continue
        data = file[path]
        if not hasattr(data, "dtype"):
            yield f"{path} is a group; expected a dataset"
            continue
        if str(data.dtype) != field.dtype:
            yield f"{path} is {data.dtype}; expected {field.dtype}"
        if data.shape != expected:
            yield f"{path} has shape {data.shape}; expected {expected} ({', '.join(map(str, field.shape))})"
        if data.attrs.get("quaternion_order", "") != field.quaternion_order:
            yield f"{path} must say quaternion_order '{field.quaternion_order}'"


def _times(file: Any) -> Iterator[Check]:
    """True times grow; where a camera has a frame its time does too."""
    times = file["robot/times_s"][()]
    if len(times) == 0:
        yield Check("times", "FAIL", "the episode has no frames", AGAIN)
        return
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        first = int(np.argmax(~(np.diff(times) > 0))) if len(times) > 1 else 0
        yield Check(
            "times",
            "FAIL",
            f"times_s does not grow from frame {first} to {first + 1}",
            TIMESTAMPS,
        )
    else:
        yield Check("times", "PASS", f"{len(times)} frames over {times[-1] - times[0]:.3f} s, growing")
    for camera, row in zip(json.loads(file["recording"].attrs["cameras"]), file["recording/times_s"][()], strict=True):
        seen = row[np.isfinite(row)]
        if (np.diff(seen) < 0).any():
            yield Check("times", "FAIL", f"capture times of camera '{camera}' go back", TIMESTAMPS)
        elif (np.diff(seen) == 0).any():
            held = int((np.diff(seen) == 0).sum())
            yield Check(
                "times",
                "WARN",
                f"camera '{camera}' shows the same frame again {held} times",
                "Its rate is lower than the others'; leave it out with --cameras if that matters.",
            )


def _missing_values(file: Any) -> Iterator[Check]:
    """NaN is where the mask says missing, and nowhere else."""
    wrong = 0
    for field in _fields(file):
        for path in _paths(file, field):
            if path not in file or field.dtype != "float64":
                continue
            data = file[path][()]
            if np.isinf(data).any() and not field.unlimited:
                wrong += 1
                yield Check("missing values", "FAIL", f"{path} holds infinite values", AGAIN)
            missing = np.isnan(data)
            if field.missing == "never" and missing.any():
                wrong += 1
                yield Check("missing values", "FAIL", f"{path} has {int(missing.sum())} NaN but may have none", AGAIN)
            if field.mask:
                problem = _mask_problem(missing, file[field.mask][()] == 0)
                wrong += bool(problem)
                if problem:
                    yield Check("missing values", "FAIL", f"{path} against {field.mask}: {problem}", AGAIN)
    links, base = np.isnan(file["human/link_poses"][()]).any(axis=(1, 2, 3)), np.isnan(file["human/base_pose"][()]).any(axis=1)
    if not np.array_equal(links, base):
        wrong += 1
        yield Check("missing values", "FAIL", "human/link_poses and human/base_pose are not missing together", AGAIN)
    pixels, confidence = np.isnan(file["landmarks/pixels"][()]).any(-1), np.isnan(file["landmarks/confidence"][()])
    if not np.array_equal(pixels, confidence):
        wrong += 1
        yield Check("missing values", "FAIL", "landmarks/pixels and landmarks/confidence are not missing together", AGAIN)
    if not wrong:
        yield Check("missing values", "PASS", "NaN exactly where the masks say so")


def _mask_problem(missing: npt.NDArray[np.bool_], masked: npt.NDArray[np.bool_]) -> str:
    trailing = tuple(range(masked.ndim, missing.ndim))
    anything, everything = missing.any(axis=trailing), missing.all(axis=trailing)
    if (anything & ~masked).any():
        return f"{int((anything & ~masked).sum())} values are NaN but not marked missing"
    if (masked & ~everything).any():
        return f"{int((masked & ~everything).sum())} values are marked missing but hold numbers"
    return ""


def _sources(file: Any) -> Iterator[Check]:
    """Masks hold only values that mean something."""
    largest = {SOURCE: 3, FLAG: 1}
    masks = [(path, largest[field.unit]) for field in _fields(file) if field.unit in largest for path in _paths(file, field)]
    bad = [path for path, limit in masks if file[path][()].max(initial=0) > limit]
    for path in bad:
        yield Check("masks", "FAIL", f"{path} holds values without a meaning", AGAIN)
    if not bad:
        yield Check("masks", "PASS", "every mask value has a meaning")


def _quaternions(file: Any) -> Iterator[Check]:
    paths = [path for field in _fields(file) if field.quaternion_order for path in _paths(file, field)]
    wrong = False
    for path in paths:
        norms = np.linalg.norm(file[path][()][:, 3:7], axis=-1)
        worst = float(np.max(np.abs(norms[np.isfinite(norms)] - 1), initial=0.0))
        if worst > 1e-6:
            wrong = True
            yield Check("quaternions", "FAIL", f"{path} has a quaternion of norm off by {worst:.3g}", AGAIN)
    if not wrong:
        yield Check("quaternions", "PASS", f"unit quaternions (xyzw) in {len(paths)} datasets")


def _angles(file: Any) -> Iterator[Check]:
    """Angles are radians: in degrees they would be far beyond a turn, or 57 times their range."""
    degrees = "Angles are stored in radians: divide by 57.29578 where they were made."
    wrong = False
    for path in ("robot/positions", "human/joint_angles", "robot/lower", "robot/upper"):
        largest = float(np.nanmax(np.abs(file[path][()]), initial=0.0))
        if largest > LARGEST_ANGLE:
            wrong = True
            yield Check("units", "FAIL", f"{path} reaches {largest:.1f}: these are degrees, not radians", degrees)
    if not wrong:
        yield Check("units", "PASS", "angles are in radians")


def _lengths(file: Any) -> Iterator[Check]:
    """Lengths are metres: in millimetres a person would be as tall as a mountain."""
    metres = "Positions are stored in metres: divide by 1000 where they were made, or correct the rig's unit."
    points = file["human/landmarks"][()]
    spans = np.nan_to_num(np.fmax.reduce(points, axis=1, initial=-np.inf) - np.fmin.reduce(points, axis=1, initial=np.inf), neginf=0.0)
    largest = float(spans.max(initial=0.0))
    farthest = max(float(np.nanmax(np.abs(file[path][()][:, :3]), initial=0.0)) for path in ("robot/base_pose", "human/base_pose"))
    if largest > LARGEST_SPAN_M:
        yield Check("lengths", "FAIL", f"human/landmarks of one frame are {largest:.0f} m apart: these are not metres", metres)
    if farthest > FARTHEST_M:
        yield Check("lengths", "FAIL", f"a base pose is {farthest:.3g} m from the world's origin", metres)
    if largest <= LARGEST_SPAN_M and farthest <= FARTHEST_M:
        yield Check("lengths", "PASS", f"positions are in metres; the person spans at most {largest:.2f} m")


def _descriptions(file: Any) -> Iterator[Check]:
    """Texts are texts, and provenance is one JSON object."""
    read_provenance(file)
    for name in ("task", "grade"):
        if not isinstance(file.attrs[name], str):
            yield Check("descriptions", "FAIL", f"attribute {name} is not a text", AGAIN)
            return
    yield Check("descriptions", "PASS", "task, grade and provenance can be read")


def _limits(file: Any) -> Iterator[Check]:
    """Ranges, speeds and accelerations, recomputed from the stored positions and true times."""
    robot = RobotTrajectory.read(file["robot"])
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


def _names(file: Any) -> Iterator[Check]:
    """Names are unique, and every joint is in exactly one group."""
    names = json.loads(file["robot"].attrs["joint_names"])
    grouped = [joint for joints in json.loads(file["robot"].attrs["joint_groups"]).values() for joint in joints]
    problems = [f"joint '{name}' appears twice" for name in sorted({n for n in names if names.count(n) > 1})]
    problems += [f"joint '{name}' is in {grouped.count(name)} groups" for name in names if grouped.count(name) != 1]
    problems += [f"group holds '{name}', which is no joint of the robot" for name in sorted(set(grouped) - set(names))]
    cameras = json.loads(file["recording"].attrs["cameras"])
    problems += [f"camera '{name}' appears twice" for name in sorted({n for n in cameras if cameras.count(n) > 1})]
    for problem in problems[:5]:
        yield Check("names", "FAIL", problem, AGAIN)
    if not problems:
        yield Check("names", "PASS", f"{len(names)} joints, each in one group; {len(cameras)} cameras")


def _images(file: Any) -> Iterator[Check]:
    """One whole JPEG for every frame that a camera has, none for the others."""
    if "images" not in file:
        yield Check("images", "WARN", "no images are stored", "Process again with images if a policy is to see.")
        return
    cameras, present = json.loads(file["recording"].attrs["cameras"]), file["recording/present"][()] == 1
    for camera, frames, (width, height) in zip(cameras, present, file["recording/image_size"][()].tolist(), strict=True):
        if camera not in file["images"] or file["images"][camera].shape != frames.shape:
            yield Check("images", "FAIL", f"camera '{camera}' has no images, or not one a frame", AGAIN)
            continue
        problem = _image_problem(file["images"][camera], frames, camera) or _size_problem(file["images"][camera], (width, height), camera)
        yield (
            Check("images", "FAIL", problem, AGAIN)
            if problem
            else Check("images", "PASS", f"camera '{camera}': {int(frames.sum())} images")
        )


def _image_problem(dataset: Any, frames: npt.NDArray[np.bool_], camera: str) -> str:
    decoded = set(np.linspace(0, len(frames) - 1, DECODED_PER_CAMERA, dtype=int).tolist())
    expected = tuple(int(v) for v in dataset.attrs["image_size"]) if frames.any() else (0, 0)
    for frame, there in enumerate(frames):
        data = bytes(dataset[frame])
        if bool(data) != bool(there):
            return f"camera '{camera}', frame {frame}: the image and recording/present do not agree"
        if not there:
            continue
        try:
            size = jpeg_size(data)
            if frame in decoded:
                decode_jpeg(data)
        except DataError as error:
            return f"camera '{camera}', frame {frame}: {error}"
        if size != expected:
            return f"camera '{camera}', frame {frame} is {size[0]}x{size[1]}; expected {expected[0]}x{expected[1]}"
    return ""


def _size_problem(dataset: Any, video: tuple[int, int], camera: str) -> str:
    if "image_size" not in dataset.attrs:
        return ""  # a camera without a frame
    width, height = (int(v) for v in dataset.attrs["image_size"])
    same_shape = abs(width * video[1] - height * video[0]) <= 0.5 * (abs(video[0]) + abs(video[1]))  # as far as rounding allows
    if min(video) >= max(1, min(width, height)) and same_shape:
        return ""
    return f"camera '{camera}': images of {width}x{height} px are not those of a video of {video[0]}x{video[1]} px (recording/image_size)"


def _quality(file: Any) -> Iterator[Check]:
    """Stored verdicts and grade are those that the stored figures deserve, and the counts are those of the stored motion."""
    stored = {name: read_gate(name, data) for name, data in file["quality"].items()}
    judged = judge({name: gate.value for name, gate in stored.items()})
    wrong = [name for name, gate in judged.items() if name not in stored or stored[name].verdict != gate.verdict]
    for name in wrong:
        found = f"{name} is {stored[name].verdict if name in stored else 'absent'}; by quality.toml it is {judged[name].verdict}"
        yield Check("quality", "FAIL", found, "Process again: the limits have changed, or the file was edited.")
    recount = _recount(file)
    for name, count in recount.items():
        if name in stored and stored[name].value != count:
            yield Check("quality", "FAIL", f"{name} says {stored[name].value:g}; the stored motion has {count}", AGAIN)
    assumed = [*json.loads(file["human"].attrs.get("assumed", "{}")), *rig_from_text(file["rig"].asstr()[()]).assumed]
    deserved = grade(judged, assumed=assumed)
    if file.attrs["grade"] != deserved:
        yield Check("grade", "FAIL", f"graded {file.attrs['grade']}; the stored figures deserve {deserved}", AGAIN)
    elif deserved == "D":
        # the file is what it says it is; that it says D is for its reader to act on
        failed = [gate for gate in judged.values() if gate.verdict == "FAIL"]
        yield Check("grade", "WARN", f"grade D: {', '.join(gate.name for gate in failed)}", _remedies(failed))
    else:
        warned = [gate for gate in judged.values() if gate.verdict == "WARN"]
        yield Check("grade", "PASS", f"grade {deserved}" + (f"; warnings: {', '.join(g.name for g in warned)}" if warned else ""))


def _remedies(gates: list[Gate]) -> str:
    return " ".join(gate.remedy for gate in gates)


def _recount(file: Any) -> dict[str, int]:
    counts = limit_violations(RobotTrajectory.read(file["robot"]))
    named = {
        "joint_limit_violations": counts.range,
        "velocity_limit_violations": counts.velocity,
        "acceleration_limit_violations": counts.acceleration,
    }
    return {name: count for name, count in named.items() if count is not None}


RULES: tuple[Callable[[Any], Iterator[Check]], ...] = (
    _times, _missing_values, _sources, _quaternions, _angles, _lengths, _limits, _names, _descriptions, _images, _quality,
)  # fmt: skip
