"""``calibration_report.html``: one page that holds all it needs, with what was measured on frames that the solver did not see first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bodydouble.calibration.cameras.models import name_of
from bodydouble.calibration.report.actions import actions, judged
from bodydouble.calibration.report.camera_maps import LEVELS, MOST_ARROWS, coverage_map, residual_map
from bodydouble.calibration.report.checks import CalibrationCheck, untied_clocks
from bodydouble.calibration.report.clock_chart import clock_chart
from bodydouble.calibration.report.held_out import held_out_section
from bodydouble.calibration.report.histogram import error_histogram, histogram_reach
from bodydouble.calibration.report.json import versions
from bodydouble.calibration.report.rig_sketch import body_scene, rig_sketches
from bodydouble.calibration.report.style import STYLE
from bodydouble.calibration.report.summary import ODD, CameraSummary, ReportSummary, median, p95, rms
from bodydouble.calibration.report.tables import (
    errors_table,
    extrinsics_table,
    intrinsics_table,
    odd_views_table,
    pair_matrix,
    passed_table,
    rejected_table,
    remedies_table,
    remedy_text,
    table,
    targets_table,
)
from bodydouble.calibration.report.text import NOT_MEASURED, counted, escaped, number, quantity, short_labels
from bodydouble.calibration.report.thresholds import purposes
from bodydouble.check import Verdict

_WIDEST_REACH = 3.0
"""A camera whose errors reach this many times as far as the median camera's has an axis of its own."""


def report_html(
    summary: ReportSummary, checks: Sequence[CalibrationCheck], verdict: Verdict, purpose: str, settings: Mapping[str, str] | None = None,
    source: str = "",
) -> str:  # fmt: skip
    """Return the page. It loads nothing, runs nothing, follows light and dark, and prints. ``source`` is what the calibration was made from."""
    is_rig = summary.kind == "rig"
    title = f"Calibration of {'the rig' if is_rig else 'camera'} {summary.title}" if not source else f"Calibration from {source}"
    sections = [
        _verdict(title, checks, verdict, purpose),
        _key_figures(summary),
        _todo(checks),
        *([held_out_section(summary)] if summary.held_out is not None else []),
        _cameras(summary),
        *([_pairs(summary)] if len(summary.cameras) > 1 else []),
        *([_sketch(summary), _extrinsics(summary)] if is_rig else []),
        _intrinsics(summary),
        *([_clocks(summary)] if is_rig else []),
        _rejected(summary),
        _passed(checks),
        _how(summary, purpose, settings or {}),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(verdict)}: {escaped(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def _verdict(title: str, checks: Sequence[CalibrationCheck], verdict: Verdict, purpose: str) -> str:
    todo = actions(checks)
    first = f'<p class="first"><b>Do this first</b> ({escaped(todo[0].title)}): {remedy_text(todo[0].remedy)}</p>' if todo else ""
    return (
        f'<h1>{escaped(title)}</h1><div class="verdict {verdict}"><strong>{verdict}</strong> <span>for <b>{escaped(purpose)}</b>: {judged(checks)}. '
        f"{escaped(purposes()[purpose])}{first}</span></div>"
    )


def _todo(checks: Sequence[CalibrationCheck]) -> str:
    todo = actions(checks)
    return f"<h2>What to do</h2>{remedies_table(todo)}" if todo else ""


def _key_figures(summary: ReportSummary) -> str:
    errors = 1000 * np.abs(summary.distance_error_m)
    tiles = []
    if summary.held_out is not None and len(errors) == 0:
        tiles.append(("main", NOT_MEASURED, "error of board distances on frames that the solver did not see"))
    elif summary.held_out is not None:
        tiles += [
            ("main", quantity(median(errors), "mm"), "error of board distances, median, on frames that the solver did not see"),
            ("main", quantity(rms(errors), "mm"), "the same, root mean square"),
            ("main", quantity(p95(errors), "mm"), "the same, exceeded by one distance in twenty"),
        ]
    solved = np.concatenate([camera.error_px for camera in summary.cameras])
    tiles.append(("", quantity(median(solved), "px"), "reprojection error, median, on the frames that were solved with"))
    frames = summary.held_out.frames if summary.held_out is not None else 0
    if summary.kind == "rig":
        tiles.append(("", f"{summary.moments_solved} + {frames}", "moments solved with + moments measured on"))
    else:
        tiles.append(("", str(summary.views), "views solved with"))
    if math.isfinite(summary.solve_seconds):
        after = f", after {quantity(summary.detect_seconds, 's', 2)} of detection" if math.isfinite(summary.detect_seconds) else ""
        tiles.append(("", quantity(summary.solve_seconds, "s", 2), f"to solve{after}"))
    content = "".join(f'<div class="tile {css}"><b>{escaped(value)}</b><span>{escaped(text)}</span></div>' for css, value, text in tiles)
    return f'<h2>At a glance</h2><div class="tiles">{content}</div>'


def _cameras(summary: ReportSummary) -> str:
    is_rig = summary.kind == "rig"
    reaches = [histogram_reach(np.concatenate([camera.error_px, camera.held_out_px])) for camera in summary.cameras]
    common = min(max(reaches), _WIDEST_REACH * float(np.median(reaches)))
    keys = "".join(
        f'<span class="key shade{i + 1}"></span>{low}{f" to {LEVELS[i + 1] - 1}" if i + 1 < len(LEVELS) else " or more"}'
        for i, low in enumerate(LEVELS)
    )
    noise = (
        '<p class="note">Ignored corners contradicted the others by more than eight times their noise. Noise is one standard deviation of a corner along '
        "each axis, when its view as a whole has moved to where it fits best. Errors are of all views, the rejected ones too, and include how far whole "
        "views are off, because a frame was not taken when its stamp says or the board moved meanwhile.</p>"
        if is_rig
        else ""
    )
    note = (
        f'{noise}<p class="note">Coverage, corners in a cell: {keys}<span class="key gap"></span>none<span class="key unseen"></span>outside of the lens. '
        f"Residuals point from the seen corner to where the solved calibration puts it: thin lines are up to {MOST_ARROWS} single corners, thick ones "
        "the median of each cell; where these form a pattern, the lens model does not fit. Both are of the frames that were solved with."
    )
    if summary.held_out is not None:
        note += (
            ' Histogram:<span class="key bar"></span>frames solved with<span class="key outline"></span>held-out frames, against the '
            "triangulated corner."
        )
    cards = "".join(_camera(camera, reach if reach > common else common) for camera, reach in zip(summary.cameras, reaches, strict=True))
    return f"<h2>{'Cameras' if len(summary.cameras) > 1 else 'Camera'}</h2>{errors_table(summary)}{note}</p>{cards}"


def _camera(camera: CameraSummary, reach: float) -> str:
    model = camera.model
    facts = [f"{name_of(model) or type(model).__name__}, {model.image_size[0]} × {model.image_size[1]} px", counted(camera.views, "view")]
    if camera.body:
        facts.insert(0, f"on {camera.body}")
    figures = [
        (
            coverage_map(camera),
            f"Coverage: {quantity(100 * camera.coverage.share, '%')} of the image, {counted(len(camera.pixels), 'corner')}",
        ),
        (residual_map(camera), f"Residuals, magnified: the bar is to scale; median {quantity(median(camera.error_px), 'px')}"),
        (error_histogram(camera.error_px, camera.held_out_px, name=camera.name, reach=reach), "Reprojection errors"),
    ]
    drawn = "".join(f"<figure>{drawing}<figcaption>{escaped(caption)}</figcaption></figure>" for drawing, caption in figures)
    return (
        f'<div class="camera-card"><h3>{escaped(camera.name)}</h3><div class="note">{escaped("; ".join(facts))}</div>'
        f'<div class="row">{drawn}</div></div>'
    )


def _pairs(summary: ReportSummary) -> str:
    tagged = bool(np.isfinite(summary.T_room_target).all(axis=(-2, -1)).any())
    same = "the same board, or boards or tags that stand still" if tagged else "the same board"
    bodies = " Cameras of different bodies (grey) need not see the same." if len({camera.body for camera in summary.cameras}) > 1 else ""
    return (
        f"<h2>What ties the cameras together</h2><p>In how many moments each pair saw {same}, among those that were solved with; on the diagonal, in "
        f"how many a camera saw anything. Every camera must be tied to the others by a chain of pairs.{bodies}</p>{pair_matrix(summary)}"
    )


def _sketch(summary: ReportSummary) -> str:
    content = []
    for body in dict.fromkeys([*(camera.body for camera in summary.cameras), "room"]):
        scene = body_scene(summary, body)
        if scene.names or scene.targets:
            drawn = "".join(
                f"<figure>{drawing}<figcaption>{escaped(caption)}</figcaption></figure>" for caption, drawing in rig_sketches(scene)
            )
            labels = [f"{label}: {name}" for label, name in zip(short_labels(scene.names), scene.names, strict=True) if label != name]
            legend = f'<p class="note">{escaped("; ".join(labels))}</p>' if labels else ""
            content.append(f'<h3>{escaped(body)}</h3><div class="sketches">{drawn}</div>{legend}')
    return (
        "<h2>The rig</h2><p>Each camera as the pyramid that it sees (cut off near the camera), its optical axis dashed, in the frame of its body. "
        f"Compare with the real rig: a camera that looks elsewhere is wrong whatever its errors are.</p>{''.join(content)}"
    )


def _extrinsics(summary: ReportSummary) -> str:
    held = ", ".join(escaped(camera.name) for camera in summary.cameras if camera.is_reference) or "none"
    several = len(summary.cameras) > sum(camera.is_reference for camera in summary.cameras)
    relative = f"; the others{' on the same body' if ',' in held else ''} are relative to it" if several else ""
    targets = targets_table(summary)
    more = f"<h3>Boards and tags that stood still in the room</h3>{targets}" if targets else ""
    return (
        f"<h2>Where the cameras are</h2><p>σ is one standard deviation, from the curvature of the solution and the noise of the corners. Held in place: "
        f"{held}{relative}.</p>{extrinsics_table(summary)}{more}"
    )


def _intrinsics(summary: ReportSummary) -> str:
    return f"<h2>Lenses</h2><p>Values ± one standard deviation.</p>{intrinsics_table(summary.cameras)}"


def _clocks(summary: ReportSummary) -> str:
    if not summary.clocks_were_solved:
        return f"<h2>Clocks</h2><p>Clock offsets: {NOT_MEASURED}. The time stamps were taken as they are.</p>"
    reference = next((camera.name for camera in summary.cameras if camera.clock_is_held), "none of the cameras")
    jitter = ""
    if summary.jitter_s > 0:
        jitter = f"Single frames were taken {quantity(1000 * summary.jitter_s, 'ms')} from their stamped time (one standard deviation)."
    untied = "".join(
        f" How far the clocks of {escaped(body)} are from those of {escaped(other)} was <b>{NOT_MEASURED}</b>, as nothing moved that both saw; their bars "
        "are what was assumed, and only how they differ from each other was measured."
        for body, other in untied_clocks(summary).items()
    )
    return (
        "<h2>Clocks</h2><p>Offsets are written to the rig and corrected for. Bars hold the true value 95 % of the time; the clock of "
        f"{escaped(reference)} is the reference. {jitter}{untied}</p><figure>{clock_chart(summary)}</figure>"
    )


def _rejected(summary: ReportSummary) -> str:
    found = f"<p>{counted(len(summary.rejected), 'view')} contradicted the others and had no say.</p>{rejected_table(summary.rejected)}"
    odd = (
        f"<h3>Views that are far off</h3><p>Half of their corners are more than {ODD:g} times as far off as the median corner is, and they were solved "
        "with all the same. Most often such a frame was not taken when its stamp says (it came late, or is the one before it again), for which the "
        f"solver allows; else its corners are not where they were found. Its image tells.</p>{odd_views_table(summary.odd_views)}"
    )
    return f"<h2>Rejected views</h2>{found if summary.rejected else '<p>None.</p>'}{odd if summary.odd_views else ''}"


def _passed(checks: Sequence[CalibrationCheck]) -> str:
    return f"<h2>Checks that pass</h2>{passed_table(checks)}" if any(check.verdict == "PASS" for check in checks) else ""


def _how(summary: ReportSummary, purpose: str, settings: Mapping[str, str]) -> str:
    rows = [(escaped(name), escaped(value)) for name, value in [*_facts(summary, purpose), *settings.items()]]
    return f"<h2>How it was done</h2>{table(('', ''), rows)}"


def _facts(summary: ReportSummary, purpose: str) -> Iterator[tuple[str, str]]:
    yield "Judged for", f"{purpose} (limits in bodydouble's thresholds.toml)"
    if summary.targets is not None:
        stood = int(np.isfinite(summary.T_room_target).all(axis=(-2, -1)).sum())
        names = ", ".join(summary.targets.names[:8]) + (
            f" and {len(summary.targets.names) - 8} more" if len(summary.targets.names) > 8 else ""
        )
        yield "Boards and tags", f"{names}; {stood} stood still in the room, {len(summary.targets.names) - stood} moved"
        yield (
            "Moments",
            f"{summary.moments} in the recording, {summary.moments_solved} solved with, {summary.held_out.frames if summary.held_out else 0} measured on",
        )
    yield "Views", f"{summary.views} solved with, {len(summary.rejected)} rejected"
    solved = [camera.name for camera in summary.cameras if camera.lens_was_solved]
    yield (
        "Lenses",
        "solved for: " + (", ".join(solved) or "none") + ("" if len(solved) == len(summary.cameras) else "; the others were given"),
    )
    if summary.kind == "rig":
        yield "Clocks", "one constant offset for each camera was solved for" if summary.clocks_were_solved else "taken as stamped"
    yield "Adjustment", {True: "settled", False: "stopped before it settled", None: "bundle adjustment"}[summary.converged]
    yield "Corner noise", ", ".join(f"{camera.name} {number(camera.noise_px)} px" for camera in summary.cameras)
    yield "Versions", ", ".join(f"{name} {version}" for name, version in versions().items())
