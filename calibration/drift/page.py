"""``drift_report.html``: what each camera saw against where all cameras together put it, as calibrated and as found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.drift.result import Drift, Residuals
from bodydouble.calibration.report.style import STYLE
from bodydouble.calibration.report.svg import at, drawing, line, rectangle, round_step, strokes, words
from bodydouble.calibration.report.text import escaped, with_sigma
from bodydouble.calibration.rig import Rig

FloatArray = npt.NDArray[np.float64]

MOST_ARROWS = 400
_SIDE, _TALLEST, _LONGEST = 320.0, 300.0, 80.0


def drift_page(drift: Drift, rig: Rig, sentence: str, advice: Sequence[str], source: str) -> str:
    """Return a page that needs nothing else. ``sentence`` says what was found and ``advice`` what to do next; ``source`` names the recording."""
    verdict = "PASS" if drift.finding == "still" else "WARN" if drift.finding in ("one_of", "not_enough") else "FAIL"
    told = "".join(f'<p class="first">{escaped(text)}</p>' for text in advice)
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Drift check of {escaped(rig.name)}</title><style>{STYLE}</style>",
        f"<h1>Has a camera of '{escaped(rig.name)}' moved?</h1><p class=quiet>Checked with {escaped(source)}: {drift.kind}, {drift.moments} moments.</p>",
        f'<div class="verdict {verdict}"><strong>{escaped(drift.finding.replace("_", " "))}</strong><span>{escaped(sentence)}</span>{told}</div>',
        _table(drift),
        _windows(drift),
        *(_card(name, rig, drift.residuals[name], drift) for name in drift.cameras if name in drift.residuals),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _table(drift: Drift) -> str:
    titles = ("camera", "", "turned (degrees)", "moved (mm)", "in its image (px)", "would notice (degrees)", "moments shared")
    head = "".join(f'<th class="{"n" if number > 1 else ""}">{escaped(title)}</th>' for number, title in enumerate(titles))
    rows = []
    for camera in drift.cameras.values():
        cells = (
            with_sigma(camera.turned_deg, float(np.degrees(camera.sigma_rotation_rad)), 2),
            with_sigma(camera.moved_mm, 1000 * camera.sigma_position_m, 1), with_sigma(camera.shift_px, None, 1),
            with_sigma(camera.noticed_deg, None, 2), str(camera.shared_moments),
        )  # fmt: skip
        rows.append(f"<tr><td>{escaped(camera.name)}<td>{camera.state}" + "".join(f"<td class=n>{cell}" for cell in cells))
    return (
        f"<h2>Cameras</h2><div class=wide><table><tr>{head}</tr>{''.join(rows)}</table></div>"
        "<p class=note>By how much each camera turned and moved if it alone did, or with the others that moved; ± is one standard deviation. "
        "Small turns and moves can stand for each other, so what they do in the image is known better than either.</p>"
    )


def _windows(drift: Drift) -> str:
    if not drift.windows:
        return ""
    names = list(drift.windows[0].shift_px)
    head = "".join(f"<th class=n>{escaped(name)} (px)</th>" for name in names)
    rows = "".join(
        f"<tr><td>{window.start_s:.1f} to {window.stop_s:.1f}" + "".join(f"<td class=n>{window.shift_px[name]:.1f}" for name in names)
        for window in drift.windows
    )
    return f"<h2>Over time</h2><table class=pairs><tr><th>seconds</th>{head}</tr>{rows}</table>"


def _card(name: str, rig: Rig, found: Residuals, drift: Drift) -> str:
    length = np.linalg.norm(np.concatenate([found.before, found.after]), axis=1)
    scale = _scale(rig.camera(name).model.image_size)[0]
    magnified = round_step(0.06 * _SIDE / scale / max(float(np.percentile(length, 75)), 1e-6), 1) / 2
    camera = drift.cameras[name]
    maps = [
        f"<figure>{_map(rig.camera(name).model.image_size, found.pixels, off, magnified, f'{name} {when}')}"
        f"<figcaption>{when}: median {median:.1f} px off; strokes {magnified:g} times as long</figcaption></figure>"
        for when, off, median in (("as calibrated", found.before, camera.before_px), ("as found", found.after, camera.after_px))
    ]
    return f'<div class="camera-card"><h3>{escaped(name)}: {camera.state}</h3><div class=row>{"".join(maps)}</div></div>'


def _map(image_size: tuple[int, int], pixels: FloatArray, off: FloatArray, magnified: float, label: str) -> str:
    """Draw strokes from where points were seen towards where all cameras put them."""
    scale, width, height = _scale(image_size)
    chosen = np.unique(np.linspace(0, len(pixels) - 1, min(len(pixels), MOST_ARROWS)).astype(np.int64))
    steps = off[chosen] * scale * magnified
    steps *= np.minimum(1.0, _LONGEST / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9))
    bar = round_step(60 / scale / magnified, 1) / 2
    size = bar * scale * magnified
    content = [
        rectangle(0.5, 0.5, width - 1, height - 1, "frame"), strokes((pixels[chosen] + 0.5) * scale, steps, "thin"),
        rectangle(4, height - 22, max(size, 6.5 * len(f"{bar:g} px")) + 10, 19, "backing"),
        line(9, height - 7, 9 + size, height - 7, "thick"), words(9, height - 11, f"{bar:g} px", "small"),
    ]  # fmt: skip
    return drawing(width, height, content, label=f"Residuals of {label}, {at(magnified)} times as long as they are", css="map")


def _scale(image_size: tuple[int, int]) -> tuple[float, float, float]:
    width, height = image_size
    scale = min(_SIDE / width, _TALLEST / height)
    return scale, width * scale, height * scale
