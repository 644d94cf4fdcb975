"""``bodydouble retarget``: a person's motion becomes a robot's."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bodydouble.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from bodydouble.cli.motion_input import MotionInput
    from bodydouble.retarget import Robot
    from bodydouble.retarget.trajectory_file import TrajectoryFile

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

STAGE_TEXTS = {"retarget": "Moving the robot"}
SOLVER_FIGURES = ("frames_per_second", "collision_pairs", "iterations_mean", "warmup_seconds")
SHOWN_TASKS = 8


@app.command()
def retarget(
    motion: Path = typer.Argument(
        ..., metavar="MOTION", help="An episode, a saved motion, or a BVH, AMC, TSV or npy file.", show_default=False
    ),
    out: Path = typer.Option(..., "-o", "--out", metavar="TRAJ", help="Trajectory file to write (.h5).", show_default=False),
    robot: str = typer.Option("optimus", metavar="NAME|TOML", help="A robot that comes with bodydouble, or a robot's TOML file."),
    urdf: Path | None = typer.Option(
        None, metavar="FILE", help="The robot's own file, where it is not beside its TOML.", show_default=False
    ),
    stream: bool = typer.Option(False, "--stream", help="Frame by frame only, as a live preview has it; not smoothed as a whole."),
    rate_hz: float | None = typer.Option(
        None, "--rate-hz", metavar="R", help="Frames a second, where the file does not say.", show_default=False
    ),
    names: Path | None = typer.Option(None, metavar="FILE", help="JSON list of the joints in an npy file.", show_default=False),
    asf: Path | None = typer.Option(None, metavar="FILE", help="Skeleton of an AMC file, if not in its folder.", show_default=False),
    markers: Path | None = typer.Option(None, metavar="FILE", help="Marker set (TOML) of a TSV file.", show_default=False),
    picture: Path | None = typer.Option(
        None, metavar="FILE", help="Also draw ten moments, human above robot, as one picture (.png).", show_default=False
    ),
    force: bool = typer.Option(False, "--force", help="Replace the outputs if they exist."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Move a robot as a person moved: body and both hands, within the robot's limits, and say how well and what could not be done.

    Example: bodydouble retarget demo/episode.h5 -o trajectory.h5
    """
    from bodydouble.cli.motion_input import open_motion
    from bodydouble.retarget import Robot
    from bodydouble.retarget.trajectory_file import write_trajectory_file

    _check_outputs(out, picture, force)
    _check_inputs_stay((out, picture), (motion, Path(robot), urdf, names, asf, markers))
    began = time.monotonic()
    model = Robot.load(robot, urdf)
    source = open_motion(motion, rate_hz=rate_hz, names=names, asf=asf, markers=markers)
    with stage_bars(STAGE_TEXTS, shown=not as_json) as progress:
        content, notes = retargeted(source, motion, model, stream=stream, progress=lambda done, total: progress("retarget", done, total))
    write_trajectory_file(out, content, force=force)
    if picture is not None:
        from bodydouble.viewer.strip import draw_strip

        draw_strip(source.motion, content.trajectory, model, picture, force=force)
    if as_json:
        typer.echo(json.dumps(summary(content, notes, out), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_summary(content, notes, {"trajectory": out} | ({"picture": picture} if picture else {}), time.monotonic() - began)


def _check_outputs(out: Path, picture: Path | None, force: bool) -> None:
    """Refuse, before any work, what could not be written after it."""
    from bodydouble.atomic import check_can_be_written
    from bodydouble.errors import FileExistsUsageError, UsageError

    if picture is not None and picture.suffix.lower() != ".png":
        raise UsageError(f"--picture {picture} is no picture (.png), e.g. --picture {picture.with_suffix('.png')}.")
    if picture is not None and picture.resolve() == out.resolve():
        raise UsageError(f"-o and --picture are both {out}; give each its own name.")
    for path in (out, picture):
        if path is None:
            continue
        if path.is_dir():
            raise UsageError(
                f"{path} is a folder; the name of a file was expected, e.g. {path / ('motion.h5' if path is out else 'motion.png')}."
            )
        if path.exists() and not force:
            raise FileExistsUsageError(path)
        check_can_be_written(path)


def _check_inputs_stay(outputs: tuple[Path | None, ...], inputs: tuple[Path | None, ...]) -> None:
    """Refuse to write over what is read: --force is about results, not about recordings."""
    from bodydouble.errors import UsageError

    there = [path for path in inputs if path is not None and path.exists()]
    for output in outputs:
        if output is not None and output.exists() and any(output.samefile(path) for path in there):
            raise UsageError(f"{output} is read by this command and would be lost; choose another output with -o.")


def retargeted(source: MotionInput, path: Path, robot: Robot, *, stream: bool, progress: Any) -> tuple[TrajectoryFile, tuple[str, ...]]:
    """Return the trajectory with its quality and provenance, and what a person should know of how it came about.

    Raises: UsageError where motion and robot have no part in common; DataError where there is nothing to retarget.
    """
    from bodydouble import __version__
    from bodydouble.cache import file_sha256
    from bodydouble.retarget import retarget as move
    from bodydouble.retarget.parts import check_followed, check_parts, listed
    from bodydouble.retarget.quality import judge, quality_figures, unmet_tasks
    from bodydouble.retarget.targets import make_targets
    from bodydouble.retarget.trajectory_file import TrajectoryFile

    lacking = check_parts(source.motion, robot)
    notes = source.notes + ((f"Robot '{robot.name}' has no counterpart of {listed(lacking)}; that was left out.",) if lacking else ())
    targets = make_targets(source.motion, robot)
    check_followed(source.motion, targets, robot)
    trajectory = move(source.motion, robot, stream=stream, progress=progress)
    figures = quality_figures(trajectory, source.motion, robot, targets)
    provenance = {
        "bodydouble": __version__,
        "motion": source.name.encode("utf-8", "replace").decode("utf-8"),  # a name that is no text can't be stored as one
        "kind": source.kind,
        "motion_sha256": file_sha256(path),
        "notes": list(notes),
        "robot": {"name": robot.name, "toml_sha256": file_sha256(robot.toml_path), "file_sha256": file_sha256(robot.urdf_path)},
        "source": dict(source.provenance),
    }
    return TrajectoryFile(trajectory, judge(figures), unmet_tasks(trajectory, robot), provenance), notes


def summary(content: TrajectoryFile, notes: tuple[str, ...], out: Path) -> dict[str, object]:
    """Return what ``retarget --json`` prints."""
    solver = content.trajectory.solver or {}
    return {
        "trajectory": str(out),
        "robot": content.trajectory.robot,
        "frames": content.trajectory.frames,
        "stage": solver.get("stage"),
        **{name: _finite(solver.get(name)) for name in SOLVER_FIGURES},
        **{name: gate.as_dict() for name, gate in content.quality.items()},
        "unmet_tasks": dict(content.unmet_tasks),
        "notes": list(notes),
    }


def _finite(value: float | str | None) -> float | int | None:
    """Return a number ready for JSON: None for one that is not known, counts as integers."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else value


def print_summary(content: TrajectoryFile, notes: tuple[str, ...], outputs: dict[str, Path], seconds: float) -> None:
    """Print every figure with its threshold and verdict, what to do about those that did not pass, and which tasks stayed unmet."""
    from rich.console import Console
    from rich.text import Text

    from bodydouble.cli.quality_table import quality_table, remedies

    console = Console(highlight=False)
    console.print(quality_table(content.quality))
    for line in remedies(content.quality):
        console.print(line)
    if content.unmet_tasks:
        console.print(unmet_table(content.unmet_tasks))
    for note in notes:
        console.print(Text(note, style="yellow"))
    for name, path in outputs.items():
        console.print(Text(f"{name:<10} {path}"), soft_wrap=True)
    console.print(Text(speed_text(content, seconds), style="dim"))


def unmet_table(unmet: Any) -> Any:
    """Return a table of the tasks that were not met in some frames, the most frequent first."""
    from rich.table import Table

    table = Table(title="Unmet tasks", title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    table.add_column("task")
    table.add_column("frames", justify="right")
    for name, share in list(unmet.items())[:SHOWN_TASKS]:
        table.add_row(name, f"{100 * share:.1f} %")
    if len(unmet) > SHOWN_TASKS:
        table.add_row(f"and {len(unmet) - SHOWN_TASKS} more", "")
    return table


def speed_text(content: TrajectoryFile, seconds: float) -> str:
    """Return how many frames were solved how fast, in words."""
    solver = content.trajectory.solver or {}
    frames = content.trajectory.frames
    text = f"{frames} frame{'' if frames == 1 else 's'} in {seconds:.1f} s"
    rate = _finite(solver.get("frames_per_second"))
    if rate is None:
        return text
    stage = {"stream": "frame by frame", "whole": "whole trajectory"}.get(str(solver.get("stage")), "")
    pairs, steps = _finite(solver.get("collision_pairs")), _finite(solver.get("iterations_mean"))
    parts = [f"solved at {rate:.0f} frames a second"] + ([stage] if stage else [])
    parts += [f"{pairs:.0f} collision pairs"] if pairs is not None else []
    parts += [f"{steps:.1f} iterations a frame"] if steps is not None else []
    return f"{text}; {', '.join(parts)}"
