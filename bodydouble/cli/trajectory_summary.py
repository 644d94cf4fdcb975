"""What `bodydouble inspect` shows of a trajectory file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from bodydouble.retarget.trajectory_file import TrajectoryFile


def show(path: Path, *, as_json: bool) -> None:
    """Print a trajectory file's robot, joints, tasks, quality and provenance. Raises: DataError where it is damaged."""
    from bodydouble.retarget.trajectory_file import read_trajectory_file

    content = read_trajectory_file(path)
    if as_json:
        typer.echo(json.dumps(summary(content), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(path, content)


def summary(content: TrajectoryFile) -> dict[str, Any]:
    """Return what ``inspect --json`` prints of a trajectory file; a number that does not exist is None."""
    trajectory = content.trajectory
    return {
        "robot": trajectory.robot,
        "actuated_joints": len(trajectory.joint_names),
        "joint_groups": {name: list(joints) for name, joints in trajectory.joint_groups.items()},
        "frames": trajectory.frames,
        "rate_hz": _rate(content),
        "duration_s": float(trajectory.times_s[-1] - trajectory.times_s[0]) if trajectory.frames else 0.0,
        "solver": dict(trajectory.solver or {}),
        "quality": {name: gate.as_dict() for name, gate in content.quality.items()},
        "unmet_tasks": dict(content.unmet_tasks),
        "provenance": dict(content.provenance),
    }


def _rate(content: TrajectoryFile) -> float | None:
    import numpy as np

    times = content.trajectory.times_s
    return round(float(1.0 / np.median(np.diff(times))), 6) if len(times) > 1 else None


def _print(path: Path, content: TrajectoryFile) -> None:
    from rich.console import Console
    from rich.text import Text

    from bodydouble.cli.inspect import flagged_frames, joints_table, provenance_tree, tasks_table
    from bodydouble.cli.quality_table import quality_table, remedies
    from bodydouble.cli.retarget import unmet_table

    console, trajectory, rate = Console(highlight=False), content.trajectory, _rate(content)
    console.print(Text.assemble((str(path), "bold"), f" ({path.stat().st_size / 1e6:.1f} MB), a robot's trajectory"))
    console.print(
        Text.assemble("Motion ", str(content.provenance.get("motion", "not given")), f" ({content.provenance.get('kind', 'unknown kind')})")
    )
    duration = trajectory.times_s[-1] - trajectory.times_s[0] if trajectory.frames else 0.0
    console.print(
        Text(f"Time   {trajectory.frames} frames, {f'{rate:.2f} Hz' if rate else 'one frame'} (median of true times), {duration:.3f} s")
    )
    console.print(
        Text(f"Robot  {trajectory.robot}, {len(trajectory.joint_names)} actuated joints, positions in frame '{trajectory.frame}'")
    )
    console.print()
    for table in (joints_table(trajectory), tasks_table(trajectory), quality_table(content.quality)):
        console.print(table)
        console.print()
    for line in remedies(content.quality):
        console.print(line)
    if content.unmet_tasks:
        console.print(unmet_table(content.unmet_tasks))
    if flagged := flagged_frames("robot", trajectory.flags):
        console.print(Text("Flagged frames: " + ", ".join(f"{name} {count}" for name, count in flagged.items())))
    console.print(provenance_tree(content.provenance))
