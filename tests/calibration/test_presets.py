"""The rigs of our own design: the files are what the table says, and the table is what was drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bodydouble.calibration import FisheyeCamera, presets
from bodydouble.calibration.presets import BACKPACK, HELMET, PRESETS, designed_rig, preset_rig, write_presets
from bodydouble.errors import UnknownNameError

FOLDER = Path(presets.__file__).parent / "rigs"


@pytest.mark.parametrize("name", PRESETS)
def test_the_shipped_file_is_what_the_table_makes(name: str, tmp_path: Path) -> None:
    write_presets(tmp_path)
    assert (tmp_path / f"{name}.toml").read_text() == (FOLDER / f"{name}.toml").read_text()
    assert preset_rig(name).names == designed_rig(name).names
    for camera in preset_rig(name).cameras.values():
        assert np.array_equal(camera.T_body_camera, designed_rig(name).camera(camera.name).T_body_camera)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_that_nothing_of_it_was_measured(name: str) -> None:
    rig = preset_rig(name)
    assert {key.split(".")[0] for key in rig.assumed} == set(rig.names)
    assert all(item.sigma > 0 for item in rig.assumed.values())
    for camera in rig.cameras.values():
        assert camera.sigma.focal_px == pytest.approx(0.02 * camera.model.focal[0])
        assert camera.sigma.position_m == 0.005
        assert camera.sigma.rotation_rad == pytest.approx(np.radians(2))


@pytest.mark.parametrize("name", PRESETS)
def test_cameras_are_upright_and_look_where_they_were_drawn(name: str) -> None:
    rig = preset_rig(name)
    for camera in rig.cameras.values():
        right, down, forward = camera.T_body_camera[:3, :3].T
        assert right[2] == pytest.approx(0, abs=1e-12), "the horizon is level"
        assert down[2] < 0
        below = np.degrees(np.arcsin(-forward[2]))
        assert below == pytest.approx(15 if camera.name == "front" else 50)
        side = np.sign(camera.T_body_camera[1, 3])
        assert np.sign(np.round(forward[1], 9)) == side, "a camera on the left looks to the left"


@pytest.mark.parametrize("name", PRESETS)
def test_the_field_of_view_fills_the_image(name: str) -> None:
    for camera in preset_rig(name).cameras.values():
        assert isinstance(camera.model, FisheyeCamera)
        across = 120 if camera.name == "front" else 140
        left, right = camera.model.rays(np.array([[-0.5, 599.5], [1599.5, 599.5]]))
        assert np.degrees(np.arccos(left @ right)) == pytest.approx(across)


def test_the_backpack_carries_the_side_cameras_of_the_second_preset() -> None:
    bodies = {name: {c.name: c.body for c in preset_rig(name).cameras.values()} for name in PRESETS}
    assert set(bodies["optimus-helmet5"].values()) == {HELMET}
    on_backpack = {name for name, body in bodies["optimus-helmet-backpack5"].items() if body == BACKPACK}
    assert on_backpack == {"left_side", "right_side"}


def test_an_unknown_preset_lists_the_presets() -> None:
    with pytest.raises(
        UnknownNameError, match="rig 'optimus-helmet6' is not in the presets; valid: optimus-helmet5, optimus-helmet-backpack5"
    ):
        preset_rig("optimus-helmet6")
