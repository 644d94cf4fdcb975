"""The ``bvh`` format: the person's motion as a BVH skeleton, one an episode, with a mask beside it.

``episode_000000.bvh`` is what animation programs and other retargeters expect: joints named as Mixamo does (Hips, Spine, LeftArm, LeftHandIndex1), in
centimetres, y up, z forward, x left; the rest pose is the person's zero pose (standing, arms hanging, palms to the thighs); the root has six channels,
every other joint Z, X and Y rotations in degrees, which multiply from left to right. A BVH cannot say its unit or axes, so ``bvh.json`` does. No joint of
such a skeleton is a heel or a point of the face; the head ends midway between the ears.

``episode_000000.mask.csv`` has a header and a line a frame: the time in s, then for each joint 0 missing, 1 observed, 2 interpolated, 3 inferred. Where the
person is missing the last pose is held, before the first one that; nothing but the mask tells. `bodydouble.retarget.motions.read_motion` reads these files.
"""

from __future__ import annotations

import csv
import json
import warnings
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
from bodydouble.datasets.exports.human_links import END_LANDMARKS, ROOT, kept_parents, link_source
from bodydouble.datasets.exports.numbered_files import NumberedFiles, check_no_other_files, files_of, names_of
from bodydouble.datasets.exports.resampling import Resampler
from bodydouble.datasets.exports.samples import Samples
from bodydouble.datasets.hand_head_poses import matrices, pose_vectors
from bodydouble.errors import DataError
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.progress import Progress, silent
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.motions.bvh import END, read_bvh

FloatArray = npt.NDArray[np.float64]

SUFFIXES = (".bvh", ".mask.csv")
DESCRIPTION = "bvh.json"
FILE_FROM_WORLD = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""World (x forward, y left, z up) to file (x left, y up, z forward)."""
CENTIMETRES = 100.0
ORDER = "ZXY"
SAME_RATE = 1e-6


def _names() -> dict[str, str]:
    names = {"pelvis": "Hips", "spine": "Spine", "thorax": "Spine1", "neck": "Neck", "head": "Head"}
    limbs = {
        "clavicle": "Shoulder", "upper_arm": "Arm", "forearm": "ForeArm", "hand": "Hand", "thigh": "UpLeg", "shank": "Leg", "foot": "Foot",
        "toes": "ToeBase", "thumb_metacarpal": "HandThumb1", "thumb_proximal": "HandThumb2", "thumb_distal": "HandThumb3",
    }  # fmt: skip
    for finger in FINGERS:
        called = "Pinky" if finger == "little" else finger.capitalize()
        limbs |= {f"{finger}_{part}": f"Hand{called}{number}" for number, part in enumerate(("proximal", "middle", "distal"), start=1)}
    return names | {f"{side}_{link}": f"{side.capitalize()}{name}" for side in SIDES for link, name in limbs.items()}


BVH_NAMES = _names()
"""Link of the human tree to its joint's name in the file."""


@dataclass(frozen=True)
class Skeleton:
    """L joints over N frames, in the world's axes and m."""

    links: tuple[str, ...]
    """Parents before children; the pelvis first."""
    parents: tuple[int, ...]
    offsets: FloatArray
    """(L, 3) of each joint in its parent's frame; 0 for the root."""
    ends: dict[str, FloatArray]
    """Last links of limbs to where they end, (3,) in their frame."""
    root: FloatArray
    """(N, 3)."""
    turns: FloatArray
    """(N, L, 3, 3) against the parent, the root's against the world."""
    source: npt.NDArray[np.uint8]
    """(N, L) of hand_pose Source."""


class _Writer:
    def __init__(self, folder: Path, plan: ExportPlan) -> None:
        self.folder, self.files = folder, NumberedFiles(folder, SUFFIXES)

    def add(self, episode: Episode, samples: Samples, header: EpisodeHeader, progress: Progress = silent) -> Mapping[str, Any]:
        skeleton = skeleton_of(episode.motion, samples.times_s)
        files = self.files.next_files()
        files[".bvh"].write_text(bvh_text(skeleton, samples.rate_hz), encoding="ascii", newline="\n")
        with files[".mask.csv"].open("w", encoding="ascii", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["time_s", *(BVH_NAMES[link] for link in skeleton.links)])
            table.writerows([f"{time:.6f}", *row] for time, row in zip(samples.times_s, skeleton.source.tolist(), strict=True))
        progress(samples.count, samples.count)
        return {
            "files": names_of(files), "joints": len(skeleton.links),
            "held_frames": int((skeleton.source == Source.MISSING).all(axis=1).sum()),
        }  # fmt: skip

    def adopt(self, export: Path, entry: Entry) -> Mapping[str, Any]:
        return self.files.adopt(export, entry)

    def finish(self, index: dict[str, Any]) -> None:
        said = {
            "rate_hz": index["rate_hz"], "unit": "cm", "up": "y", "forward": "z", "left": "x", "rotations": f"degrees, {ORDER}, left to right",
            "rest_pose": "standing, arms hanging, palms to the thighs", "mask": "0 missing, 1 observed, 2 interpolated, 3 inferred",
            "joints": {name: link for link, name in BVH_NAMES.items()},
        }  # fmt: skip
        (self.folder / DESCRIPTION).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def skeleton_of(motion: HumanMotion, at_s: FloatArray) -> Skeleton:
    """Return the person as a skeleton of constant bones at times (N,) s. Raises: DataError where the person or the pelvis is in no frame."""
    resampler = Resampler(motion.times_s, at_s)
    poses = {link: matrices(resampler.poses(pose_vectors(motion.link(link)))) for link in motion.link_names if link in BVH_NAMES}
    known: dict[str, npt.NDArray[np.bool_]] = {link: np.asarray(np.isfinite(pose).all(axis=(1, 2))) for link, pose in poses.items()}
    links = tuple(link for link in poses if known[link].any())
    if ROOT not in links:
        raise DataError("the person's pelvis is known in no frame, and a BVH hangs on it")
    links = (ROOT, *(link for link in links if link != ROOT))
    parents = kept_parents(links)
    turns = np.tile(np.eye(3), (len(at_s), len(links), 1, 1))
    offsets = np.zeros((len(links), 3))
    sources = np.zeros((len(at_s), len(links)), np.uint8)
    for row, (link, parent) in enumerate(zip(links, parents, strict=True)):
        turn, both = poses[link][:, :3, :3], known[link]
        if parent >= 0:
            both = both & known[links[parent]]
            turn = np.swapaxes(poses[links[parent]][:, :3, :3], 1, 2) @ turn
            # of the stored frames: between two frames joints go straight, so that bones are short there
            offsets[row] = _median_place(motion.link(links[parent]), motion.link(link)[:, :3, 3])
        if both.any():
            turns[:, row] = turn[_held(np.asarray(both))]
        sources[:, row] = np.where(both, resampler.sources(link_source(motion, link)), Source.MISSING)
    leaves = [link for row, link in enumerate(links) if row not in parents]
    ends = {link: _end(motion, link) for link in leaves}
    return Skeleton(links, parents, offsets, ends, poses[ROOT][_held(known[ROOT])][:, :3, 3], turns, sources)


def _held(known: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return for each frame the last known one up to it, else the first."""
    last = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    return np.asarray(np.where(last >= 0, last, np.argmax(known)), dtype=np.int64)


def _end(motion: HumanMotion, link: str) -> FloatArray:
    """Return where a limb ends (3,) m in its last link's frame; 0 where that was never known."""
    names = END_LANDMARKS.get(link, ())
    if not names:
        return np.zeros(3)
    return _median_place(motion.link(link), np.mean([motion.landmark(name) for name in names], axis=0))


def _median_place(T_world_link: FloatArray, p_world: FloatArray) -> FloatArray:
    """Return where points (T, 3) are in the frames of a link (T, 4, 4), (3,) m; 0 where never known."""
    local = np.einsum("tji,tj->ti", T_world_link[:, :3, :3], p_world - T_world_link[:, :3, 3])
    local = local[np.isfinite(local).all(axis=1)]
    return np.asarray(np.median(local, axis=0)) if len(local) else np.zeros(3)


def bvh_text(skeleton: Skeleton, rate_hz: float) -> str:
    """Return the file's text: cm and degrees, y up."""
    lines = ["HIERARCHY"]
    order: list[int] = []

    def joint(row: int, depth: int) -> None:
        indent, link = "\t" * depth, skeleton.links[row]
        order.append(row)
        lines.append(f"{indent}{'JOINT' if depth else 'ROOT'} {BVH_NAMES[link]}")
        lines.append(f"{indent}{{")
        lines.append(f"{indent}\tOFFSET {_place(skeleton.offsets[row])}")
        lines.append(f"{indent}\tCHANNELS {'3' if depth else '6 Xposition Yposition Zposition'} Zrotation Xrotation Yrotation")
        for child in np.flatnonzero(np.array(skeleton.parents) == row):
            joint(int(child), depth + 1)
        if link in skeleton.ends:
            lines.extend([f"{indent}\tEnd Site", f"{indent}\t{{", f"{indent}\t\tOFFSET {_place(skeleton.ends[link])}", f"{indent}\t}}"])
        lines.append(f"{indent}}}")

    joint(0, 0)
    angles = np.degrees(euler_angles(FILE_FROM_WORLD @ skeleton.turns @ FILE_FROM_WORLD.T))[:, order]
    places = skeleton.root @ FILE_FROM_WORLD.T * CENTIMETRES
    rows = np.concatenate([places, angles.reshape(len(places), -1)], axis=1)
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {1.0 / rate_hz:.12g}"]
    lines += [_numbers(row) for row in rows]
    return "\n".join(lines) + "\n"


def _place(p_m: FloatArray) -> str:
    return _numbers(FILE_FROM_WORLD @ p_m * CENTIMETRES)


def _numbers(values: FloatArray) -> str:
    return " ".join(f"{value:.6f}" for value in np.round(values, 6) + 0.0)  # no "-0.000000"


def euler_angles(rotations: FloatArray) -> FloatArray:
    """Return angles (N, L, 3) rad about Z, X and Y whose product from left to right is rotations (N, L, 3, 3), each near that of the frame before.

    Two triples give every rotation, and whole turns more: without care for the neighbour, curves jump that a person edits.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # with the middle angle at 90 degrees the other two are not unique; any pair serves
        angles = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_euler(ORDER).reshape(*rotations.shape[:-1])
    other = np.stack([angles[..., 0] + np.pi, np.pi - angles[..., 1], angles[..., 2] + np.pi], axis=-1)
    for frame in range(1, len(angles)):
        before = angles[frame - 1]
        near = [one[frame] - 2 * np.pi * np.round((one[frame] - before) / (2 * np.pi)) for one in (angles, other)]
        first = np.abs(near[0] - before).sum(axis=-1) <= np.abs(near[1] - before).sum(axis=-1)
        angles[frame] = np.where(first[:, None], near[0], near[1])
    return np.asarray(angles)


def verify(export: Path, index: dict[str, Any]) -> None:
    """Read every file again and compare it with the index. Raises: DataError."""
    check_no_other_files(export, index["episodes"], (DESCRIPTION, INDEX))
    for entry in index["episodes"]:
        files, samples, count = files_of(export, entry, SUFFIXES), entry["samples"], entry["stored"]["joints"]
        capture = read_bvh(files[".bvh"])
        joints = [name for name in capture.names if not name.endswith(END)]
        if len(capture.times_s) != samples or len(joints) != count:
            raise DataError(
                f"{files['.bvh']} has {len(capture.times_s)} frames of {len(joints)} joints; the index says {samples} of {count}. Make the export again."
            )
        step = float(capture.times_s[1]) if samples > 1 else 1.0 / index["rate_hz"]
        if abs(step * index["rate_hz"] - 1.0) > SAME_RATE:
            raise DataError(
                f"{files['.bvh']} has {1 / step:.6g} frames a second; the index says {index['rate_hz']:.6g}. Make the export again."
            )
        with files[".mask.csv"].open(encoding="ascii", newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        codes = {code for row in rows for code in row[1:]}
        if sorted(header) != sorted(["time_s", *joints]) or len(rows) != samples or not codes <= set("0123"):
            raise DataError(f"{files['.mask.csv']} is not the mask of {samples} frames of the joints of its BVH. Make the export again.")


FORMAT = ExportFormat(
    name="bvh", description="the person's motion as a BVH skeleton with fingers, and a mask beside it, for animation and other retargeters",
    writer=_Writer, verify=verify, images=False, takes=("rate_hz",),
)  # fmt: skip
