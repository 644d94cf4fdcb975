"""Where a robot's capsules come from: its TOML, else the primitives of its description, else its bones; and what is kept of that.

Fitting and looking for pairs takes seconds, so the result is kept: beside the TOML of a shipped robot (``capsules.json``, written by
``python -m bodydouble.retarget.collision_draft NAME``), else in the user's cache, both under a key of everything that it depends on.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bodydouble.cache import cached, content_key
from bodydouble.retarget.capsule_fitting import Capsule, capsules_around
from bodydouble.retarget.collision_hands import without_spared
from bodydouble.retarget.collision_model import CollisionModel
from bodydouble.retarget.collision_pairs import CHUNK, POSTURES, can_meet, candidate_pairs, covered_by_neighbours, without_ignored
from bodydouble.retarget.description import Description, Link

if TYPE_CHECKING:
    from bodydouble.retarget.robot import Robot

FloatArray = npt.NDArray[np.float64]

RECIPE = 7
"""Part of the key: count up when the same robot gets other capsules or pairs than before."""
KEPT = "capsules.json"
DENSITY = 1000.0
"""kg/m^3 of a link whose inertia is not that of a body of its mass."""
HEAVIEST = 5000.0
"""kg/m^3: a link that were heavier than this if its primitives were all of it has more to it than these."""
LIGHTEST = 1e-4
"""kg: what weighs less is a frame, no body."""
SHORTEST_BONE = 0.015
"""m; a shorter link is a ball."""


def collision_model(robot: Robot) -> CollisionModel:
    """Return the capsules of a robot and the pairs to keep apart, from where they are kept or made now."""
    key = _key(robot)
    margin = robot.file.collision.margin
    beside = robot.toml_path.with_name(KEPT)
    if beside.is_file():
        kept = CollisionModel.load(beside, key=key)
        if kept is not None:
            return replace(kept, margin=margin)
    made = cached(
        "collision",
        key,
        ".json",
        compute=lambda: make_collision_model(robot),
        save=lambda model, path: model.save(path, key=key),
        load=lambda path: _loaded(path, key),
    )
    return replace(made, margin=margin)


def make_collision_model(robot: Robot) -> CollisionModel:
    """Return the same, made anew."""
    settings = robot.file.collision
    if settings.capsules:
        capsules = [(entry.link, Capsule(np.array(entry.a), np.array(entry.b), entry.radius)) for entry in settings.capsules]
        source = "given in the robot's TOML"
    else:
        capsules, source = draft_capsules(robot.description, _tips(robot))
    model = robot.model
    links = [link for link, _ in capsules]
    frames = [model.frames[robot.frame_id(link)] for link in links]
    joint_of = np.array([frame.parentJoint for frame in frames], dtype=np.intp)
    ends = np.array([[frame.placement.act(c.a), frame.placement.act(c.b)] for frame, (_, c) in zip(frames, capsules, strict=True)])
    ends, radii = ends.reshape(-1, 2, 3), np.array([c.radius for _, c in capsules])
    postures, designed = _postures(robot), _configurations(robot, np.stack([robot.zero, robot.rest]))
    if not settings.capsules:
        needed = ~covered_by_neighbours(model, joint_of, ends, radii, postures[:CHUNK])
        capsules = [capsule for capsule, keep in zip(capsules, needed, strict=True) if keep]
        links, joint_of, ends, radii = [link for link, _ in capsules], joint_of[needed], ends[needed], radii[needed]
    pairs = candidate_pairs(model, joint_of)
    pairs = without_ignored(pairs, links, [*settings.ignore, *robot.description.excluded])
    pairs = without_spared(robot, pairs, joint_of, radii)
    pairs = can_meet(model, joint_of, ends, radii, pairs, postures, designed)
    return CollisionModel(
        tuple(links), np.array([c.a for _, c in capsules]).reshape(-1, 3), np.array([c.b for _, c in capsules]).reshape(-1, 3), radii, pairs,
        settings.margin, source,
    )  # fmt: skip


def draft_capsules(description: Description, tips: dict[str, list[FloatArray]]) -> tuple[list[tuple[str, Capsule]], str]:
    """Return the capsules of every link, and in words where they come from.

    A link with primitives gets capsules around them, one whose shapes are meshes (or that has none, but a mass) gets a capsule along its bone. ``tips``: link
    to further points (m, its frame) that a bone reaches, such as a fingertip.
    """
    capsules: list[tuple[str, Capsule]] = []
    measured = boned = 0
    for link in description.links.values():
        found = capsules_around(link.collision)
        measured += bool(found)
        if needs_bones(link):
            bones = bone_capsules(description, link, tips.get(link.name, []))
            boned += bool(bones)
            found = found + bones
        capsules += [(link.name, capsule) for capsule in found]
    parts = [f"{measured} links from their primitives"] * bool(measured) + [f"{boned} links from their bones and masses"] * bool(boned)
    return capsules, "drafted: " + " and ".join(parts or ["no link has a shape or a mass"])


def needs_bones(link: Link) -> bool:
    """Tell whether a link has a mass that its primitives can't be all of: none, or small balls under a foot."""
    volume = sum(shape.volume_and_inertia()[0] for shape in link.collision if shape.kind != "mesh")
    return link.mass > max(LIGHTEST, HEAVIEST * volume)


def bone_capsules(description: Description, link: Link, tips: list[FloatArray]) -> list[Capsule]:
    """Return a capsule along a link without primitives: from its origin to the joint or tip that hangs on it, as thick as its inertia says.

    A link that branches, or ends there, gets the capsule of a rod that has its mass and inertia.
    """
    if not link.mass > LIGHTEST:
        return []
    half, axes = _even_body(link)
    ends = [joint.pose[:3, 3] for joint in description.children(link.name) if joint.kind != "fixed"] + tips
    far = [end for end in ends if np.linalg.norm(end) > SHORTEST_BONE]
    thick = float(np.sqrt(half[0] * half[1]))
    if len(tips) == 2 and len(ends) == 2:  # a foot: from heel to toe, on its sole
        length = float(np.linalg.norm(tips[1] - tips[0]))
        thick = float(np.clip(thick, 0.01, 0.2 * length))
        along = (tips[1] - tips[0]) / length
        up = -(tips[0] + tips[1]) / 2
        up -= (up @ along) * along
        lift = thick * up / max(float(np.linalg.norm(up)), 1e-9)
        return [Capsule(tips[0] + thick * along + lift, tips[1] - thick * along + lift, thick)]
    if far and all(_angle(end, far[0]) < 0.6 for end in far):
        end = max(far, key=np.linalg.norm)
        length = float(np.linalg.norm(end))
        # The bone is the length; what the inertia says about it as well is only believed about its thickness.
        thick = float(np.clip(thick, 0.004, 0.35 * length + 0.004))
        inset = min(thick, length / 2) * end / length
        return [Capsule(inset if length > 2 * thick else end / 2, end - inset if length > 2 * thick else end / 2, thick)]
    if len(ends) == 1:  # a motor between two joints at one place: its mass is known better than its shape
        thick = min(thick, _ball(link))
        return [Capsule(link.centre, link.centre, thick)]
    # A trunk or a palm is heavier in its middle than at its ends, so that its inertia makes it too short.
    length = half[2] * (np.sqrt(5 / 3) if ends else 1.0)
    reach = max(length - thick, 0.0) * axes[:, 2]
    return [Capsule(link.centre - reach, link.centre + reach, thick)]


def _even_body(link: Link) -> tuple[FloatArray, FloatArray]:
    """Return the half sizes (3,) m, rising, and directions (columns) of an even rod-like body with a link's inertia; of its mass where that is none.

    An ellipsoid has a rod's inertia when it is 1.12 times as thick and 1.29 times as long.
    """
    moments, axes = np.linalg.eigh((link.inertia + link.inertia.T) / 2)
    squares = 2.5 / link.mass * (moments.sum() - 2 * moments)
    half = np.sqrt(np.clip(squares, 0, None))
    order = np.argsort(half)
    half, axes = half[order], axes[:, order]
    weight = 4 / 3 * np.pi * half.prod() * DENSITY
    if not 0.1 * link.mass < weight < 10 * link.mass:
        return np.full(3, _ball(link)), np.eye(3)
    return half / np.array([np.sqrt(1.25), np.sqrt(1.25), np.sqrt(5 / 3)]), axes


def _ball(link: Link) -> float:
    """Return the radius (m) of a ball of the link's mass."""
    return float((0.75 * link.mass / (np.pi * DENSITY)) ** (1 / 3))


def _angle(a: FloatArray, b: FloatArray) -> float:
    return float(np.arccos(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1)))


def _tips(robot: Robot) -> dict[str, list[FloatArray]]:
    """Return the points of the TOML and the massless links that are fixed to each link: tips, heels."""
    tips: dict[str, list[FloatArray]] = {}
    for point in robot.file.points:
        tips.setdefault(point.link, []).append(np.array(point.at))
    for joint in robot.description.joints:
        if joint.kind == "fixed" and joint.child in robot.file.skeleton.values() and not robot.description.links[joint.child].mass > 0:
            tips.setdefault(joint.parent, []).append(joint.pose[:3, 3])
    return tips


def _postures(robot: Robot) -> FloatArray:
    """Return random postures (N, nq) inside the ranges, more of them near the ends than in the middle."""
    rng = np.random.default_rng(0)
    shares = rng.beta(0.7, 0.7, size=(POSTURES, len(robot.joint_names)))
    return _configurations(robot, robot.lower + shares * (robot.upper - robot.lower))


def _configurations(robot: Robot, positions: FloatArray) -> FloatArray:
    base = [0.0, 0, 0, 0, 0, 0, 1]
    return np.stack([robot.configuration(row, base) for row in positions])


def _key(robot: Robot) -> str:
    file = robot.file
    return content_key(
        RECIPE, robot.urdf_path, [entry.model_dump() for entry in file.collision.capsules], [list(pair) for pair in file.collision.ignore], file.base,
        file.rest, file.zero, file.skeleton, file.range, {k: v.model_dump() for k, v in file.mimic.items()},
        [point.model_dump() for point in file.points], list(robot.joint_names),
    )  # fmt: skip


def _loaded(path: Path, key: str) -> CollisionModel:
    model = CollisionModel.load(path, key=key)
    if model is None:
        raise ValueError("made from something else")
    return model


def main(names: list[str]) -> int:
    """Write the kept capsules of shipped robots beside their TOML."""
    from bodydouble.retarget.robot import Robot

    for name in names:
        robot: Any = Robot.load(name)
        model = make_collision_model(robot)
        model.save(robot.toml_path.with_name(KEPT), key=_key(robot))
        print(f"{name}: {len(model.link)} capsules, {len(model.pairs)} pairs ({model.source})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
