"""Finding and reading a robot's TOML, with what it extends and what it is like.

``extends`` starts from another robot's TOML (a shipped robot's name, or a path): tables are merged, everything else is replaced, tasks by their name.
``like`` takes over another robot's tasks for whatever parts both have.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bodydouble.config import parse_settings, read_toml
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.retarget.mapping import RobotFile, TaskEntry, expand

ROBOTS_FOLDER = Path(__file__).with_name("robots")


def robot_names() -> tuple[str, ...]:
    """Return the names of the shipped robots."""
    return tuple(sorted(path.parent.name for path in ROBOTS_FOLDER.glob("*/*.toml") if path.stem == path.parent.name))


def find_robot(name_or_toml: str | Path) -> Path:
    """Return the TOML of a shipped robot, or the path that was given. Raises: UnknownNameError, UsageError."""
    text = str(name_or_toml)
    if text.endswith(".toml") or isinstance(name_or_toml, Path):
        path = Path(name_or_toml)
        if not path.is_file():
            raise UsageError(f"robot file {path} does not exist; give the path of a robot's TOML, or one of: {', '.join(robot_names())}.")
        return path
    if text not in robot_names():
        raise UnknownNameError("robot", text, "the shipped robots (or give the path of a TOML)", robot_names())
    return ROBOTS_FOLDER / text / f"{text}.toml"


def load_robot_file(path: Path, seen: tuple[Path, ...] = ()) -> RobotFile:
    """Read a robot's TOML, with what it extends and what it is like. ``seen``: the TOMLs that led here by ``like``.

    Raises: UsageError naming the key, where a key is unknown, missing or of the wrong kind; UnknownNameError for a robot that is not shipped.
    """
    values = _extended(path, ())
    if key := _not_a_number(values):
        raise UsageError(f"{path}: '{key}' is nan, which is no number; give one, or leave the key out.")
    file = parse_settings(values, RobotFile, source=str(path))
    if not file.like:
        return file
    like = find_robot(file.like)
    if like.resolve() in (*seen, path.resolve()):
        raise UsageError(f"{path}: like = '{file.like}' leads back to itself.")
    other = load_robot_file(like, (*seen, path.resolve()))
    own = {task.name for task in file.tasks}
    taken = tuple(task for task in _translated(other, file) if task.name not in own)
    settings = {key: getattr(other, key) for key in ("source_weights", "regularisation") if key not in file.model_fields_set}
    return file.model_copy(update={"tasks": (*taken, *file.tasks), **settings})


def _not_a_number(value: Any, key: str = "") -> str:
    """Return the key of the first nan among a TOML's values, "" where there is none: nan passes every comparison that a limit is checked with."""
    if isinstance(value, float) and math.isnan(value):
        return key
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for name, child in children if (found := _not_a_number(child, f"{key}.{name}" if key else str(name)))), "")


def _extended(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Return the plain values of a TOML, on top of those of the one that it extends."""
    values = read_toml(path)
    base = values.pop("extends", None)
    if base is None:
        return values
    beside = path.parent / str(base)
    other = beside if str(base).endswith(".toml") and beside.is_file() else find_robot(str(base))
    if other.resolve() in (*seen, path.resolve()):
        raise UsageError(f"{path}: extends = '{base}' leads back to itself.")
    start = _extended(other, (*seen, path.resolve()))
    for key in ("urdf", "mjcf"):  # a file beside the other TOML, not beside this one
        if start.get(key) and (other.parent / start[key]).is_file():
            start[key] = str((other.parent / start[key]).resolve())
    if "urdf" in values or "mjcf" in values:
        start = {key: value for key, value in start.items() if key not in ("urdf", "mjcf")}
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(start.get(key), dict):
            start[key] = start[key] | value
        elif key == "tasks" and isinstance(value, list):
            own = expand(value)
            names = {entry.get("name") for entry in own if isinstance(entry, dict)}
            start[key] = [entry for entry in expand(start.get(key, [])) if entry.get("name") not in names] + own
        else:
            start[key] = value
    return start


def _translated(other: RobotFile, file: RobotFile) -> list[TaskEntry]:
    """Return another robot's tasks with this one's links, those for which it has the parts."""
    part_of = {link: human for human, link in reversed(other.skeleton.items())}
    tasks = []
    for task in other.tasks:
        links = {
            key: file.skeleton.get(part_of[link]) for key in ("robot", "origin", "of") for link in (getattr(task, key),) if link is not None
        }
        if all(links.values()) and len(set(links.values())) == len(links) and (task.human is None or task.human in file.skeleton):
            tasks.append(task.model_copy(update=links))
    return tasks
