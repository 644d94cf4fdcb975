"""The ``motion`` format: the robot's motion for reinforcement learning that tracks it, one NPZ and one CSV an episode.

``episode_000000.npz`` has the keys that BeyondMimic's ``whole_body_tracking`` and mjlab read (fps, joint_pos, joint_vel, body_pos_w, body_quat_w,
body_lin_vel_w, body_ang_vel_w) and more, see ``ARRAYS``. Joints and bodies are in the order of ``joint_names`` and ``body_names``; a simulator has one of its
own, so pick them by name. Of the quaternions only ``body_quat_w`` is wxyz, because those trackers (Isaac Lab before 3.0, MuJoCo) take it as it is; the
others are xyzw, as everywhere in this program. The keys of bodies are left out where the robot's model is not at hand.

``episode_000000.csv`` has no header line, because their ``csv_to_npz.py`` reads it with ``numpy.loadtxt``: root position, root quaternion xyzw, then the
joints, one line a sample; Unitree's retargeted LAFAN1 is arranged the same. Tell them the rate (``--input_fps``). ``motion.json`` names the columns.

Positions are the retargeted ones at every sample, also where the mask says that they are not observed: a value that is held would jump when it is let go,
and a tracker would learn the jump. Velocities are central differences of what is stored, one-sided at the ends, as ``numpy.gradient`` has them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.building import INDEX
from bodydouble.datasets.exports.export_format import Entry, ExportFormat
from bodydouble.datasets.exports.export_plan import EpisodeHeader, ExportPlan
from bodydouble.datasets.exports.numbered_files import NumberedFiles, check_no_other_files, files_of, names_of
from bodydouble.datasets.exports.resampling import Resampler, filled
from bodydouble.datasets.exports.robot_model import RobotModel, model_of
from bodydouble.datasets.exports.samples import Samples
from bodydouble.datasets.hand_head_poses import matrices
from bodydouble.errors import DataError
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

SUFFIXES = (".npz", ".csv")
DESCRIPTION = "motion.json"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Date of everything inside the NPZ, which is a ZIP: the same episode gives the same bytes on any day."""
ROUNDED = 1e-5
"""A CSV with six decimals and an NPZ of 32-bit numbers agree this well."""
SAME_SPEED = 1e-3
"""rad/s that a stored velocity may differ from the stored positions' differences: 32-bit numbers at a thousand frames a second do."""


@dataclass(frozen=True)
class Key:
    """One array of the NPZ. ``shape``: N samples, J joints, B bodies, K contact points, S segments."""

    shape: tuple[str | int, ...]
    unit: str
    meaning: str


ARRAYS: Mapping[str, Key] = {
    "fps": Key((1,), "Hz", "samples a second"),
    "times_s": Key(("N",), "s", "on the episode's clock"),
    "joint_names": Key(("J",), "", "order of every J"),
    "root_pos": Key(("N", 3), "m", "of the robot's base in the world, z up"),
    "root_rot_xyzw": Key(("N", 4), "quaternion xyzw", "of the robot's base in the world"),
    "root_lin_vel_w": Key(("N", 3), "m/s", "in the world's axes"),
    "root_ang_vel_w": Key(("N", 3), "rad/s", "in the world's axes"),
    "joint_pos": Key(("N", "J"), "rad", "joint positions"),
    "joint_vel": Key(("N", "J"), "rad/s", "central differences of joint_pos"),
    "mask_joint": Key(("N", "J"), "0 missing, 1 observed, 2 interpolated, 3 inferred", "how the human motion behind each joint is known"),
    "mask_root": Key(("N",), "0 missing, 1 observed, 2 interpolated, 3 inferred", "how the base is known"),
    "contact_names": Key(("K",), "", "order of every K; empty where contacts were not worked out"),
    "contacts": Key(("N", "K"), "0 no, 1 yes", "contact points of the robot that are planted"),
    "joint_lower": Key(("J",), "rad", "lower end of the range"),
    "joint_upper": Key(("J",), "rad", "upper end of the range"),
    "joint_velocity_limit": Key(("J",), "rad/s", "largest speed"),
    "joint_effort_limit": Key(("J",), "N m", "largest torque; infinite where nobody says"),
    "robot": Key((), "", "name of the robot"),
    "task": Key((), "", "what is done, in words"),
    "segment_start_s": Key(("S",), "s", "start of each annotated segment"),
    "segment_stop_s": Key(("S",), "s", "its end"),
    "segment_text": Key(("S",), "", "what is done in it"),
    "grade": Key((), "", "of the episode, A to D"),
    "licence": Key((), "", 'of the recording; "" where nobody said'),
}
BODY_ARRAYS: Mapping[str, Key] = {
    "body_names": Key(("B",), "", "links of the robot's description in its order, the root first; order of every B"),
    "body_pos_w": Key(("N", "B", 3), "m", "in the world"),
    "body_quat_w": Key(("N", "B", 4), "quaternion wxyz", "in the world; wxyz, which trackers expect of this key"),
    "body_lin_vel_w": Key(("N", "B", 3), "m/s", "of the link's origin, in the world's axes"),
    "body_ang_vel_w": Key(("N", "B", 3), "rad/s", "in the world's axes"),
}
"""Where the robot's model is at hand."""
UNLIMITED = "joint_effort_limit"
"""The one array that may hold infinite values."""


class _Writer:
    def __init__(self, folder: Path, plan: ExportPlan) -> None:
        self.folder, self.plan, self.files = folder, plan, NumberedFiles(folder, SUFFIXES)

    def add(self, episode: Episode, samples: Samples, header: EpisodeHeader, progress: Progress = silent) -> Mapping[str, Any]:
        model = model_of(episode.trajectory)
        arrays = motion_arrays(episode, samples, self.plan.joint_names, None if isinstance(model, str) else model)
        arrays |= {"grade": np.array(header.grade), "licence": np.array(header.licence)}
        files = self.files.next_files()
        write_npz(files[".npz"], arrays)
        rows = np.concatenate([arrays["root_pos"], arrays["root_rot_xyzw"], arrays["joint_pos"]], axis=1)
        np.savetxt(files[".csv"], rows, fmt="%.6f", delimiter=",", newline="\n")
        progress(samples.count, samples.count)
        stored = {"files": names_of(files), "bodies": len(arrays.get("body_names", ()))}
        return stored | ({"no_bodies": model} if isinstance(model, str) else {})

    def adopt(self, export: Path, entry: Entry) -> Mapping[str, Any]:
        return self.files.adopt(export, entry)

    def finish(self, index: dict[str, Any]) -> None:
        columns = [f"root_pos.{axis}" for axis in "xyz"] + [f"root_rot.{axis}" for axis in ("qx", "qy", "qz", "qw")]
        keys = {
            name: {"shape": list(key.shape), "unit": key.unit, "meaning": key.meaning} for name, key in {**ARRAYS, **BODY_ARRAYS}.items()
        }
        said = {
            "rate_hz": index["rate_hz"], "robot": index["robot"],
            "csv": {"header_lines": 0, "columns": columns + index["joint_names"], "unit": "m, quaternion xyzw, rad"}, "npz": keys,
        }  # fmt: skip
        (self.folder / DESCRIPTION).write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def motion_arrays(
    episode: Episode, samples: Samples, joint_names: tuple[str, ...], model: RobotModel | None
) -> dict[str, npt.NDArray[Any]]:  # fmt: skip
    """Return the arrays of ``ARRAYS`` but grade and licence, and with a ``model`` those of ``BODY_ARRAYS``."""
    trajectory, rate_hz = episode.trajectory, samples.rate_hz
    resampler = Resampler(episode.times_s, samples.times_s)
    rows = [trajectory.joint_names.index(name) for name in joint_names]
    all_positions, base = filled(resampler.values(trajectory.positions)), _held_poses(resampler.poses(trajectory.base_pose))
    positions = all_positions[:, rows].astype(np.float32)
    root = matrices(base)
    contacts = trajectory.contacts or {}
    planted = [flag[resampler.before] & flag[resampler.after] for flag in contacts.values()]
    segments = episode.segments
    arrays: dict[str, npt.NDArray[Any]] = {
        "fps": np.array([rate_hz]), "times_s": samples.times_s, "joint_names": np.array(joint_names),
        "root_pos": base[:, :3].astype(np.float32), "root_rot_xyzw": base[:, 3:].astype(np.float32),
        "root_lin_vel_w": rates(base[:, :3], rate_hz).astype(np.float32),
        "root_ang_vel_w": angular_rates(root[:, None, :3, :3], rate_hz)[:, 0].astype(np.float32),
        "joint_pos": positions, "joint_vel": rates(positions.astype(np.float64), rate_hz).astype(np.float32),
        "mask_joint": resampler.sources(trajectory.joint_source[:, rows]), "mask_root": samples.base.source[:, 0],
        "contact_names": np.array(list(contacts), dtype=np.str_),
        "contacts": np.stack(planted, axis=1) if planted else np.zeros((samples.count, 0), np.uint8),
        "joint_lower": trajectory.lower[rows], "joint_upper": trajectory.upper[rows],
        "joint_velocity_limit": trajectory.velocity_limit[rows], "joint_effort_limit": trajectory.effort_limit[rows],
        "robot": np.array(trajectory.robot), "task": np.array(episode.task),
        "segment_start_s": np.array([one.start_s for one in segments], dtype=np.float64),
        "segment_stop_s": np.array([one.stop_s for one in segments], dtype=np.float64),
        "segment_text": np.array([one.text for one in segments], dtype=np.str_),
    }  # fmt: skip
    if model is not None:
        poses = model.link_poses(all_positions, base)
        arrays |= {
            "body_names": np.array(model.link_names), "body_pos_w": poses[..., :3, 3].astype(np.float32),
            "body_quat_w": _quaternions_wxyz(poses[..., :3, :3]).astype(np.float32),
            "body_lin_vel_w": rates(poses[..., :3, 3], rate_hz).astype(np.float32),
            "body_ang_vel_w": angular_rates(poses[..., :3, :3], rate_hz).astype(np.float32),
        }  # fmt: skip
    return arrays


def rates(values: FloatArray, rate_hz: float) -> FloatArray:
    """Return how fast values (N, ...) change a second: central differences, one-sided at the ends; 0 for a single sample."""
    if len(values) < 2:
        return np.zeros_like(values)
    return np.asarray(np.gradient(values, 1.0 / rate_hz, axis=0))


def angular_rates(rotations: FloatArray, rate_hz: float) -> FloatArray:
    """Return angular velocities (N, B, 3) rad/s in the world's axes of rotations (N, B, 3, 3): central differences, one-sided at the ends."""
    count = len(rotations)
    if count < 2:
        return np.zeros(rotations.shape[:-1])
    after, before = np.minimum(np.arange(count) + 1, count - 1), np.maximum(np.arange(count) - 1, 0)
    turns = rotations[after] @ np.swapaxes(rotations[before], -1, -2)
    vectors = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec().reshape(rotations.shape[:-1])
    return np.asarray(vectors * (rate_hz / (after - before))[:, None, None])


def _quaternions_wxyz(rotations: FloatArray) -> FloatArray:
    count, bodies = rotations.shape[:2]
    xyzw = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat(canonical=True).reshape(count, bodies, 4)
    turned = np.sum(xyzw[1:] * xyzw[:-1], axis=-1) < 0
    xyzw[1:] *= np.where(np.cumsum(turned, axis=0) % 2, -1.0, 1.0)[..., None]
    return np.asarray(xyzw[..., [3, 0, 1, 2]])


def _held_poses(poses: FloatArray) -> FloatArray:
    """Return poses (N, 7) without NaN: the last known one, else upright at the origin."""
    held = filled(poses)
    held[np.linalg.norm(held[:, 3:], axis=1) == 0, 6] = 1.0
    return held


def write_npz(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays as ``numpy.savez`` does, but with the same bytes for the same arrays at any time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", LONG_AGO), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)


def verify(export: Path, index: dict[str, Any]) -> None:
    """Read every file again and compare it with the index. Raises: DataError."""
    check_no_other_files(export, index["episodes"], (DESCRIPTION, INDEX))
    for entry in index["episodes"]:
        files = files_of(export, entry, SUFFIXES)
        try:
            with np.load(files[".npz"], allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            rows = np.loadtxt(files[".csv"], delimiter=",", ndmin=2)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{export}: the files of {entry['file']} cannot be read again: {error}.") from None
        problem = _problem(arrays, rows, entry, index)
        if problem:
            raise DataError(f"{files['.npz']}: {problem}. Make the export again.")


def _problem(arrays: Mapping[str, npt.NDArray[Any]], rows: FloatArray, entry: Entry, index: dict[str, Any]) -> str:
    keys = {**ARRAYS, **BODY_ARRAYS} if entry["stored"]["bodies"] else dict(ARRAYS)
    if set(arrays) != set(keys):
        return f"it has the keys {', '.join(arrays)}; expected {', '.join(keys)}"
    if arrays["joint_names"].tolist() != index["joint_names"]:
        return f"its joints are {', '.join(arrays['joint_names'])}; the index says {', '.join(index['joint_names'])}"
    sizes = {"N": entry["samples"], "J": len(index["joint_names"]), "B": entry["stored"]["bodies"]}
    for name, key in keys.items():
        shape = tuple(sizes.setdefault(axis, arrays[name].shape[i]) if isinstance(axis, str) else axis for i, axis in enumerate(key.shape))
        if arrays[name].shape != shape:
            return f"{name} has shape {arrays[name].shape}; expected {shape}"
        if arrays[name].dtype.kind == "f" and name != UNLIMITED and not np.isfinite(arrays[name]).all():
            return f"{name} has values that are not finite"
    expected = rates(arrays["joint_pos"].astype(np.float64), float(arrays["fps"][0]))
    if np.abs(expected - arrays["joint_vel"]).max(initial=0.0) > SAME_SPEED:
        return "joint_vel are not the differences of joint_pos"
    columns = np.concatenate([arrays["root_pos"], arrays["root_rot_xyzw"], arrays["joint_pos"]], axis=1)
    if rows.shape != columns.shape or np.abs(rows - columns).max(initial=0.0) > ROUNDED:
        return "its CSV says something else"
    return ""


FORMAT = ExportFormat(
    name="motion", description="the robot's motion for reinforcement learning that tracks it: one NPZ and one CSV an episode",
    writer=_Writer, verify=verify, own_rate_hz=50.0, images=False, takes=("joints", "rate_hz"),
)  # fmt: skip
