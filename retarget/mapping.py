"""The robot file: which human part drives which robot part, how strongly, and what is known about each joint.

A robot is a URDF (or an MJCF) and one TOML. In the TOML an entry with ``for = { side = ["left", "right"] }`` stands for one entry a combination of
the values, with ``{side}`` replaced in every text of it; in tables, {side} and {finger} do the same by themselves.
`robot_file.py` reads it, `mapping_names.py` checks its names.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from bodydouble.config import Settings

SIDES = ("left", "right")
FINGERS = ("index", "middle", "ring", "little")


def _human_links() -> tuple[str, ...]:
    names = ["pelvis", "spine", "thorax", "neck", "head"]
    for side in SIDES:
        names += [f"{side}_{part}" for part in ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shank", "foot", "toes")]
        names += [f"{side}_thumb_{part}" for part in ("metacarpal", "proximal", "distal")]
        names += [f"{side}_{finger}_{part}" for finger in FINGERS for part in ("proximal", "middle", "distal")]
    return tuple(names)


HUMAN_LINKS = _human_links()
"""Links of the human tree; a link's frame sits at the joint at its near end."""

END_POINTS: dict[str, str] = {
    f"{side}_{digit}_tip": f"{side}_hand_{digit}_tip" for side in SIDES for digit in ("thumb", *FINGERS)
} | {f"{side}_{name}": f"{side}_{landmark}" for side in SIDES for name, landmark in (("heel", "heel"), ("toe_tip", "foot_index"))}  # fmt: skip
"""Points of the person that are no link's origin, and the landmark that each is."""

HUMAN_POINTS = HUMAN_LINKS + tuple(END_POINTS)


class TaskEntry(Settings):
    """One thing asked of the robot. Cost: (weight times error)^2, error in m or rad."""

    name: str
    kind: Literal[
        "position", "orientation", "axis", "direction", "relative_position", "relative_direction", "relative_orientation", "above"
    ]
    """position: a robot link at its human counterpart's scaled place. orientation: a link turned as the human one. axis: one axis of the link
    points as the human link's does. direction: from one link to another points as between the human parts. relative_position, relative_direction,
    relative_orientation: the same seen from ``origin``, in the axes of ``origin``. above: a link not below its human counterpart's height."""
    robot: str
    """Link of the robot that is to be placed or turned."""
    origin: str | None = None
    """direction: where the arrow starts. relative_*: the link whose frame it is measured in."""
    of: str | None = None
    """relative_position, relative_direction: measure from this link's place instead of the origin of ``origin`` (thumb to fingertip)."""
    human: str | None = None
    """Human point or link; the entry of [skeleton] that names ``robot`` where it is left out."""
    axis: tuple[float, float, float] = (1.0, 0.0, 0.0)
    """axis only: which one, in the link's frame."""
    weight: float = Field(gt=0)
    """Cost of 1 m or 1 rad of error, before squaring."""
    schedule: Literal["always", "together", "planted"] = "always"
    """together: only while the person's two hands are near each other. planted: only while the contact point ``human`` stands on something."""
    closes_below: float | None = Field(default=None, gt=0)
    """relative_position with ``of`` only, m: full weight when the person's two points are in touch, none beyond this distance."""
    landmarks: tuple[str, ...] = ()
    """Human landmarks behind the target; its weight falls with the worst of them."""
    inferred: float | None = Field(default=None, ge=0)
    """Factor on the weight where one of them was inferred, instead of [source_weights]."""
    unmet_above: float | None = Field(default=None, gt=0)
    """m or rad: a frame with more error than this counts as unmet."""


class JointEntry(Settings):
    """How some joints behave, and from which landmarks they are known."""

    joints: tuple[str, ...]
    """Joint or group names."""
    landmarks: tuple[str, ...] = ()
    """A joint is observed where all of these are."""
    acceleration: float | None = Field(default=None, gt=0)
    """rad/s^2."""
    rest_weight: float | None = Field(default=None, ge=0)
    """Cost of 1 rad away from the rest posture, before squaring."""


class Scaling(Settings):
    """How sizes are matched; `skeleton_walk.py` has the rules."""

    feet: Literal["limbs", "place"] = "limbs"
    """Where the feet are asked to be. limbs: at the end of the robot's own legs, that go as the person's. place: where the person's are, at the robot's
    size; as wide apart as a person of the robot's size stands, whatever the width of its hips."""
    hands: Literal["limbs", "size", "head", "world"] = "limbs"
    """Where the palms are asked to be. limbs: at the end of the robot's own arms, bent as the person's. size: where the person's are, at the robot's
    size. head: as far from the head as the person's, in m. world: where the person's were, in the room."""


class MimicEntry(Settings):
    """A joint that follows another one: angle = ratio * the other's + offset (rad)."""

    joint: str
    ratio: float = 1.0
    offset: float = 0.0


class PointEntry(Settings):
    """A named place of a link that the robot's own file has no link for, such as a fingertip or a heel; it counts as a link."""

    name: str
    link: str
    at: tuple[float, float, float]
    """m, in the link's frame."""


class CapsuleEntry(Settings):
    """Everything within ``radius`` of the segment from ``a`` to ``b``: m, in the link's frame."""

    link: str
    a: tuple[float, float, float]
    b: tuple[float, float, float]
    radius: float = Field(gt=0)


class CollisionEntry(Settings):
    """What is kept apart; see `collision_pairs.py` for what is left out by itself."""

    margin: float = Field(default=0.003, ge=0)
    """m."""
    capsules: tuple[CapsuleEntry, ...] = ()
    """All of them; where there are none they are drafted from the primitives of the robot's file, or from its bones."""
    ignore: tuple[tuple[str, str], ...] = ()
    """Pairs of links, or of patterns with ``*``, that are not kept apart."""

    @field_validator("capsules", "ignore", mode="before")
    @classmethod
    def _expand(cls, entries: Any) -> Any:
        return expand(entries) if isinstance(entries, list) else entries


class SourceWeights(Settings):
    """Factor on a task's weight by how the worst landmark behind it is known."""

    observed: float = 1.0
    interpolated: float = 0.7
    inferred: float = 0.3


class Regularisation(Settings):
    """What keeps the solution single-valued and calm; all small beside the tasks."""

    rest_weight: float = Field(default=0.004, ge=0)
    """1/rad, towards the rest posture."""
    undriven_rest_weight: float = Field(default=0.3, ge=0)
    """1/rad, for joints that no task drives in this frame."""
    gentle_speed: float = Field(default=1.5, gt=0)
    """rad/s that a joint may do while no task drives it, and that it starts again with."""
    gentle_time: float = Field(default=0.3, gt=0)
    """s in which the permitted speed grows back to the joint's own once a task drives it again."""


def _above_zero(value: Any) -> Any:
    if any(v <= 0 for v in (value.values() if isinstance(value, dict) else (value,)) if isinstance(v, (int, float))):
        raise ValueError("must be greater than 0")
    return value


PerJoint = Annotated[float | dict[str, float], AfterValidator(_above_zero)]


class RobotFile(Settings):
    """All of a robot's TOML."""

    name: str
    description: str = ""
    urdf: str = ""
    """The robot's own file, relative to the TOML; either this or ``mjcf``."""
    mjcf: str = ""
    """The same, of an MJCF file."""
    asset: str = ""
    """Where the file is not beside the TOML: the asset that it is in, which is fetched."""
    obtain: str = ""
    """Where the file comes from, in words; shown where it is missing."""
    like: str = ""
    """A shipped robot whose tasks, and settings of the solver, this one takes over wherever both have the human part."""
    base: Literal["floating", "fixed"] = "floating"
    """fixed: an arm or a hand that hangs on something that doesn't move."""
    mount: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Roll, pitch, yaw (degrees) of the root link in the base frame, for robots whose root link has not x forward, y left and z up when they stand as the
    person does at zero; a left hand alone hangs down from it, palm to the right."""
    acceleration: PerJoint = 100.0
    """rad/s^2: one number, or a table of joints and groups in which ``default`` stands for the others; a [[joints]] entry comes first."""
    velocity: PerJoint = 10.0
    """rad/s: one number for joints whose file gives no limit, or a table, which comes before the file's."""
    effort: PerJoint | None = None
    """N m: the same. Where neither says anything the torque is not limited."""
    range: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Degrees (m for joints that slide), for joints whose file gives no range, or to narrow one."""
    mimic: dict[str, MimicEntry] = Field(default_factory=dict)
    """Joints that follow others, besides those that the robot's own file couples."""
    uncoupled: tuple[str, ...] = ()
    """Joints that the robot's own file couples to another, but that are to be moved by themselves."""
    points: tuple[PointEntry, ...] = ()
    groups: dict[str, tuple[str, ...]]
    """Every actuated joint in exactly one group, in the order in which joints are stored."""
    rest: dict[str, float] = Field(default_factory=dict)
    """Joint to rest angle in degrees (m for joints that slide); 0 for the others."""
    zero: dict[str, float] = Field(default_factory=dict)
    """Joint to angle in degrees at which the robot stands as the person does at zero: upright, arms hanging, palms to the thighs. Bone lengths and
    ``orientation`` belong to this posture."""
    orientation: dict[str, tuple[float, float, float]] = Field(default_factory=dict)
    """Link to the roll, pitch, yaw (degrees) that turn its axes into those of its human counterpart: R_humanlike = R_link R_offset."""
    contacts: tuple[str, ...] = ()
    """Human points of the feet that may stand on something: left_heel, left_toe_tip, ..."""
    collision: CollisionEntry = CollisionEntry()
    skeleton: dict[str, str]
    """Human point to the robot link that is its counterpart; bone lengths are distances between these at zero."""
    scaling: Scaling = Scaling()
    source_weights: SourceWeights = SourceWeights()
    regularisation: Regularisation = Regularisation()
    joints: tuple[JointEntry, ...] = ()
    tasks: tuple[TaskEntry, ...] = ()

    @field_validator("joints", "tasks", "points", mode="before")
    @classmethod
    def _expand(cls, entries: Any) -> Any:
        return expand(entries) if isinstance(entries, list) else entries

    @field_validator("groups", "skeleton", "rest", "zero", "orientation", "mimic", "range", mode="before")
    @classmethod
    def _expand_mapping(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        expanded: dict[str, Any] = {}
        for key, value in values.items():
            for side in SIDES if "{side}" in key else ("",):
                for finger in FINGERS if "{finger}" in key else ("",):
                    fill = {"side": side, "finger": finger}
                    expanded[_fill(key, fill)] = _fill(value, fill)
        return expanded

    @model_validator(mode="after")
    def _one_description(self) -> RobotFile:
        if bool(self.urdf) == bool(self.mjcf):
            raise ValueError("give either `urdf` or `mjcf`, the file that describes the robot")
        if not self.tasks and not self.like:
            raise ValueError("give [[tasks]], or `like` with the name of the robot whose tasks these are")
        return self


def expand(entries: list[Any]) -> list[Any]:
    """Return the entries with every ``for`` written out."""
    result = []
    for entry in entries:
        if not (isinstance(entry, dict) and isinstance(entry.get("for"), dict)):
            result.append(entry)
            continue
        rest = {key: value for key, value in entry.items() if key != "for"}
        for values in itertools.product(*entry["for"].values()):
            result.append(_fill(rest, dict(zip(entry["for"], values, strict=True))))
    return result


def _fill(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, replacement in names.items():
            value = value.replace("{" + name + "}", replacement)
        return value
    if isinstance(value, list):
        return [_fill(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, names) for key, item in value.items()}
    return value
