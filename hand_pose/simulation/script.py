"""Writes a performance down, movement by movement: reach for a thing, hold it, put it somewhere, look, step."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import apply, invert, pose_from
from bodydouble.hand_pose.simulation.arm_angles import arm_angles
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import SIDES, Choreography, HandCurve
from bodydouble.hand_pose.simulation.curves import Curve, PoseCurve
from bodydouble.hand_pose.simulation.grasp import Grasp, HandSkin, Kind, find_grasp, mirrored
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.performance import WORLD, Attachment, Contact, Performance
from bodydouble.hand_pose.simulation.posture import Poser
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.worn import Worn

FloatArray = npt.NDArray[np.float64]


class Script:
    """A performance in the making. Times are in s; methods add to the end of a curve, so they are called in time order for each hand."""

    def __init__(self, task: str, seconds: float, seed: int, body: Body, rest: dict[str, FloatArray], gaze: FloatArray) -> None:
        """Start with the person standing at the origin, the hands at ``rest`` (side to T_world_hand), looking at ``gaze`` (3,) m."""
        self.task, self.seconds, self.seed, self.body = task, seconds, seed, body
        self.rng = np.random.default_rng([seed, sum(map(ord, task))])
        self.poser = Poser(body)
        self.skins = {side: HandSkin.of(body, side) for side in SIDES}
        self.hands = {side: HandCurve(PoseCurve.at(rest[side]), Curve(RELAXED_HAND.ravel())) for side in SIDES}
        self.feet = {side: PoseCurve.at(self.poser.foot_at_rest(side)) for side in SIDES}
        self.ground, self.gaze = PoseCurve.at(np.eye(4)), Curve(np.asarray(gaze, dtype=np.float64))
        self.pelvis, self.trunk = Curve(np.zeros(4)), Curve(np.zeros(3))
        self.gaze_on_ground = self.hands_on_ground = False
        self._looks: list[tuple[float, float, FloatArray]] = []
        self.elbow_out = {side: float(self.rng.uniform(0.3, 0.5)) for side in SIDES}
        self.objects: dict[str, SceneObject] = {}
        self.furniture: list[SceneObject] = []
        self.attachments: dict[str, list[Attachment]] = {}
        self.contacts: list[Contact] = []
        self._rest, self._unease = dict(rest), dict[bytes, float]()
        self._grasps: dict[tuple[str, float], Grasp] = {}

    def add(self, thing: SceneObject, T_world_object: FloatArray) -> None:
        """Put a thing that will be moved somewhere."""
        self.objects[thing.name] = thing
        self.attachments[thing.name] = [Attachment(-np.inf, WORLD, T_world_object)]

    def grasp(self, side: str, thing: SceneObject, kind: Kind, slope: float) -> Grasp:
        """Return how a hand holds a thing, see ``find_grasp``."""
        key = thing.name, slope
        if key not in self._grasps:
            self._grasps[key] = find_grasp(self.skins["right"], thing, kind, slope=slope)
        return self._grasps[key] if side == "right" else mirrored(self._grasps[key])

    def copy(self) -> Script:
        """Return a script to go on with that leaves this one as it is."""
        other = copy(self)
        other.hands, other.feet, other.objects = dict(self.hands), dict(self.feet), dict(self.objects)
        other.attachments = {name: list(held) for name, held in self.attachments.items()}
        other.contacts, other.furniture, other._looks = list(self.contacts), list(self.furniture), list(self._looks)
        return other

    def clearance(self, side: str, begin_s: float, end_s: float, *, but: str = "") -> float:
        """Return the least distance (m) of a hand, and of the thing ``but`` that it moves, from all other things while it moves."""
        still = self.performance()
        hand, skin = still.choreography.hands[side], self.skins[side]
        least = np.inf
        for t in np.arange(begin_s, end_s, 0.1):
            angles = hand.fingers(t).reshape(5, 4)
            points = np.concatenate([skin.palm, *[finger.posed(angles[k]) for k, finger in enumerate(skin.fingers)]])[::3]
            points = apply(hand(t), points)
            corners = _outline(self.objects[but], still.T_world_object(but, t)) if but else points[:0]
            both = np.concatenate([points, corners])
            for thing in self.objects.values():
                if thing.name != but:
                    least = min(least, float(thing.distance(apply(invert(still.T_world_object(thing.name, t)), both)).min()))
            for thing in self.furniture:
                if thing.T_world_object is not None and thing.size_m[2] < 0.1:
                    least = min(least, 0.003 + float(thing.distance(apply(invert(thing.T_world_object), both)).min()))
        return least

    def strain(self, side: str, begin_s: float, end_s: float) -> float:
        """Return the most (rad) that an angle of an arm is beyond its limit while it moves."""
        choreography, most = self.choreography(), 0.0
        for t in np.arange(begin_s, min(end_s, self.seconds), 0.15):
            posture = choreography.posture(float(t))
            poses = self.body.joint_poses(self.poser.rotations(posture), posture.T_world_pelvis)
            most = max(most, arm_angles(self.body, poses, side).excess())
        return most

    def move_hand(self, side: str, T: FloatArray, begin_s: float, duration_s: float, *, arc: npt.ArrayLike = (0.0, 0.0, 0.0)) -> None:
        """Move a hand to a pose (4, 4) in the frame it moves in, through a point off the straight way by ``arc`` (3,) m."""
        hand = self.hands[side]
        pose = hand.pose.to(T, begin_s, duration_s)
        bow = np.asarray(arc, dtype=np.float64)
        if np.any(bow):
            pose = pose.by(bow, begin_s, 0.55 * duration_s).by(-bow, begin_s + 0.45 * duration_s, 0.55 * duration_s)
        self.hands[side] = replace(hand, pose=pose)

    def move_fingers(self, side: str, angles: FloatArray, begin_s: float, duration_s: float) -> None:
        """Move the fingers of a hand to angles (5, 4)."""
        hand = self.hands[side]
        self.hands[side] = replace(hand, fingers=hand.fingers.to(np.ravel(angles), begin_s, duration_s))

    def look(self, at: npt.ArrayLike, begin_s: float, duration_s: float = 0.4) -> None:
        """Turn the gaze to a point (3,) m; looks may be told in any order."""
        self._looks.append((begin_s, duration_s, np.asarray(at, dtype=np.float64)))
        self._looks.sort(key=lambda look: look[0])
        self.gaze = Curve(self.gaze.start)
        for begin, duration, point in self._looks:
            self.gaze = self.gaze.to(point, begin, duration)

    def attach(self, name: str, carrier: str, time_s: float) -> None:
        """Fix a thing to something from a time on, as it lies then."""
        T = self.T_world_object(name, time_s)
        hands = self.choreography().hands
        if carrier in hands:
            T = invert(hands[carrier](time_s)) @ T
        elif carrier != WORLD:
            T = invert(self.T_world_object(carrier, time_s)) @ T
        self.attachments[name].append(Attachment(time_s, carrier, T))

    def T_world_object(self, name: str, time_s: float) -> FloatArray:
        """Return the pose (4, 4) of a thing so far."""
        return self.performance().T_world_object(name, time_s)

    def take(
        self, side: str, name: str, grasp: Grasp, T_world_hand: FloatArray, begin_s: float, *, reach_s: float = 0.8, close_s: float = 0.3,
        approach: npt.ArrayLike = (-0.06, 0.0, 0.07), arc: float = 0.03,
    ) -> float:  # fmt: skip
        """Reach for a thing, come near from ``approach`` (3,) m in the hand's own axes, close the fingers; return when it is held."""
        before = T_world_hand.copy()
        before[:3, 3] += T_world_hand[:3, :3] @ np.asarray(approach, dtype=np.float64)
        near = 0.4 * reach_s
        self.move_hand(side, before, begin_s, reach_s * 0.75, arc=(0.0, 0.0, arc))
        self.move_hand(side, T_world_hand, begin_s + reach_s - near, near)
        self.move_fingers(side, grasp.open, begin_s + 0.15 * reach_s, 0.6 * reach_s)
        self.move_fingers(side, grasp.closed, begin_s + reach_s - 0.05, close_s)
        held = begin_s + reach_s - 0.05 + close_s
        self.hold(side, name, grasp, held)
        return held

    def hold(self, side: str, name: str, grasp: Grasp, time_s: float) -> None:
        """Fix a thing to a hand that touches it as in a grasp, from a time on."""
        self.attach(name, side, time_s)
        self.contacts.append(Contact(side, name, time_s, max(time_s, self.seconds), grasp.touching))

    def let_go(self, side: str, name: str, time_s: float, *, onto: str = WORLD) -> None:
        """Fix what a hand holds to something else from a time on; the fingers touch it no longer."""
        self.attach(name, onto, time_s)
        for row, contact in enumerate(self.contacts):
            if (contact.side, contact.object) == (side, name) and contact.end_s > time_s:
                self.contacts[row] = replace(contact, end_s=time_s)

    def release(
        self, side: str, name: str, grasp: Grasp, time_s: float, *, onto: str = WORLD, open_s: float = 0.28,
        leave: npt.ArrayLike = (-0.05, 0.0, 0.06),
    ) -> float:  # fmt: skip
        """Open the fingers, leave the thing where it is and draw the hand back; return when it is free for another movement."""
        self.let_go(side, name, time_s, onto=onto)
        self.move_fingers(side, grasp.open, time_s, open_s)
        T = self.hands[side].pose.end
        T[:3, 3] += T[:3, :3] @ np.asarray(leave, dtype=np.float64)
        self.move_hand(side, T, time_s + 0.6 * open_s, 0.4)
        return time_s + 0.6 * open_s + 0.25

    def easiest(self, side: str, choices: list[FloatArray]) -> FloatArray:
        """Return the pose T_world_hand (4, 4) among ``choices`` whose arm is nearest to its neutral posture, the other hand resting."""
        return choices[int(np.argmin([self.unease(side, T) for T in choices]))]

    def unease(self, side: str, T_world_hand: FloatArray) -> float:
        """Return how far an arm is from its neutral posture when its hand is at a pose (4, 4), the person stands as the script ends and the other rests."""
        ground = self.ground.end
        key = side.encode() + T_world_hand.round(4).tobytes() + ground.round(4).tobytes()
        if key not in self._unease:
            still = replace(self.choreography(), ground=PoseCurve.at(ground), liveliness=0.0)
            hands = {name: HandCurve(PoseCurve.at(T), still.hands[name].fingers) for name, T in self._rest.items()}
            hands[side] = HandCurve(PoseCurve.at(T_world_hand), still.hands[side].fingers)
            posture = replace(still, hands=hands).posture(self.seconds)
            poses = self.body.joint_poses(self.poser.rotations(posture), posture.T_world_pelvis)
            short = np.linalg.norm(poses[self.body.bone("wrist.L" if side == "left" else "wrist.R"), :3, 3] - T_world_hand[:3, 3])
            self._unease[key] = arm_angles(self.body, poses, side).discomfort() + 1e3 * float(short)
        return self._unease[key]

    def choreography(self) -> Choreography:
        """Return the curves so far."""
        below = (self.ground,) if self.hands_on_ground else ()
        hands = {side: replace(hand, frames=(*below, *hand.frames)) for side, hand in self.hands.items()}
        return Choreography(
            self.body, self.seed, self.ground, self.pelvis, self.trunk, hands, dict(self.feet), self.gaze, self.gaze_on_ground,
            dict(self.elbow_out),
        )  # fmt: skip

    def performance(self) -> Performance:
        """Return the performance so far."""
        return Performance(
            self.task, self.seconds, self.choreography(), Worn.by(self.body, self.seed), tuple(self.objects.values()), tuple(self.furniture),
            {name: tuple(held) for name, held in self.attachments.items()}, tuple(self.contacts),
        )  # fmt: skip


def turned_about_z(T: FloatArray, yaw: float) -> FloatArray:
    """Return a pose (4, 4) turned by rad about the upright axis through its origin."""
    c, s = np.cos(yaw), np.sin(yaw)
    return pose_from(np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ T[:3, :3], T[:3, 3])


def _outline(thing: SceneObject, T_world_object: FloatArray) -> FloatArray:
    """Return points (n, 3) of the world around the edge of a thing."""
    around = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.column_stack([np.cos(around), np.sin(around), np.zeros(8)])
    half = np.array(thing.size_m) / 2
    levels = (0.0,) if thing.shape == "sphere" else (-1.0, 0.0, 1.0)
    return apply(
        T_world_object, np.concatenate([ring * half * (1.3 if thing.shape == "box" else 1.0) + [0, 0, z * half[2]] for z in levels])
    )
