"""A page on which a person clicks measured points in the cameras' images; one file that needs no server."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bodydouble.atomic import write_atomically
from bodydouble.calibration.room.scene_page_script import SCRIPT
from bodydouble.calibration.room.scene_points import HEADER, ScenePoints
from bodydouble.errors import DataError, UsageError

_JPEG_QUALITY = 92


def scene_page(images: Mapping[str, Path], points: ScenePoints, out: Path) -> None:
    """Write a page with the images of all cameras, in which each point is clicked; it saves ``scene_points.toml`` as a download.

    ``images`` is one image a camera, of the size that the camera was calibrated with. Clicks that ``points`` already holds are shown and can
    be changed. The wheel zooms, dragging moves the image, and what is saved counts pixels from the centre of the upper left one.

    Raises: UsageError without images, or where a clicked camera has none; DataError for a file that is no image.
    """
    if not images:
        raise UsageError("there is no image to click in; give one image a camera.")
    for camera in points.cameras:
        if camera not in images:
            raise UsageError(
                f"points were clicked in camera '{camera}' already, but it has no image; cameras with one: {', '.join(images)}."
            )
    cameras = [_camera(name, Path(path), points) for name, path in images.items()]
    scene = {
        "header": HEADER, "sigma_m": points.sigma_m, "sigma_px": points.sigma_px, "names": list(points.names),
        "points": points.points.tolist(), "cameras": cameras,
    }  # fmt: skip
    data = json.dumps(scene, ensure_ascii=False).replace("<", "\\u003c")  # no name can end the element
    write_atomically(
        Path(out), _PAGE.replace("@SCRIPT@", SCRIPT).replace("@SCENE@", data).replace("@TITLE@", _title(images)).encode("utf-8")
    )


def _title(images: Mapping[str, Path]) -> str:
    return html.escape(f"Measured points in {len(images)} camera{'s' if len(images) > 1 else ''}")


def _camera(name: str, path: Path, points: ScenePoints) -> dict[str, Any]:
    import cv2

    from bodydouble.capture.image_folder import read_image, size_of

    if not path.is_file():
        raise UsageError(f"{path}, the image of camera '{name}', does not exist.")
    image = read_image(path)
    size = size_of(image)
    clicks: dict[str, list[float]] = {}
    if name in points.cameras:
        row = points.cameras.index(name)
        known = points.image_size[row]
        if known is not None and known != size:
            raise UsageError(f"{path} is {size[0]}x{size[1]} px, but camera '{name}' was clicked in an image of {known[0]}x{known[1]} px.")
        clicks = {points.names[p]: points.pixels[row, p].tolist() for p in np.flatnonzero(points.seen[row])}
    written, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not written:
        raise DataError(f"{path} could not be made a JPEG of; convert it to PNG or JPEG.")
    encoded = base64.b64encode(jpeg.tobytes()).decode("ascii")
    return {"name": name, "size": list(size), "image": f"data:image/jpeg;base64,{encoded}", "clicks": clicks}


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>@TITLE@</title>
<style>
  * { box-sizing: border-box; }
  body { margin: 0; height: 100vh; display: grid; grid-template: auto 1fr / 1fr 21rem; font: 15px/1.4 system-ui, sans-serif;
         color: #1c2126; background: #f4f5f6; }
  nav { grid-column: 1 / 3; display: flex; flex-wrap: wrap; gap: 4px; padding: 8px; background: #fff; border-bottom: 1px solid #d5d9dd; }
  button { font: inherit; padding: 5px 12px; border: 1px solid #b9c0c7; border-radius: 5px; background: #fff; cursor: pointer; }
  button:hover { background: #eef1f4; }
  button[aria-pressed=true] { background: #1f5fa8; border-color: #1f5fa8; color: #fff; }
  button.main { background: #1f7a4d; border-color: #1f7a4d; color: #fff; }
  canvas { width: 100%; height: 100%; display: block; background: #33383d; cursor: crosshair; touch-action: none; }
  main { min-width: 0; min-height: 0; position: relative; }
  #where { position: absolute; left: 8px; bottom: 8px; padding: 2px 8px; border-radius: 4px; background: #000a; color: #fff;
           font-variant-numeric: tabular-nums; pointer-events: none; }
  #where:empty { display: none; }
  aside { overflow: auto; padding: 12px; background: #fff; border-left: 1px solid #d5d9dd; }
  aside p { margin: 0 0 8px; }
  table { width: 100%; border-collapse: collapse; margin: 8px 0; }
  td { padding: 4px 6px; border-bottom: 1px solid #e4e7ea; vertical-align: top; font-variant-numeric: tabular-nums; }
  td small { color: #5b646d; }
  td:last-child { text-align: right; white-space: nowrap; }
  tr { cursor: pointer; }
  tr:hover { background: #eef1f4; }
  tr[aria-current=true] { background: #fff0c2; }
  .keys { color: #5b646d; font-size: 13px; }
  .row { display: flex; flex-wrap: wrap; gap: 6px; margin: 8px 0; }
</style>
</head>
<body>
<nav id="cameras" aria-label="cameras"></nav>
<main><canvas id="view"></canvas><div id="where"></div></main>
<aside>
  <p id="task"></p>
  <table><tbody id="points"></tbody></table>
  <div class="row"><button id="hidden">Not visible (N)</button><button id="undo">Undo (Z)</button><button id="fit">Whole image (F)</button></div>
  <div class="row"><button id="save" class="main">Save scene_points.toml</button></div>
  <p id="state"></p>
  <p class="keys">Click where the point is. Wheel: zoom. Drag: move the image. Arrow keys: shift the point by 0.2 px, with Shift by 2 px.
  1 to 9: camera.</p>
</aside>
<script type="application/json" id="scene">@SCENE@</script>
<script>
@SCRIPT@
</script>
</body>
</html>
"""
