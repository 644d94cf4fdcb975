"""A person whose motion is known, and writers that put it into files as motion capture systems do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics
from bodydouble.hand_pose.human import BONES, LINKS, Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import JOINTS, TYPICAL_LENGTHS
from bodydouble.retarget.mapping import END_POINTS, FINGERS

FloatArray = npt.NDArray[np.float64]

RATE_HZ = 60.0


@dataclass(frozen=True)
class Person:
    """What a simulated person does over T frames: z up, metres."""

    times_s: FloatArray
    poses: dict[str, FloatArray]
    """Link to (T, 4, 4) T_world_link."""
    ends: dict[str, FloatArray]
    """End point (fingertips, heels, toe tips) to (T, 3) m."""
    landmarks: FloatArray
    """(T, 75, 3) m."""

    def place(self, point: str) -> FloatArray:
        return self.ends[point] if point in self.ends else self.poses[point][:, :3, 3]

    def turn(self, link: str) -> FloatArray:
        return self.poses[link][:, :3, :3]


def simulated(angles: Mapping[str, Any], frames: int = 1, base: FloatArray | None = None, size: float = 1.0) -> Person:
    """Return a person of typical proportions with these joint angles (rad, scalars or (T,); of ball joints rotation vectors (3,) or (T, 3))."""
    human = Human(np.array([TYPICAL_LENGTHS[name] * size for name in BONES]))
    q = np.tile(human.rest, (frames, 1))
    if base is not None:
        q[:, :7] = base
    for name, value in angles.items():
        rows = human.positions(name)
        if rows.stop - rows.start == 4:
            q[:, rows] = Rotation.from_rotvec(np.broadcast_to(np.asarray(value, dtype=np.float64), (frames, 3)).copy()).as_quat()
        else:
            q[:, rows.start] = value
    return _person(human, q)


def _person(human: Human, q: FloatArray) -> Person:
    made = BatchedKinematics.of(human, q)
    poses, landmarks = made.link_poses, made.landmarks
    return Person(
        np.arange(len(q)) / RATE_HZ,
        {link: poses[:, row] for row, link in enumerate(LINKS)},
        {point: landmarks[:, LANDMARK_NAMES.index(name)] for point, name in END_POINTS.items()},
        landmarks,
    )


def moving(frames: int = 120, seed: int = 0, *, heading: float = 0.4, shrugging: bool = True) -> Person:
    """Return a person who walks and works with both arms: every joint sways smoothly, elbows and knees stay bent by 20 degrees or more."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames) / RATE_HZ

    def sway(low: float, high: float) -> FloatArray:
        phase, rate = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.8)
        return np.asarray((low + high) / 2 + (high - low) / 2 * np.sin(2 * np.pi * rate * times + phase))

    angles: dict[str, FloatArray] = {}
    for joint in JOINTS:
        if joint.axis is None:
            reach = {"hip": 0.5, "shoulder": 0.9}.get(joint.name.partition("_")[2], 0.25)
            angles[joint.name] = np.stack([sway(-reach, reach) for _ in range(3)], axis=1)
        elif "clavicle" in joint.name:
            angles[joint.name] = sway(-0.2, 0.3) if shrugging else np.zeros(frames)
        elif "elbow" in joint.name or "knee" in joint.name:
            angles[joint.name] = sway(0.5, 1.6)
        elif "ankle_inversion" in joint.name:
            angles[joint.name] = np.zeros(frames)
        else:
            angles[joint.name] = sway(0.5 * joint.lower, 0.7 * joint.upper)
    base = np.zeros((frames, 7))
    base[:, 0], base[:, 1], base[:, 2] = 0.5 * times, 0.1 * np.sin(times), 0.9 + 0.02 * np.sin(3 * times)
    base[:, 3:] = Rotation.from_euler(
        "zyx", np.stack([heading + 0.3 * np.sin(times), 0.1 * np.sin(2 * times), 0 * times], axis=1)
    ).as_quat()
    return simulated(angles, frames, base)


MIXAMO: dict[str, str] = {"pelvis": "Hips", "spine": "Spine", "thorax": "Spine1", "neck": "Neck", "head": "Head"}
for _side, _Side in (("left", "Left"), ("right", "Right")):
    _names = {
        "clavicle": "Shoulder",
        "upper_arm": "Arm",
        "forearm": "ForeArm",
        "hand": "Hand",
        "thigh": "UpLeg",
        "shank": "Leg",
        "foot": "Foot",
        "toes": "ToeBase",
    }
    MIXAMO |= {f"{_side}_{link}": _Side + name for link, name in _names.items()}
    for _finger in FINGERS:
        _Finger = "Pinky" if _finger == "little" else _finger.capitalize()
        MIXAMO |= {f"{_side}_{_finger}_{part}": f"{_Side}Hand{_Finger}{i}" for i, part in enumerate(("proximal", "middle", "distal"), 1)}
    MIXAMO |= {f"{_side}_thumb_{part}": f"{_Side}HandThumb{i}" for i, part in enumerate(("metacarpal", "proximal", "distal"), 1)}

PARENTS: dict[str, str] = {"spine": "pelvis", "thorax": "spine", "neck": "thorax", "head": "neck"}
for _side in ("left", "right"):
    for _chain in (("pelvis", "thigh", "shank", "foot", "toes"), ("thorax", "clavicle", "upper_arm", "forearm", "hand")):
        PARENTS |= {f"{_side}_{b}": a if a in ("pelvis", "thorax") else f"{_side}_{a}" for a, b in pairwise(_chain)}
    for _digit in (*FINGERS, "thumb"):
        _chain = (
            "hand",
            *(
                f"{_digit}_{part}"
                for part in (("metacarpal", "proximal", "distal") if _digit == "thumb" else ("proximal", "middle", "distal"))
            ),
        )
        PARENTS |= {f"{_side}_{b}": f"{_side}_{a}" for a, b in pairwise(_chain)}

Y_UP = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""From z up, x forward, y left to the usual BVH: y up, z forward, x left."""


def write_bvh(
    path: Path, person: Person, rest: Person, *, unit: float = 0.01, axes: FloatArray = Y_UP, order: str = "ZXY", links: tuple[str, ...] | None = None
) -> Path:  # fmt: skip
    """Write a motion as a BVH whose rest pose is ``rest`` (one frame), with Mixamo's names. ``links``: which, all by default."""
    chosen = [link for link in MIXAMO if links is None or link in links]
    children: dict[str | None, list[str]] = {}
    for link in chosen:
        parent = PARENTS.get(link)
        children.setdefault(parent, []).append(link)
    ends = {
        **{f"{s}_toes": f"{s}_toe_tip" for s in ("left", "right")},
        **{f"{s}_{d}_distal": f"{s}_{d}_tip" for s in ("left", "right") for d in (*FINGERS, "thumb")},
    }
    lines, order_of_links = ["HIERARCHY"], []

    def offset(point: str, parent: str | None) -> str:
        there = rest.place(point)[0] - (rest.place(parent)[0] if parent else 0.0)
        return "OFFSET " + " ".join(f"{value:.9f}" for value in axes @ there / unit)

    def block(link: str, parent: str | None, depth: int) -> None:
        tab = "\t" * depth
        order_of_links.append(link)
        lines.append(f"{tab}{'JOINT' if parent else 'ROOT'} {MIXAMO[link]}")
        lines.append(tab + "{")
        lines.append(f"{tab}\t{offset(link, parent)}")
        turns = " ".join(f"{axis}rotation" for axis in order)
        lines.append(f"{tab}\tCHANNELS " + (f"3 {turns}" if parent else f"6 Xposition Yposition Zposition {turns}"))
        for child in children.get(link, []):
            block(child, link, depth + 1)
        if link not in children:
            lines.extend(
                [f"{tab}\tEnd Site", tab + "\t{", f"{tab}\t\t{offset(ends[link], link) if link in ends else 'OFFSET 0 0 0'}", tab + "\t}"]
            )
        lines.append(tab + "}")

    block("pelvis", None, 0)
    columns = []
    # The file's rotation of a joint is the identity at rest: R_file = A R_link R_rest^T A^T.
    file = {link: axes @ person.turn(link) @ rest.turn(link)[0].T @ axes.T for link in order_of_links}
    for link in order_of_links:
        parent = PARENTS.get(link)
        local = file[link] if parent is None else np.swapaxes(file[parent], 1, 2) @ file[link]
        if parent is None:
            columns.append(person.place(link) @ axes.T / unit)
        columns.append(Rotation.from_matrix(local).as_euler(order, degrees=True))
    values = np.concatenate(columns, axis=1)
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {1 / RATE_HZ:.9f}"]
    lines += [" ".join(f"{value:.9f}" for value in row) for row in values]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def walking() -> Person:
    """Two seconds of a person of typical proportions."""
    return moving()


@pytest.fixture(scope="session")
def t_pose() -> Person:
    """The usual rest pose: standing, arms out, palms down."""
    return simulated(
        {"left_shoulder": [np.pi / 2, 0, 0], "right_shoulder": [-np.pi / 2, 0, 0]}, base=np.array([[0, 0, 0.918, 0, 0, 0, 1.0]])
    )


@pytest.fixture(scope="session")
def posed() -> Callable[..., Person]:
    """Make a person with given joint angles."""
    return simulated


@pytest.fixture(scope="session")
def someone_moving() -> Callable[..., Person]:
    """Make another person who moves."""
    return moving


@pytest.fixture
def bvh(tmp_path: Path) -> Callable[..., Path]:
    """Write a person as a BVH."""

    def write(person: Person, rest: Person, name: str = "motion.bvh", **options: Any) -> Path:
        return write_bvh(tmp_path / name, person, rest, **options)

    return write


@pytest.fixture
def npy(tmp_path: Path) -> Callable[..., Path]:
    """Write points (T, N, 3) by name as an NPY with the JSON of its names."""
    import json

    def write(points: Mapping[str, FloatArray], name: str = "walk.npy", **description: Any) -> Path:
        np.save(tmp_path / name, np.stack(list(points.values()), axis=1))
        text = json.dumps({"joint_names": list(points), **description})
        (tmp_path / name).with_suffix(".json").write_text(text)
        return tmp_path / name

    return write
