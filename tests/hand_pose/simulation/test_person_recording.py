"""A person is simulated from end to end: five frames of every camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.rig import Rig
from bodydouble.capture import Recording
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.hand_pose.simulation.moment import Visibility
from bodydouble.hand_pose.simulation.scenario import is_inside_skin, person_scenario
from bodydouble.hand_pose.simulation.settings import SimulationSettings
from bodydouble.hand_pose.simulation.simulation import simulate
from bodydouble.hand_pose.simulation.truth import Truth

ASKED = SimulationSettings(preset_rig("optimus-helmet5"), "table", 5 / 30, seed=1, size=(320, 240), room_cameras=1)


def long_enough(settings: SimulationSettings):
    """A task takes seconds; five frames of it are enough here."""
    return person_scenario(replace(settings, seconds=4.0))


@pytest.fixture(scope="module")
def take(person, tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "take"
    simulate(ASKED, out, make=long_enough, workers=1)
    return Recording.open(out), Truth.load(out / "truth.h5")


def test_it_is_an_ordinary_recording_with_a_rig_and_the_tags_of_the_room(take):
    recording, truth = take
    assert recording.cameras == ("front", "left_down", "right_down", "left_side", "right_side", "room_1")
    assert {len(recording.times(name)) for name in recording.cameras} == {5}
    assert Rig.load(recording.folder / "rig.toml").names == recording.cameras
    assert len(TagMap.load(recording.folder / "tag_map.toml").targets.names) > 10
    assert truth.settings["person"]["stature_m"] > 1.4


def test_every_camera_sees_something_and_some_see_the_hands(take):
    recording, truth = take
    for name in recording.cameras:
        assert recording.read(name, 4).std() > 15
    hands = truth.visibility[:, :, 33:]
    assert ((hands >= Visibility.SELF_HIDDEN).mean(axis=(1, 2)) > 0.5).sum() >= 2
    assert np.isfinite(truth.pixels[truth.visibility > Visibility.OUTSIDE]).all()


def test_the_helmet_is_on_the_head_and_room_cameras_face_the_person(take):
    _, truth = take
    eyes = truth.landmarks[:, [2, 5]].mean(axis=1)
    np.testing.assert_allclose(truth.T_world_body[:, truth.body_names.index("helmet"), :3, 3], eyes, atol=0.03)
    room = truth.camera("room_1")
    assert (truth.visibility[room, :, [11, 12]] > Visibility.OUTSIDE).all()


def test_a_camera_inside_the_head_is_named_before_anything_is_rendered(person, tmp_path):
    rig = preset_rig("optimus-helmet5")
    T = rig.cameras["front"].T_body_camera.copy()
    T[:3, 3] = [-0.08, 0.0, 0.02]
    inside = replace(rig, cameras=rig.cameras | {"front": replace(rig.cameras["front"], T_body_camera=T)})
    with pytest.raises(UsageError, match="Camera 'front' is inside the person at the start"):
        simulate(replace(ASKED, rig=inside), tmp_path / "take", make=long_enough, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_a_camera_outside_of_the_room_is_named_and_nothing_is_left(person, tmp_path):
    rig = preset_rig("optimus-helmet5")
    T = rig.cameras["left_side"].T_body_camera.copy()
    T[2, 3] = 5.0
    outside = replace(rig, cameras={**rig.cameras, "left_side": replace(rig.cameras["left_side"], T_body_camera=T)})
    with pytest.raises(
        UsageError, match=r"Camera 'left_side' is outside of the simulated room at 0.00 s: .* the room is 6 x 6 x 2.7 m .* T_body_camera"
    ):
        simulate(replace(ASKED, rig=outside), tmp_path / "take", make=long_enough, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_only_points_inside_the_skin_are_inside(person):
    head = person.head("head") + np.array([0.02, 0.0, 0.08])
    assert is_inside_skin(person.vertices, person.triangles, head)
    for offset in ([0.25, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, -0.2, 0.0]):
        assert not is_inside_skin(person.vertices, person.triangles, head + offset)


def test_a_task_that_does_not_fit_or_that_nobody_knows_is_one_sentence(person, tmp_path):
    with pytest.raises(UsageError, match=r"The task 'table' takes at least .* s"):
        simulate(ASKED, tmp_path / "take")
    with pytest.raises(UnknownNameError, match=r"task 'tabel' .*Did you mean 'table'"):
        simulate(replace(ASKED, task="tabel"), tmp_path / "take")
    assert list(tmp_path.iterdir()) == []
