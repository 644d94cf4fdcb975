"""Every name in a robot's TOML, against the robot's links and joints and the person's parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget.description import Description
from bodydouble.retarget.mapping import HUMAN_POINTS, RobotFile


@dataclass(frozen=True)
class KnownNames:
    """What a robot has: names of links (``own_links``: without the TOML's points) and joints (``independent``: those that follow no other)."""

    source: str
    """The TOML, for messages."""
    description: str
    """File name of the URDF or MJCF, for messages."""
    own_links: tuple[str, ...]
    links: tuple[str, ...]
    joints: tuple[str, ...]
    independent: tuple[str, ...]

    @classmethod
    def of(cls, file: RobotFile, description: Description, *, source: str) -> KnownNames:
        """Return the names that ``file`` may use."""
        followers = {*description.mimics, *file.mimic} - set(file.uncoupled)
        return cls(
            source, description.path.name, tuple(description.links), (*description.links, *(point.name for point in file.points)),
            description.moving_joints, tuple(name for name in description.moving_joints if name not in followers),
        )  # fmt: skip


def check_names(file: RobotFile, known: KnownNames) -> None:
    """Raise the first of ``name_problems``."""
    for problem in name_problems(file, known):
        raise problem


def name_problems(file: RobotFile, known: KnownNames) -> Iterator[UsageError]:
    """Yield what is wrong with the names in ``file``: UnknownNameError listing the near ones; UsageError for joints in no group or in two,
    for points that are called as a link is, and for incomplete tasks.
    """
    yield from _unknown("joint", file.uncoupled, known.description, known.joints)
    for name, rule in file.mimic.items():
        yield from _unknown("joint", (name, rule.joint), known.description, known.joints)
    yield from _groups(file, known)
    for posture in (file.rest, file.zero):
        yield from _unknown("joint", posture, known.description, known.independent)
    for table in (file.velocity, file.acceleration, file.effort, file.range):
        if isinstance(table, dict):
            given = (name for name in table if name != "default")
            yield from _unknown("joint or group", given, known.description, (*file.groups, *known.joints))
    for point in file.points:
        if point.name in known.own_links:
            yield UsageError(f"{known.source}: point '{point.name}' is called as a link of {known.description} is; give it another name.")
    yield from _unknown("link", (point.link for point in file.points), known.description, known.own_links)
    yield from _unknown("link", file.orientation, known.description, known.links)
    yield from _unknown("link", (capsule.link for capsule in file.collision.capsules), known.description, known.links)
    yield from _unknown("human part", file.contacts, "[skeleton]", tuple(file.skeleton))
    for pattern in (pattern for pair in file.collision.ignore for pattern in pair):
        if not any(fnmatchcase(link, pattern) for link in known.links):
            yield UnknownNameError("link or pattern", pattern, known.description, known.links)
    yield from _unknown("human part", file.skeleton, "the human skeleton", HUMAN_POINTS)
    yield from _unknown("link", file.skeleton.values(), known.description, known.links)
    for entry in file.joints:
        yield from _unknown("joint or group", entry.joints, known.description, (*file.groups, *known.independent))
        yield from _unknown("landmark", entry.landmarks, "the 75 landmarks", LANDMARK_NAMES)
    yield from _tasks(file, known)


def _groups(file: RobotFile, known: KnownNames) -> Iterator[UsageError]:
    seen: dict[str, str] = {}
    for group, members in file.groups.items():
        for joint in members:
            if joint in known.joints and joint not in known.independent:
                yield UsageError(
                    f"{known.source}: joint '{joint}' follows another one, so it can't be in a group; take it out of '{group}'."
                )
                continue
            yield from _unknown("joint", (joint,), known.description, known.independent)
            if joint in seen:
                yield UsageError(
                    f"{known.source}: joint '{joint}' is in the groups '{seen[joint]}' and '{group}'; each joint belongs to exactly one."
                )
            seen[joint] = group
    missing = [joint for joint in known.independent if joint not in seen]
    if missing:
        yield UsageError(
            f"{known.source}: no group holds {', '.join(missing)}; each actuated joint of {known.description} must be in exactly one group."
        )


def _tasks(file: RobotFile, known: KnownNames) -> Iterator[UsageError]:
    names: set[str] = set()
    for task in file.tasks:
        if task.name in names:
            yield UsageError(f"{known.source}: two tasks are called '{task.name}'; give each its own name.")
        names.add(task.name)
        links = [name for name in (task.robot, task.origin, task.of) if name is not None]
        yield from _unknown("link", links, known.description, known.links)
        yield from _unknown("human part", (n for n in (task.human,) if n is not None), "the human skeleton", HUMAN_POINTS)
        yield from _unknown("landmark", task.landmarks, "the 75 landmarks", LANDMARK_NAMES)
        if (task.kind == "direction" or task.kind.startswith("relative_")) and task.origin is None:
            yield UsageError(
                f"{known.source}: task '{task.name}' is a {task.kind} and needs the key 'origin', the link that it starts from."
            )
        for link in links:
            if link in known.links and (task.human is None or link != task.robot) and link not in file.skeleton.values():
                yield UsageError(
                    f"{known.source}: task '{task.name}' names the link '{link}', which has no human counterpart. "
                    f'Add a line `<human part> = "{link}"` to [skeleton].'
                )


def _unknown(kind: str, names: Iterable[str], owner: str, choices: tuple[str, ...]) -> Iterator[UnknownNameError]:
    for name in names:
        if name not in choices:
            yield UnknownNameError(kind, name, owner, choices)
