"""The paths of a rig's bodies drawn from above, among the tags and boards of the room: one SVG picture that stands by itself."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.localization.rig_motion import BodyMotion, RigMotion
from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.report.svg import (
    circle,
    drawing,
    line,
    polyline,
    rectangle,
    round_step,
    shortened,
    strokes,
    tick_text,
    words,
)  # fmt: skip
from bodydouble.calibration.report.text import counted
from bodydouble.calibration.transform import apply

FloatArray = npt.NDArray[np.float64]

_SIDE, _MARGIN, _LINE = 640.0, 44.0, 17.0
_LEGEND = (
    "Dot: start. Ring: a gap begins or ends; nothing is drawn in between.",
    "Short lines: the body's x axis, once a second. Red: left out.",
)
_CORNER = 30.0
"""No room for two labels there."""
_LEAST_EXTENT_M = 0.5
_MOST_NAMES = 30
_COLOURS = ("a", "b", "c", "d")
_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1b1f24; --quiet: #5b6470; --rule: #e3e6ea; --target: #cfe0f5; --a: #2563b8; --b: #b4540a; --c: #1a7f37;
  --d: #8250b8; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --ink: #e6e9ed; --quiet: #9aa4b0; --rule: #2a3038; --target: #22364f; --a: #6ba4ee;
  --b: #f0a35e; --c: #56c271; --d: #b48ef0; } }
text { fill: var(--ink); font: 12px system-ui, "Segoe UI", Roboto, Arial, "DejaVu Sans", sans-serif; } text.small { font-size: 11px; fill: var(--quiet); }
text.title { font-size: 15px; font-weight: 600; } text.name { font-size: 10px; fill: var(--quiet); }
.page { fill: var(--page); } .grid { stroke: var(--rule); } .target { fill: var(--target); stroke: var(--quiet); stroke-linejoin: round; }
.target.gone { fill: none; stroke: #c62b2b; stroke-dasharray: 3 2; }
.path { fill: none; stroke-width: 1.6; stroke-linejoin: round; } .forward { fill: none; stroke-width: 1; opacity: 0.55; }
.end { stroke-width: 1.6; fill: var(--page); }
""" + "".join(f".{c} {{ stroke: var(--{c}); }} .dot.{c} {{ fill: var(--{c}); stroke: none; }}\n" for c in _COLOURS)  # fmt: skip


def motion_sketch(motion: RigMotion, tag_map: TagMap) -> str:
    """Return an SVG file: x and y of the room (x up, y to the left, so from above where z is up), the path of each body and where it looks.

    A path is broken where the body was not located: at both ends of a gap is a ring. Nothing is drawn in between.
    """
    outlines = [_outline(tag_map, g) for g in range(len(tag_map.targets.names))]
    paths = {name: body.T_room_body[:, :2, 3] for name, body in motion.bodies.items()}
    everything = np.concatenate([*outlines, *(path[np.isfinite(path[:, 0])] for path in paths.values())])
    low, high = everything.min(axis=0), everything.max(axis=0)
    middle, extent = (low + high) / 2, np.maximum(high - low, _LEAST_EXTENT_M)
    scale = (_SIDE - 2 * _MARGIN) / float(extent.max())
    width, height = (max(float(extent[axis]) * scale + 2 * _MARGIN, least) for axis, least in ((1, 420.0), (0, 160.0)))
    top = 42 + _LINE * (len(motion.bodies) + len(_LEGEND))
    height += top

    def flat(points: FloatArray) -> FloatArray:
        moved = points - middle
        return np.stack([width / 2 - scale * moved[:, 1], (height + top) / 2 - scale * moved[:, 0]], axis=1)

    content = [f"<style>{_STYLE}</style>", rectangle(0, 0, width, height, "page"), *_grid(middle, scale, width, top, height)]
    for name, corners in zip(tag_map.targets.names, outlines, strict=True):
        content.append(polyline(flat(corners), "target gone" if name in motion.rejected else "target", closed=True))
    if len(outlines) <= _MOST_NAMES:
        for name, corners in zip(tag_map.targets.names, outlines, strict=True):
            place = flat(corners)
            content.append(words(float(place[:, 0].mean()), float(place[:, 1].min()) - 4, shortened(name, 14), "name", anchor="middle"))
    for colour, (name, body) in zip(np.resize(_COLOURS, len(paths)), motion.bodies.items(), strict=True):
        content += _path(body, flat(paths[name]), str(colour))
    content += _heading(motion)
    picture = drawing(width, height, content, label=f"Paths of {', '.join(motion.bodies)} in {motion.room}, from above")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + picture.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + "\n"


def _outline(tag_map: TagMap, target: int) -> FloatArray:
    """Return the corners (4, 2) of a target's points in the room, from above."""
    points = tag_map.targets.points[tag_map.targets.points_of(target)]
    (left, bottom), (right, top) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    corners = np.array([[left, bottom, 0], [right, bottom, 0], [right, top, 0], [left, top, 0]])
    return apply(tag_map.T_room_target[target], corners)[:, :2]


def _grid(middle: FloatArray, scale: float, width: float, top: float, height: float) -> list[str]:
    half = np.array([(height - top) / 2, width / 2]) / scale
    step = round_step(2 * float(half.max()), 12)
    content = []
    for value in _multiples(middle[1] - half[1], middle[1] + half[1], step):
        x = width / 2 - scale * (value - middle[1])
        content.append(line(x, top, x, height, "grid"))
        if _CORNER < x < width - _CORNER:
            content.append(words(x + 3, height - 5, tick_text(value, step), "small"))
    for value in _multiples(middle[0] - half[0], middle[0] + half[0], step):
        y = (height + top) / 2 - scale * (value - middle[0])
        content.append(line(0, y, width, y, "grid"))
        if y < height - _CORNER:
            content.append(words(4, y - 3, tick_text(value, step), "small"))
    return [*content, words(width - 8, height - 18, "y in m", "small", anchor="end"), words(32, top + 10, "x in m", "small")]


def _multiples(low: float, high: float, step: float) -> list[float]:
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _path(body: BodyMotion, place: FloatArray, colour: str) -> list[str]:
    """Return one line for each run of located moments, rings at its ends inside the recording, and where the body looks about once a second."""
    content: list[str] = []
    located = np.flatnonzero(body.observed)
    if len(located) == 0:
        return content
    runs = np.split(located, np.flatnonzero(np.diff(located) > 1) + 1)
    every = _about_once_a_second(body)
    shown = located[located % every == 0]
    axis = body.T_room_body[shown, :2, 0]
    content.append(strokes(place[shown], np.stack([-axis[:, 1], -axis[:, 0]], axis=1) * 16, f"forward {colour}"))
    for run in runs:
        content.append(polyline(place[run], f"path {colour}"))
        content += [
            circle(place[end, 0], place[end, 1], 2.6, f"end {colour}") for end in (run[0], run[-1]) if 0 < end < len(body.times_s) - 1
        ]
    content.append(circle(place[located[0], 0], place[located[0], 1], 4.5, f"dot {colour}"))
    return content


def _about_once_a_second(body: BodyMotion) -> int:
    gaps = np.diff(body.times_s[np.isfinite(body.times_s)])
    return max(1, round(1 / float(np.median(gaps)))) if len(gaps) and np.median(gaps) > 0 else 1


def _heading(motion: RigMotion) -> list[str]:
    content = [words(12, 22, f"{motion.rig} in {motion.room}, from above", "title")]
    for row, (colour, (name, body)) in enumerate(zip(np.resize(_COLOURS, len(motion.bodies)), motion.bodies.items(), strict=True)):
        share = 100 * float(body.observed.mean()) if len(body.times_s) else math.nan
        gaps = len(body.gaps())
        text = f"{name}: located at {share:.1f} % of {len(body.times_s)} moments, {counted(gaps, 'gap') if gaps else 'no gap'}"
        content += [circle(16, 38 + _LINE * row, 4, f"dot {colour}"), words(26, 42 + _LINE * row, text)]
    below = 42 + _LINE * len(motion.bodies)
    return [*content, *(words(12, below + _LINE * row, text, "small") for row, text in enumerate(_LEGEND))]
