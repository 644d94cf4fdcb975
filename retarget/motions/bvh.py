"""BVH files: a hierarchy of joints with offsets and Euler channels, and one line of numbers a frame (Meredith and Maddock 2001)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError
from bodydouble.retarget.motions.joint_capture import JointCapture, check_numbers, checked_rate, evenly, forward, text_of
from bodydouble.retarget.motions.rotations import product_about

FloatArray = npt.NDArray[np.float64]

END = "_end"
"""What an End Site is called after its joint."""


@dataclass
class _Joint:
    name: str
    parent: int
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    channels: list[str] = field(default_factory=list)
    first: int = 0
    """Column of its first channel."""


def read_bvh(path: Path, rate_hz: float | None = None) -> JointCapture:
    """Read a BVH file; its End Sites are joints called ``<joint>_end``.

    Channel angles are degrees and multiply from left to right. A position channel replaces that coordinate of the joint's OFFSET. ``rate_hz`` stands for
    the file's Frame Time. Raises: DataError naming the line for a file that is no BVH, is cut off, or holds no frames; UsageError for an impossible rate.
    """
    text = text_of(path, "BVH")
    head, word, tail = text.partition("MOTION")
    if not head.lstrip().upper().startswith("HIERARCHY"):
        raise DataError(f"{path} is not a BVH: it does not start with HIERARCHY.")
    if not word:
        raise DataError(f"{path} has no MOTION section: the file is cut off, or holds a skeleton alone.")
    joints = _hierarchy(path, head)
    values, frame_time = _frames(path, tail, sum(len(joint.channels) for joint in joints))
    rate = _rate(path, frame_time, rate_hz)
    offsets = np.array([joint.offset for joint in joints])
    local = np.broadcast_to(np.eye(3), (len(values), len(joints), 3, 3)).copy()
    moved = np.broadcast_to(offsets, (len(values), *offsets.shape)).copy()
    for row, joint in enumerate(joints):
        order = ""
        turns = []
        for number, channel in enumerate(joint.channels):
            column = values[:, joint.first + number]
            if channel[1:] == "position":
                moved[:, row, "xyz".index(channel[0])] = column
            else:
                order += channel[0]
                turns.append(column)
        if order:
            local[:, row] = product_about(order, np.radians(np.stack(turns, axis=1)))
    parents = [joint.parent for joint in joints]
    places, rotations = forward(parents, moved, local, moved[:, 0])
    rest, _ = forward(parents, offsets, np.broadcast_to(np.eye(3), (1, len(joints), 3, 3)), offsets[:1])
    check_numbers(path, places)
    return JointCapture(tuple(joint.name for joint in joints), evenly(len(places), rate), places, rotations, rest[0])


def _rate(path: Path, frame_time: float | None, rate_hz: float | None) -> float:
    if rate_hz is not None:
        return checked_rate(rate_hz, "--rate-hz")
    if frame_time is None or not frame_time > 0:
        raise DataError(f"{path} has no usable Frame Time ({frame_time}); pass --rate-hz with the rate of the recording.")
    return checked_rate(1.0 / frame_time, f"the Frame Time of {path}")


def _hierarchy(path: Path, head: str) -> list[_Joint]:
    joints: list[_Joint] = []
    stack: list[int] = []
    column = 0
    opened = -1
    for number, line in enumerate(head.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        word = words[0].upper()
        try:
            if word in ("ROOT", "JOINT"):
                if word == "ROOT" and joints:
                    raise DataError(f"{path}, line {number}: a second ROOT; a file of one person was expected.")
                joints.append(_Joint(" ".join(words[1:]) or f"joint{len(joints)}", stack[-1] if stack else -1))
                opened = len(joints) - 1
            elif word == "END":
                joints.append(_Joint(joints[stack[-1]].name + END, stack[-1]))
                opened = len(joints) - 1
            elif word == "{":
                stack.append(opened)
            elif word == "}":
                stack.pop()
            elif word == "OFFSET":
                x, y, z = (float(value) for value in words[1:4])
                joints[stack[-1]].offset = (x, y, z)
            elif word == "CHANNELS":
                names = [name.lower() for name in words[2:]]
                if len(names) != int(words[1]) or not all(_is_channel(name) for name in names):
                    raise ValueError
                joints[stack[-1]].channels, joints[stack[-1]].first = names, column
                column += len(names)
            elif word != "HIERARCHY":
                raise ValueError
        except (ValueError, IndexError):
            raise DataError(f"{path}, line {number}: '{line.strip()}' cannot be read as part of a BVH hierarchy.") from None
    if not joints or stack:
        raise DataError(f"{path}: the hierarchy is incomplete: {'a closing brace is missing' if joints else 'it has no ROOT'}.")
    return joints


def _is_channel(name: str) -> bool:
    return len(name) > 1 and name[0] in "xyz" and name[1:] in ("position", "rotation")


def _frames(path: Path, tail: str, channels: int) -> tuple[FloatArray, float | None]:
    said: int | None = None
    frame_time: float | None = None
    lines = tail.splitlines()
    start = len(lines)
    for number, line in enumerate(lines):
        key, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon:
            start = number
            break
        try:
            if key.strip().lower() == "frames":
                said = int(value)
            elif key.strip().lower() == "frame time":
                frame_time = float(value)
        except ValueError:
            raise DataError(f"{path}: '{line.strip()}' is not a number of frames or a frame time.") from None
    rows = [line.split() for line in lines[start:]]
    rows = [row for row in rows if row]
    if not rows or said == 0:
        raise DataError(f"{path} holds no frames.")
    for number, row in enumerate(rows, start=1):
        if len(row) != channels:
            raise DataError(
                f"{path}: frame {number} has {len(row)} values where the hierarchy has {channels} channels; the file is cut off or damaged."
            )
    if said is not None and len(rows) < said:
        raise DataError(f"{path} says {said} frames and holds {len(rows)}: it is cut off.")
    try:
        return np.array(rows[:said], dtype=np.float64), frame_time
    except ValueError as error:
        raise DataError(f"{path} holds a value that is not a number: {error}.") from None
