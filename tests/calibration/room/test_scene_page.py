"""The page on which measured points are clicked."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from bodydouble.calibration.room.scene_page import scene_page
from bodydouble.calibration.room.scene_points import ScenePoints
from bodydouble.errors import DataError, UsageError

POINTS = np.array([[0.0, 0.3, 0.0], [0.0, -0.3, 0.0], [-2.0, 0.3, 0.0], [-2.0, -0.3, 0.05]])
NAMES = ("front left", 'a "quoted" </script> name', "back_left", "back_right")
SCENE = ScenePoints(NAMES, POINTS, (), np.zeros((0, 4, 2)), 0.004, 1.5)


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Path]:
    files = {}
    for name, (width, height) in {"wide": (320, 200), "tall": (90, 160)}.items():
        files[name] = tmp_path / f"{name}.png"
        image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        cv2.imwrite(str(files[name]), cv2.GaussianBlur(image, (0, 0), 3))
    return files


def embedded(page: Path) -> dict:
    found = re.search(r'<script type="application/json" id="scene">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_holds_everything_and_asks_for_nothing(images, tmp_path):
    scene_page(images, SCENE, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)\s*=\s*[\"']", text), "nothing is loaded from elsewhere"
    assert "http" not in text
    scene = embedded(tmp_path / "page.html")
    assert (scene["names"], scene["points"], scene["sigma_m"], scene["sigma_px"]) == (list(NAMES), POINTS.tolist(), 0.004, 1.5)
    assert [(camera["name"], camera["size"], camera["clicks"]) for camera in scene["cameras"]] == [
        ("wide", [320, 200], {}),
        ("tall", [90, 160], {}),
    ]
    for camera in scene["cameras"]:
        kind, data = camera["image"].split(",")
        assert kind == "data:image/jpeg;base64"
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(image.astype(float) - cv2.imread(str(images[camera["name"]]))).mean() < 4


def test_clicks_that_are_known_are_shown(images, tmp_path):
    pixels = np.full((1, 4, 2), np.nan)
    pixels[0, 2] = [10.25, 20.5]
    scene = ScenePoints(NAMES, POINTS, ("tall",), pixels)
    scene_page(images, scene, tmp_path / "page.html")
    assert [camera["clicks"] for camera in embedded(tmp_path / "page.html")["cameras"]] == [{}, {"back_left": [10.25, 20.5]}]


def test_what_cannot_be_is_one_sentence(images, tmp_path):
    out = tmp_path / "page.html"
    with pytest.raises(UsageError, match="there is no image to click in"):
        scene_page({}, SCENE, out)
    with pytest.raises(UsageError, match=r"nothing.png, the image of camera 'wide', does not exist"):
        scene_page({"wide": tmp_path / "nothing.png"}, SCENE, out)
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"text.png cannot be read as an image"):
        scene_page({"wide": tmp_path / "text.png"}, SCENE, out)
    clicked = ScenePoints(NAMES, POINTS, ("other",), np.full((1, 4, 2), np.nan))
    with pytest.raises(
        UsageError, match="points were clicked in camera 'other' already, but it has no image; cameras with one: wide, tall"
    ):
        scene_page(images, clicked, out)
    other_size = ScenePoints(NAMES, POINTS, ("wide",), np.full((1, 4, 2), np.nan), image_size=((640, 400),))
    with pytest.raises(UsageError, match=r"wide.png is 320x200 px, but camera 'wide' was clicked in an image of 640x400 px"):
        scene_page(images, other_size, out)
    assert not out.exists()


PERSON = """
<script>
function spot(u, v) {  // where a pixel is on the screen
  const box = canvas.getBoundingClientRect(), { scale, x, y } = view();
  return { clientX: box.left + x + scale * (u + 0.5), clientY: box.top + y + scale * (v + 0.5), button: 0, bubbles: true, cancelable: true };
}
function press(u, v) {
  canvas.dispatchEvent(new PointerEvent("pointerdown", spot(u, v)));
  window.dispatchEvent(new PointerEvent("pointerup", spot(u, v)));
}
function key(name, shift) { window.dispatchEvent(new KeyboardEvent("keydown", { key: name, shiftKey: !!shift, cancelable: true })); }
window.addEventListener("load", () => {
  const pointer = { ...spot(100, 50), deltaY: -200 };
  pointer.clientX = Math.round(pointer.clientX); pointer.clientY = Math.round(pointer.clientY);
  const before = pixelAt(pointer);
  for (let i = 0; i < 6; i++) canvas.dispatchEvent(new WheelEvent("wheel", pointer));
  const after = pixelAt(pointer), zoomed = view().scale;
  press(100, 50);            // front left
  press(120.5, 60.25);       // the quoted one
  press(10, 10); key("z");   // back_left, taken back
  key("n");                  // back_left is not visible
  key("f");
  press(300, 150);           // back_right
  key("ArrowRight"); key("ArrowUp", true);
  key("2");
  press(200, 80);            // beside the narrow image
  press(5, 6);
  canvas.dispatchEvent(new PointerEvent("pointerdown", spot(20, 20)));
  window.dispatchEvent(new PointerEvent("pointermove", spot(40, 40)));
  window.dispatchEvent(new PointerEvent("pointerup", spot(40, 40)));  // moves the image and clicks nothing
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify({
    toml: toml(), zoomed, still: Math.hypot(after[0] - before[0], after[1] - before[1]),
    task: element("task").textContent, cameras: element("cameras").innerText,
  });
  document.body.append(result);
});
</script>
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_person_zooms_clicks_undoes_and_saves(images, tmp_path):
    scene_page(images, SCENE, tmp_path / "page.html")
    page = tmp_path / "person.html"
    page.write_text((tmp_path / "page.html").read_text(encoding="utf-8").replace("</body>", PERSON + "</body>"), encoding="utf-8")
    flags = (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1200,800",
        "--virtual-time-budget=5000", "--dump-dom",
    )  # fmt: skip
    done = subprocess.run(["chromium", *flags, page.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    result = json.loads(html.unescape(found[1]))
    assert result["zoomed"] > 10
    assert result["still"] < 1e-6, "the wheel zooms about the pointer"
    assert result["task"] == f'Click "{NAMES[1]}" in tall.'
    (tmp_path / "scene_points.toml").write_text(result["toml"], encoding="utf-8")
    scene = ScenePoints.load(tmp_path / "scene_points.toml")
    assert (scene.names, scene.cameras, scene.image_size) == (NAMES, ("wide", "tall"), ((320, 200), (90, 160)))
    assert (scene.sigma_m, scene.sigma_px) == (0.004, 1.5)
    assert np.array_equal(scene.points, POINTS)
    expected = [[(100, 50), (120.5, 60.25), (np.nan, np.nan), (300.2, 148)], [(5, 6), *[(np.nan, np.nan)] * 3]]
    assert np.allclose(scene.pixels, expected, atol=0.01, equal_nan=True)
