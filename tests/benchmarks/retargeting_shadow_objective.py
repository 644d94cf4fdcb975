"""The vector objective of dex-retargeting's Shadow configuration, for the benchmark beside this file: what it asks, how far a motion is from it, its optimum.

Ten vectors from the palm to the five fingertips and to the five middle links, in the axes of the forearm, so that the two wrist joints count; the
person's vectors start at the wrist landmark and are 1.2 times as long. All 24 joints are free, without the couplings of the real hand's tendons. An error's
cost is Huber's with a corner at 2 cm; reported is the plain mean distance. Definition: `shadow_hand_right.yml` and `optimizer.py` of dex-retargeting 0.5.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pinocchio as pin
from scipy.optimize import minimize

from bodydouble.hand_pose.human_motion import Source
from bodydouble.retarget import Robot
from bodydouble.retarget.targets import Targets

FloatArray = npt.NDArray[np.float64]

PREFIX = "rh_"
FINGERS = {"thumb": "th", "index": "ff", "middle": "mf", "ring": "rf", "little": "lf"}
TIP_M = {"thumb": 0.0275} | dict.fromkeys(("index", "middle", "ring", "little"), 0.026)
"""From the last joint along the distal link, as in dex-urdf's model of the hand."""
LANDMARKS = (4, 8, 12, 16, 20, 2, 6, 10, 14, 18)
"""MediaPipe's: five tips, then the thumb's and the fingers' next joints as the configuration pairs them."""
SCALE, HUBER_M = 1.2, 0.02
WEIGHT = 20.0
"""1/m; only against the small weights of posture and calm."""


@dataclass(frozen=True)
class Shadow:
    """The hand with 24 free joints, and where its vectors end."""

    robot: Robot
    ends: tuple[str, ...]
    """(10) links, the order of ``LANDMARKS``."""


def load_shadow(mjcf: Path, folder: Path, *, apart: bool = True) -> Shadow:
    """Write a robot file for the MuJoCo model of the hand into ``folder`` and load it; ``apart``: the hand must not hit itself."""
    root = ElementTree.parse(mjcf).getroot()
    for part in [part for part in root if part.tag in ("tendon", "actuator", "contact", "equality")]:
        root.remove(part)  # the peers' hand is not coupled
    (folder / "shadow.xml").write_text(ElementTree.tostring(root, encoding="unicode"))
    joints = [joint.get("name", "") for body in root.iter("body") for joint in body.findall("joint")]
    tips = {name: f"{PREFIX}{short}tip" for name, short in FINGERS.items()}
    middles = {name: f"{PREFIX}{short}middle" for name, short in FINGERS.items()}
    lines = ['name = "shadow"', 'mjcf = "shadow.xml"', 'base = "fixed"', "velocity = 10.0", "acceleration = 100.0", "effort = 10.0"]
    lines += [] if apart else ["[collision]", 'ignore = [["*", "*"]]']
    lines += ["[groups]", "hand = [" + ", ".join(f'"{joint}"' for joint in joints) + "]"]
    lines += ["[skeleton]", f'right_forearm = "{PREFIX}forearm"', f'right_hand = "{PREFIX}palm"']
    lines += [f'right_{name}_{"distal" if name == "thumb" else "middle"} = "{middles[name]}"' for name in FINGERS]
    lines += [f'right_{name}_tip = "{tips[name]}"' for name in FINGERS]
    for name, short in FINGERS.items():
        lines += ["[[points]]", f'name = "{tips[name]}"', f'link = "{PREFIX}{short}distal"', f"at = [0.0, 0.0, {TIP_M[name]}]"]
    ends = (*tips.values(), *middles.values())
    # The objective as tasks: one a vector, seen from the palm in the axes of the forearm. Their targets are given directly, see `targets_of`.
    for end in ends:
        lines += ["[[tasks]]", f'name = "{end}_position"', 'kind = "relative_position"', f'robot = "{end}"']
        lines += [f'of = "{PREFIX}palm"', f'origin = "{PREFIX}forearm"', f"weight = {WEIGHT}"]
    (folder / "shadow.toml").write_text("\n".join(lines) + "\n")
    return Shadow(Robot.load(folder / "shadow.toml"), ends)


def wanted_vectors(hand: FloatArray, scale: FloatArray | float = SCALE) -> FloatArray:
    """Return (T, 10, 3) m in the axes of the forearm, of a person's landmarks (T, 21, 3) in the axes that the configuration expects."""
    apart = np.asarray(scale)[..., None] * (hand[:, LANDMARKS] - hand[:, :1])
    return np.stack([apart[..., 1], -apart[..., 0], apart[..., 2]], axis=-1)  # dex-urdf mounts the forearm a quarter turn about z


def finger_scales(shadow: Shadow, hand: FloatArray) -> FloatArray:
    """Return (10) scales, one a finger twice: the robot's way from palm to tip along the bones over the person's."""
    places = shadow.robot.zero_points()
    scales = []
    for number, (name, short) in enumerate(FINGERS.items()):
        chain = [
            "palm",
            *(("thbase", "thhub", "thmiddle", "thdistal") if name == "thumb" else (f"{short}{p}" for p in ("knuckle", "middle", "distal"))),
        ]
        bones = [places[PREFIX + link] for link in chain] + [places[f"{PREFIX}{short}tip"]]
        theirs = hand[:, [0, *range(4 * number + 1, 4 * number + 5)]]
        person = np.median(np.linalg.norm(np.diff(theirs, axis=1), axis=2), axis=0).sum()
        scales.append(float(np.linalg.norm(np.diff(bones, axis=0), axis=1).sum() / person))
    return np.array(scales * 2)


def targets_of(shadow: Shadow, vectors: FloatArray, found: FloatArray | None = None) -> Targets:
    """Return the objective: vectors (T, 10, 3), each weighted as Huber's cost weighs its distance (T, 10) m where a first answer left it ``found``."""
    frames = len(vectors)
    huber = np.ones((frames, len(shadow.ends))) if found is None else np.sqrt(HUBER_M / np.maximum(found, HUBER_M))
    return Targets(
        tasks=shadow.robot.file.tasks, values=tuple(vectors.transpose(1, 0, 2)), weights=WEIGHT * huber, base=np.full((frames, 7), np.nan),
        joint_source=np.full((frames, len(shadow.robot.joint_names)), Source.OBSERVED, dtype=np.uint8), scales={},
    )  # fmt: skip


def distances(shadow: Shadow, positions: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return how far (T, 10) m the hand's vectors are from those wanted."""
    links = [f"{PREFIX}forearm", f"{PREFIX}palm", *shadow.ends]
    poses = shadow.robot.link_poses(positions, np.tile([0.0, 0, 0, 0, 0, 0, 1], (len(positions), 1)), links)
    own = np.einsum("tji,tkj->tki", poses[:, 0, :3, :3], poses[:, 2:, :3, 3] - poses[:, 1, None, :3, 3])
    apart: FloatArray = np.linalg.norm(own - vectors, axis=2)
    return apart


def optimum(shadow: Shadow, vectors: FloatArray, starts: int, seed: int = 0) -> FloatArray:
    """Return joint positions (T, J) of least Huber cost, each frame by itself: L-BFGS-B from ``starts`` random postures and the best of the frame before."""
    robot, rng = shadow.robot, np.random.default_rng(seed)
    best = (robot.lower + robot.upper) / 2
    found = np.empty((len(vectors), len(best)))
    bounds = list(zip(robot.lower, robot.upper, strict=True))
    cost = _Cost(shadow)
    for t, wanted in enumerate(vectors):
        tries = [best, (robot.lower + robot.upper) / 2, *rng.uniform(robot.lower, robot.upper, (starts, len(best)))]
        answers = [minimize(cost, start, args=(wanted,), jac=True, method="L-BFGS-B", bounds=bounds) for start in tries]
        best = min(answers, key=lambda answer: answer.fun).x
        found[t] = best
    return found


class _Cost:
    """Huber's cost of one frame and its gradient, by Pinocchio's Jacobians."""

    def __init__(self, shadow: Shadow) -> None:
        self.robot, self.model = shadow.robot, shadow.robot.model
        self.data = self.model.createData()
        frames = [self.robot.frame_id(link) for link in (f"{PREFIX}forearm", f"{PREFIX}palm", *shadow.ends)]
        self.forearm, self.palm, *self.ends = frames

    def __call__(self, positions: FloatArray, wanted: FloatArray) -> tuple[float, FloatArray]:
        pin.computeJointJacobians(self.model, self.data, self.robot.configuration(positions, [0.0, 0, 0, 0, 0, 0, 1]))
        pin.updateFramePlacements(self.model, self.data)
        R, origin, swing = self.data.oMf[self.forearm].rotation, self.data.oMf[self.palm].translation, self._moves(self.palm)
        cost, gradient = 0.0, np.zeros(self.model.nv)
        for frame, vector in zip(self.ends, wanted, strict=True):
            error = R.T @ (self.data.oMf[frame].translation - origin) - vector
            distance = max(float(np.linalg.norm(error)), 1e-12)
            near = distance < HUBER_M
            cost += distance**2 / (2 * HUBER_M) if near else distance - HUBER_M / 2
            gradient += (R @ error) @ (self._moves(frame) - swing) / (HUBER_M if near else distance)
        return cost / len(wanted), gradient[self.robot.velocity_rows] / len(wanted)

    def _moves(self, frame: int) -> FloatArray:
        return np.asarray(pin.getFrameJacobian(self.model, self.data, frame, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED)[:3])
