"""What is told about a drift check: to a person and to a program."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodydouble.calibration.drift.result import CameraDrift, Drift

_STYLES = {"still": "green", "moved": "bold red", "suspect": "yellow", "unknown": "dim"}
_TITLES = ("camera", "", "turned °", "moved mm", "image px", "notices °", "error px", "once found", "moments")


def sentence(drift: Drift) -> str:
    """Return what was found, in one sentence."""
    names = _listed(drift.suspects)
    if drift.finding == "still":
        unknown = [camera.name for camera in drift.cameras.values() if camera.state == "unknown"]
        if not unknown:
            return f"No camera has moved: a turn of {_most_noticed(drift):.1f} degrees would have been noticed in each."
        rest = [camera.name for camera in drift.cameras.values() if camera.state == "still"]
        known = f"{_listed(rest)} stand{'s' if len(rest) == 1 else ''} still" if rest else "no camera seems to have moved"
        return f"As far as can be told {known}, but the recording says too little about {_listed(unknown)}."
    if drift.finding == "moved":
        return f"{names} has moved{_when(drift)}: {_how_far(drift.cameras[drift.suspects[0]])}."
    if drift.finding == "one_of":
        return f"One of {_listed(drift.suspects, 'or')} has moved{_when(drift)}; the recording cannot tell which."
    if drift.finding == "several":
        moved = [camera for camera in drift.cameras.values() if camera.state == "moved"]
        if not moved:
            return f"Several of {names} have moved{_when(drift)}; the recording cannot tell which."
        return f"{names} have moved{_when(drift)}: " + "; ".join(f"{camera.name} was {_how_far(camera)}" for camera in moved) + "."
    if drift.finding == "exchanged":
        return f"{names} have each other's videos: what they saw agrees with the other cameras once their names are exchanged."
    if drift.finding == "incoherent":
        everyone = len(drift.suspects) == sum(camera.shared_moments > 0 for camera in drift.cameras.values())
        who = "The cameras do" if everyone else f"{names} do{'es' if len(drift.suspects) == 1 else ''}"
        others = "the same thing at the same time" if everyone else "what the other cameras see at that time"
        return f"{who} not see {others}, wherever {'they' if everyone or len(drift.suspects) > 1 else 'it'} may stand."
    kind = "points of the boards" if drift.kind == "boards" else "landmarks of the person"
    return f"Too little was seen by several cameras of one body at the same moment to tell anything: {kind} at {drift.moments} moments."


def advice(drift: Drift) -> list[str]:
    """Return what to do next, a sentence each."""
    again = "Calibrate the rig again (`bodydouble calibrate rig`); recordings that pass this check need not be repeated."
    if drift.finding in ("moved", "several"):
        part = "after" if drift.since_s is not None else "before"
        time = drift.since_s if drift.since_s is not None else drift.until_s
        return [f"What was recorded {part} {time:.1f} s is not to be used as it is. {again}" if time is not None else again]
    if drift.finding == "one_of":
        return [f"See which of them is loose, or film something that a third camera on the same body sees as well. {again}"]
    if drift.finding == "exchanged":
        return ["Exchange the names of the two videos, or plug the cameras in as they were, and check again."]
    if drift.finding == "incoherent":
        return [
            "See whether the videos are of the same take, whether the clocks agree (`timestamps.csv`), and whether several people are in view; "
            "hold a board before the cameras and check with --board."
        ]
    weak = [camera for camera in drift.cameras.values() if camera.state == "unknown"]
    if drift.finding == "not_enough" or weak:
        what = "the board" if drift.kind == "boards" else "a person, or a board (--board),"
        shared = ", ".join(f"{camera.name} {camera.shared_moments}" for camera in weak)
        return [f"Film {what} where at least two cameras of one body see it, for ten seconds or more (moments shared so far: {shared})."]
    return []


def as_dict(drift: Drift, left_out: dict[str, str], page: Path | None) -> dict[str, Any]:
    """Return the same for a program; what is not known is null."""
    return {
        "finding": drift.finding,
        "moved": drift.finding in ("moved", "several", "one_of"),
        "suspects": list(drift.suspects),
        "sentence": sentence(drift),
        "advice": advice(drift),
        "points": drift.kind,
        "moments": drift.moments,
        "noise_px": _known(drift.noise_px),
        "pass_px": _known(drift.pass_px),
        "since_s": drift.since_s,
        "until_s": drift.until_s,
        "windows": [{"start_s": window.start_s, "stop_s": window.stop_s, "shift_px": window.shift_px} for window in drift.windows],
        "cameras": {name: _camera(camera) for name, camera in drift.cameras.items()},
        "not_checked": left_out,
        "report": str(page) if page else None,
    }


def print_drift(drift: Drift, left_out: dict[str, str], page: Path | None) -> None:
    """Print the table of cameras, when they moved, the sentence and what to do next."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bodydouble.calibration.report.text import with_sigma

    console = Console(highlight=False)
    table = Table(header_style="dim", box=None, pad_edge=False)
    for title in _TITLES:
        table.add_column(title, justify="left" if title in ("camera", "") else "right")
    for camera in drift.cameras.values():
        table.add_row(
            Text(camera.name), Text(camera.state, style=_STYLES[camera.state]), with_sigma(camera.turned_deg, math.degrees(camera.sigma_rotation_rad), 2),
            with_sigma(camera.moved_mm, 1000 * camera.sigma_position_m, 0), _text(camera.shift_px), _text(camera.noticed_deg, 2),
            _text(camera.before_px), _text(camera.after_px), str(camera.shared_moments),
        )  # fmt: skip
    console.print(table)
    if drift.since_s is not None or drift.until_s is not None:
        for window in drift.windows:
            shifts = ", ".join(f"{name} {shift:.1f} px" for name, shift in window.shift_px.items())
            console.print(Text(f"{window.start_s:7.1f} to {window.stop_s:.1f} s: {shifts}"))
    for name, reason in left_out.items():
        console.print(Text(f"{name} was not checked: {reason}.", style="dim"))
    style = "green" if drift.finding == "still" else "yellow" if drift.finding in ("one_of", "not_enough") else "bold red"
    console.print(Text(sentence(drift), style=style))
    for text in advice(drift):
        console.print(Text(text))
    if page:
        console.print(Text(f"Wrote {page}"), soft_wrap=True)


def _how_far(camera: CameraDrift) -> str:
    turned = f"turned by {camera.turned_deg:.2f} ± {math.degrees(camera.sigma_rotation_rad):.2f} degrees ({_axis(camera)})"
    shift = f"moved by {camera.moved_mm:.0f} ± {1000 * camera.sigma_position_m:.0f} mm"
    return f"{turned} and {shift}, {camera.shift_px:.0f} px in its image"


def _axis(camera: CameraDrift) -> str:
    """Return where a camera looks now, by the largest part of its turn: x is right, y down, z forward."""
    largest = max(range(3), key=lambda k: abs(camera.rotation_rad[k]))
    names = (("up", "down"), ("to the right", "to the left"), ("clockwise", "counter-clockwise"))
    return names[largest][0 if camera.rotation_rad[largest] > 0 else 1]


def _when(drift: Drift) -> str:
    if drift.since_s is not None:
        return f", from {drift.since_s:.1f} s of the recording on"
    return f", until {drift.until_s:.1f} s of the recording" if drift.until_s is not None else ""


def _most_noticed(drift: Drift) -> float:
    return max((camera.noticed_deg for camera in drift.cameras.values() if camera.state == "still"), default=math.nan)


def _camera(camera: CameraDrift) -> dict[str, Any]:
    def numbers(values: Any) -> list[float] | None:
        found = [float(value) for value in values]
        return found if all(map(math.isfinite, found)) else None

    return {
        "state": camera.state,
        "turned_deg": _known(camera.turned_deg),
        "sigma_turned_deg": _known(math.degrees(camera.sigma_rotation_rad)),
        "rotation_rad": numbers(camera.rotation_rad),
        "moved_mm": _known(camera.moved_mm),
        "sigma_moved_mm": _known(1000 * camera.sigma_position_m),
        "position_m": numbers(camera.position_m),
        "shift_px": _known(camera.shift_px),
        "noticed_deg": _known(camera.noticed_deg),
        "p_value": _known(camera.p_value),
        "before_px": _known(camera.before_px),
        "after_px": _known(camera.after_px),
        "shared_moments": camera.shared_moments,
        "partner": camera.partner or None,
    }


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _text(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def _listed(names: Any, word: str = "and") -> str:
    names = list(names)
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
