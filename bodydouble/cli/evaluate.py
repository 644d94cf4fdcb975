"""``bodydouble evaluate``: how good an estimate is, beside the plain baseline."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bodydouble.cli.person_options import check_stature, chosen_cameras
from bodydouble.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from rich.table import Table

    from bodydouble.calibration import Rig
    from bodydouble.capture import Recording
    from bodydouble.datasets.pipeline import ProcessSettings
    from bodydouble.hand_pose import HumanMotion, Landmarks
    from bodydouble.hand_pose.camera_poses import CameraPoses
    from bodydouble.hand_pose.evaluation import Evaluation
    from bodydouble.hand_pose.simulation.truth import Truth

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

STAGE_TEXTS = {
    "locate": "Finding where the cameras were",
    "detect": "Finding body and hands",
    "fit": "Fitting the person",
    "leave_out": "Fitting without each camera",
}


@app.command()
def evaluate(
    recording: Path = typer.Argument(
        ..., metavar="REC", help="A recording, or a folder with one video or image folder a camera.", show_default=False
    ),
    rig: Path | None = typer.Option(None, metavar="FILE", help="Calibration to use instead of REC/rig.toml.", show_default=False),
    tag_map: Path | None = typer.Option(
        None, "--tag-map", metavar="FILE", help="Tags of the room instead of REC/tag_map.toml.", show_default=False
    ),
    cameras: list[str] = typer.Option([], metavar="NAMES", help="Cameras to use, comma-separated; by default all."),
    start: int | None = typer.Option(None, metavar="FRAME", help="First frame, from 0."),
    stop: int | None = typer.Option(None, metavar="FRAME", help="Frame to stop before."),
    stature: float | None = typer.Option(
        None, metavar="M", help="The person's height in m; estimated from several cameras, else assumed 1.73."
    ),
    workers: int | None = typer.Option(None, metavar="N", min=1, help="Cameras detected at the same time; by default one a core."),
    estimator: str = typer.Option(
        "fit", metavar="NAME", help="What is judged: fit (what process uses), robust or linear (triangulation of each landmark by itself)."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Judge the estimate of a recording, beside plain triangulation of the same detections.

    With REC/truth.h5, which `bodydouble simulate` writes, errors against the truth; always what can be told without: each camera left out in turn and
    compared with what it saw, how constant the bones are, how smooth the motion is. Missing stages are run, their results kept.

    Example: bodydouble evaluate demo/recording
    """
    from bodydouble.capture import open_recording
    from bodydouble.datasets.pipeline import ProcessSettings

    check_stature(stature)
    chosen = chosen_cameras(cameras)
    settings = ProcessSettings(rig=rig, tag_map=tag_map, cameras=chosen, start=start, stop=stop, stature=stature, workers=workers)
    opened = open_recording(recording)
    with stage_bars(STAGE_TEXTS, shown=not as_json) as progress:
        found, seconds, by_camera = evaluated(opened, recording, settings, progress, estimator)
    if as_json:
        out = {"recording": opened.settings.name, "estimator": estimator, **found.as_dict(), **by_camera, **seconds}
        typer.echo(json.dumps(out, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_evaluation(found, seconds, by_camera, opened.settings.name)


def evaluated(
    recording: Recording, given: Path, settings: ProcessSettings, progress: Any, estimator: str = "fit"
) -> tuple[Evaluation, dict[str, float | None], dict[str, Any]]:
    """Run every missing stage and return the figures; ``detect_seconds`` and ``fit_seconds``; of each camera what is told of it, by key.

    ``given`` is the path that the recording was opened by; a truth file may be there. Raises: DataError for a truth file that cannot be read or is of
    another recording; UnknownNameError for an estimator that is not there; what ``prepare`` and ``fit`` raise.
    """
    from bodydouble.datasets.pipeline import prepare, timed_fit
    from bodydouble.hand_pose.camera_errors import camera_errors
    from bodydouble.hand_pose.camera_poses import ROOM
    from bodydouble.hand_pose.clock_check import clock_offsets
    from bodydouble.hand_pose.estimators import estimator as find_estimator
    from bodydouble.hand_pose.evaluation import evaluate as judge

    find_estimator(estimator)
    recording = recording.select(settings.cameras) if settings.cameras else recording
    truth = truth_of(recording, given)
    prepared = prepare(recording, settings, progress)
    motion, fit_seconds = timed_fit(prepared, settings, progress, by=estimator)
    state = (0.0, 1.0)

    def report(done: float, total: float) -> None:
        nonlocal state
        state = done, total
        progress("leave_out", done, total)

    def refit(landmarks: Landmarks, rig: Rig, poses: CameraPoses) -> HumanMotion:
        rest = dataclasses.replace(prepared, landmarks=landmarks, rig=rig, camera_poses=poses)
        return timed_fit(rest, settings, lambda stage, done, total: progress("leave_out", state[0] + done / total, state[1]), by=estimator)[
            0
        ]

    found = judge(
        motion, prepared.landmarks, prepared.rig, prepared.camera_poses, refit,
        truth=truth, frame_index=prepared.frame_sets.frame_index if truth is not None else None, progress=report,
    )  # fmt: skip
    present = prepared.frame_sets.present
    cameras: dict[str, Any] = {"missing_frames": {name: int((~present[row]).sum()) for row, name in enumerate(prepared.frame_sets.cameras)}}
    cameras["clock_offsets_ms"] = clock_offsets(motion, prepared.landmarks, prepared.rig).as_dict()
    if truth is not None and prepared.camera_poses.frame == ROOM:
        errors = camera_errors(prepared.landmarks.times_s, prepared.frame_sets.frame_index, prepared.camera_poses, truth)
        cameras["camera_errors"] = {
            name: {key: value if math.isfinite(value) else None for key, value in error.items()} for name, error in errors.items()
        }
    return found, {"detect_seconds": prepared.detect_seconds, "fit_seconds": fit_seconds}, cameras


def truth_of(recording: Recording, given: Path) -> Truth | None:
    """Return the truth of a recording, or None if it has none: ``truth.h5`` in its folder or where its videos are.

    Raises: DataError for a file that is damaged, or was written for other videos or other times.
    """
    from bodydouble.errors import DataError
    from bodydouble.hand_pose.simulation.truth import TRUTH_NAME, Truth

    path = next((folder / TRUTH_NAME for folder in (given, recording.folder) if (folder / TRUTH_NAME).is_file()), None)
    if path is None:
        return None
    truth = Truth.load(path)
    remedy = "Put this recording's own truth.h5 there, make it again with `bodydouble simulate`, or take the file away to evaluate without truth."
    known = [name for name in recording.cameras if name in truth.cameras and name in truth.recording]
    if not known:
        raise DataError(
            f"{path} is of another recording: it is of the cameras {', '.join(truth.cameras)}, expected {', '.join(recording.cameras)}. {remedy}"
        )
    for name in recording.cameras:
        if name not in known:
            raise DataError(
                f"{path} has no camera '{name}'; it has {', '.join(truth.cameras)}. Evaluate those with --cameras {','.join(known)}."
            )
        found = recording.content_key([name])
        if found != truth.recording[name]:
            raise DataError(
                f"{path} is of another recording, or this one was changed or damaged since: video and times of camera '{name}' have the key {found}, "
                f"expected {truth.recording[name]}. {remedy}"
            )
    return truth


def print_evaluation(found: Evaluation, seconds: dict[str, float | None], cameras: dict[str, Any], name: str) -> None:
    """Print the table of figures and what they are of."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    console.print(evaluation_table(found, name))
    notes = []
    if found.simulated:
        notes.append(
            f"Hands are counted where two cameras see them unoccluded: {found.hand_frames} hand-frames. 95 % regions are spheres of sigma."
        )
    notes += [f"{camera} is never withheld: {reason}" for camera, reason in found.left_out.reasons.items()]
    if found.left_out.body:
        notes.append(
            "Without a camera: distance of that fit from what the camera detected itself, all frames and visibilities, labels as they are."
        )
    notes += [f"Camera '{camera}' lacks {count} of {found.frames} frames." for camera, count in cameras["missing_frames"].items() if count]
    clocks = [
        f"{name} {c['offset_ms']:+.1f} ± {c['sigma_ms']:.1f}"
        for name, c in cameras["clock_offsets_ms"].items()
        if c["offset_ms"] is not None
    ]
    if clocks:
        notes.append(
            f"By the moving person, clocks are off by (true minus claimed time in ms, against the camera in the middle): {', '.join(clocks)}."
        )
    for camera, error in cameras.get("camera_errors", {}).items():
        texts = [f"{key.rsplit('_', 1)[0]} {value:.2f} {key.rsplit('_', 1)[1]}" for key, value in error.items() if value is not None]
        notes.append(f"Camera '{camera}' is off by up to: {', '.join(texts)}.")
    notes.append(f"Detection took {_seconds(seconds['detect_seconds'])}, the fit with all cameras {_seconds(seconds['fit_seconds'])}.")
    for note in notes:
        console.print(Text(note, style="dim"))


def evaluation_table(found: Evaluation, name: str) -> Table:
    """Return the figures of estimator and baseline, a row each, with units."""
    from rich.table import Table

    from bodydouble.calibration.report.text import counted
    from bodydouble.hand_pose.evaluation import MEASURES

    kind = "simulated" if found.simulated else "no truth"
    title = f"{name} ({kind}): {counted(found.frames, 'frame')}, {counted(len(found.cameras), 'camera')}"
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    table.add_column("figure")
    for column in ("estimator", "baseline"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for key, measure in MEASURES.items():
        if key in found.estimator:
            baseline = _number(found.baseline.get(key, math.nan), measure.unit) if measure.has_baseline else ""
            table.add_row(
                measure.text, _number(found.estimator[key], measure.unit), baseline, "%" if measure.unit == "share" else measure.unit
            )
    for what, errors in (("body", found.left_out.body), ("hands", found.left_out.hands)):
        for camera in found.cameras if errors else ():
            values = [errors[column][camera] for column in ("estimator", "baseline")]
            if any(math.isfinite(value["median"]) for value in values):
                cells = [f"{_number(value['median'], 'px')} / {_number(value['p90'], 'px')}" for value in values]
                table.add_row(f"{what}: without {camera}, median / p90", *cells, "px")
    return table


def _number(value: float, unit: str) -> str:
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "behind it" if unit == "px" else "∞"
    if unit == "share":
        return f"{100 * value:.1f}"
    return f"{value:.0f}" if unit == "hand-frames" or abs(value) >= 1000 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _seconds(value: float | None) -> str:
    return "an unknown time" if value is None else f"{value:.1f} s"
