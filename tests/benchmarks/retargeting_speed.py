"""How fast the solver is on one core, beside Pink and Mink stepping the same tasks towards the same reachable motion; prints one table a robot.

    .venv/bin/python tests/benchmarks/retargeting_speed.py [--robot optimus] [--seconds 10] [--rate 100] [--peer-python ~/peers/bin/python]

The motion is a smooth random one of the robot itself, so that every task can be met exactly and the right answer is known. Everybody gets the same targets;
ours keeps ranges, speeds, accelerations and self-collision, the peers ranges and speeds. They start at the right answer, ours at the rest posture. All are
scored by the same code: palms in the world, fingertips seen from the palm. Times are wall times of the solve loop, one thread, after warm-up: use the ratios.

`--robot g1` is the Unitree G1 with its 29 body joints and 15 frame tasks (links of ../shared/data/robots/unitree_g1_29dof_dex3_kin.urdf).

The peers need an environment of their own: `python -m venv ~/peers && ~/peers/bin/pip install pin-pink==4.4.0 mink==1.3.0 "mujoco<4" daqp`.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from retargeting_peers import ask
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from bodydouble.errors import BodydoubleError
from bodydouble.hand_pose.human_motion import Source
from bodydouble.retarget import Robot
from bodydouble.retarget.kernels.collisions import pair_distances
from bodydouble.retarget.kernels.tree import place, work_space
from bodydouble.retarget.limits import finite_accelerations, finite_rates
from bodydouble.retarget.mapping import TaskEntry
from bodydouble.retarget.problem import Layout
from bodydouble.retarget.retargeting import follow
from bodydouble.retarget.targets import Targets

FloatArray = npt.NDArray[np.float64]

G1 = Path(__file__).resolve().parents[3] / "shared" / "data" / "robots" / "unitree_g1_29dof_dex3_kin.urdf"
G1_LINKS = {"pelvis": "pelvis", "thorax": "torso_link", "head": "head_link"} | {
    f"{side}_{human}": f"{side}_{link}"
    for side in ("left", "right")
    for human, link in {"thigh": "hip_roll_link", "shank": "knee_link", "foot": "ankle_roll_link", "upper_arm": "shoulder_roll_link",
                        "forearm": "elbow_link", "hand": "wrist_yaw_link"}.items()
}  # fmt: skip
READY = {"shoulder_roll": 40.0, "elbow": 60.0, "hip_roll": 8.0, "shoulder_roll_joint": 40.0, "elbow_joint": 20.0, "hip_roll_joint": 10.0}
"""Degrees: arms and legs a little apart, so that limbs can sway and not meet; other joints sway about the rest posture."""
ITERATIONS = (1, 3)
"""Steps a frame that the peers make; three is where they meet reachable targets."""


@dataclass(frozen=True)
class Wanted:
    """A motion that the robot itself made."""

    times_s: FloatArray
    positions: FloatArray
    """(T, J) rad."""
    base: FloatArray
    """(T, 7) m and quaternion xyzw."""
    poses: dict[str, FloatArray]
    """Link to T_world_link (T, 4, 4)."""


@dataclass(frozen=True)
class Answer:
    """What a contestant made of it."""

    positions: FloatArray
    base: FloatArray
    frames_per_second: float
    keeps: str
    iterations: float


def swaying(robot: Robot, times_s: FloatArray, amplitude: float, seed: int = 0) -> Wanted:
    """Return a smooth motion that the robot can do: within half its speeds and a third of its accelerations, and clear of itself in every frame."""
    rng = np.random.default_rng(seed)
    half = (robot.upper - robot.lower) / 2
    ready = np.array([np.radians(READY.get(name.removeprefix("left_").removeprefix("right_"), 0.0)) for name in robot.joint_names])
    mirrored = np.array([name.startswith("right_") and robot.lower[j] + robot.upper[j] < 0 for j, name in enumerate(robot.joint_names)])
    centre = np.clip(
        np.where(ready != 0.0, np.where(mirrored, -ready, ready), robot.rest), robot.lower + 0.15 * half, robot.upper - 0.15 * half
    )
    pulse = 2 * np.pi * rng.uniform(0.2, 0.5, len(half))
    phase = rng.uniform(0, 2 * np.pi, len(half))
    swing = np.minimum.reduce(
        [
            amplitude * half,
            0.5 * robot.velocity_limit / pulse,
            robot.acceleration / (3 * pulse**2),
            np.full(len(half), 0.8),
            centre - robot.lower,
            robot.upper - centre,
        ]
    )
    turn = Rotation.from_euler("xyz", 0.1 * np.sin(times_s[:, None] * [1.1, 1.3, 0.9]))
    way = [0.0, 0.0, robot.standing_height()] + 0.08 * np.sin(times_s[:, None] * [0.9, 1.2, 1.6])
    base = np.concatenate([way, turn.as_quat()], axis=1)
    always = set(too_near(robot, centre[None], base[:1]))  # neighbours that touch in the middle posture already: no motion clears them
    while True:
        positions = centre + swing * np.sin(pulse * times_s[:, None] + phase)
        near = [pair for pair in too_near(robot, positions[::5], base[::5]) if pair not in always]
        if not near:
            break
        swing[np.any([robot.joints_between(a, b) for a, b in near], axis=0)] *= 0.8
    links = sorted({link for task in robot.file.tasks for link in (task.robot, task.origin, task.of) if link is not None})
    poses = robot.link_poses(positions, base, links)
    return Wanted(times_s, positions, base, {link: poses[:, i] for i, link in enumerate(links)})


def too_near(robot: Robot, positions: FloatArray, base: FloatArray) -> list[tuple[str, str]]:
    """Return the pairs of links that come nearer than the margin kept, and a fifth, between them, the nearest first."""
    layout = Layout(robot, robot.file.tasks)
    tree, capsules = layout.tree(), layout.capsules()
    placed, distances = work_space(tree), np.empty(len(capsules.pairs))
    least = np.full(len(distances), np.inf)
    for row, turn, place_m in zip(positions, Rotation.from_quat(base[:, 3:]).as_matrix(), base[:, :3], strict=True):
        place(tree, np.ascontiguousarray(turn), np.ascontiguousarray(place_m), np.ascontiguousarray(row), placed)
        pair_distances(capsules, placed, distances)
        least = np.minimum(least, distances)
    near = [i for i in np.argsort(least) if least[i] < 1.2 * robot.collision.margin]
    pairs = [tuple(robot.collision.link[end] for end in robot.collision.pairs[i]) for i in near]
    return [(a, b) for a, b in dict.fromkeys(pairs)]


def targets_of(robot: Robot, wanted: Wanted) -> Targets:
    """Return targets that ``wanted`` meets exactly, one a task of the robot's file, all asked in every frame; no contacts."""
    frames = len(wanted.times_s)
    values = [_value(task, wanted.poses) for task in robot.file.tasks]
    asked = np.array([0.0 if task.kind == "above" else task.weight for task in robot.file.tasks])
    return Targets(
        tasks=robot.file.tasks, values=tuple(values), weights=np.tile(asked, (frames, 1)), base=wanted.base,
        joint_source=np.full((frames, len(robot.joint_names)), Source.OBSERVED, dtype=np.uint8), scales={"legs": 1.0, "arms": 1.0, "fingers": 1.0},
    )  # fmt: skip


def _value(task: TaskEntry, poses: dict[str, FloatArray]) -> FloatArray:
    T = poses[task.robot]
    start = poses[task.of or task.origin or task.robot]
    value: FloatArray
    if task.kind in ("position", "above"):
        return np.asarray(T[:, :3, 3])
    if task.kind == "axis":
        return np.asarray(T[:, :3, :3] @ (np.array(task.axis) / np.linalg.norm(task.axis)))
    if task.kind in ("orientation", "relative_orientation"):
        value = T[:, :3, :3]
    else:
        value = T[:, :3, 3] - start[:, :3, 3]
        if task.kind.endswith("direction"):
            value = value / np.linalg.norm(value, axis=1, keepdims=True)
        value = value[:, :, None]
    if task.kind.startswith("relative"):
        value = poses[str(task.origin)][:, :3, :3].transpose(0, 2, 1) @ value
    return value if task.kind.endswith("orientation") else value[:, :, 0]


def ours(robot: Robot, wanted: Wanted, *, stream: bool) -> Answer:
    found = follow(targets_of(robot, wanted), robot, wanted.times_s, stream=stream)
    solver = found.solver or {}
    keeps = f"range, speed, acceleration, {float(solver['collision_pairs']):.0f} pairs"
    return Answer(found.positions, found.base_pose, float(solver["frames_per_second"]), keeps, float(solver["iterations_mean"]))


def peer(name: str, python: Path, robot: Robot, wanted: Wanted, iterations: int) -> Answer:
    """Have Pink or Mink step frame tasks that ask the same: a direction as the place of its far end, an axis as the orientation."""
    rows = _merged([_frame_task(task, wanted.poses) for task in robot.file.tasks if task.kind != "above"])
    answer = ask(
        python, name, urdf=str(robot.urdf_path), floating=True, joint_names=np.array(robot.joint_names), velocity_limit=robot.velocity_limit,
        start=wanted.positions[0], start_base=wanted.base[0], links=np.array([row[0] for row in rows]), roots=np.array([row[1] for row in rows]),
        place_cost=np.array([row[2] for row in rows]), turn_cost=np.array([row[3] for row in rows]), targets=np.stack([row[4] for row in rows], axis=1),
        dt=float(np.median(np.diff(wanted.times_s))), steps=iterations,
    )  # fmt: skip
    if "problem" in answer:
        raise PeerError(str(answer["problem"]))
    return Answer(answer["positions"], answer["base"], len(wanted.times_s) / float(answer["seconds"]), "range, speed", iterations)


class PeerError(Exception):
    """A peer gave no answer; the message says why."""


FrameTask = tuple[str, str, float, float, FloatArray]


def _merged(rows: list[FrameTask]) -> list[FrameTask]:
    """Return one frame task for place and orientation of the same link: the peers read its pose and Jacobian once then."""
    merged: dict[tuple[str, str], FrameTask] = {}
    for link, root, metre, radian, T in rows:
        _, _, placed, turned, _ = merged.get((link, root), (link, root, 0.0, 0.0, T))
        merged[link, root] = (link, root, max(metre, placed), max(radian, turned), T)
    return list(merged.values())


def _frame_task(task: TaskEntry, poses: dict[str, FloatArray]) -> FrameTask:
    """Return link, root ("" for the world), cost of a metre, cost of a radian, and the pose (T, 4, 4) asked for."""
    T = poses[task.robot]
    if task.kind in ("orientation", "axis"):
        return task.robot, "", 0.0, task.weight, T
    if task.kind == "position":
        return task.robot, "", task.weight, 0.0, T
    if task.kind == "direction":
        return task.robot, "", task.weight / float(np.linalg.norm(T[0, :3, 3] - poses[str(task.origin)][0, :3, 3])), 0.0, T
    root = str(task.of or task.origin)
    turn = task.kind == "relative_orientation"
    return task.robot, root, 0.0 if turn else task.weight, task.weight if turn else 0.0, np.linalg.inv(poses[root]) @ T


def scored(robot: Robot, wanted: Wanted, answer: Answer) -> list[str]:
    """Return palms in mm and degrees, fingertips in mm, and how often range, speed and acceleration are broken."""
    skeleton = robot.file.skeleton
    palms = [skeleton[f"{side}_hand"] for side in ("left", "right") if f"{side}_hand" in skeleton]
    tips = {
        link: skeleton[f"{human.split('_')[0]}_hand"] for human, link in skeleton.items() if human.endswith("_tip") and "toe" not in human
    }
    links = [*palms, *tips]
    right = robot.link_poses(wanted.positions, wanted.base, links)
    found = robot.link_poses(answer.positions, answer.base, links)
    place = np.linalg.norm(found[:, : len(palms), :3, 3] - right[:, : len(palms), :3, 3], axis=2) * 1e3
    between = (Rotation.from_matrix(poses[:, : len(palms), :3, :3].reshape(-1, 3, 3)) for poses in (found, right))
    turn = np.degrees((next(between).inv() * next(between)).magnitude())
    apart = [_seen_from(found, links, tip, palm) - _seen_from(right, links, tip, palm) for tip, palm in tips.items()]
    tip = f"{np.mean(np.linalg.norm(apart, axis=-1)) * 1e3:.3f}" if tips else "-"
    slack = 1.0 + 1e-6
    outside = (answer.positions < robot.lower - 1e-6) | (answer.positions > robot.upper + 1e-6)
    fast = np.abs(finite_rates(wanted.times_s, answer.positions)) > robot.velocity_limit * slack + 1e-6
    sudden = np.abs(finite_accelerations(wanted.times_s, answer.positions)) > robot.acceleration * slack + 1e-6
    return [f"{place.mean():.3f}", f"{turn.mean():.3f}", tip, f"{outside.sum()} / {fast.sum()} / {sudden.sum()}"]


def _seen_from(poses: FloatArray, links: list[str], link: str, palm: str) -> FloatArray:
    """Return the place (T, 3) m of a link in the axes of the palm."""
    T_palm, T_link = poses[:, links.index(palm)], poses[:, links.index(link)]
    return np.einsum("tji,tj->ti", T_palm[:, :3, :3], T_link[:, :3, 3] - T_palm[:, :3, 3])


def g1(folder: Path) -> Robot:
    """Return the G1 with its 29 body joints and 15 frame tasks; its hands' joints are fixed. Raises: FileNotFoundError."""
    root = ElementTree.parse(G1).getroot()
    joints = []
    for joint in root.iter("joint"):
        name = joint.get("name", "")
        if joint.get("type") == "revolute" and "_hand_" in name:
            joint.set("type", "fixed")
        elif joint.get("type") == "revolute":
            joints.append(name)
    (folder / "g1.urdf").write_text(ElementTree.tostring(root, encoding="unicode"))
    lines = ['name = "g1"', 'urdf = "g1.urdf"', "[groups]", f"body = {_listed(joints)}", "[skeleton]"]
    lines += [f'{human} = "{link}"' for human, link in G1_LINKS.items()]
    for human, link in G1_LINKS.items():
        for kind, weight in (("position", 10.0), ("orientation", 1.0)):
            lines += ["[[tasks]]", f'name = "{human}_{kind}"', f'kind = "{kind}"', f'robot = "{link}"', f"weight = {weight}"]
    (folder / "g1.toml").write_text("\n".join(lines) + "\n")
    return Robot.load(folder / "g1.toml")


def _listed(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def compare(robot: Robot, wanted: Wanted, python: Path | None) -> Table:
    """Return the table."""
    swings = f"joints sway by {np.degrees(np.ptp(wanted.positions, axis=0).mean()):.0f} degrees on average"
    asked = [task for task in robot.file.tasks if task.kind != "above"]
    frames = len(wanted.times_s)
    freedoms = len(robot.joint_names) + 6
    table = Table(title=f"{robot.name}: {freedoms} degrees of freedom, {len(asked)} tasks, {frames} frames; {swings}", title_justify="left")
    for heading in (
        "solver",
        "frames/s",
        "stream is faster",
        "whole is faster",
        "iterations",
        "keeps",
        "palm mm",
        "palm deg",
        "fingertip mm",
        "broken: range / speed / acc.",
    ):
        table.add_column(heading, justify="left" if heading in ("solver", "keeps") else "right")
    stream, whole = ours(robot, wanted, stream=True), ours(robot, wanted, stream=False)
    rows: list[tuple[str, Answer | str]] = [
        ("bodydouble, stream", stream),
        ("bodydouble, whole trajectory", whole),
    ]
    for name in ("Pink", "Mink"):
        for iterations in ITERATIONS:
            try:
                if python is None:
                    raise PeerError("left out: no --peer-python")
                rows.append((name, peer(name, python, robot, wanted, iterations)))
            except PeerError as problem:
                rows.append((name, str(problem)))
                break
    for name, answer in rows:
        if isinstance(answer, str):
            table.add_row(name, *["-"] * 4, answer, *["-"] * 4)
        else:
            speed = answer.frames_per_second
            ratios = [f"{own.frames_per_second / speed:.1f} x" for own in (stream, whole)]
            table.add_row(name, f"{speed:.0f}", *ratios, f"{answer.iterations:.1f}", answer.keeps, *scored(robot, wanted, answer))
    return table


def main(arguments: Any = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robot", default="optimus", help="a shipped robot, the path of a TOML, or g1")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=100.0, help="frames a second")
    parser.add_argument("--amplitude", type=float, default=0.2, help="swing of each joint, share of half its range")
    parser.add_argument("--peer-python", type=Path, help="interpreter of an environment with Pink and Mink")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            robot = g1(Path(folder)) if given.robot == "g1" else Robot.load(given.robot)
        except (BodydoubleError, FileNotFoundError) as error:
            raise SystemExit(str(error)) from None
        times = np.arange(max(int(given.seconds * given.rate), 3)) / given.rate
        Console(width=200).print(compare(robot, swaying(robot, times, given.amplitude), given.peer_python))


if __name__ == "__main__":
    main()
