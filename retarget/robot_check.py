"""What is wrong, doubtful or right about a robot's TOML and its description: every finding at once, each with a remedy.

A FAIL makes the robot unusable or moves it wrongly; a WARN is something a person should know or look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.check import Check, Verdict
from bodydouble.errors import BodydoubleError, DataError, UsageError
from bodydouble.retarget.description import Description, read_description
from bodydouble.retarget.mapping import SIDES
from bodydouble.retarget.mapping_names import KnownNames, name_problems
from bodydouble.retarget.robot_file import find_robot, load_robot_file

if TYPE_CHECKING:
    from bodydouble.retarget.robot import Robot

FloatArray = npt.NDArray[np.float64]

UNLIKE, WRONG = np.radians([25.0, 75.0])
"""Angles from the person's zero pose that are doubtful, and that can't be meant."""
DEEP = 0.002
"""m that parts may overlap at rest before it is an error."""
UNEVEN = 0.05
"""Share by which a bone of the left may differ from that of the right."""


def check_robot(name_or_toml: str | Path, description: Path | None = None) -> list[Check]:
    """Return all findings about a robot, given by name or by its TOML; ``description``: the URDF or MJCF to use instead of the one that it names."""
    from bodydouble.retarget.robot import Robot, find_description

    checks: list[Check] = []
    try:
        path = find_robot(name_or_toml)
        file = load_robot_file(path)
    except BodydoubleError as error:
        return [Check("robot file", "FAIL", str(error), "Correct it in the TOML; `bodydouble robots draft` writes one that is complete.")]
    checks.append(
        Check("robot file", "PASS", f"{path}: {len(file.skeleton)} human parts, {len(file.tasks)} tasks, {len(file.groups)} groups")
    )
    try:
        described = read_description(description or find_description(file, path))
    except BodydoubleError as error:
        remedy = "Give a whole URDF or MJCF that is a tree of links." if isinstance(error, DataError) else ""
        return [*checks, Check("description", "FAIL", str(error), remedy)]
    checks.append(_described(described))
    checks += [*_meshes(described), *_masses(described)]
    problems = list(name_problems(file, KnownNames.of(file, described, source=str(path))))
    checks += [Check("names", "FAIL", str(problem), "Correct the name in the TOML.") for problem in problems]
    if not problems:
        checks.append(Check("names", "PASS", "every joint, link, human part and landmark exists, every joint is in one group"))
    try:
        robot = Robot.load(path, described.path)
    except BodydoubleError as error:
        if not problems:
            remedy = "Give the missing limits in the TOML ([range], [velocity], [rest], [zero])." if isinstance(error, UsageError) else ""
            checks.append(Check("limits", "FAIL", str(error), remedy))
        return checks
    for look in (_limits, _parts, _mirrored, _zero_pose, _bones, _effect, _followed, _contacts, _capsules, _rest):
        checks += list(look(robot))
    return checks


def _described(described: Description) -> Check:
    moving = len(described.moving_joints)
    followers = f", {len(described.mimics)} of which follow others" if described.mimics else ""
    notes = "; ".join(described.notes)
    found = f"{described.path.name}: {len(described.links)} links, {moving} moving joints{followers}"
    return Check(
        "description", "WARN" if notes else "PASS", f"{found}. {notes}" if notes else found, "See that this is meant." if notes else ""
    )


def _meshes(described: Description) -> Iterator[Check]:
    named = {shape.file for link in described.links.values() for shape in (*link.collision, *link.visual) if shape.kind == "mesh"}
    folder = described.path.parent
    missing = sorted(file for file in named if not (folder / file.removeprefix("package://").removeprefix("file://")).is_file())
    if missing:
        yield Check(
            "meshes", "WARN", f"{len(missing)} of {len(named)} mesh files are not here ({missing[0]} ...); they are not needed to move the robot",
            "Links without primitives are kept apart, and drawn, as capsules along their bones; give [collision] capsules where those are wrong.",
        )  # fmt: skip


def _masses(described: Description) -> Iterator[Check]:
    from bodydouble.retarget.description_tree import DescriptionTree

    tree = DescriptionTree(described)
    light = []
    for body, links in tree.links_of.items():
        masses = [described.links[link].mass for link in links]
        if not sum(mass for mass in masses if np.isfinite(mass)) > 0:
            light.append(body)
    total = sum(link.mass for link in described.links.values() if np.isfinite(link.mass))
    if not total > 0:
        yield Check(
            "masses",
            "WARN",
            "the robot has no mass: none of its links has an <inertial> with one",
            "Balance is not kept and torques are not computed; give its links an <inertial>.",
        )
    elif light:
        listed = ", ".join(light[:6]) + (" ..." if len(light) > 6 else "")
        yield Check(
            "masses",
            "WARN",
            f"{total:.1f} kg; without mass: {listed}",
            "Torques and balance leave these out; give their links an <inertial>.",
        )
    else:
        yield Check("masses", "PASS", f"{total:.1f} kg")


def _limits(robot: Robot) -> Iterator[Check]:
    count = len(robot.joint_names)
    yield Check("ranges", "PASS", f"{count} actuated joints, each with a range")
    for what, unit, remedy in (
        ("velocity", "rad/s", "Give `velocity` in the TOML where the maker says more."),
        ("effort", "N m", "Torques of these are not judged; give `effort` in the TOML."),
        ("acceleration", "rad/s^2", "Give `acceleration` in the TOML, in all or by joint or group, where it is known."),
    ):
        assumed = robot.assumed[what]
        if assumed:
            names = "all joints" if len(assumed) == count else f"{len(assumed)} joints ({', '.join(assumed[:3])} ...)"
            values = getattr(robot, {"velocity": "velocity_limit", "effort": "effort_limit"}.get(what, what))
            value = values[robot.joint_names.index(assumed[0])]
            taken = "none is known" if not np.isfinite(value) else f"{value:g} {unit} is assumed"
            yield Check(f"limits of {what}", "WARN", f"{names}: {taken}", remedy)
        else:
            yield Check(f"limits of {what}", "PASS", "given for every joint")


def _parts(robot: Robot) -> Iterator[Check]:
    skeleton = robot.file.skeleton
    fingers = {side: [d for d in ("thumb", "index", "middle", "ring", "little") if f"{side}_{d}_tip" in skeleton] for side in SIDES}
    legs = [side for side in SIDES if f"{side}_foot" in skeleton]
    arms = [side for side in SIDES if f"{side}_hand" in skeleton]
    found = f"{len(legs)} legs, {len(arms)} hands, fingers: " + (
        "; ".join(f"{side} {', '.join(names)}" for side, names in fingers.items() if names) or "none"
    )
    if not skeleton:
        yield Check("human parts", "FAIL", "[skeleton] is empty: nothing of a person is followed", "Name at least the hands' links.")
    elif robot.floating and not legs:
        yield Check(
            "human parts",
            "WARN",
            f"{found}; the base floats, but there are no feet",
            'Write base = "fixed" if it stands on something else.',
        )
    else:
        yield Check("human parts", "PASS", found)


def _mirrored(robot: Robot) -> Iterator[Check]:
    places, skeleton = robot.zero_points(), robot.file.skeleton
    swapped = []
    for part in ("upper_arm", "forearm", "hand", "thigh", "shank", "foot"):
        pair = [skeleton.get(f"{side}_{part}") for side in SIDES]
        if all(pair) and places[str(pair[0])][1] < places[str(pair[1])][1] - 1e-3:
            swapped.append(part)
    remedy = "Exchange left and right in [skeleton]: left is the robot's own left, +y of its base; or correct `mount`."
    if swapped:
        yield Check("left and right", "FAIL", f"the left {swapped[0].replace('_', ' ')} is to the right of the right one", remedy)
        return
    wrong = [side for side in SIDES if _handedness(robot, side) not in (None, side)]
    for side in wrong:
        yield Check(
            "left and right", "FAIL", f"by its thumb and the bending of its fingers the {side} hand is the other one",
            f"Name its parts {'right' if side == 'left' else 'left'}_... in [skeleton]; or the thumb and little finger are exchanged.",
        )  # fmt: skip
    if not wrong:
        yield Check("left and right", "PASS", "as the person's")


def _handedness(robot: Robot, side: str) -> str | None:
    """Return which hand this one is by the places of its knuckles and how its fingers bend; None where that can't be told."""
    skeleton = robot.file.skeleton
    digits = [d for d in ("index", "middle", "ring", "little") if f"{side}_{d}_proximal" in skeleton and f"{side}_{d}_tip" in skeleton]
    if len(digits) < 2:
        return None
    first, last = (skeleton[f"{side}_{d}_proximal"] for d in (digits[0], digits[-1]))
    tip = skeleton[f"{side}_{digits[0]}_tip"]
    base = [0.0, 0, 0, 0, 0, 0, 1]
    still = robot.link_poses(robot.zero, base, [first, last, tip])[:, :3, 3]
    moved = robot.joints_between(first, tip) & (np.maximum(np.abs(robot.lower), np.abs(robot.upper)) > 0.3)
    bent = robot.zero + np.where(
        moved, 0.3 * np.where(np.abs(robot.upper - robot.zero) >= np.abs(robot.lower - robot.zero), 1.0, -1.0), 0.0
    )
    way = robot.link_poses(bent, base, [tip])[0, :3, 3] - still[2]
    if np.linalg.norm(way) < 1e-3:
        return None
    out = still[2] - still[0]
    sense = float(np.cross(out, way) @ (still[0] - still[1]))
    scale = float(np.linalg.norm(np.cross(out, way)) * np.linalg.norm(still[0] - still[1]))
    if abs(sense) < 0.3 * scale:
        return None
    return "left" if sense < 0 else "right"


def _zero_pose(robot: Robot) -> Iterator[Check]:
    """Compare the robot at [zero] with the person at zero: limbs hang down, links are turned as the person's."""
    skeleton = robot.file.skeleton
    base = [0.0, 0, 0, 0, 0, 0, 1]
    poses = dict(zip(robot.link_names, robot.link_poses(robot.zero, base), strict=True))
    hanging: dict[str, float] = {}
    turned: dict[str, float] = {}
    for side in SIDES:
        for a, b in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shank"), ("shank", "foot")):
            start, end = skeleton.get(f"{side}_{a}"), skeleton.get(f"{side}_{b}")
            if start and end:
                way = poses[end][:3, 3] - poses[start][:3, 3]
                if np.linalg.norm(way) > 1e-3:
                    hanging[f"{side} {a.replace('_', ' ')} from hanging down"] = float(
                        np.arccos(np.clip(-way[2] / np.linalg.norm(way), -1, 1))
                    )
    used = {
        link
        for task in robot.file.tasks
        for link in (task.robot, task.origin)
        if link and task.kind not in ("position", "direction", "above")
    }
    for part, link in skeleton.items():
        if link in used and part.removeprefix("left_").removeprefix("right_") in ("pelvis", "thorax", "head", "hand", "foot"):
            R = poses[link][:3, :3] @ robot.link_rotation_offset(link)
            turned[f"{part.replace('_', ' ')} from the person's axes"] = float(np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1)))
    off = hanging | turned
    if not off:
        return
    worst = max(off, key=lambda name: off[name])
    # Of limbs only the lengths matter; a link that is turned otherwise than is said turns the robot's hand or head wrongly.
    wrong = max(turned.values(), default=0.0) > WRONG
    verdict: Verdict = "FAIL" if wrong else "PASS" if off[worst] < UNLIKE else "WARN"
    if wrong:
        worst = max(turned, key=lambda name: turned[name])
    remedy = "Give the joint angles at which it stands upright with hanging arms in [zero], and how links are turned then in [orientation]."
    yield Check("zero pose", verdict, f"at most {np.degrees(off[worst]):.0f} degrees off: {worst}", "" if verdict == "PASS" else remedy)


def _bones(robot: Robot) -> Iterator[Check]:
    places, skeleton = robot.zero_points(), robot.file.skeleton
    uneven, empty = [], []
    for a, b in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shank"), ("shank", "foot")):
        lengths = []
        for side in SIDES:
            start, end = skeleton.get(f"{side}_{a}"), skeleton.get(f"{side}_{b}")
            if start and end:
                lengths.append(float(np.linalg.norm(places[end] - places[start])))
                if lengths[-1] < 0.01:
                    empty.append(f"{side}_{a} to {side}_{b}")
        if len(lengths) == 2 and abs(lengths[0] - lengths[1]) > UNEVEN * max(*lengths, 1e-9):
            uneven.append(f"{a.replace('_', ' ')} {1e3 * lengths[0]:.0f} mm left, {1e3 * lengths[1]:.0f} mm right")
    if empty:
        yield Check("bones", "WARN", f"no length: {', '.join(empty)}", "Name links in [skeleton] that sit at the joints of the limb.")
    if uneven:
        yield Check("bones", "WARN", f"uneven: {', '.join(uneven)}", "Name the same link of both sides in [skeleton].")
    if not empty and not uneven:
        yield Check("bones", "PASS", "of the same length left and right")


def _effect(robot: Robot) -> Iterator[Check]:
    idle = []
    for task in robot.file.tasks:
        start = task.origin if task.kind == "direction" or task.kind.startswith("relative_") else None
        ends = (task.robot, task.of)
        free = start is None and (robot.floating or not robot.joints_between(None, task.robot).any())  # a fixed palm is where it is
        if not free and not robot.joints_between(start, *ends).any():
            turning = task.kind == "direction" and (robot.joints_between(None, task.robot).any() or robot.floating)
            if not turning:
                idle.append(task.name)
    if not robot.file.tasks:
        yield Check(
            "tasks", "FAIL", "no task is left: the robot has none of the parts", "Name more parts in [skeleton], or write [[tasks]]."
        )
    elif idle:
        listed = ", ".join(idle[:5]) + (" ..." if len(idle) > 5 else "")
        yield Check(
            "tasks",
            "WARN",
            f"no joint can serve {len(idle)} of {len(robot.file.tasks)}: {listed}",
            "Take them out, or leave them: they cost nothing.",
        )
    else:
        yield Check("tasks", "PASS", f"{len(robot.file.tasks)}, each with joints that serve it")


def _followed(robot: Robot) -> Iterator[Check]:
    driven = np.zeros(len(robot.joint_names), dtype=bool)
    for task in robot.file.tasks:
        start = task.origin if task.kind == "direction" or task.kind.startswith("relative_") else None
        driven |= robot.joints_between(start, task.robot, task.of) | (
            robot.joints_between(None, task.robot) if task.kind == "direction" else False
        )
    still = [name for name, moved in zip(robot.joint_names, driven, strict=True) if not moved]
    if still:
        listed = ", ".join(still[:6]) + (" ..." if len(still) > 6 else "")
        yield Check(
            "driven joints",
            "WARN",
            f"no task moves {len(still)} joints, they stay at rest: {listed}",
            "Add the link that they move to [skeleton], if the person has it.",
        )
    else:
        yield Check("driven joints", "PASS", f"all {len(robot.joint_names)}")


def _contacts(robot: Robot) -> Iterator[Check]:
    feet = [side for side in SIDES if f"{side}_foot" in robot.file.skeleton]
    if not robot.floating or not feet:
        return
    if not robot.contacts:
        yield Check(
            "contacts", "WARN", "no point of the feet is named: they will skate", 'Add contacts = ["left_heel", ...] and their places.'
        )
        return
    places = robot.zero_points()
    heights = {name: places[robot.file.skeleton[name]][2] for name in robot.contacts}
    spread = max(heights.values()) - min(heights.values())
    if spread > 0.02:
        yield Check(
            "contacts",
            "WARN",
            f"they differ by {1e3 * spread:.0f} mm in height at zero",
            "Put them on the sole; a robot stands on all of them.",
        )
    else:
        yield Check(
            "contacts", "PASS", f"{len(heights)}, level within {1e3 * spread:.0f} mm, {-min(heights.values()):.2f} m below the base"
        )


def _capsules(robot: Robot) -> Iterator[Check]:
    model = robot.collision
    found = f"{len(model.link)} capsules, {len(model.pairs)} pairs kept {1e3 * model.margin:g} mm apart; {model.source}"
    if not len(model.link):
        yield Check(
            "capsules", "WARN", "none: nothing keeps the robot from hitting itself", "Write [collision] capsules, or give links masses."
        )
    else:
        bones = "bones" in model.source
        yield Check("capsules", "WARN" if bones else "PASS", found, "Compare those of bones with the real robot." if bones else "")


def _rest(robot: Robot) -> Iterator[Check]:
    depths = overlaps(robot, robot.rest)
    deep = {pair: depth for pair, depth in depths.items() if depth > DEEP}
    if deep:
        worst = sorted(deep, key=lambda pair: -deep[pair])
        listed = ", ".join(f"{a} and {b} by {1e3 * deep[a, b]:.0f} mm" for a, b in worst[:3])
        remedy = "Change [rest], make the capsules thinner, or add the pair to [collision] ignore if they may touch."
        yield Check("rest posture", "FAIL", f"overlapping: {listed}", remedy)
    else:
        yield Check("rest posture", "PASS", "inside the ranges, no parts overlap")


def overlaps(robot: Robot, positions: FloatArray) -> dict[tuple[str, str], float]:
    """Return how deep (m) which links are in each other at ``positions`` (J,) rad, of the pairs that are kept apart."""
    from bodydouble.retarget.collision_pairs import segment_distances

    model = robot.collision
    if not len(model.pairs):
        return {}
    used = sorted(set(model.link))
    poses = dict(zip(used, robot.link_poses(positions, [0, 0, 0, 0, 0, 0, 1], used), strict=True))
    a, b = (
        np.array([poses[link][:3, :3] @ p + poses[link][:3, 3] for link, p in zip(model.link, ends, strict=True)])
        for ends in (model.a, model.b)
    )
    i, j = model.pairs[:, 0], model.pairs[:, 1]
    gaps = segment_distances(a[i], b[i], a[j], b[j]) - model.radius[i] - model.radius[j]
    found: dict[tuple[str, str], float] = {}
    for row in np.flatnonzero(gaps < 0):
        pair = (model.link[i[row]], model.link[j[row]])
        found[pair] = max(found.get(pair, 0.0), float(-gaps[row]))
    return found
