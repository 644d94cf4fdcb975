"""``bodydouble inspect``: what is in an episode or a trajectory file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from bodydouble.datasets import Episode
    from bodydouble.retarget import RobotTrajectory

SHOWN_TASKS = 6
"""Of each kind."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def inspect(
    episode: Path = typer.Argument(..., metavar="FILE", help="Episode, or trajectory file from `bodydouble retarget`.", show_default=False),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Show what is in an episode or a trajectory: rates, joints, cameras, what was observed, quality and provenance.

    Example: bodydouble inspect demo/episode.h5
    """
    from bodydouble.datasets import read_episode
    from bodydouble.retarget.trajectory_file import is_trajectory_file

    if episode.is_file() and is_trajectory_file(episode):
        from bodydouble.cli.trajectory_summary import show

        show(episode, as_json=as_json)
        return
    opened = read_episode(episode)
    if as_json:
        typer.echo(json.dumps(summary(opened), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(episode, opened)


def summary(episode: Episode) -> dict[str, Any]:
    """Return what ``inspect --json`` prints; a number that does not exist is None."""
    return {
        "actuated_joints": len(episode.trajectory.joint_names),
        "joint_groups": {name: list(joints) for name, joints in episode.trajectory.joint_groups.items()},
        "frames": episode.frames,
        "rate_hz": round(episode.rate_hz, 6) if math.isfinite(episode.rate_hz) else None,
        "duration_s": episode.duration_s,
        "cameras": list(episode.cameras),
        "grade": episode.grade,
        "masks": masks(episode),
        "quality": {name: gate.as_dict() for name, gate in episode.quality.items()},
        "provenance": dict(episode.provenance),
    }


def masks(episode: Episode) -> dict[str, dict[str, float]]:
    """Return the fractions observed, interpolated and inferred for body, left_hand, right_hand; what is left is missing."""
    fractions = episode.motion.source_fractions()
    return {part: {name: shares[name] for name in ("observed", "interpolated", "inferred")} for part, shares in fractions.items()}


def _print(path: Path, episode: Episode) -> None:
    from rich.console import Console
    from rich.text import Text

    from bodydouble.cli.quality_table import assumed_texts, grade_text, quality_table, remedies

    console = Console(highlight=False)
    rate = f"{episode.rate_hz:.2f} Hz" if math.isfinite(episode.rate_hz) else "one frame"
    joints = len(episode.trajectory.joint_names)
    console.print(Text.assemble((str(path), "bold"), f" ({path.stat().st_size / 1e6:.1f} MB)"))
    console.print(Text.assemble("Task   ", episode.task or "not given"))
    console.print(Text.assemble("Time   ", f"{episode.frames} frames, {rate} (median of true times), {episode.duration_s:.3f} s"))
    console.print(
        Text.assemble("Robot  ", f"{episode.trajectory.robot}, {joints} actuated joints, positions in frame '{episode.trajectory.frame}'")
    )
    console.print(Text.assemble("Grade  ", grade_text(episode.grade)))
    console.print(Text(f"Rights {rights_text(episode)}"))
    for segment in episode.segments:
        console.print(Text(f"       {segment.start_s:.2f} to {segment.stop_s:.2f} s: {segment.text}"))
    for text in assumed_texts(episode.assumed):
        console.print(Text(f"       assumed, not measured: {text}", style="yellow"))
    console.print()
    tables = (joints_table(episode.trajectory), tasks_table(episode.trajectory), _cameras(episode), _masks(episode))
    for table in (*tables, quality_table(episode.quality)):
        console.print(table)
        console.print()
    for line in remedies(episode.quality):
        console.print(line)
    flagged = {**flagged_frames("person", episode.motion.flags), **flagged_frames("robot", episode.trajectory.flags)}
    if flagged:
        console.print(Text("Flagged frames: " + ", ".join(f"{name} {count}" for name, count in flagged.items())))
    console.print(provenance_tree(episode.provenance))


def rights_text(episode: Episode) -> str:
    """Return whose data these are and what may be done with them, in words."""
    info = episode.recording
    consent = info.consent.version or info.consent.statement or "no consent recorded"
    scope = f" for {', '.join(info.consent.scope)}" if info.consent.scope else ""
    until = f" until {info.consent.expires}" if info.consent.expires else ""
    person = f"{info.operator}; " if info.operator else ""
    return f"{person}consent: {consent}{scope}{until}; licence: {info.licence or 'none recorded'}; persons in the images: {info.privacy}"


def joints_table(trajectory: RobotTrajectory) -> Any:
    """Return a table of the joints by group: how many, how far and how fast they move."""
    import numpy as np

    table = _table("Joints", "group", "joints", "moved (deg)", "fastest (rad/s)", "names")
    column = {name: index for index, name in enumerate(trajectory.joint_names)}
    for group, names in trajectory.joint_groups.items():
        rows = [column[name] for name in names]
        moved = _largest(np.ptp(np.nan_to_num(trajectory.positions[:, rows]), axis=0)) if trajectory.frames else 0.0
        fastest = _largest(np.abs(np.nan_to_num(trajectory.velocities[:, rows])))
        table.add_row(
            group, str(len(names)), f"{np.degrees(moved):.0f}", f"{fastest:.1f}", ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        )
    return table


def tasks_table(trajectory: RobotTrajectory) -> Any:
    """Return what the robot was asked and how far it stayed from it: the tasks with the largest errors, positions and angles apart."""
    import numpy as np

    from bodydouble.datasets.schema import task_error_unit

    table = _table("Tasks with the largest errors", "task", "frames", "median", "p95", "largest")
    rows = []
    for name, errors in trajectory.task_errors.items():
        known = errors[np.isfinite(errors)]
        if len(known):
            angle = task_error_unit(name) == "rad"
            scale, unit = (np.degrees(1.0), "deg") if angle else (1e3, "mm")
            rows.append((angle, -np.percentile(known, 95), name, len(known), scale * np.percentile(known, [50, 95, 100]), unit))
    rows.sort(key=lambda row: row[:3])
    for angle in (False, True):
        for _, _, name, count, values, unit in [row for row in rows if row[0] == angle][:SHOWN_TASKS]:
            table.add_row(name, str(count), *(f"{value:.1f} {unit}" for value in values))
    return table


def _cameras(episode: Episode) -> Any:
    import numpy as np

    table = _table("Cameras", "camera", "video", "images", "frames", "capture times (s)", "relabelled")
    recording = episode.recording
    for row, name in enumerate(episode.cameras):
        width, height = recording.image_size[row]
        times = recording.times_s[row][recording.present[row]]
        span = f"{times[0]:.3f} to {times[-1]:.3f}" if len(times) else "none"
        relabelled = int(np.sum(episode.motion.relabelled[row] == 1))
        table.add_row(name, f"{width}x{height}", _stored_size(episode, row), str(len(times)), span, str(relabelled))
    return table


def _stored_size(episode: Episode, row: int) -> str:
    import numpy as np

    from bodydouble.datasets.images import jpeg_size

    name, images, frames = episode.cameras[row], episode.images, np.flatnonzero(episode.recording.present[row])
    if images is None or name not in images.cameras or not len(frames):
        return "not stored"
    data = images.jpeg(name, int(frames[0]))
    return "x".join(map(str, jpeg_size(data))) if data else "not stored"


def _masks(episode: Episode) -> Any:
    table = _table("Known how (share of landmarks)", "part", "observed", "interpolated", "inferred", "missing")
    for part, shares in episode.motion.source_fractions().items():
        table.add_row(part, *(f"{100 * shares[name]:.1f} %" for name in ("observed", "interpolated", "inferred", "missing")))
    return table


def provenance_tree(provenance: Mapping[str, Any]) -> Any:
    """Return provenance as a tree of words."""
    from rich.tree import Tree

    tree = Tree("[bold]Provenance[/]")
    _grow(tree, provenance)
    return tree


def _grow(tree: Any, values: Mapping[str, Any]) -> None:
    from rich.text import Text

    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            _grow(tree.add(Text(str(name))), value)
        else:
            tree.add(Text(f"{name}: {_plain(value)}"))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def flagged_frames(owner: str, flags: Mapping[str, Any]) -> dict[str, int]:
    """Return how many frames each flag is raised in, by whose flag it is; flags that never are left out."""
    return {f"{owner} {name}": int((flag == 1).sum()) for name, flag in flags.items() if (flag == 1).any()}


def _largest(values: Any) -> float:
    return float(values.max(initial=0.0))


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index in (0, len(columns) - 1) and column != "missing" else "right")
    return table
