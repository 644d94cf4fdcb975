"""Task "shelf": things go from one level of a shelf to another, up to overhead."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import pose_from
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.furniture import THINGS, WHITE, elbow_height, standing_at
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.handling import easiest_grasp, inward_yaws, rest_over
from bodydouble.hand_pose.simulation.performance import Performance, relative
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.script import Script, turned_about_z

FloatArray = npt.NDArray[np.float64]
Slot = tuple[str, int]

_LEVELS_M = (0.62, 0.96, 1.30, 1.62)
"""Upper faces of the boards at stature 1.7 m."""
_FRONT_M, _DEPTH_M, _WIDTH_M = 0.41, 0.30, 0.96
_SLOPES = (-0.5, -0.2, 0.1)
_OUT_M = 0.14
"""How far things are drawn out before they go to another level."""
_TRIES, _CLEAR_M = 5, 0.001


def write(seconds: float, seed: int, body: Body) -> Performance:
    """Return the performance of the task."""
    scale = body.stature / 1.7
    rng = np.random.default_rng([seed, 103])
    rest = rest_over(elbow_height(body) - 0.12, scale)
    script = Script("shelf", seconds, seed, body, rest, np.array([0.5 * scale, 0.0, 1.2 * scale]))
    script.furniture += _rack(scale)
    cup, bottle = THINGS[:2]
    things = [
        cup,
        bottle,
        SceneObject("can", "cylinder", (0.070, 0.070, 0.12), (70, 110, 180)),
        SceneObject("jar", "cylinder", (0.084, 0.084, 0.13), (226, 170, 70)),
    ]
    places = {(side, level): rng.uniform(0.0, 1.0, 2) for side in SIDES for level in (1, 2, 3)}
    where: dict[str, Slot] = {}
    for row, thing in enumerate(things):
        side = SIDES[row % 2]
        level = int(rng.choice([k for k in (1, 2, 3) if (side, k) not in where.values()]))
        where[thing.name] = side, level
        script.add(thing, _place(thing, (side, level), scale, places[side, level]))
    return _cycles(script, rest, where, places, rng, scale).performance()


def _cycles(
    script: Script,
    rest: dict[str, FloatArray],
    where: dict[str, Slot],
    places: dict[Slot, FloatArray],
    rng: np.random.Generator,
    scale: float,
) -> Script:
    side, begin, free = SIDES[int(rng.integers(2))], float(rng.uniform(0.05, 0.15)), {side: 0.0 for side in SIDES}
    while begin < script.seconds - 1.2:
        begin = max(begin, free[side])
        best: tuple[float, Script, str, Slot, float, float] | None = None
        for _ in range(_TRIES if max(free.values()) > 0.0 else 3 * _TRIES):
            name = str(rng.choice(sorted(name for name, slot in where.items() if slot[0] == side)))
            goal = side, int(rng.choice([k for k in (1, 2, 3) if (side, k) not in where.values()]))
            trial = script.copy()
            held, placed, done = _cycle(trial, side, name, _place(trial.objects[name], goal, scale, places[goal]), begin, rng)
            trial.move_hand(side, rest[side], done, 0.8, arc=(0.05, 0.0, 0.0))
            trial.move_fingers(side, RELAXED_HAND, done + 0.15, 0.5)
            room = min(
                trial.clearance(side, begin, held - 0.25),
                trial.clearance(side, held, done, but=name),
                trial.clearance(side, done, done + 0.8),
            )
            score = min(room, _CLEAR_M) - (trial.strain(side, begin, done + 0.8) if room > -0.004 else 1.0)
            if best is None or score > best[0]:
                best = score, trial, name, goal, placed, done
            if score >= _CLEAR_M:
                break
        assert best is not None
        if max(free.values()) > 0.0 and best[0] < -0.12:
            # Nothing here is done with ease: the other hand goes first.
            side, begin = SIDES[1 - SIDES.index(side)], begin + 0.3
            continue
        _, script, name, goal, placed, done = best
        where[name], free[side] = goal, done + 0.85
        side = SIDES[1 - SIDES.index(side)] if rng.uniform() < 0.7 else side
        begin = placed - float(rng.uniform(0.0, 0.5))
    return script


def _cycle(script: Script, side: str, name: str, T_goal: FloatArray, begin: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Take a thing and put it on another level; return when it is held, when it stands again, and when the hand is free."""
    thing, pose = script.objects[name], script.T_world_object(name, begin)
    grasp, hand, _ = easiest_grasp(script, side, thing, pose, inward_yaws(side), _SLOPES, goal=T_goal)
    pace = float(rng.uniform(0.95, 1.15))
    script.look(pose[:3, 3], begin - 0.1)
    held = script.take(side, name, grasp, hand, begin, reach_s=0.95 * pace, close_s=0.3 * pace, approach=(-0.17, 0.0, 0.05), arc=0.0)
    T_object_hand = relative(pose, hand)
    end = pose_from(pose[:3, :3], T_goal[:3, 3])
    put = script.easiest(side, [turned_about_z(end, yaw) @ T_object_hand for yaw in np.radians(np.arange(-60, 61, 20))])
    script.look(end[:3, 3], held + 0.2)
    # Out of the shelf, to the other level, in again.
    out = hand.copy()
    out[:3, 3] += [-_OUT_M, 0.0, 0.025]
    before = put.copy()
    before[:3, 3] += [-_OUT_M, 0.0, 0.025]
    script.move_hand(side, out, held, 0.5 * pace)
    script.move_hand(side, before, held + 0.36 * pace, 0.75 * pace)
    script.move_hand(side, put, held + 0.98 * pace, 0.5 * pace)
    placed = held + 1.48 * pace + 0.05
    return held, placed, script.release(side, name, grasp, placed, leave=(-0.16, 0.0, 0.05)) + 0.1


def _place(thing: SceneObject, slot: Slot, scale: float, off: FloatArray) -> FloatArray:
    """Return the pose (4, 4) of a thing in a slot; ``off`` (2,) in [0, 1] says how far it is from the front and the middle."""
    sign = 1.0 if slot[0] == "left" else -1.0
    x = _FRONT_M * scale + 0.055 + 0.02 * off[0]
    return standing_at(x, sign * (0.17 * scale + 0.06 * off[1]), _LEVELS_M[slot[1]] * scale + thing.size_m[2] / 2)


def _rack(scale: float) -> tuple[SceneObject, ...]:
    """Return boards and sides of the shelf."""
    middle, thick = _FRONT_M * scale + _DEPTH_M / 2, 0.022
    top = (_LEVELS_M[-1] + 0.36) * scale
    beside = (_WIDTH_M + thick) / 2
    boards = [
        SceneObject(f"board_{k}", "box", (_DEPTH_M, _WIDTH_M, thick), WHITE, standing_at(middle, 0.0, z * scale - thick / 2))
        for k, z in enumerate((0.12, *_LEVELS_M))
    ]
    sides = [
        SceneObject(f"upright_{name}", "box", (_DEPTH_M, thick, top), WHITE, standing_at(middle, y, top / 2))
        for name, y in (("left", beside), ("right", -beside))
    ]
    return (*boards, *sides)
