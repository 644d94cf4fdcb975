"""Measured points, where they were clicked, and scene_points.toml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bodydouble.calibration.room.scene_points import ScenePoints
from bodydouble.errors import UnknownNameError, UsageError

SCENE = """
sigma_m = 0.003
sigma_px = 0.8

[points]
front_left = [0.0, 0.3, 0.0]
front_right = [0.0, -0.3, 0.0]
"back left" = [-2.0, 0.3, 0.0]
top = [-1.0, 0.0, 0.4]

[image_size_px]
cam01 = [640, 480]

[cameras.cam01]
front_left = [100.5, 200.25]
top = [300, 20]

[cameras.cam02]
"back left" = [1.0, 2.0]
"""


def written(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in SCENE
    (folder / "scene.toml").write_text(SCENE.replace(old, new, 1) if old else SCENE)
    return folder / "scene.toml"


def test_a_file_is_read_with_nan_where_nothing_was_clicked(tmp_path):
    scene = ScenePoints.load(written(tmp_path))
    assert scene.names == ("front_left", "front_right", "back left", "top")
    assert scene.cameras == ("cam01", "cam02")
    assert (scene.sigma_m, scene.sigma_px, scene.image_size) == (0.003, 0.8, ((640, 480), None))
    assert scene.seen.tolist() == [[True, False, False, True], [False, False, True, False]]
    assert np.array_equal(scene.pixels[0, 0], [100.5, 200.25])
    assert not scene.points.flags.writeable
    assert not scene.pixels.flags.writeable


def test_a_saved_scene_loads_to_the_last_bit(tmp_path):
    scene = ScenePoints.load(written(tmp_path))
    scene = replace(scene, points=scene.points + np.pi / 1e3, pixels=scene.pixels + np.e)
    scene.save(tmp_path / "again.toml")
    again = ScenePoints.load(tmp_path / "again.toml")
    assert np.array_equal(again.points, scene.points)
    assert np.array_equal(again.pixels, scene.pixels, equal_nan=True)
    assert (again.names, again.cameras, again.image_size) == (scene.names, scene.cameras, scene.image_size)
    assert (again.sigma_m, again.sigma_px) == (scene.sigma_m, scene.sigma_px)


def test_points_that_nobody_clicked_yet_are_a_scene_too(tmp_path):
    scene = ScenePoints.load(written(tmp_path, SCENE[SCENE.index("[image_size_px]") :]))
    assert scene.cameras == ()
    assert scene.pixels.shape == (0, 4, 2)


def test_some_cameras_can_be_selected(tmp_path):
    scene = ScenePoints.load(written(tmp_path)).select(("cam02",))
    assert (scene.cameras, scene.image_size, scene.pixels.shape) == (("cam02",), (None,), (1, 4, 2))
    with pytest.raises(UnknownNameError, match=r"camera 'cam03' is not in the clicked images; valid: cam02"):
        scene.select(("cam03",))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("front_left = [100.5", "front_lft = [100.5", r"point 'front_lft' is not in \[points\] of .*scene.toml, but in \[cameras.cam01\]; valid: front_left"),
        ("front_left = [100.5", "front_lft = [100.5", r"Did you mean 'front_left'"),
        ("cam01 = [640", "cam07 = [640", r"camera 'cam07' is not in \[cameras\] of .*scene.toml, but in \[image_size_px\]"),
        ("top = [-1.0, 0.0, 0.4]\n", "", r"point 'top' is not in \[points\]"),
        ("[-2.0, 0.3, 0.0]", "[-2000, 300, 0]", r"'back left' is 2000 m from the origin .* divide them by 1000 if they are in millimetres"),
        ("[-2.0, 0.3, 0.0]", "[0.0, 0.3, 0.0]", r"points 'front_left' and 'back left' are at the same place"),
        ("[300, 20]", "[100.5, 200.25]", r"points 'front_left' and 'top' are clicked at the same pixel of camera 'cam01'"),
        ("[300, 20]", "[700, 20]", r"point 'top' is clicked at \(700.0, 20.0\) in camera 'cam01', outside its image of 640x480 px"),
        ("[300, 20]", "[300]", r"cameras.cam01.top"),
        ("[-1.0, 0.0, 0.4]", "[-1.0, 0.0]", r"points.top"),
        ("[-1.0, 0.0, 0.4]", "[-1.0, 0.0, nan]", r"points.top"),
        ("sigma_m = 0.003", "sigma_m = -0.003", r"'sigma_m'.*greater than or equal to 0"),
        ("sigma_px = 0.8", "sigma_px = 0", r"'sigma_px'.*greater than 0"),
        ("sigma_px = 0.8", "sigma_pix = 0.8", r"unknown key 'sigma_pix' \(valid keys: sigma_m, sigma_px, points, image_size_px, cameras\)"),
        ("[points]", "[point]", r"key 'points' is missing"),
        ("top = [300, 20]", "top = [300, 20]\ntop = [301, 20]", r"not valid TOML"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(tmp_path, old, new, sentence):
    with pytest.raises(UsageError, match=sentence):
        ScenePoints.load(written(tmp_path, old, new))


def test_fewer_than_four_points_are_too_few(tmp_path):
    text = SCENE[: SCENE.index('"back left"')]
    (tmp_path / "scene.toml").write_text(text)
    with pytest.raises(UsageError, match=r"scene.toml: 2 measured points: front_left, front_right; at least 4 are needed"):
        ScenePoints.load(tmp_path / "scene.toml")
    (tmp_path / "scene.toml").write_text("[points]\n")
    with pytest.raises(UsageError, match=r"0 measured points: none; at least 4"):
        ScenePoints.load(tmp_path / "scene.toml")


def test_points_on_one_line_are_refused():
    points = np.outer(np.arange(5.0), [1.0, 2.0, 0.1])
    points[:, 2] += [0, 0.01, 0, 0.01, 0]
    with pytest.raises(UsageError, match="all on one line"):
        ScenePoints(tuple("abcde"), points, (), np.zeros((0, 5, 2)))


def test_names_given_twice_are_refused():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    with pytest.raises(UsageError, match="point is named twice"):
        ScenePoints(("a", "b", "c", "a"), points, (), np.zeros((0, 4, 2)))
    with pytest.raises(UsageError, match="camera is named twice"):
        ScenePoints(tuple("abcd"), points, ("x", "x"), np.full((2, 4, 2), np.nan))
    with pytest.raises(ValueError, match="1 image sizes for 0 cameras"):
        ScenePoints(tuple("abcd"), points, (), np.zeros((0, 4, 2)), image_size=((1, 2),))
    with pytest.raises(UsageError, match="not a number"):
        ScenePoints(tuple("abcd"), np.where(points == 1, np.nan, 0.0), (), np.zeros((0, 4, 2)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nothing.toml does not exist"):
        ScenePoints.load(tmp_path / "nothing.toml")
