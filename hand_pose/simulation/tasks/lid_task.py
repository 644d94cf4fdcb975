"""Task "lid": one hand lifts a jar, the other unscrews its lid, turn by turn, lifts it off, and both put down what they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import invert, pose_from
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.curves import PoseCurve
from bodydouble.hand_pose.simulation.furniture import elbow_height, standing_at, table
from bodydouble.hand_pose.simulation.grasp import Grasp
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.handling import easiest_grasp, inward_yaws, rest_over
from bodydouble.hand_pose.simulation.performance import Performance, relative
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.script import Script, turned_about_z

FloatArray = npt.NDArray[np.float64]

_JAR = SceneObject("jar", "cylinder", (0.076, 0.076, 0.15), (214, 206, 190))
_LID = SceneObject("lid", "cylinder", (0.080, 0.080, 0.045), (176, 60, 52))
_FRONT, _DEPTH, _WIDTH = 0.24, 0.62, 1.3
_TWIST_RAD = 0.55


def write(seconds: float, seed: int, body: Body) -> Performance:
    """Return the performance of the task."""
    scale = body.stature / 1.7
    rng = np.random.default_rng([seed, 105])
    height = float(rng.uniform(0.72, 0.78)) * elbow_height(body)
    rest = rest_over(height, scale)
    holding = SIDES[int(rng.uniform() < 0.25)]
    turning = SIDES[1 - SIDES.index(holding)]
    sign = 1.0 if holding == "left" else -1.0
    script = Script("lid", seconds, seed, body, rest, np.array([0.42 * scale, 0.0, height]))
    script.furniture += table(_FRONT * scale, _DEPTH, _WIDTH, height)
    # The arm that turns is lifted, so that the hand comes from above without turning the forearm as far as it goes.
    script.elbow_out[turning] = 0.8
    jar = standing_at(0.43 * scale, 0.12 * scale * sign, height + _JAR.size_m[2] / 2)
    script.add(_JAR, jar)
    on_jar = pose_from(np.eye(3), [0.0, 0.0, (_JAR.size_m[2] + _LID.size_m[2]) / 2])
    script.add(_LID, jar @ on_jar)
    grasp, hand, _ = easiest_grasp(script, holding, _JAR, jar, inward_yaws(holding))
    t = float(rng.uniform(0.05, 0.15))
    script.look(jar[:3, 3], t)
    held = script.take(holding, "jar", grasp, hand, t, approach=(-0.09, 0.0, 0.07))
    script.attach("lid", "jar", held)
    aloft = standing_at(0.34 * scale, 0.03 * scale * sign, height + 0.08)
    T_jar_hand = relative(jar, hand)
    up = script.easiest(holding, [turned_about_z(aloft, yaw) @ T_jar_hand for yaw in np.radians(np.arange(-40, 41, 20))])
    script.move_hand(holding, up, held, 0.9)
    script.look(aloft[:3, 3], held + 0.1)
    lid = script.T_world_object("lid", held + 0.95)
    t = _unscrew(script, turning, lid, held + 0.55, rng)
    # The lid goes to the table, then the jar.
    carrier = script.hands[turning].carrier(np.inf)
    T_lid_hand = relative(script.T_world_object("lid", t), script.hands[turning](np.inf))
    place = standing_at(0.42 * scale, -0.14 * scale * sign, height + _LID.size_m[2] / 2)
    down = script.easiest(turning, [turned_about_z(place, yaw) @ T_lid_hand for yaw in np.radians(np.arange(-180, 180, 30))])
    script.look(place[:3, 3], t + 0.3)
    script.move_hand(turning, invert(carrier) @ down, t, 1.1, arc=(0.0, 0.0, 0.08))
    free = script.release(turning, "lid", _lid_grasp(script, turning), t + 1.15, leave=(-0.05, 0.0, 0.08))
    _go_to_rest(script, turning, invert(carrier) @ rest[turning], free)
    script.move_hand(holding, hand, t + 0.9, 0.9, arc=(0.0, 0.0, 0.03))
    script.look(jar[:3, 3], t + 1.1)
    free = script.release(holding, "jar", grasp, t + 1.9, leave=(-0.07, 0.0, 0.07))
    _go_to_rest(script, holding, rest[holding], free)
    return script.performance()


def _lid_grasp(script: Script, side: str) -> Grasp:
    return script.grasp(side, _LID, "top", 0.6)


def _unscrew(script: Script, side: str, lid: FloatArray, t: float, rng: np.random.Generator) -> float:
    """Reach for the lid, turn it in steps, with the hand going back in between, and lift it off; return when it is off."""
    grasp = _lid_grasp(script, side)
    yaws = np.radians(np.arange(-180, 180, 15))
    ends = (-_TWIST_RAD / 2, _TWIST_RAD / 2)
    # Easy is what is easy before and after a twist.
    easy = min(yaws, key=lambda yaw: sum(script.unease(side, grasp.T_world_hand(turned_about_z(lid, yaw + end))) for end in ends))
    # The hand's poses are told in a frame on the lid's axis, which turns. The first grip is half a twist before the easiest.
    axis = PoseCurve.at(turned_about_z(lid, -_TWIST_RAD / 2))
    hand = script.hands[side]
    script.hands[side] = replace(hand, pose=PoseCurve.at(invert(axis.end) @ hand(0.0)), frames=(axis,))
    grip = relative(lid, grasp.T_world_hand(turned_about_z(lid, float(easy))))
    above = grip.copy()
    above[2, 3] += 0.11
    script.move_hand(side, above, t, 0.75, arc=(0.0, 0.0, 0.08))
    script.move_hand(side, grip, t + 0.6, 0.4)
    script.move_fingers(side, grasp.open, t + 0.1, 0.5)
    t += 1.0
    twists = int(rng.integers(2, 4))
    for k in range(twists):
        script.move_fingers(side, grasp.closed, t, 0.22)
        script.hold(side, "lid", grasp, t + 0.22)
        # Anticlockwise from above.
        axis = axis.turned([0.0, 0.0, _TWIST_RAD], t + 0.22, 0.5)
        script.hands[side] = replace(script.hands[side], frames=(axis,))
        t += 0.75
        if k + 1 < twists:
            script.let_go(side, "lid", t, onto="jar")
            script.move_fingers(side, grasp.open, t, 0.2)
            axis = axis.turned([0.0, 0.0, -_TWIST_RAD], t + 0.16, 0.4)
            script.hands[side] = replace(script.hands[side], frames=(axis,))
            t += 0.56
    lifted = script.hands[side].pose.end
    lifted[2, 3] += 0.06
    script.move_hand(side, lifted, t, 0.4)
    return t + 0.25


def _go_to_rest(script: Script, side: str, T: FloatArray, t: float) -> None:
    script.move_hand(side, T, t + 0.05, 0.7)
    script.move_fingers(side, RELAXED_HAND, t + 0.1, 0.5)
