"""``bodydouble demo``: the whole way on four real videos."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bodydouble.cli.process import STAGE_TEXTS, print_summary, summary
from bodydouble.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from bodydouble.capture import Recording

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

SAMPLE = "pose2sim_single"
CAMERAS = ("cam01", "cam02", "cam03", "cam04")
CROPS = {"cam01": (0, 0), "cam02": (0, 0)}
"""These two videos are 1080 px wide though calibrated at 1088: the right edge is missing."""
TASK = "balance on one leg and swing arms and legs"


@app.command()
def demo(
    out: Path = typer.Option(
        Path("demo"), "-o", "--out", metavar="DIR", help="Folder for the recording, the episode, the preview and the quality file."
    ),
    force: bool = typer.Option(False, "--force", help="Replace files of these names that are not from an earlier demo."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Run the whole way on the real sample: four videos become a recording, an episode, a preview video and a quality file.

    Files of an earlier demo in the same folder are replaced. The videos are from Pose2Sim (BSD-3-Clause, Copyright 2022 perfanalytics).

    Example: bodydouble demo --out demo
    """
    from bodydouble import assets
    from bodydouble.atomic import write_atomically
    from bodydouble.datasets.pipeline import process
    from bodydouble.errors import FileExistsUsageError, UsageError
    from bodydouble.viewer.preview import render_preview

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; a folder was expected. Choose another with --out.")
    there = [out / name for name in ("recording", "episode.h5", "preview.mp4", "quality.json") if (out / name).exists()]
    if there and not force and not is_demo(out / "recording"):
        raise FileExistsUsageError(there[0])
    began = time.monotonic()
    texts = {
        "assets": "Fetching models and sample videos",
        "import": "Importing the videos",
        **STAGE_TEXTS,
        "render": "Rendering the preview",
    }
    with stage_bars(texts, shown=not as_json) as progress:
        sample = assets.path_of(SAMPLE, lambda done, total: progress("assets", done, total))
        recording = make_recording(sample, out / "recording", lambda done, total: progress("import", done, total))
        episode_path, preview, quality = out / "episode.h5", out / "preview.mp4", out / "quality.json"
        episode = process(recording, episode_path, force=True, progress=progress)
        write_atomically(quality, json.dumps(summary(episode, episode_path, time.monotonic() - began), indent=2).encode() + b"\n")
        from bodydouble.datasets import read_episode

        render_preview(read_episode(episode_path), preview, force=True, progress=lambda done, total: progress("render", done, total))
    outputs = {"recording": recording.folder, "episode": episode_path, "preview": preview, "quality": quality}
    if as_json:
        paths = {"recording": str(recording.folder), "preview": str(preview), "quality_file": str(quality)}
        typer.echo(json.dumps({**summary(episode, episode_path, time.monotonic() - began), **paths}, indent=2))
    else:
        print_summary(episode, outputs, time.monotonic() - began)


def is_demo(recording: Path) -> bool:
    """Tell whether a folder is the recording of an earlier demo."""
    from bodydouble.capture.settings import RecordingSettings
    from bodydouble.config import load_settings
    from bodydouble.errors import UsageError

    try:
        settings = load_settings(recording / "recording.toml", RecordingSettings)
    except UsageError:
        return False
    return settings.task == TASK and tuple(settings.cameras) == CAMERAS


def make_recording(sample: Path, out: Path, progress: object = None) -> Recording:
    """Make the demo's recording, with its rig from the Qualisys calibration of the same cameras."""
    from bodydouble.calibration import check_rig_matches, read_qualisys
    from bodydouble.capture import import_videos
    from bodydouble.progress import silent

    rig = read_qualisys(sample / "calibration" / "Calib.qca.txt").select(CAMERAS)

    def add_rig(recording: Recording) -> None:
        check_rig_matches(rig, recording)
        rig.save(recording.folder / "rig.toml")

    videos = [sample / "videos" / f"{name}.mp4" for name in CAMERAS]
    return import_videos(videos, out, crops=CROPS, task=TASK, force=True, finish=add_rig, progress=progress or silent)  # type: ignore[arg-type]
