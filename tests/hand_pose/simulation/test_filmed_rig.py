"""The rig that films: resized exactly, nothing uncertain, with cameras in the room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.rig import MountedCamera, Rig, Sigma
from bodydouble.calibration.transform import apply
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.hand_pose.simulation.filmed_rig import filmed_rig, scaled_to, with_room_cameras


def of_size(width: int, height: int, body: str = "helmet") -> Rig:
    model = PinholeCamera((width, height), (500, 500), ((width - 1) / 2, (height - 1) / 2))
    return Rig("own", (body,), {"one": MountedCamera("one", model, body, np.eye(4))})


@given(st.sampled_from([(800, 600), (400, 300), (640, 480), (3200, 2400)]), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_point_stays_at_the_same_part_of_the_image(size, x, y):
    camera = FisheyeCamera((1600, 1200), (650.0, 651.0), (802.0, 590.0), (0.01, -0.002, 0.0, 0.0))
    before, after = camera.project([x, y, 1.0]), scaled_to(camera, size).project([x, y, 1.0])
    np.testing.assert_allclose((after + 0.5) / size, (before + 0.5) / camera.image_size, atol=1e-12)


def test_a_preset_is_filmed_as_designed_and_as_if_built_exactly():
    rig = preset_rig("optimus-helmet-backpack5")
    filmed = filmed_rig(rig, (800, 600))
    assert filmed.bodies == rig.bodies
    assert filmed.assumed == {}
    for name, camera in filmed.cameras.items():
        assert (camera.model.image_size, camera.sigma, camera.time_offset_s) == ((800, 600), Sigma(), 0.0)
        np.testing.assert_array_equal(camera.T_body_camera, rig.cameras[name].T_body_camera)
    assert filmed_rig(rig, None).cameras["front"].model == rig.cameras["front"].model


@pytest.mark.parametrize(
    ("rig_size", "size", "said"),
    [
        ((1600, 1200), (801, 600), "even numbers"),
        ((1600, 1200), (800, 800), r"--size 800x800 has not the shape .* of camera 'one'; give e\.g\. --size 800x600"),
        ((1600, 1200), (0, 0), "even numbers"),
        ((1600, 1200), (16000, 12000), "even numbers"),
        ((641, 481), None, r"641x481 px, and the videos need even numbers; .* --size 642x482"),
    ],
)
def test_a_size_that_cannot_be_is_one_sentence(rig_size, size, said):
    with pytest.raises(UsageError, match=said):
        filmed_rig(of_size(*rig_size), size)


def test_the_size_that_an_odd_one_is_advised_to_take_is_taken():
    assert filmed_rig(of_size(641, 481), (642, 482)).cameras["one"].model.image_size == (642, 482)


def test_a_body_that_nobody_wears_is_named():
    with pytest.raises(UnknownNameError, match=r"body 'hat' .*camera 'one'.*valid: helmet, backpack, room"):
        filmed_rig(of_size(640, 480, "hat"), None)


@pytest.mark.parametrize("count", range(1, 9))
def test_room_cameras_stand_around_the_person_and_look_at_them_upright(count):
    aim = np.array([0.3, -0.2, 1.0])
    rig = with_room_cameras(of_size(800, 600), count, p_world=aim, forward=np.array([0.0, 1.0, 0.0]))
    added = [camera for name, camera in rig.cameras.items() if name.startswith("room_")]
    assert len(added) == count
    for camera in added:
        assert (camera.body, camera.model.image_size) == ("room", (800, 600))
        np.testing.assert_allclose(camera.model.project(apply(camera.T_camera_body, aim)), camera.model.center, atol=1e-9)
        above = camera.model.project(apply(camera.T_camera_body, aim + np.array([0, 0, 0.5])))
        assert above[1] < camera.model.center[1]
        np.testing.assert_allclose(camera.T_body_camera[2, 3], 2.2)
        assert np.abs(camera.T_body_camera[:2, 3]).max() < 2.6
    assert with_room_cameras(of_size(800, 600), 0, p_world=aim, forward=aim).names == ("one",)


@pytest.mark.parametrize("count", [-1, 9])
def test_room_cameras_have_a_limit(count):
    with pytest.raises(UsageError, match="expected 0 to 8"):
        with_room_cameras(of_size(800, 600), count, p_world=np.ones(3), forward=np.ones(3))
