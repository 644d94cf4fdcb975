"""``bodydouble calibrate motion``: where the bodies of a worn rig were in the room, from the tags that their cameras saw."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from bodydouble.calibration import Rig
    from bodydouble.calibration.localization.rig_motion import BodyMotion, RigMotion
    from bodydouble.calibration.observations import Observations
    from bodydouble.capture import Recording

STAGES = {"detect": "Finding the tags", "locate": "Locating the rig"}
_MOST_VIEWS_TOLD = 5


def motion(
    rig: Path = typer.Argument(..., metavar="RIG", help="The rig's calibration.", show_default=False),
    tag_map: Path = typer.Argument(
        ..., metavar="TAG_MAP", help="The tag_map.toml of the room (calibrate rig --tag-map).", show_default=False
    ),
    recording: Path = typer.Argument(
        ..., metavar="REC", help="A recording, or a folder with one video or image folder a camera.", show_default=False
    ),
    out: Path = typer.Option(..., "-o", "--out", metavar="H5", help="The rig_motion.h5 to write.", show_default=False),
    report: Path | None = typer.Option(
        None, "--report", metavar="SVG", help="Draw the paths from above, with the tags, into this picture.", show_default=False
    ),
    cameras: list[str] = typer.Option([], "--cameras", metavar="NAMES", help="Cameras to use, comma-separated; by default all."),
    workers: int | None = typer.Option(None, "--workers", metavar="N", min=1, help="Processes that look for tags; by default one a core."),
    force: bool = typer.Option(False, "--force", help="Replace the outputs if they are there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Find the pose of every body of a rig (helmet, backpack) in the room over time, from a map of the tags in it.

    All cameras of a body count at once. A moment at which too little was seen stays empty: nothing is interpolated. Tags that were moved and false
    detections are left out and named.

    Example: bodydouble calibrate motion rig.toml tag_map.toml takes/pour -o rig_motion.h5 --report path.svg
    """
    from dataclasses import replace

    from bodydouble import __version__
    from bodydouble.atomic import write_atomically
    from bodydouble.calibration import read_rig
    from bodydouble.calibration.boards.observations import observe
    from bodydouble.calibration.localization.motion_sketch import motion_sketch
    from bodydouble.calibration.localization.rig_localization import locate
    from bodydouble.calibration.localization.tag_map import TagMap
    from bodydouble.capture import open_recording
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.datasets.pipeline import cameras_from

    for path in (out, *([report] if report is not None else [])):
        _check_new(path, force)
    if report is not None:
        _check_picture(report)
    known, room = read_rig(rig), TagMap.load(tag_map)
    with stage_bars(STAGES, shown=not as_json) as progress:
        opened = open_recording(recording, stills=True)
        opened = opened.select(cameras_from(cameras) or opened.cameras)
        known = known.select(opened.cameras)
        opened = _on_moving_bodies(opened, known)
        seen = observe(opened, room.boards, workers=workers, progress=lambda done, total: progress("detect", done, total))
        seen = _as_calibrated(seen, opened, known)
        found = locate(known, room, seen, progress=lambda done, total: progress("locate", done, total))
    found = replace(
        found, provenance={"rig": str(rig), "tag_map": str(tag_map), "recording": str(recording), "bodydouble": __version__}
    )  # fmt: skip
    found.save(out, force=force)
    if report is not None:
        write_atomically(report, motion_sketch(found, room).encode("utf-8"))
    described = {**describe(found), "written": str(out), "picture": str(report) if report is not None else None}
    if as_json:
        typer.echo(json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(described)


def describe(found: RigMotion) -> dict[str, Any]:
    """Return what is told about a motion; what is not known is None."""
    return {
        "rig": found.rig,
        "room": found.room,
        "moments": len(found.times_s),
        "bodies": {name: _describe_body(body) for name, body in found.bodies.items()},
        "noise_px": {name: _number(value) for name, value in found.noise_px.items()},
        "covariance_of": list(found.covariance_of),
        "rejected": found.rejected,
    }


def _describe_body(body: BodyMotion) -> dict[str, Any]:
    import numpy as np

    from bodydouble.calibration.localization.rig_motion import outcome_counts

    good, times = body.observed, body.times_s
    edge = np.append(times, times[-1:])
    gaps = [{"from_s": _number(times[a]), "to_s": _number(edge[b]), "moments": b - a} for a, b in body.gaps()]
    sigma = body.sigma[good]

    def middle(values: Any, scale: float) -> dict[str, float | None]:
        if len(values) == 0:
            return {"median": None, "p95": None}
        return {"median": _number(scale * np.median(values)), "p95": _number(scale * np.percentile(values, 95))}

    return {
        "located_pct": _number(100 * good.mean()) if len(good) else None,
        "outcomes": {outcome.name.lower(): count for outcome, count in outcome_counts(body).items() if count},
        "gaps": gaps,
        "longest_gap_s": max(
            (gap["to_s"] - gap["from_s"] for gap in gaps if gap["from_s"] is not None and gap["to_s"] is not None), default=None
        ),
        "sigma_mm": middle(sigma[:, 1], 1e3),
        "sigma_deg": middle(sigma[:, 0], 180 / math.pi),
        "frames_off_ms": _number(1e3 * body.slack[1]),
        "frames_off_deg": _number(math.degrees(body.slack[0])),
        "targets": _number(np.median(body.targets[good])) if good.any() else None,
        "points": _number(np.median(body.points[good])) if good.any() else None,
    }


def _print(described: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(header_style="dim", box=None, pad_edge=False)
    for title in ("body", "located", "gaps", "longest s", "± mm", "± deg", "tags", "points"):
        table.add_column(title, justify="left" if title == "body" else "right")
    for name, body in described["bodies"].items():
        table.add_row(
            Text(name), _text(body["located_pct"], 1, " %"), str(len(body["gaps"])), _text(body["longest_gap_s"], 2), _text(body["sigma_mm"]["median"], 2),
            _text(body["sigma_deg"]["median"], 3), _text(body["targets"], 0), _text(body["points"], 0),
        )  # fmt: skip
    console.print(table)
    noise = ", ".join(
        f"{name} {value:.2f} px" if value is not None else f"{name} saw no tag" for name, value in described["noise_px"].items()
    )
    console.print(Text(f"Noise of corners: {noise}. ± counts {', '.join(described['covariance_of'])}."))
    for name, body in described["bodies"].items():
        empty = {outcome: count for outcome, count in body["outcomes"].items() if outcome != "located"}
        if empty:
            told = ", ".join(f"{outcome.replace('_', ' ')} {count}" for outcome, count in empty.items())
            console.print(Text.assemble(("not located ", "yellow"), f"{name}: {told} of {described['moments']} moments"))
    views = [name for name in described["rejected"] if " frame " in name]
    shown = [name for name in described["rejected"] if name not in views] + views[:_MOST_VIEWS_TOLD]
    for name in shown:
        console.print(Text.assemble(("left out ", "yellow"), f"{name}: {described['rejected'][name]}"))
    if len(views) > _MOST_VIEWS_TOLD:
        console.print(Text(f"and {len(views) - _MOST_VIEWS_TOLD} more single views; --json names all", style="dim"))
    picture = f" and {described['picture']}" if described["picture"] else ""
    console.print(Text(f"Wrote {described['written']}{picture}"), soft_wrap=True)


def _on_moving_bodies(recording: Recording, rig: Rig) -> Recording:
    """Return the recording with the cameras that move: nothing needs to be looked for in the others."""
    moving = [name for name in recording.cameras if rig.camera(name).body != "room"]
    return recording.select(moving) if moving else recording


def _as_calibrated(seen: Observations, recording: Recording, rig: Rig) -> Observations:
    """Return what was seen in pixels of the calibrated images, of which a video may be a declared part."""
    from dataclasses import replace

    import numpy as np

    from bodydouble.calibration.matching import check_image_size

    origin = np.zeros((len(seen.cameras), 2))
    for row, name in enumerate(seen.cameras):
        crop = recording.crop_origin(name)
        check_image_size(name, rig.camera(name).model.image_size, recording.image_size(name), crop)
        origin[row] = crop or (0, 0)
    sizes = tuple(rig.camera(name).model.image_size for name in seen.cameras)
    return replace(seen, pixels=seen.pixels + origin[:, None, None], image_size=sizes)


def _check_new(path: Path, force: bool) -> None:
    from bodydouble.atomic import check_can_be_written
    from bodydouble.errors import FileExistsUsageError, UsageError

    if path.is_dir():
        raise UsageError(f"{path} is a folder; the name of a file was expected.")
    if path.exists() and not force:
        raise FileExistsUsageError(path)
    check_can_be_written(path)


def _check_picture(path: Path) -> None:
    from bodydouble.errors import UsageError

    if path.suffix.lower() != ".svg":
        raise UsageError(
            f"--report {path}: the picture is an SVG file, which every browser opens; give a name such as {path.with_suffix('.svg')}."
        )


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _text(value: float | None, digits: int, unit: str = "") -> str:
    return "" if value is None else f"{value:.{digits}f}{unit}"
