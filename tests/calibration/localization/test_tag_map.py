"""The map of a room's tags: from a calibration, to a file and back, and what is wrong with a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated_capture import as_built, charuco, person, room_tags, simulate

from bodydouble.calibration.boards.board import Board, join_targets
from bodydouble.calibration.boards.board_file import parse_board
from bodydouble.calibration.localization.tag_map import TagMap, select_targets
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.calibration.rig_solve import RigSettings, calibrate_rig
from bodydouble.calibration.transform import apply, invert, pose_distance, pose_from_rotvec
from bodydouble.errors import DataError, UnknownNameError, UsageError

BOARD, PLACES = room_tags()
SIGMA = np.stack([np.linspace(1e-4, 3e-3, 24), np.linspace(2e-4, 5e-3, 24)], axis=1)


def room_map() -> TagMap:
    return TagMap(BOARD.targets, PLACES, (BOARD,), SIGMA, "kitchen")


@pytest.fixture(scope="module")
def calibration() -> RigCalibration:
    rig = as_built(preset_rig("optimus-helmet5"))
    seen, _ = simulate(rig, BOARD.targets, PLACES, person(), seconds=10, rate_hz=3)
    return calibrate_rig(seen, RigSettings(start=preset_rig("optimus-helmet5")))


def test_the_map_of_a_calibration_holds_what_stood_still_where_it_truly_is(calibration: RigCalibration) -> None:
    room = TagMap.from_calibration(calibration, [BOARD], name="kitchen")
    assert room.targets.names == BOARD.targets.names
    assert room.boards == (BOARD,)
    assert room.sigma is not None
    held = np.flatnonzero((room.sigma == 0).all(axis=1))
    assert len(held) == 1, "the room's frame is tied to one tag"
    T_map_room = room.T_room_target[held[0]] @ invert(PLACES[held[0]])
    turned, away = pose_distance(T_map_room @ PLACES, room.T_room_target)
    assert away.max() < 2e-3
    free = np.arange(24) != held[0]
    # Three axes, of which the sigma are one each.
    assert 0.5 < np.median(turned[free] / room.sigma[free, 0]) < 3
    assert 0.5 < np.median(away[free] / room.sigma[free, 1]) < 3
    assert (turned[free] < 6 * room.sigma[free, 0]).all()
    assert (away[free] < 6 * room.sigma[free, 1]).all()


def test_a_calibration_in_which_everything_moved_has_no_map(calibration: RigCalibration) -> None:
    moved = replace(calibration, T_room_target=np.full((24, 4, 4), np.nan))
    with pytest.raises(DataError, match="No board or tag stood still"):
        TagMap.from_calibration(moved, [BOARD])


def test_the_boards_must_be_those_of_the_calibration(calibration: RigCalibration) -> None:
    with pytest.raises(UsageError, match=r"These boards hold board, but the rig was calibrated with tag_0, tag_1"):
        TagMap.from_calibration(calibration, [charuco()])
    values = {"type": "markers", "dictionary": "DICT_APRILTAG_36h11", "ids": list(range(24)), "marker_size": 0.15}
    with pytest.raises(UsageError, match="give the boards of the calibration"):
        TagMap.from_calibration(calibration, [Board(parse_board(values, source="tags.toml"), "tags")])


def test_targets_that_moved_are_left_out_and_their_board_stays_to_be_looked_for(calibration: RigCalibration) -> None:
    poses = calibration.T_room_target.copy()
    poses[[3, 17]] = np.nan
    room = TagMap.from_calibration(replace(calibration, T_room_target=poses), [BOARD])
    assert len(room.targets.names) == 22
    assert "tag_3" not in room.targets.names
    assert room.boards == (BOARD,)
    assert np.array_equal(room.pose("tag_4"), calibration.T_room_target[4])


def test_loading_gives_the_same_map_to_the_last_bit(tmp_path: Path) -> None:
    board = charuco()
    targets = select_targets(BOARD.targets, np.arange(24))
    room = TagMap(targets, PLACES, (BOARD, board), SIGMA, 'the "long" room – Küche')
    room.save(tmp_path / "tag_map.toml")
    again = TagMap.load(tmp_path / "tag_map.toml")
    assert again.name == room.name
    assert again.boards == room.boards
    assert again.targets.names == room.targets.names
    for name in ("points", "target_of_point"):
        assert np.array_equal(getattr(again.targets, name), getattr(room.targets, name))
    assert np.array_equal(again.T_room_target, room.T_room_target)
    assert again.sigma is not None
    assert np.array_equal(again.sigma, SIGMA)
    again.save(tmp_path / "again.toml")
    assert (tmp_path / "again.toml").read_bytes() == (tmp_path / "tag_map.toml").read_bytes()


def test_what_is_not_known_of_some_targets_stays_unknown(tmp_path: Path) -> None:
    sigma = SIGMA.copy()
    sigma[5] = np.nan
    TagMap(BOARD.targets, PLACES, (BOARD,), sigma).save(tmp_path / "tag_map.toml")
    again = TagMap.load(tmp_path / "tag_map.toml")
    assert again.sigma is not None
    assert np.array_equal(again.sigma, sigma, equal_nan=True)
    TagMap(BOARD.targets, PLACES, (BOARD,)).save(tmp_path / "tag_map.toml")
    assert TagMap.load(tmp_path / "tag_map.toml").sigma is None


def test_a_board_and_single_tags_share_a_map(tmp_path: Path) -> None:
    board = charuco()
    T = np.stack([PLACES[7], pose_from_rotvec([0.1, 2.0, -0.4], [1.0, 2.0, 3.0])])
    targets = select_targets(BOARD.targets, np.array([7]))
    room = TagMap(join_targets([targets, board.targets]), T, (BOARD, board))
    room.save(tmp_path / "tag_map.toml")
    again = TagMap.load(tmp_path / "tag_map.toml")
    assert again.targets.names == ("tag_7", "board")
    assert np.array_equal(again.points, room.points)
    assert np.allclose(again.points[:4], apply(PLACES[7], BOARD.targets.points[28:32]), atol=0)
    text = (tmp_path / "tag_map.toml").read_text()
    assert "tag_ids = [7]" in text
    assert "tag_size = 0.16" in text


def test_places_and_points_are_read_only() -> None:
    room = room_map()
    with pytest.raises(ValueError, match="read-only"):
        room.T_room_target[0, 0, 3] = 1.0
    with pytest.raises(UnknownNameError, match=r"target 'tag_99' is not in tag map 'kitchen'"):
        room.pose("tag_99")


def test_a_map_without_targets_or_with_places_that_are_none_is_refused() -> None:
    with pytest.raises(UsageError, match="holds no target"):
        TagMap(select_targets(BOARD.targets, np.zeros(0, np.int64)), np.zeros((0, 4, 4)), (BOARD,))
    for change in (np.diag([1.0, 1.0, -1.0, 1.0]), np.diag([2.0, 2.0, 2.0, 1.0]), np.full((4, 4), np.nan)):
        poses = PLACES.copy()
        poses[2] = poses[2] @ change
        with pytest.raises(UsageError, match=r"target 'tag_2': T_room_target is not a pose"):
            TagMap(BOARD.targets, poses, (BOARD,))
    with pytest.raises(ValueError, match="T_room_target has shape"):
        TagMap(BOARD.targets, PLACES[:5], (BOARD,))


def test_rotations_printed_with_few_digits_become_rotations() -> None:
    poses = PLACES.copy()
    poses[:, :3, :3] = poses[:, :3, :3].round(5)
    T = TagMap(BOARD.targets, poses, (BOARD,)).T_room_target
    gram = np.swapaxes(T[:, :3, :3], 1, 2) @ T[:, :3, :3]
    assert np.abs(gram - np.eye(3)).max() < 1e-14


def test_a_map_whose_boards_do_not_hold_a_target_cannot_be_saved(tmp_path: Path) -> None:
    room = TagMap(BOARD.targets, PLACES, (charuco(),))
    with pytest.raises(UsageError, match="does not hold the board of target 'tag_0'"):
        room.save(tmp_path / "tag_map.toml")
    with pytest.raises(UsageError, match="Two boards of tag map 'room' have one name"):
        TagMap(BOARD.targets, PLACES, (BOARD, replace(charuco(), name="tags"))).save(tmp_path / "tag_map.toml")
    assert list(tmp_path.iterdir()) == []


FIRST = "T_room_target = [["


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "kitchen"', 'name = "kitchen"\ncolour = "red"', "colour"),
        ("[targets.tag_0]", "[targets.tag_0]\nglue = true", "glue"),
        ("targets.tag_0", "targets.tag_77", r"target 'tag_77' is not in board 'tags'"),
        ("[targets.tag_0]\nboard = \"tags\"", "[targets.tag_0]\nboard = \"tagz\"", r"board 'tagz' is not in the tag map .*Did you mean 'tags'"),
        ("tag_ids = [0]", "tag_ids = [1]", r"target 'tag_0' has tag_ids \(1,\), but its board 'tags' says \(0,\)"),
        ("tag_size = 0.16", "tag_size = 0.2", r"target 'tag_0' has tag_size 0.2, but its board 'tags' says 0.16"),
        ("DICT_APRILTAG_36h11\"\ntag_ids", "DICT_4X4_50\"\ntag_ids", r"has dictionary DICT_4X4_50, but its board"),
        ("tag_size = 0.16", "tag_size = -0.16", "tag_size"),
        ("rotation_rad = 0.0001", "rotation_rad = -0.0001", "rotation_rad"),
        ("marker_size = 0.16", "marker_size = 0.16\nsquares = 3", "squares"),
        ("[boards.tags]", "[board.tags]", "boards"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_told(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = tmp_path / "tag_map.toml"
    room_map().save(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new) if old == "targets.tag_0" else text.replace(old, new, 1))
    with pytest.raises(UsageError, match=sentence):
        TagMap.load(path)


def test_a_mirrored_place_in_a_file_is_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tag_map.toml"
    room_map().save(path)
    row = "[" + ", ".join(repr(float(x)) for x in PLACES[0][0]) + "]"
    mirrored = "[" + ", ".join(repr(float(-x)) for x in PLACES[0][0]) + "]"
    text = path.read_text()
    assert row in text
    path.write_text(text.replace(row, mirrored, 1))
    with pytest.raises(UsageError, match=r"tag_map.toml: target 'tag_0': T_room_target is not a pose; expected .* right-handed"):
        TagMap.load(path)


def test_a_file_that_is_missing_or_no_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tag_map\.toml"):
        TagMap.load(tmp_path / "tag_map.toml")
    (tmp_path / "tag_map.toml").write_text("name = [")
    with pytest.raises(UsageError, match=r"tag_map\.toml"):
        TagMap.load(tmp_path / "tag_map.toml")
