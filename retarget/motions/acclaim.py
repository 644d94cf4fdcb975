"""ASF skeletons with AMC motions, as the CMU motion capture database has them (Lander 1998, "Working with motion capture file formats")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UsageError
from bodydouble.retarget.motions.joint_capture import JointCapture, check_numbers, evenly, forward, text_of
from bodydouble.retarget.motions.rotations import product_about

FloatArray = npt.NDArray[np.float64]

INCH = 0.0254
"""m. ASF lengths are in inches times the unit line's ``length``: metres = value / length * INCH."""
LONG_FRAMES = 60
"""Fewer frames do not show whether angles are too small for their unit."""
TRAVEL_M, STEP, SWING, SWINGING = 0.5, 0.3, 1.5, 3
"""What nobody does with joints that stay within 3 degrees: go TRAVEL_M while one swings by STEP, or swing SWINGING of them by SWING of the unit."""
END = "_end"
"""What the far end of a bone is called after the bone."""


@dataclass(frozen=True)
class _Bone:
    name: str
    parent: int
    vector: FloatArray
    """(3,) from its start to its end in the rest pose, in file units."""
    axes: FloatArray
    """(3, 3) the axes that its angles turn about, in the rest pose."""
    order: str
    """Euler product of its angles, left to right."""
    freedoms: tuple[str, ...]
    """What its numbers in the AMC are: "rx", "ty", "l", ..."""


@dataclass(frozen=True)
class _Skeleton:
    bones: tuple[_Bone, ...]
    """The root first, parents before children."""
    metres: float
    degrees: bool


def read_acclaim(amc: Path, asf: Path, rate_hz: float) -> JointCapture:
    """Read an AMC motion on its ASF skeleton; a joint is where the bone of its name starts, ``<bone>_end`` is where it ends.

    Raises: DataError naming file and line for what cannot be read, is cut off or does not belong together.
    """
    skeleton = _read_asf(asf)
    text = text_of(amc, "AMC")
    values = _read_amc(amc, text, skeleton)
    frames, bones = len(next(iter(values.values()))), skeleton.bones
    said = _angle_unit(text)
    degrees = skeleton.degrees if said is None else said
    _check_angle_unit(amc, skeleton, values, degrees, by_skeleton=said is None)
    unit = 1.0 if not degrees else np.pi / 180
    local = np.broadcast_to(np.eye(3), (frames, len(bones), 3, 3)).copy()
    shifts = np.zeros((frames, 3))
    for row, bone in enumerate(bones):
        numbers = values.get(bone.name)
        if numbers is None:
            continue
        angles = np.zeros((frames, 3))
        for column, freedom in enumerate(bone.freedoms):
            if freedom[0] == "r":
                angles[:, bone.order.index(freedom[1])] = numbers[:, column] * unit
            elif freedom[0] == "t" and row == 0:
                shifts[:, "xyz".index(freedom[1])] = numbers[:, column]
        local[:, row] = bone.axes @ product_about(bone.order, angles) @ bone.axes.T
    # A bone's own rotation turns its vector: it starts where its parent ends.
    starts = np.array([np.zeros(3) if bone.parent <= 0 else bones[bone.parent].vector for bone in bones])
    parents = [bone.parent for bone in bones]
    places, rotations = forward(parents, starts, local, shifts)
    rest, _ = forward(parents, starts, np.broadcast_to(np.eye(3), (1, len(bones), 3, 3)), np.zeros((1, 3)))
    vectors = np.array([bone.vector for bone in bones])
    ends = places + np.einsum("tnij,nj->tni", rotations, vectors)
    check_numbers(amc, places)
    names = tuple(bone.name for bone in bones)
    return JointCapture(
        names + tuple(name + END for name in names),
        evenly(frames, rate_hz),
        np.concatenate([places, ends], axis=1),
        np.concatenate([rotations, rotations], axis=1),
        np.concatenate([rest[0], rest[0] + vectors]),
        metres=skeleton.metres,
    )


def skeleton_beside(amc: Path) -> Path:
    """Return the ASF that belongs to an AMC: of the same name, or the only one in its folder. Raises: UsageError naming those that are there."""
    own = amc.with_suffix(".asf")
    if own.is_file():
        return own
    there = sorted(path for path in amc.parent.iterdir() if path.suffix.lower() == ".asf")
    if len(there) == 1:
        return there[0]
    if not there:
        raise UsageError(f"{amc} needs its skeleton, and no .asf is in its folder; pass --asf FILE.")
    raise UsageError(
        f"{amc}: {len(there)} skeletons are in its folder ({', '.join(path.name for path in there)}); pass --asf with the right one."
    )


def motion_beside(asf: Path) -> Path:
    """Return the AMC of the same name as an ASF. Raises: UsageError where there is none."""
    own = asf.with_suffix(".amc")
    if not own.is_file():
        raise UsageError(f"{asf} is a skeleton without motion, and {own.name} is not beside it; give the .amc and pass --asf {asf.name}.")
    return own


def _read_asf(path: Path) -> _Skeleton:
    text = re.sub(r"#.*", "", text_of(path, "ASF"))
    sections = {name.lower(): body for name, body in re.findall(r"^[ \t]*:([\w-]+)(.*?)(?=^[ \t]*:[\w-]|\Z)", text, flags=re.M | re.S)}
    for needed in ("root", "bonedata", "hierarchy"):
        if needed not in sections:
            raise DataError(f"{path} is not a complete ASF skeleton: it has no :{needed} section.")
    units = {words[0].lower(): words[1].lower() for line in sections.get("units", "").splitlines() if len(words := line.split()) >= 2}
    try:
        length = float(units.get("length", "1"))
        if not length > 0:
            raise ValueError
        degrees = units.get("angle", "deg").startswith("deg")
        root = _root(sections["root"], 1.0 if not degrees else np.pi / 180)
        bones = {bone.name: bone for block in _blocks(sections["bonedata"]) for bone in (_bone(block, degrees),)}
        ordered = _ordered(sections["hierarchy"], root, bones)
    except (ValueError, KeyError, IndexError) as error:
        raise DataError(f"{path} cannot be read as an ASF skeleton: {_words(error)}.") from None
    return _Skeleton(ordered, INCH / length, degrees)


def _words(error: Exception) -> str:
    return f"'{error.args[0]}' is missing or not known" if isinstance(error, KeyError) else str(error) or "a number is out of range"


def _blocks(text: str) -> list[dict[str, list[str]]]:
    blocks = []
    for body in re.findall(r"\bbegin\b(.*?)\bend\b", text, flags=re.S):
        blocks.append({words[0].lower(): words[1:] for line in body.splitlines() if (words := line.split())})
    return blocks


def _axes(angles: list[str], order: str, unit: float) -> FloatArray:
    """Return the axes of an ``axis``: turned about x first where the order is XYZ."""
    values = np.array([float(value) for value in angles[:3]]) * unit
    return product_about(order[::-1], values[::-1])


def _root(text: str, unit: float) -> _Bone:
    lines = {words[0].lower(): words[1:] for line in text.splitlines() if (words := line.split())}
    order = (lines.get("axis") or ["XYZ"])[0].lower()
    freedoms = tuple(word.lower() for word in lines.get("order", ["TX", "TY", "TZ", "RX", "RY", "RZ"]))
    axes = _axes(lines.get("orientation", ["0", "0", "0"]), order, unit)
    return _Bone("root", -1, np.zeros(3), axes, order[::-1], freedoms)


def _bone(block: dict[str, list[str]], degrees: bool) -> _Bone:
    name = block["name"][0]
    direction = np.array([float(value) for value in block["direction"][:3]])
    axis = block.get("axis", ["0", "0", "0", "XYZ"])
    order = axis[3].lower() if len(axis) > 3 else "xyz"
    vector = direction / np.linalg.norm(direction) * float(block["length"][0])
    unit = np.pi / 180 if degrees else 1.0
    return _Bone(name, 0, vector, _axes(axis, order, unit), order[::-1], tuple(word.lower() for word in block.get("dof", [])))


def _ordered(text: str, root: _Bone, bones: dict[str, _Bone]) -> tuple[_Bone, ...]:
    ordered, rows = [root], {"root": 0}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].lower() in ("begin", "end"):
            continue
        for child in words[1:]:
            bone = bones[child]
            rows[child] = len(ordered)
            ordered.append(_Bone(bone.name, rows[words[0]], bone.vector, bone.axes, bone.order, bone.freedoms))
    if len(ordered) == 1:
        raise ValueError("its hierarchy is empty")
    return tuple(ordered)


def _angle_unit(text: str) -> bool | None:
    """Return whether an AMC's own head says :DEGREES (True) or :RADIANS (False); None where it says neither."""
    for line in text.splitlines():
        word = line.strip().upper()
        if word in (":DEGREES", ":RADIANS"):
            return word == ":DEGREES"
        if word.isdigit():
            break
    return None


def _check_angle_unit(path: Path, skeleton: _Skeleton, values: dict[str, FloatArray], degrees: bool, *, by_skeleton: bool) -> None:
    """Raise DataError where angles (in the file's numbers) cannot be in the unit that they are said to be in."""
    unit, other = ("degrees", "radians") if degrees else ("radians", "degrees")
    said = f"says no unit of angles, and its skeleton says {unit}" if by_skeleton else f"says :{unit.upper()}"
    remedy = f"it looks like {other}. Write :{other.upper()} at the head of the file, before its first frame."
    turns = {
        bone.name: values[bone.name][:, [column for column, freedom in enumerate(bone.freedoms) if freedom[0] == "r"]]
        for bone in skeleton.bones
        if bone.name in values
    }
    whole, joints = turns.pop("root", np.zeros((1, 0))), [angles for angles in turns.values() if angles.shape[1]]
    largest = max((float(np.nanmax(np.abs(angles), initial=0.0)) for angles in joints), default=0.0)
    if not degrees and largest > 4 * np.pi:
        raise DataError(
            f"{path} {said}, but its joints turn by up to {largest:.4g}, which is {largest / (2 * np.pi):.0f} times around: {remedy}"
        )
    if not degrees or not joints or len(joints[0]) < LONG_FRAMES:
        return
    if largest > np.pi or float(np.nanmax(np.abs(whole), initial=0.0)) > 2 * np.pi:
        return
    swings = np.concatenate([np.ptp(angles, axis=0) for angles in joints])
    if int((swings > SWING).sum()) >= SWINGING or (_travel(skeleton, values) > TRAVEL_M and float(swings.max()) > STEP):
        raise DataError(
            f"{path} {said}, but in a motion of {len(joints[0])} frames no joint turns further than {largest:.2g} from rest: {remedy}"
        )


def _travel(skeleton: _Skeleton, values: dict[str, FloatArray]) -> float:
    """Return how far (m) the root goes from one end of the motion's box to the other."""
    columns = [column for column, freedom in enumerate(skeleton.bones[0].freedoms) if freedom[0] == "t"]
    return float(np.linalg.norm(np.ptp(values["root"][:, columns], axis=0))) * skeleton.metres if "root" in values else 0.0


def _read_amc(path: Path, text: str, skeleton: _Skeleton) -> dict[str, FloatArray]:
    """Return each moving bone's numbers (T, D). Frames that all list the same bones, as everywhere, are read as one block."""
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#:"]
    starts = [row for row, line in enumerate(lines) if line.split()[0].isdigit()]
    if not starts:
        raise DataError(f"{path} holds no frames.")
    freedoms = {bone.name: len(bone.freedoms) for bone in skeleton.bones}
    first = [line.split() for line in lines[starts[0] + 1 : starts[1] if len(starts) > 1 else None]]
    if not first:
        raise DataError(f"{path}: frame 1 moves no bone; the file is cut off or damaged.")
    for words in first:
        if words[0] not in freedoms:
            raise DataError(
                f"{path} moves the bone '{words[0]}', which its skeleton does not have; pass --asf with the skeleton that it belongs to."
            )
    known = {words[0]: freedoms[words[0]] for words in first}
    each = len(known) + 1
    for number, (row, after) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True), start=1):
        if after - row != each:
            raise DataError(
                f"{path}: frame {number} has {after - row - 1} bones where the first has {each - 1}; the file is cut off or damaged."
            )
    tokens = [line.split() for line in lines[starts[0] :]]
    values: dict[str, FloatArray] = {}
    for offset, (name, count) in enumerate(known.items(), start=1):
        rows = tokens[offset::each]
        for number, words in enumerate(rows, start=1):
            if words[0] != name or len(words) != count + 1:
                raise DataError(
                    f"{path}: frame {number} has '{' '.join(words[:4])}' where '{name}' with {count} numbers was expected; the file is cut off or damaged."
                )
        try:
            values[name] = np.array([words[1:] for words in rows], dtype=np.float64).reshape(len(rows), count)
        except ValueError as error:
            raise DataError(f"{path}: bone '{name}' has a value that is not a number: {error}.") from None
        if np.isinf(values[name]).any():
            frame = int(np.isinf(values[name]).any(axis=1).argmax()) + 1
            raise DataError(f"{path}: bone '{name}' has an infinite value in frame {frame}; the file is damaged.")
    return values
