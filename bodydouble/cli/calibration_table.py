"""What ``bodydouble calibrate rig`` prints: the cameras, what was measured on unseen frames, the checks, and what to do first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bodydouble.cli.quality_table import STYLES

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from bodydouble.calibration.report.checks import CalibrationCheck
    from bodydouble.calibration.report.summary import ReportSummary
    from bodydouble.calibration.rig_calibration import HeldOutScore

SUBJECTS = 4
"""Cameras, pairs or targets that a line of a check names; the others are counted."""


def print_calibration(
    console: Console, summary: ReportSummary, checks: Sequence[CalibrationCheck], purpose: str, out: Path, report: Path | None
) -> None:  # fmt: skip
    """Print a calibrated rig for people. The verdict and what to do first come last, where the eye of whoever waited is."""
    from rich.text import Text

    from bodydouble.calibration.report.actions import actions, judged
    from bodydouble.calibration.report.checks import worst

    console.print(cameras_table(summary))
    console.print()
    for line in held_out_lines(summary):
        console.print(Text(line))
    todo = actions(checks)
    if todo:
        console.print()
        console.print(checks_table(checks))
    verdict = worst(checks)
    seconds = f"; solved in {summary.solve_seconds:.1f} s" if math.isfinite(summary.solve_seconds) else ""
    console.print()
    console.print(Text.assemble((verdict, STYLES[verdict]), f" for {purpose}: {judged(checks)}{seconds}"))
    if todo:
        console.print(Text.assemble(("Do this first: ", "bold"), todo[0].remedy))
    if len(todo) > 1:
        console.print(Text(f"What to do about the others: {'see the report' if report else 'the report says, which --report DIR writes'}."))
    console.print(Text(f"Wrote {out}" + (f" and {report / 'calibration_report.html'}" if report else "")), soft_wrap=True)


def cameras_table(summary: ReportSummary) -> Table:
    """Return one row a camera: lens, place and clock with one standard deviation each, and errors on frames solved with and unseen."""
    from rich.table import Table
    from rich.text import Text

    from bodydouble.calibration.report.summary import median
    from bodydouble.calibration.report.text import number

    table = Table(header_style="dim", box=None, pad_edge=False)
    for title in ("camera", "on", "views", "solved px", "held out px", "focal px", "position", "rotation", "clock ms"):
        table.add_column(title, justify="left" if title in ("camera", "on") else "right")
    for camera in summary.cameras:
        sigma, mean = camera.sigma, sum(camera.model.focal) / 2
        focal = f"{mean:.1f} ± {sigma.focal_px:.1f}" if camera.lens_was_solved and sigma.focal_px is not None else f"{mean:.1f} given"
        clock = f"{1000 * camera.time_offset_s:+.2f}"
        clock = (
            f"{clock} ± {1000 * sigma.time_offset_s:.2f}"
            if sigma.time_offset_s is not None
            else "held"
            if not camera.time_offset_s
            else clock
        )
        unseen = number(median(camera.held_out_px)) if len(camera.held_out_px) else "not measured"
        table.add_row(
            Text(camera.name), Text(camera.body), str(camera.views), number(median(camera.error_px)), unseen, focal,
            "held" if camera.is_reference else _spread(sigma.position_m, 1000, "mm"),
            "held" if camera.is_reference else _spread(sigma.rotation_rad, 180 / math.pi, "°"),
            clock if summary.clocks_were_solved else "as stamped",
        )  # fmt: skip
    return table


def held_out_lines(summary: ReportSummary) -> list[str]:
    """Return how far board distances are off on unseen frames, with the calibrated clocks and as stamped, and whom that leaves out."""
    from bodydouble.calibration.report.held_out import one_figure, unmeasured_cameras
    from bodydouble.calibration.report.text import listed

    held_out, stamped = summary.held_out, summary.held_out_as_stamped
    if held_out is None or len(summary.distance_error_m) == 0:
        return ["Held out: not measured. No two cameras of one body saw the same board on a frame that the solver did not see."]
    lines = [
        f"Held out: {len(summary.distance_error_m):,} board distances on {held_out.frames} unseen moments are off by {_errors(held_out)}."
    ]
    if stamped is not None and summary.clocks_were_solved and not one_figure(held_out, stamped):
        lines.append(f"          With the frames as their time stamps have them, before the clocks were found: {_errors(stamped)}.")
    if names := unmeasured_cameras(summary):
        lines.append(f"          Not measured: {listed(names)}, which saw no board together with another camera on these frames.")
    return lines


def checks_table(checks: Sequence[CalibrationCheck]) -> RenderableType:
    """Return one row for each kind of check that did not pass: what was found, and what passes."""
    from rich.table import Table
    from rich.text import Text

    from bodydouble.calibration.report.actions import actions

    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for action in actions(checks):
        more = len(action.found) - SUBJECTS
        found = ", ".join([*action.found[:SUBJECTS], *([f"{more} more"] if more > 0 else [])])
        limit = f" ({action.limit})" if action.limit else ""
        table.add_row(Text(action.verdict, STYLES[action.verdict]), Text(action.title), Text.assemble(found, (limit, "dim")))
    return table


def _errors(score: HeldOutScore) -> str:
    from bodydouble.calibration.report.summary import finite_distance_errors, median, p95, rms

    errors = 1000 * abs(finite_distance_errors(score))
    return f"{median(errors):.2f} mm (median), {rms(errors):.2f} mm (RMSE), {p95(errors):.2f} mm (p95)"


def _spread(value: float | None, scale: float, unit: str) -> str:
    from bodydouble.calibration.report.text import quantity

    return "not measured" if value is None else f"± {quantity(scale * value, unit, 2)}"
