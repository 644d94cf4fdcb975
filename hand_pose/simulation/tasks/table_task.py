"""Task "table": standing at a table, the hands take things in turn and put them elsewhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import pose_from
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.furniture import THINGS, elbow_height, standing_at, table
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.handling import easiest_grasp, inward_yaws, rest_over
from bodydouble.hand_pose.simulation.performance import Performance, relative
from bodydouble.hand_pose.simulation.script import Script, turned_about_z

FloatArray = npt.NDArray[np.float64]

_SLOTS = ((0.43, 0.09), (0.41, 0.29), (0.58, 0.10), (0.55, 0.31))
"""m before and beside the person of stature 1.7 m, where things stand on either half of the table."""
_TRIES, _CLEAR_M = 6, 0.001
"""How often a cycle is drawn again, until hand and thing keep that distance from all others."""
Slot = tuple[str, int]
_FRONT, _DEPTH, _WIDTH = 0.24, 0.62, 1.3


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
    where: dict[str, Slot] = {}
    for thing, slot in zip(rng.permutation(np.array(THINGS, dtype=object)), start, strict=True):
        x, y = places[slot]
        pose = standing_at(x, y, height + thing.size_m[2] / 2)
        if thing.shape == "box":
            pose = easiest_grasp(script, slot[0], thing, pose, inward_yaws(slot[0]))[2]
        script.add(thing, pose)
        where[thing.name] = slot
    return _cycles(script, rest, places, where, rng).performance()


def _cycles(
    script: Script, rest: dict[str, FloatArray], places: dict[Slot, tuple[float, float]], where: dict[str, Slot], rng: np.random.Generator,
) -> Script:  # fmt: skip
    free = {side: 0.0 for side in SIDES}
    side, begin = SIDES[int(rng.integers(2))], float(rng.uniform(0.05, 0.15))
    last = ""
    while begin < script.seconds - 1.2:
        begin = max(begin, free[side])
        names = sorted(name for name, slot in where.items() if slot[0] == side and name != last)
        empty = [k for k in range(len(_SLOTS)) if (side, k) not in where.values()]
        best: tuple[float, Script, str, Slot, float, float] | None = None
        for _ in range(_TRIES if last else 3 * _TRIES):
            name, goal = str(rng.choice(names)), (side, int(rng.choice(empty)))
            trial = script.copy()
            held, placed, done = _cycle(trial, side, name, places[goal], begin, rng)
            trial.move_hand(side, rest[side], done + 0.05, 0.7, arc=(0.0, 0.0, 0.07))
            trial.move_fingers(side, RELAXED_HAND, done + 0.15, 0.5)
            room = min(
                trial.clearance(side, begin, held - 0.25),
                trial.clearance(side, held, done, but=name),
                trial.clearance(side, done, done + 0.8),
            )
            strain = trial.strain(side, begin, done + 0.8) if room > 0.0 else 1.0
            score = min(room, _CLEAR_M) - strain
            if best is None or score > best[0]:
                best = score, trial, name, goal, placed, done
            if score >= _CLEAR_M:
                break
        assert best is not None
        if last and best[0] < -0.004:
            # Everything here is in the way: the other hand goes first.
            side, begin = SIDES[1 - SIDES.index(side)], begin + 0.3
            continue
        _, script, name, goal, placed, done = best
        where[name] = goal
        free[side], last = done + 0.8, name
        side = SIDES[1 - SIDES.index(side)] if rng.uniform() < 0.8 else side
        begin = placed - float(rng.uniform(0.1, 0.9))
    return script


def _cycle(
    script: Script, side: str, name: str, place: tuple[float, float], begin: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Take a thing and put it elsewhere; return when it is held, when it stands again, and when the hand is free."""
    thing = script.objects[name]
    pose = script.T_world_object(name, begin)
    # A box keeps its sides; what is round is taken from where it is easiest.
    grasp, hand, _ = easiest_grasp(script, side, thing, pose, (0.0,) if thing.shape == "box" else inward_yaws(side))
    pace = float(rng.uniform(0.9, 1.1))
    script.look(pose[:3, 3], begin - 0.1)
    held = script.take(
        side,
        name,
        grasp,
        hand,
        begin,
        reach_s=0.8 * pace,
        close_s=0.3 * pace,
        approach=(-0.09, 0.0, 0.09),
        arc=float(rng.uniform(0.03, 0.07)),
    )
    end = standing_at(*place, float(pose[2, 3]))
    end = pose_from(pose[:3, :3], end[:3, 3])
    T_object_hand = relative(pose, hand)
    put = script.easiest(side, [turned_about_z(end, yaw) @ T_object_hand for yaw in np.radians(np.arange(-60, 61, 20))])
    carried = float(rng.uniform(0.95, 1.2)) * pace
    script.look(end[:3, 3], held + 0.15)
    script.move_hand(side, put, held, carried, arc=(-0.03, 0.0, float(rng.uniform(0.10, 0.2))))
    placed = held + carried + 0.05
    return held, placed, script.release(side, name, grasp, placed, leave=(-0.06, 0.0, 0.08))


def _place(slot: Slot, scale: float, rng: np.random.Generator) -> tuple[float, float]:
    x, y = _SLOTS[slot[1]]
    sign = 1.0 if slot[0] == "left" else -1.0
    jitter = rng.uniform(-0.012, 0.012, 2)
    return float(x * scale + jitter[0]), float((y * scale + jitter[1]) * sign)
