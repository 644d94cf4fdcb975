"""How many of the known ways in which an episode can be wrong `bodydouble validate` finds, and that it finds nothing in sound ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from edited_episode import edited, put_person_poses, put_positions
from simulated_demonstration import CAMERAS, Demonstration

from bodydouble.datasets import validate_episode, write_episode
from bodydouble.datasets.images import decode_jpeg, encode_jpeg
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND, swapped_sides

SEEDS = (1, 2, 3)
EACH = {"hard": 3, "structural": 1}
"""Instances of each defect."""
DEGREES = 180 / np.pi


@dataclass
class Case:
    """One instance of a defect on its way into a file."""

    file: Any
    demonstration: Demonstration
    random: np.random.Generator

    def read(self, path: str) -> Any:
        return self.file[path][()]

    def write(self, path: str, value: Any) -> None:
        self.file[path][()] = value

    def stretch(self, shortest: int, longest: int) -> slice:
        """Choose frames inside the episode."""
        length = int(self.random.integers(shortest, longest + 1))
        start = int(self.random.integers(5, len(self.demonstration.times_s) - 5 - length))
        return slice(start, start + length)

    def one_of(self, *choices: Any) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def row(self) -> int:
        """Choose a camera."""
        return int(self.random.integers(len(CAMERAS)))

    @property
    def robot_joints(self) -> list[str]:
        return list(json.loads(self.file["robot"].attrs["joint_names"]))

    @property
    def human_joints(self) -> list[str]:
        return list(json.loads(self.file["human"].attrs["joint_names"]))

    def put_positions(self, positions: Any) -> None:
        put_positions(self.file, positions, self.demonstration.robot)

    def set_at(self, path: str, place: Any, value: Any) -> None:
        data = self.read(path)
        data[place] = value
        self.write(path, data)


def degrees_in_all_positions(case: Case) -> None:
    case.put_positions(case.read("robot/positions") * DEGREES)


def degrees_in_one_robot_joint(case: Case) -> None:
    positions = case.read("robot/positions")
    column = int(case.random.integers(positions.shape[1]))
    positions[:, column] *= DEGREES
    case.write("robot/positions", positions) if case.random.uniform() < 0.5 else case.put_positions(positions)


def degrees_in_one_velocity(case: Case) -> None:
    velocities = case.read(path := case.one_of("robot/velocities", "robot/accelerations"))
    velocities[:, int(case.random.integers(velocities.shape[1]))] *= DEGREES
    case.write(path, velocities)


def degrees_in_all_human_angles(case: Case) -> None:
    case.write("human/joint_angles", case.read("human/joint_angles") * DEGREES)


def degrees_in_one_human_angle(case: Case) -> None:
    angles = case.read("human/joint_angles")
    angles[:, int(case.random.integers(angles.shape[1]))] *= DEGREES
    case.write("human/joint_angles", angles)


def degrees_in_one_range(case: Case) -> None:
    column = int(case.random.integers(len(case.robot_joints)))
    for path in ("robot/lower", "robot/upper"):
        case.set_at(path, column, case.read(path)[column] * DEGREES)


def millimetres_in_landmarks(case: Case) -> None:
    case.write("human/landmarks", case.read("human/landmarks") * 1000)


def millimetres_in_one_array(case: Case) -> None:
    path = case.one_of(
        "robot/base_pose", "human/base_pose", "human/link_poses", "human/landmark_sigma", "human/triangulated", "landmarks/shape_m",
        "poses/human/T_base_left_hand", "poses/robot/T_head_right_hand", "cameras/T_world_camera",
    )  # fmt: skip
    data = case.read(path)
    part = data[..., :3] if path.endswith(("base_pose", "hand")) else data[..., :3, 3] if data.shape[-1] == 4 else data
    part *= 1000
    case.write(path, data)


def time_going_back(case: Case) -> None:
    times, at = case.read("robot/times_s"), case.stretch(1, 1).start
    times[at] = times[at - 2]
    case.write("robot/times_s", times)


def time_twice(case: Case) -> None:
    times, at = case.read("robot/times_s"), case.stretch(1, 1).start
    times[at] = times[at - 1]
    case.write("robot/times_s", times)


def camera_time_going_back(case: Case) -> None:
    row, at = case.row(), case.stretch(1, 1).start
    case.set_at("recording/times_s", (row, at), case.read("recording/times_s")[row, at - 2] - 0.001)


def camera_frames_going_back(case: Case) -> None:
    row, at = case.row(), case.stretch(1, 1).start
    case.set_at("recording/frame_index", (row, at), 0)


def quaternion_not_unit(case: Case) -> None:
    path = case.one_of("robot/base_pose", "human/base_pose", "poses/human/T_world_head", "poses/robot/T_base_left_hand")
    data = case.read(path)
    data[case.stretch(1, 1).start, 3:] *= case.random.uniform(1.001, 1.5)
    case.write(path, data)


def range_broken(case: Case) -> None:
    positions, at, column = case.read("robot/positions"), case.stretch(1, 1).start, int(case.random.integers(len(case.robot_joints)))
    positions[at, column] = case.read("robot/upper")[column] + 0.01
    case.put_positions(positions)


def speed_broken(case: Case) -> None:
    positions, at, column = case.read("robot/positions"), case.stretch(1, 1).start, int(case.random.integers(len(case.robot_joints)))
    lower, upper = case.read("robot/lower")[column], case.read("robot/upper")[column]
    near_lower = positions[at, column] < (lower + upper) / 2
    positions[at, column] += (1 if near_lower else -1) * 0.5 * (upper - lower)
    case.put_positions(positions)


def nan_without_mask(case: Case) -> None:
    path, columns = case.one_of(("human/landmarks", 75), ("human/joint_angles", len(case.human_joints)), ("robot/positions", 78))
    case.set_at(path, (case.stretch(1, 1).start, int(case.random.integers(columns))), np.nan)


def mask_without_nan(case: Case) -> None:
    path, columns = case.one_of(("human/landmark_source", 75), ("human/joint_source", len(case.human_joints)), ("robot/action_source", 78))
    case.set_at(path, (case.stretch(1, 1).start, int(case.random.integers(columns))), 0)


def wrong_length(case: Case) -> None:
    path = case.one_of("robot/positions", "human/landmarks", "robot/torques", "human/joint_source")
    data = case.read(path)
    del case.file[path]
    case.file[path] = data[:-1]


def flipped_byte(case: Case) -> None:
    path = case.one_of("human/landmarks", "landmarks/pixels", "human/landmark_covariance", "robot/torques", "human/fit_error_px")
    data = case.read(path)
    data.view(np.uint8).reshape(-1)[int(case.random.integers(data.nbytes // 8)) * 8] ^= 1  # the lowest bits of one number
    case.write(path, data)


def flipped_byte_in_an_image(case: Case) -> None:
    stored, at = case.file[f"images/{case.one_of(*CAMERAS)}"], case.stretch(1, 1).start
    data = np.array(stored[at])
    data[int(case.random.integers(700, len(data) - 2))] ^= 1
    stored[at] = data


def image_cut_off(case: Case) -> None:
    stored, at = case.file[f"images/{case.one_of(*CAMERAS)}"], case.stretch(1, 1).start
    stored[at] = stored[at][: int(case.random.integers(10, len(stored[at]) - 2))]


def held_robot(case: Case) -> None:
    positions, held = case.read("robot/positions"), case.stretch(4, 18)
    groups = json.loads(case.file["robot"].attrs["joint_groups"])
    names = case.robot_joints if case.random.uniform() < 0.5 else groups[case.one_of("left_arm", "right_arm", "left_hand", "right_hand")]
    columns = [case.robot_joints.index(name) for name in names]
    positions[held.start : held.stop, columns] = positions[held.start, columns]
    case.put_positions(positions)


def held_person(case: Case) -> None:
    held = case.stretch(4, 18)
    for path in ("human/landmarks", "human/link_poses", "human/joint_angles"):
        data = case.read(path)
        data[held] = data[held.start]
        case.write(path, data)
    put_person_poses(case.file)


def held_landmarks(case: Case) -> None:
    row, held, part = case.row(), case.stretch(4, 18), case.one_of(slice(0, 75), slice(0, 33))
    for path in ("landmarks/pixels", "landmarks/confidence"):
        data = case.read(path)
        data[row, held, part] = data[row, held.start, part]
        case.write(path, data)


def frozen_camera(case: Case) -> None:
    stored, held = case.file[f"images/{case.one_of(*CAMERAS)}"], case.stretch(10, 40)
    for frame in range(held.start, held.stop):
        stored[frame] = stored[held.start]


def frozen_camera_encoded_again(case: Case) -> None:
    stored, held = case.file[f"images/{case.one_of(*CAMERAS)}"], case.stretch(10, 40)
    image = decode_jpeg(bytes(stored[held.start]))
    for frame in range(held.start, held.stop):
        stored[frame] = np.frombuffer(encode_jpeg(image, quality=int(case.random.integers(80, 96))), np.uint8)


def frozen_camera_all_along(case: Case) -> None:
    stored = case.file[f"images/{case.one_of(*CAMERAS)}"]
    for frame in range(len(stored)):
        stored[frame] = stored[0]


def swapped_hands_all_along(case: Case) -> None:
    _swap_landmarks(case, slice(None), [*range(LEFT_HAND.start, RIGHT_HAND.stop)])


def swapped_hands_for_a_while(case: Case) -> None:
    _swap_landmarks(case, case.stretch(5, 30), [*range(LEFT_HAND.start, RIGHT_HAND.stop)])


def swapped_person_all_along(case: Case) -> None:
    _swap_person(case, slice(None))


def swapped_person_for_a_while(case: Case) -> None:
    _swap_person(case, case.stretch(5, 30))


def _swap_landmarks(case: Case, frames: slice, rows: list[int]) -> None:
    other = swapped_sides()
    data = case.read("human/landmarks")
    kept = data.copy()
    for row in rows:
        data[frames, row] = kept[frames, other[row]]
    case.write("human/landmarks", data)


def _swap_person(case: Case, frames: slice) -> None:
    _swap_landmarks(case, frames, [*range(75)])
    for path, attribute in (("human/link_poses", "link_names"), ("human/joint_angles", "joint_names")):
        names = json.loads(case.file["human"].attrs[attribute])
        data = case.read(path)
        data[frames] = data[frames][:, [names.index(_other(name)) for name in names]]
        case.write(path, data)
    put_person_poses(case.file)


def _other(name: str) -> str:
    for one, two in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(one):
            return two + name.removeprefix(one)
    return name


def swapped_in_one_view(case: Case) -> None:
    row, frames = case.row(), case.one_of(slice(None), case.stretch(8, 40))
    rows = case.one_of(np.arange(75), np.arange(33), np.arange(33, 75))
    for path in ("landmarks/pixels", "landmarks/confidence"):
        data = case.read(path)
        data[row, frames, rows[0] : rows[-1] + 1] = data[row, frames][:, swapped_sides()[rows]]
        case.write(path, data)


def swapped_robot_all_along(case: Case) -> None:
    _swap_robot(case, slice(None))


def swapped_robot_for_a_while(case: Case) -> None:
    _swap_robot(case, case.stretch(10, 40))


def _swap_robot(case: Case, frames: slice) -> None:
    positions = case.read("robot/positions")
    positions[frames] = positions[frames][:, [case.robot_joints.index(_other(name)) for name in case.robot_joints]]
    case.put_positions(positions)


def camera_late(case: Case) -> None:
    row, late = case.row(), case.one_of(-0.05, 0.05)
    pixels = case.read("landmarks/pixels")
    seen = case.demonstration.seen(row, late)
    pixels[row] = np.where(np.isnan(pixels[row]), np.nan, seen)
    case.write("landmarks/pixels", pixels)
    for frame, image in enumerate(case.demonstration.images(row, late)):
        case.file[f"images/{CAMERAS[row]}"][frame] = np.frombuffer(encode_jpeg(image), np.uint8)


def camera_times_shifted(case: Case) -> None:
    times = case.read("recording/times_s")
    times[case.row()] += case.one_of(-0.05, 0.05)
    case.write("recording/times_s", times)


def images_beside_other_frames(case: Case) -> None:
    stored, by = case.file[f"images/{case.one_of(*CAMERAS)}"], case.one_of(-2, 2)
    images = [stored[min(max(frame + by, 0), len(stored) - 1)] for frame in range(len(stored))]
    for frame, data in enumerate(images):
        stored[frame] = data


def robot_late(case: Case) -> None:
    times, late = case.read("robot/times_s"), case.one_of(-0.1, 0.1)
    positions, base = case.read("robot/positions"), case.read("robot/base_pose")
    for data in (positions, base):
        data[:] = np.stack([np.interp(times - late, times, column) for column in data.T], axis=1)
    base[:, 3:] /= np.linalg.norm(base[:, 3:], axis=1, keepdims=True)
    case.write("robot/base_pose", base)
    case.put_positions(positions)
    put_person_poses(case.file)


def actions_shifted(case: Case) -> None:
    positions, ahead = case.read("robot/positions"), case.one_of(0, 2, 3)
    later = np.minimum(np.arange(len(positions)) + ahead, len(positions) - 1)
    case.write("robot/actions", np.concatenate([positions[later[:-1]], np.full((1, positions.shape[1]), np.nan)]))


def grade_edited(case: Case) -> None:
    case.file.attrs["grade"] = case.one_of("B", "C")


@dataclass(frozen=True)
class Defect:
    inject: Callable[[Case], None]
    found_by: tuple[str, ...]
    """Checks of which one must not pass."""
    kind: str = "hard"
    sealed: bool = True
    """Whether checksums are made again."""


DEFECTS = [
    Defect(degrees_in_all_positions, ("units",), "structural"),
    Defect(degrees_in_one_robot_joint, ("units", "joint ranges")),
    Defect(degrees_in_one_velocity, ("units",), "structural"),
    Defect(degrees_in_all_human_angles, ("units",), "structural"),
    Defect(degrees_in_one_human_angle, ("units", "human tree")),
    Defect(degrees_in_one_range, ("units",)),
    Defect(millimetres_in_landmarks, ("lengths",), "structural"),
    Defect(millimetres_in_one_array, ("lengths", "poses")),
    Defect(time_going_back, ("times",), "structural"),
    Defect(time_twice, ("times",), "structural"),
    Defect(camera_time_going_back, ("times",), "structural"),
    Defect(camera_frames_going_back, ("times",), "structural"),
    Defect(quaternion_not_unit, ("quaternions",), "structural"),
    Defect(range_broken, ("joint ranges",), "structural"),
    Defect(speed_broken, ("joint speeds",), "structural"),
    Defect(nan_without_mask, ("missing values",), "structural"),
    Defect(mask_without_nan, ("missing values",), "structural"),
    Defect(wrong_length, ("schema",), "structural"),
    Defect(flipped_byte, ("checksums",), "structural", sealed=False),
    Defect(flipped_byte_in_an_image, ("checksums",), "structural", sealed=False),
    Defect(image_cut_off, ("images",), "structural"),
    Defect(grade_edited, ("grade",), "structural"),
    Defect(actions_shifted, ("actions",), "structural"),
    Defect(held_robot, ("held samples",)),
    Defect(held_person, ("held samples",)),
    Defect(held_landmarks, ("held samples",)),
    Defect(frozen_camera, ("frozen cameras",)),
    Defect(frozen_camera_encoded_again, ("frozen cameras",)),
    Defect(frozen_camera_all_along, ("frozen cameras",)),
    Defect(swapped_hands_all_along, ("swapped hands",)),
    Defect(swapped_hands_for_a_while, ("swapped hands",)),
    Defect(swapped_person_all_along, ("swapped hands",)),
    Defect(swapped_person_for_a_while, ("swapped hands",)),
    Defect(swapped_in_one_view, ("swapped hands",)),
    Defect(swapped_robot_all_along, ("swapped hands",)),
    Defect(swapped_robot_for_a_while, ("swapped hands", "joint speeds")),
    Defect(camera_late, ("time shifts",)),
    Defect(camera_times_shifted, ("times", "time shifts")),
    Defect(images_beside_other_frames, ("time shifts",)),
    Defect(robot_late, ("time shifts",)),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Demonstration, Path]]:
    """Give sound episodes, by seed."""
    folder, made = tmp_path_factory.mktemp("sound"), {}
    for seed in SEEDS:
        demonstration = Demonstration(seed)
        write_episode(folder / f"{seed}.h5", demonstration.episode, images=demonstration.all_images())
        made[seed] = demonstration, folder / f"{seed}.h5"
    return made


def complaints(path: Path) -> dict[str, list[str]]:
    """Return what was found by every check that did not pass."""
    found: dict[str, list[str]] = {}
    for check in validate_episode(path):
        if check.verdict != "PASS":
            assert check.remedy, check
            found.setdefault(check.name, []).append(check.found)
    return found


def test_nothing_is_found_in_sound_episodes(sound):
    assert {seed: complaints(path) for seed, (_, path) in sound.items()} == {seed: {} for seed in SEEDS}


def found_in(defect: Defect, number: int, sound: dict[int, tuple[Demonstration, Path]], folder: Path) -> dict[str, list[str]]:
    """Inject one instance of a defect into a copy of a sound episode and return the complaints."""
    seed = SEEDS[number % len(SEEDS)]
    demonstration, path = sound[seed]
    copy = folder / "defect.h5"
    shutil.copy(path, copy)
    random = np.random.default_rng([number, *defect.inject.__name__.encode()])
    with edited(copy) if defect.sealed else h5py.File(copy, "r+") as file:
        defect.inject(Case(file, demonstration, random))
    return complaints(copy)


@pytest.mark.slow
def test_known_defects_are_found(sound, tmp_path):
    rates: dict[str, tuple[int, int, str]] = {}
    missed: list[str] = []
    for defect in DEFECTS:
        name, count, hits = defect.inject.__name__.replace("_", " "), EACH[defect.kind], 0
        for number in range(count):
            found = found_in(defect, number, sound, tmp_path)
            hit = bool(set(found) & set(defect.found_by))
            hits += hit
            missed += [] if hit else [f"{name} {number}: {found}"]
        rates[name] = hits, count, defect.kind
    for name, (hits, count, kind) in rates.items():
        print(f"{name:32} {kind:11} {hits:3} of {count:3}  {100 * hits / count:5.1f} %")
    assert all(hits >= (0.95 if kind == "hard" else 1.0) * count for hits, count, kind in rates.values()), missed
