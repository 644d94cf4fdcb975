"""A robot's TOML, proposed from its URDF or MJCF: complete, working, and saying of each entry how it was found.

Tasks are those of `optimus`, wherever the robot has the part (``like``), so that what is learnt about weights there serves all robots.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from bodydouble.errors import BodydoubleError, DataError
from bodydouble.retarget.body_plan import BodyPlan, find_body_plan
from bodydouble.retarget.collision_draft import draft_capsules, needs_bones
from bodydouble.retarget.description import Description, read_description
from bodydouble.retarget.draft_postures import DraftPostures, draft_postures
from bodydouble.retarget.draft_skeleton import DraftSkeleton, draft_skeleton
from bodydouble.retarget.mapping import FINGERS, HUMAN_POINTS, SIDES
from bodydouble.retarget.part_names import DIGITS

FloatArray = npt.NDArray[np.float64]

MODEL = "optimus"
"""The robot whose tasks are taken over."""
FINGER_REST_WEIGHT = 0.001
HOW = {"name": "by its name", "geometry": "by its place", "guess": "a guess: check it"}


@dataclass(frozen=True)
class Draft:
    """A proposed TOML, and what was found how."""

    name: str
    text: str
    counts: dict[str, int]
    """"name", "geometry", "guess" to how many human parts were found so."""
    remarks: tuple[str, ...]
    """What a person should know or check, in sentences."""


def draft_robot(path: Path, *, name: str | None = None, beside: Path | None = None) -> Draft:
    """Propose a robot's TOML from its URDF or MJCF.

    ``beside``: the folder that the TOML will be in, so that it finds the file; ``name``: of the robot, by default that of the file.

    Raises: UsageError, DataError for a file that cannot be read, and for a robot in which no limb and no hand could be found.
    """
    description = read_description(path)
    _refuse_senseless_limits(description)
    plan = find_body_plan(description)
    skeleton = draft_skeleton(plan)
    if not skeleton.links:
        raise DataError(
            f"{path}: no arm, leg, head or hand could be told in the {len(description.moving_joints)} joints of '{description.name}'; "
            "write the TOML by hand, for example from that of optimus."
        )
    postures = draft_postures(plan, skeleton)
    robot_name = name or tidy_name(path.stem)

    def text(ignore: list[tuple[str, str]]) -> str:
        sections = (
            _head(description, plan, skeleton, postures, robot_name, path, beside),
            _groups(plan, skeleton),
            _ranges(description),
            _angles(description, "rest", postures.rest, "Degrees: what joints return to when nobody saw their human part."),
            _angles(
                description,
                "zero",
                postures.zero,
                "Degrees: standing as the person does at zero: upright, arms hanging, palms to the thighs.",
            ),
            _orientation(postures),
            _skeleton(skeleton),
            _points(skeleton),
            _collision(description, skeleton, ignore),
            _joints(plan, skeleton),
        )
        return "\n\n".join(section for section in sections if section) + "\n"

    thick = _overlapping_at_rest(text([]), path) if any(needs_bones(link) for link in description.links.values()) else {}
    remarks = [*description.notes, *plan.remarks, *skeleton.remarks, *postures.remarks, *_doubts(description, plan, skeleton)]
    remarks += [
        f"{a} and {b} overlap by {1e3 * depth:.0f} mm at rest, so they are not kept apart: correct their capsules"
        for (a, b), depth in thick.items()
    ]
    return Draft(robot_name, text(list(thick)), dict(Counter(skeleton.found_by.values())), tuple(dict.fromkeys(remarks)))


def _refuse_senseless_limits(description: Description) -> None:
    """Raise DataError for ranges that end before they begin, or hold a single angle. From 0 to 0 is how exporters write that none was given."""
    bad = [
        joint
        for joint in description.joints
        if joint.kind != "fixed"
        and joint.name not in description.mimics
        and joint.upper <= joint.lower
        and (joint.lower, joint.upper) != (0, 0)
    ]
    if not bad:
        return
    first = bad[0]
    others = f" and of {len(bad) - 1} other joint{'' if len(bad) == 2 else 's'}" if len(bad) > 1 else ""
    what = "inverted" if first.lower > first.upper else "empty"
    raise DataError(
        f"{description.path}: the limits of joint '{first.name}'{others} are {what} (lower {first.lower:g}, upper {first.upper:g}); a range from a "
        'lower to a larger upper was expected. Correct them in the file, or make a joint that does not move "fixed" there.'
    )


def _overlapping_at_rest(text: str, path: Path) -> dict[tuple[str, str], float]:
    """Return the links whose drafted capsules are in each other at rest, and how deep (m): capsules of bones are guesses, and some are too thick."""
    from bodydouble.retarget.robot import Robot
    from bodydouble.retarget.robot_check import DEEP, overlaps

    with TemporaryDirectory() as folder:
        toml = Path(folder) / "draft.toml"
        toml.write_text(text, encoding="utf-8")
        try:
            robot = Robot.load(toml, path)
        except BodydoubleError:
            return {}  # a file that lacks something: the check says what
        return {pair: depth for pair, depth in overlaps(robot, robot.rest).items() if depth > DEEP / 2}


def tidy_name(stem: str) -> str:
    """Return a robot's name from that of its file."""
    return re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "robot"


def _head(
    description: Description, plan: BodyPlan, skeleton: DraftSkeleton, postures: DraftPostures, name: str, path: Path, beside: Path | None
) -> str:
    key = "mjcf" if path.suffix.lower() == ".xml" else "urdf"
    file = str(path.resolve()) if beside is None else os.path.relpath(path.resolve(), beside.resolve())
    if file.count("..") > 3:
        file = str(path.resolve())
    actuated = len([joint for joint in description.moving_joints if joint not in description.mimics])
    floating = plan.limb("leg", "left") is not None or plan.limb("leg", "right") is not None
    lines = [
        f"# How a person moves {description.name}. Drafted from {path.name}; what follows `#` says how an entry was found.",
        "# `bodydouble robots check` judges it.",
        "",
        f"name = {_quoted(name)}",
        f"description = {_quoted(_summary(plan, actuated))}",
        f"{key} = {_quoted(file)}",
        f'base = "{"floating" if floating else "fixed"}"',
        f'like = "{MODEL}" # its tasks, wherever this robot has the part; [[tasks]] of the same name here come before them',
        "# acceleration = 100.0 # rad/s^2: what is assumed until somebody knows better",
    ]
    if any(not (0 < joint.velocity < 1e6) for joint in description.joints if joint.kind != "fixed"):
        lines.append("# velocity = 10.0 # rad/s: what is assumed for joints whose file gives none")
    if not np.allclose(postures.mount, np.eye(3)):
        lines.append(
            f"mount = {_angles_of(postures.mount)} # roll, pitch, yaw in degrees: how the root link is turned when it stands or hangs as a person's does"
        )
    contacts = [f"{side}_{point}" for side in SIDES for point in ("heel", "toe_tip") if f"{side}_{point}" in skeleton.links]
    if contacts:
        lines += [f"contacts = [{', '.join(map(_quoted, contacts))}] # what may stand on something"]
    return "\n".join(lines)


def _summary(plan: BodyPlan, actuated: int) -> str:
    parts = [f"{actuated} actuated joints"]
    limbs = Counter(limb.kind for limb in plan.limbs)
    if limbs:
        parts.append(", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in limbs.items()))
    for hand in plan.hands:
        parts.append(f"{hand.side} {'gripper' if hand.gripper else f'hand of {len(hand.fingers)} digits'}")
    return ", ".join(parts)


def _groups(plan: BodyPlan, skeleton: DraftSkeleton) -> str:
    free = [joint.name for joint in plan.tree.description.joints if joint.kind != "fixed" and joint.name not in plan.tree.mimics]
    groups: dict[str, list[str]] = {}

    def add(group: str, names: list[str]) -> None:
        new = [name for name in names if name in free]
        if new:
            groups.setdefault(group, []).extend(new)
            for joint in new:
                free.remove(joint)

    for group, parts in {"neck": ["neck"], "torso": ["torso"]}.items():
        for part in parts:
            add(group, [joint.name for joint in skeleton.joints.get(part, [])])
    for side in SIDES:
        for group, parts in {
            f"{side}_leg": ["hip", "knee", "ankle", "toe"], f"{side}_arm": ["clavicle", "shoulder", "elbow"], f"{side}_hand": ["wrist", *DIGITS],
        }.items():  # fmt: skip
            for part in parts:
                add(group, [joint.name for joint in skeleton.joints.get(f"{side}_{part}", [])])
        hand = plan.hand(side)
        if hand is not None:  # what else moves in a hand: the motor of a gripper, a palm joint
            add(f"{side}_hand", [plan.tree.parent_joint[body].name for body in plan.tree.bodies_below(hand.palm)[1:]])
    add("other", list(free))
    rows = [f"{group} = [{', '.join(map(_quoted, names))}]" for group, names in groups.items()]
    return "[groups] # every joint that follows no other, in the order in which they are stored\n" + "\n".join(rows)


def _ranges(description: Description) -> str:
    missing = [
        joint.name
        for joint in description.joints
        if joint.kind != "fixed" and joint.name not in description.mimics and not joint.upper > joint.lower
    ]
    if not missing:
        return ""
    spans = {name: "[-90.0, 90.0]" if description.unit(name) < 1 else "[0.0, 0.05]" for name in missing}
    rows = [f"{_key(name)} = {span} # assumed: the file gives none" for name, span in spans.items()]
    return "[range] # degrees, m for joints that slide\n" + "\n".join(rows)


def _angles(description: Description, section: str, angles: dict[str, float], comment: str) -> str:
    values = {name: angle / description.unit(name) for name, angle in angles.items() if abs(angle) > 1e-4}
    rows = [f"{_key(name)} = {_number(value, 2 if description.unit(name) < 1 else 4)}" for name, value in values.items()]
    return f"# {comment}\n[{section}]\n" + "\n".join(rows) if rows else ""


def _orientation(postures: DraftPostures) -> str:
    rows = [f"{_key(link)} = {_angles_of(R)}" for link, R in postures.offsets.items() if not np.allclose(R, np.eye(3), atol=1e-6)]
    comment = "# Roll, pitch, yaw (degrees) from a link's axes to those of the person's: x forward, y left, z up when standing as above."
    return f"{comment}\n[orientation]\n" + "\n".join(rows) if rows else ""


def _skeleton(skeleton: DraftSkeleton) -> str:
    rows = []
    for part in HUMAN_POINTS:
        if part in skeleton.links:
            rows.append(f"{part} = {_quoted(skeleton.links[part])} # {HOW[skeleton.found_by[part]]}")
    return "# Human part = robot link. Distances between these at zero are the robot's bone lengths.\n[skeleton]\n" + "\n".join(rows)


def _points(skeleton: DraftSkeleton) -> str:
    rows = [
        f"[[points]]\nname = {_quoted(name)}\nlink = {_quoted(link)}\nat = {_vector(place)}"
        for name, (link, place) in skeleton.points.items()
    ]
    return "# Places that the robot's file has no link for, in m.\n" + "\n\n".join(rows) if rows else ""


def _collision(description: Description, skeleton: DraftSkeleton, ignore: list[tuple[str, str]]) -> str:
    tips: dict[str, list[FloatArray]] = {}
    for link, place in skeleton.points.values():
        tips.setdefault(link, []).append(place)
    for joint in description.joints:
        if joint.kind == "fixed" and joint.child in skeleton.links.values() and not description.links[joint.child].mass > 0:
            tips.setdefault(joint.parent, []).append(joint.pose[:3, 3])
    if not any(needs_bones(link) for link in description.links.values()):
        return "# Capsules are made from the file's own primitives.\n[collision]\nmargin = 0.003 # m"
    capsules, source = draft_capsules(description, tips)
    rows = [
        f"  {{ link = {_quoted(link)}, a = {_vector(c.a)}, b = {_vector(c.b)}, radius = {_number(c.radius, 4)} }}," for link, c in capsules
    ]
    spared = [f"  [{_quoted(a)}, {_quoted(b)}]," for a, b in ignore]
    lines = [
        f"# Capsules in m, {source}: meshes are not opened. Check those of bones against the real robot.", "[collision]", "margin = 0.003",
        *(["ignore = [ # drafted capsules that overlap at rest", *spared, "]"] if spared else []), "capsules = [", *rows, "]",
    ]  # fmt: skip
    return "\n".join(lines)


def _joints(plan: BodyPlan, skeleton: DraftSkeleton) -> str:
    """Return from which landmarks each joint is known: those of the part that it moves."""
    entries: list[tuple[list[str], list[str], bool]] = []

    def add(groups: list[str], landmarks: list[str], *, finger: bool = False) -> None:
        names = [j.name for group in groups for j in skeleton.joints.get(group, []) if j.name not in plan.tree.mimics]
        taken = {name for entry in entries for name in entry[0]}
        names = [name for name in dict.fromkeys(names) if name not in taken]
        if names:
            entries.append((names, landmarks, finger))

    add(["torso"], ["left_shoulder", "right_shoulder", "left_hip", "right_hip"])
    add(["neck"], ["nose", "left_ear", "right_ear"])
    for side in SIDES:
        add([f"{side}_hip", f"{side}_knee"], [f"{side}_hip", f"{side}_knee", f"{side}_ankle"])
        add([f"{side}_ankle", f"{side}_toe"], [f"{side}_knee", f"{side}_ankle", f"{side}_heel", f"{side}_foot_index"])
        add([f"{side}_clavicle", f"{side}_shoulder", f"{side}_elbow"], [f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"])
        add([f"{side}_wrist"], [f"{side}_hand_{point}" for point in ("wrist", "index_mcp", "little_mcp")])
        add([f"{side}_thumb"], [f"{side}_hand_thumb_{point}" for point in ("cmc", "mcp", "ip", "tip")], finger=True)
        for finger in FINGERS:
            add([f"{side}_{finger}"], [f"{side}_hand_{finger}_{point}" for point in ("mcp", "pip", "dip", "tip")], finger=True)
        hand = plan.hand(side)
        if hand is not None and hand.gripper:
            below = [plan.tree.parent_joint[body].name for body in plan.tree.bodies_below(hand.palm)[1:]]
            names = [name for name in below if name not in plan.tree.mimics]
            if names:
                entries.append((names, [f"{side}_hand_thumb_tip", f"{side}_hand_index_tip"], True))
    blocks = []
    for names, landmarks, in_hand in entries:
        block = f"[[joints]]\njoints = [{', '.join(map(_quoted, names))}]\nlandmarks = [{', '.join(map(_quoted, landmarks))}]"
        blocks.append(block + (f"\nrest_weight = {FINGER_REST_WEIGHT}" if in_hand else ""))
    return "# Landmarks from which joints are known.\n" + "\n\n".join(blocks) if blocks else ""


def _doubts(description: Description, plan: BodyPlan, skeleton: DraftSkeleton) -> list[str]:
    doubts = []
    guesses = [part for part, how in skeleton.found_by.items() if how == "guess"]
    if guesses:
        doubts.append(
            f"{len(guesses)} places are guesses: {', '.join(guesses[:6])}{' ...' if len(guesses) > 6 else ''}; compare them with a drawing"
        )
    if not any(shape.kind != "mesh" for link in description.links.values() for shape in link.collision):
        doubts.append("no collision shape is a primitive: capsules follow the bones, and are as thick as the inertias say")
    if plan.limbs and plan.limb("head") is None:
        doubts.append("no joint moves the head: nobody's looking around is followed")
    return doubts


def _angles_of(rotation: FloatArray) -> str:
    return _vector(np.degrees(roll_pitch_yaw(rotation)), 2)


def roll_pitch_yaw(rotation: FloatArray) -> FloatArray:
    """Return the roll, pitch, yaw (3,) rad of a rotation (3, 3): about the fixed x, then y, then z axis; the yaw is 0 where they are not unique."""
    pitch = np.arctan2(-rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    if abs(np.cos(pitch)) < 1e-7:
        return np.array([np.arctan2(-rotation[1, 2], rotation[1, 1]), pitch, 0.0])
    return np.array([np.arctan2(rotation[2, 1], rotation[2, 2]), pitch, np.arctan2(rotation[1, 0], rotation[0, 0])])


def _vector(values: FloatArray, digits: int = 4) -> str:
    return "[" + ", ".join(_number(float(v), digits) for v in values) + "]"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}".rstrip("0")
    text = text + "0" if text.endswith(".") else text
    return "0.0" if text in ("-0.0", "") else text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
