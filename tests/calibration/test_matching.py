"""Does this rig belong to that recording?"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bodydouble.calibration import check_rig_matches
from bodydouble.errors import UsageError


@dataclass
class FakeRecording:
    sizes: dict[str, tuple[int, int]]
    crops: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def cameras(self):
        return tuple(self.sizes)

    def image_size(self, camera):
        return self.sizes[camera]

    def crop_origin(self, camera):
        return self.crops.get(camera)


SIZES = {"wall": (1088, 1920), "front": (1600, 1200)}


def test_the_same_cameras_and_sizes_match(rig):
    check_rig_matches(rig, FakeRecording(SIZES))


def test_a_camera_that_is_only_in_the_recording_names_both_lists_and_the_option(rig):
    with pytest.raises(
        UsageError,
        match=r"Camera 'side' of the recording is not in the rig .*wall, front; of the recording: wall, front, side.*--cameras wall,front",
    ):
        check_rig_matches(rig, FakeRecording({**SIZES, "side": (10, 10)}))


def test_a_camera_that_is_only_in_the_rig_names_both_lists_and_the_option(rig):
    with pytest.raises(
        UsageError, match=r"Camera 'front' of the rig is not in the recording .*wall, front; of the recording: wall\).*--cameras wall"
    ):
        check_rig_matches(rig, FakeRecording({"wall": SIZES["wall"]}))


def test_nothing_in_common_suggests_another_rig(rig):
    with pytest.raises(UsageError, match=r"Did you mean 'front'\? Give the right rig with --rig"):
        check_rig_matches(rig, FakeRecording({"frnt": (10, 10)}))


def test_another_size_names_both_sizes_and_the_option(rig):
    with pytest.raises(
        UsageError, match=r"'wall': its video is 1080x1920 px but it was calibrated at 1088x1920 px.*--crop wall=X,Y.*crop_origin_px"
    ):
        check_rig_matches(rig, FakeRecording({**SIZES, "wall": (1080, 1920)}))


def test_a_declared_part_of_the_image_matches(rig):
    check_rig_matches(rig, FakeRecording({**SIZES, "wall": (1080, 1920)}, {"wall": (8, 0)}))


@pytest.mark.parametrize("origin", [(9, 0), (0, 1), (-1, 0)])
def test_a_part_that_does_not_fit_is_refused(rig, origin):
    with pytest.raises(UsageError, match=r"does not fit"):
        check_rig_matches(rig, FakeRecording({**SIZES, "wall": (1080, 1920)}, {"wall": origin}))
