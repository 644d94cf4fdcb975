"""``bodydouble simulate``: a recording of a simulated person, with known truth."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bodydouble.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from bodydouble.calibration.rig import Rig
    from bodydouble.hand_pose.simulation.truth import Truth

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

STAGE_TEXTS = {"render": "Rendering", "join": "Joining the videos"}


@app.command()
def simulate(
    out: Path = typer.Option(..., "-o", "--out", metavar="REC", help="Recording to make (a folder).", show_default=False),
    rig: str = typer.Option("optimus-helmet5", metavar="NAME|FILE", help="A rig of our own design, or a rig.toml."),
    task: str = typer.Option("table", metavar="NAME", help="What the person does; an unknown name lists them."),
    seconds: float = typer.Option(10.0, metavar="S", help="How long."),
    seed: int = typer.Option(0, metavar="N", help="Decides the person, the motion, the room and what goes wrong where."),
    size: str = typer.Option("", metavar="WxH", help="Size of the images in pixels; by default the rig's own.", show_default=False),
    room_cameras: int = typer.Option(0, metavar="K", help="Cameras to add around the person, up to 8."),
    fault: list[str] = typer.Option(
        [], metavar="NAME",
        help="What goes wrong, also NAME=CAMERA:VALUE; may be given several times: dropped, clock-offset, clock-drift, bumped, covered, gloves.",
    ),
    shadows: bool = typer.Option(False, "--shadows", help="Cast shadows; takes longer."),
    motion_blur: bool = typer.Option(False, "--motion-blur", help="Blur what moves during an exposure of 1/60 s; takes five times as long."),
    noise: bool = typer.Option(True, "--noise/--no-noise", help="Noise of the sensors and of their exposure."),
    workers: int | None = typer.Option(None, metavar="K", min=1, help="Processes that render at the same time; by default one a core."),
    force: bool = typer.Option(False, "--force", help="Replace the recording if it exists."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:  # fmt: skip
    """Make a recording of a simulated person at a task, with truth.h5: where every joint and landmark really was.

    It is an ordinary recording otherwise: process, calibrate and evaluate read it. A run that was stopped goes on where it was.

    Example: bodydouble simulate --rig optimus-helmet5 --task table --seconds 2 --size 800x600 --seed 1 -o REC
    """
    from bodydouble.hand_pose.simulation.settings import SimulationSettings
    from bodydouble.hand_pose.simulation.simulation import simulate as run

    settings = SimulationSettings(
        rig=rig_called(rig), task=task, seconds=seconds, seed=seed, size=_size(size), room_cameras=room_cameras, faults=tuple(fault),
        shadows=shadows, motion_blur=motion_blur, noise=noise,
    )  # fmt: skip
    began = time.monotonic()
    with stage_bars(STAGE_TEXTS, shown=not as_json) as progress:
        truth = run(settings, out, workers=workers, force=force, progress=progress)
    said = summary(truth, out, time.monotonic() - began)
    if as_json:
        typer.echo(json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(truth, out, said)


def rig_called(name: str) -> Rig:
    """Return a preset rig, or the one in a file. Raises: UnknownNameError listing the presets; UsageError for a file that holds no rig."""
    from bodydouble.calibration.presets import PRESETS, preset_rig
    from bodydouble.calibration.rig import Rig
    from bodydouble.errors import UnknownNameError

    if name in PRESETS:
        return preset_rig(name)
    if name.endswith(".toml") or "/" in name or Path(name).exists():
        return Rig.load(Path(name))
    raise UnknownNameError("rig", name, "the designs, nor is it the path of a rig.toml", PRESETS)


def summary(truth: Truth, out: Path, seconds: float) -> dict[str, object]:
    """Return what ``simulate --json`` prints."""
    import numpy as np

    return {
        "recording": str(out),
        "moments": len(truth.times_s),
        "frames": {name: int(np.isfinite(truth.camera_times_s[truth.camera(name)]).sum()) for name in truth.cameras},
        "settings": truth.settings,
        "faults": truth.faults,
        "seconds": round(seconds, 2),
    }


def _print(truth: Truth, out: Path, said: dict[str, object]) -> None:
    from rich.console import Console
    from rich.text import Text

    from bodydouble.calibration.report.text import counted

    console = Console(highlight=False)
    frames = said["frames"]
    assert isinstance(frames, dict)
    for name, fault in truth.faults.items():
        cameras = ", ".join(fault.get("cameras", {}))
        console.print(Text(f"Fault {name}{f' of {cameras}' if cameras else ''}; truth.h5 says exactly what."), soft_wrap=True)
    moments, images = counted(len(truth.times_s), "simulated moment"), counted(sum(frames.values()), "frame")
    text = f"{moments}, {images} of {counted(len(frames), 'camera')} in {said['seconds']} s"
    console.print(Text(f"recording  {out}"), soft_wrap=True)
    console.print(Text(text, style="dim"))


def _size(text: str) -> tuple[int, int] | None:
    from bodydouble.errors import UsageError

    if not text:
        return None
    found = re.fullmatch(r"(\d{1,6})[xX×](\d{1,6})", text.strip())
    if not found:
        raise UsageError(f"--size {text} is not a width and a height in pixels; write e.g. --size 800x600.")
    return int(found[1]), int(found[2])
