"""Task "table": standing at a table, the hands take things in turn and put them elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import pose_from
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.furniture import HELD_FROM, THINGS, elbow_height, standing_at, table
from bodydouble.hand_pose.simulation.grasp import Grasp
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.performance import Performance, relative
from bodydouble.hand_pose.simulation.script import Script, turned_about_z

FloatArray = npt.NDArray[np.float64]

_SLOTS = ((0.42, 0.08), (0.40, 0.27), (0.57, 0.10), (0.54, 0.29))
"""m before and beside the person of stature 1.7 m, where things stand on either half of the table."""
_YAWS = np.radians(np.arange(-75, 46, 15))
_FRONT, _DEPTH, _WIDTH = 0.24, 0.62, 1.3


def rest_over(height: float, scale: float) -> dict[str, FloatArray]:
    """Return T_world_hand (4, 4) of both hands resting, palms half down, over a table of a height in m."""
    rest = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        x = np.array([0.95, -0.3 * sign, -0.05])
        x /= np.linalg.norm(x)
        z = np.array([0.0, 0.55 * sign, 1.0])
        z -= x * (x @ z)
        z /= np.linalg.norm(z)
        rest[side] = pose_from(np.column_stack([x, np.cross(z, x), z]), [0.20 * scale, 0.22 * scale * sign, height + 0.12])
    return rest


def write(seconds: float, seed: int, body: Body) -> Performance:
    """Return the performance of the task."""
    scale = body.stature / 1.7
    rng = np.random.default_rng([seed, 101])
    height = float(rng.uniform(0.90, 0.97)) * elbow_height(body)
    rest = rest_over(height, scale)
    script = Script("table", seconds, seed, body, rest, np.array([0.45 * scale, 0.0, height]))
    script.furniture += table(_FRONT * scale, _DEPTH, _WIDTH, height)
    slots = [(side, k) for side in SIDES for k in range(len(_SLOTS))]
    places = {slot: _place(slot, scale, rng) for slot in slots}
    # Two things on each half, so that both hands have work and room.
    start = [("left", int(k)) for k in rng.permutation(4)[:2]] + [("right", int(k)) for k in rng.permutation(4)[:2]]
    where = {}
    for thing, slot in zip(rng.permutation(np.array(THINGS, dtype=object)), start, strict=True):
        x, y = places[slot]
        pose = standing_at(x, y, height + thing.size_m[2] / 2)
        if thing.shape == "box":
            _, pose = _easiest(script, slot[0], script.grasp(slot[0], thing, HELD_FROM[thing.name]), pose)
        script.add(thing, pose)
        where[thing.name] = slot
    _cycles(script, rest, places, where, rng, height)
    return script.performance()


def _cycles(
    script: Script, rest: dict[str, FloatArray], places: dict[tuple[str, int], tuple[float, float]], where: dict[str, tuple[str, int]],
    rng: np.random.Generator, height: float,
) -> None:  # fmt: skip
    free = {side: 0.0 for side in SIDES}
    side, begin = SIDES[int(rng.integers(2))], float(rng.uniform(0.05, 0.15))
    last = None
    while begin < script.seconds - 1.2:
        begin = max(begin, free[side])
        names = [name for name, slot in where.items() if slot[0] == side and name != last]
        name = str(rng.choice(sorted(names)))
        empty = [k for k in range(len(_SLOTS)) if (side, k) not in where.values()]
        goal = (side, int(rng.choice(empty)))
        thing = script.objects[name]
        grasp = script.grasp(side, thing, HELD_FROM[name])
        pose = script.T_world_object(name, begin)
        # A box keeps its sides; what is round is taken from where it is easiest.
        hand, _ = _easiest(script, side, grasp, pose) if thing.shape != "box" else (grasp.T_world_hand(pose), pose)
        pace = float(rng.uniform(0.9, 1.1))
        script.look(pose[:3, 3], begin - 0.1)
        held = script.take(side, name, grasp, hand, begin, reach_s=0.8 * pace, close_s=0.3 * pace)
        x, y = places[goal]
        put, end = _easiest(script, side, replace(grasp, T_hand_object=relative(hand, pose)), standing_at(x, y, pose[2, 3]))
        lift, carried = float(rng.uniform(0.10, 0.18)), float(rng.uniform(0.95, 1.2)) * pace
        script.look(end[:3, 3], held + 0.15)
        script.move_hand(side, put, held, carried, arc=(-0.03, 0.0, lift))
        free[side] = script.release(side, name, grasp, held + carried + 0.05)
        where[name], last = goal, name
        following = SIDES[1 - SIDES.index(side)] if rng.uniform() < 0.75 else side
        begin = free[side] if following == side else held + carried * float(rng.uniform(0.1, 0.9))
        if following != side:
            script.move_hand(side, rest[side], free[side] + 0.1, 0.7)
            script.move_fingers(side, RELAXED_HAND, free[side] + 0.2, 0.5)
            free[side] += 0.85
        side = following


def _place(slot: tuple[str, int], scale: float, rng: np.random.Generator) -> tuple[float, float]:
    x, y = _SLOTS[slot[1]]
    sign = 1.0 if slot[0] == "left" else -1.0
    jitter = rng.uniform(-0.012, 0.012, 2)
    return float(x * scale + jitter[0]), float((y * scale + jitter[1]) * sign)


def _easiest(script: Script, side: str, grasp: Grasp, T_world_object: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the hand and the thing (4, 4 each) with the thing turned about its upright axis so that the arm is most at ease."""
    turned = [turned_about_z(T_world_object, yaw) for yaw in _YAWS * (1.0 if side == "left" else -1.0)]
    hands = [grasp.T_world_hand(pose) for pose in turned]
    best = script.easiest(side, hands)
    return best, turned[[hand is best for hand in hands].index(True)]
