"""What is missing, and what to film: cameras that nothing ties to the others are named with those that they should be filmed with."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_capture import room_tags
from test_pose_graph import connected, moving_board, structure_of

from bodydouble.calibration.bundle.state import STATIC, Structure
from bodydouble.calibration.connections import NotConnectedError, check_all_saw, check_connected
from bodydouble.calibration.observations import Observations, views_of
from bodydouble.calibration.pose_graph import connect
from bodydouble.calibration.presets import preset_rig


def only(seen: Observations, **kept: slice) -> Observations:
    """Return what was seen with some frames of each camera, none of a camera that is not named."""
    frames = np.zeros(seen.frame_index.shape, dtype=bool)
    for name, part in kept.items():
        frames[seen.cameras.index(name), part] = True
    return seen.where(frames)


def complaint(seen: Observations, truth: object) -> NotConnectedError:
    graph, _, _ = connected(seen, truth)  # type: ignore[arg-type]
    with pytest.raises(NotConnectedError) as error:
        check_connected(graph, structure_of(seen, truth), seen)  # type: ignore[arg-type]
    return error.value


def test_cameras_that_are_tied_together_are_no_error() -> None:
    seen, truth = moving_board(1)
    chain = only(seen, cam0=slice(0, 2), cam1=slice(1, 4), cam2=slice(3, 5), cam3=slice(4, 6))
    check_connected(connected(chain, truth)[0], structure_of(chain, truth), chain)
    check_all_saw(chain)


def test_a_camera_that_never_saw_the_board_with_the_others_is_named_with_the_pair_to_film() -> None:
    seen, truth = moving_board(1)
    error = complaint(only(seen, cam0=slice(4), cam1=slice(4), cam2=slice(4), cam3=slice(4, None)), truth)
    assert error.exit_code == 1
    assert error.missing == ("cam3",)
    assert error.placed == ("cam0", "cam1", "cam2")
    assert str(error).startswith(
        "The cameras are not connected: 'cam0', 'cam1', 'cam2' are tied together, but 'cam3' saw the board once, never at the same"
    )
    assert str(error).endswith("film it where both see it.")


def test_two_groups_are_both_named() -> None:
    seen, truth = moving_board(1)
    error = complaint(only(seen, cam0=slice(4), cam1=slice(4), cam2=slice(4, None), cam3=slice(4, None)), truth)
    assert set(error.placed) == {"cam0", "cam1"}
    assert "'cam2' saw" in str(error)
    assert "'cam3' saw" in str(error)


def test_cameras_that_saw_nothing_are_told_first() -> None:
    seen, truth = moving_board(1)
    partly = only(seen, cam1=slice(None), cam2=slice(None))
    error = complaint(partly, truth)
    assert error.missing == ("cam0", "cam3")
    assert "No board or tag was found in the images of 'cam0', 'cam3', so they cannot be placed" in str(error)
    assert "leave them out with --cameras" in str(error)
    with pytest.raises(NotConnectedError, match="images of 'cam0', 'cam3'"):
        check_all_saw(partly)
    with pytest.raises(NotConnectedError, match="images of 'cam3', so it cannot be placed"):
        check_all_saw(only(seen, cam0=slice(1), cam1=slice(1), cam2=slice(1)))


def test_a_worn_camera_that_saw_other_tags_only_is_told_which_to_tie_together() -> None:
    """Two cameras on one head, each of which sees one tag that the other does not: nothing tells how these stand to each other."""
    rig = preset_rig("optimus-helmet5").select(["left_side", "right_side"])
    board, _ = room_tags()
    pixels = np.full((2, 6, 96, 2), np.nan)
    square = np.array([[-30.0, -30], [30, -30], [30, 30], [-30, 30]])
    for m in range(6):
        pixels[0, m, 0:4] = square + np.array([800 + 5 * m, 600])
        pixels[1, m, 28:32] = square + np.array([700, 500 + 5 * m])
    frames = np.tile(np.arange(6), (2, 1))
    seen = Observations(rig.names, ((1600, 1200),) * 2, board.targets, frames, frames / 10, pixels)
    structure = Structure(np.zeros(2, int), np.array([0]), np.full(24, STATIC), np.arange(6.0), 1)
    graph, _ = connect([camera.model for camera in rig.cameras.values()], structure, views_of(seen))
    with pytest.raises(NotConnectedError) as error:
        check_connected(graph, structure, seen)
    assert error.value.missing == ("right_side",)
    assert "'right_side' saw tag_7, which no image ties to those already placed (tag_0)" in str(error.value)
    assert "hang a tag between them" in str(error.value)
