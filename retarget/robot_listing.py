"""Which robots come with bodydouble, and whether their descriptions are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bodydouble import assets
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.robot_file import find_robot, load_robot_file, robot_names

State = Literal["here", "can be fetched", "not here"]


@dataclass(frozen=True)
class RobotStatus:
    """What `robots list` shows of one robot; nothing is fetched for it."""

    name: str
    summary: str
    joints: int
    """Actuated ones."""
    fingers: dict[str, int]
    """Side to how many digits its hand has."""
    state: State
    source: str
    """Where the description comes from, in words; "" for one that comes with bodydouble."""
    toml_path: Path


def listing() -> list[RobotStatus]:
    """Return every robot that comes with bodydouble, by name."""
    return [_status(name) for name in robot_names()]


def _status(name: str) -> RobotStatus:
    path = find_robot(name)
    file = load_robot_file(path)
    fingers = {side: sum(f"{side}_{digit}_tip" in file.skeleton for digit in ("thumb", *FINGERS)) for side in SIDES}
    state: State = "not here"
    if (path.parent / (file.urdf or file.mjcf)).is_file() or (file.asset and assets.is_ready(file.asset)):
        state = "here"
    elif file.asset:
        state = "can be fetched"
    return RobotStatus(
        name, file.description, sum(len(group) for group in file.groups.values()), {side: count for side, count in fingers.items() if count},
        state, file.obtain, path,
    )  # fmt: skip
