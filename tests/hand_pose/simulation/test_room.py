"""Rooms carry tags on walls, floor and furniture, and know where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulated_scene import at

from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.errors import UsageError
from bodydouble.hand_pose.simulation.room import Room, facing
from bodydouble.hand_pose.simulation.scene_object import SceneObject

TABLE = SceneObject("table", "box", (0.8, 1.4, 0.04), (180, 150, 110), at(0.75, 0.0, 0.86))


def test_the_same_seed_gives_the_same_room_and_another_seed_another() -> None:
    assert np.array_equal(Room.make(3).T_world_tag, Room.make(3).T_world_tag)
    assert not np.array_equal(Room.make(3).T_world_tag, Room.make(4).T_world_tag)


def test_tags_lie_on_the_room_and_face_inwards() -> None:
    room = Room.make(0)
    position, normal = room.T_world_tag[:, :3, 3], room.T_world_tag[:, :3, 2]
    on = np.minimum(np.abs(position - room.low), np.abs(position - room.high)).min(axis=1)
    assert on.max() < 1e-9
    inwards = np.array([0.0, 0.0, 1.35]) - position
    assert (np.einsum("ij,ij->i", inwards, normal) > 0).all()
    assert 40 <= len(position) <= 80


def test_tags_on_one_plane_do_not_overlap() -> None:
    room = Room.make(1, (TABLE,))
    for i, T in enumerate(room.T_world_tag):
        other = np.delete(np.arange(len(room.T_world_tag)), i)
        same_way = room.T_world_tag[other, :3, 2] @ T[:3, 2] > 0.99
        apart = np.linalg.norm(room.T_world_tag[other, :3, 3] - T[:3, 3], axis=1)
        assert apart[same_way].min() > 1.25 * room.tag_size_m[i]


def test_a_table_gets_tags_at_its_corners_that_lie_on_its_top() -> None:
    room = Room.make(0, (TABLE,))
    on_top = np.abs(room.T_world_tag[:, 2, 3] - 0.88) < 1e-9
    assert on_top.sum() == 4
    reach = np.abs(room.T_world_tag[on_top, :2, 3] - [0.75, 0.0]) + 0.625 * room.tag_size_m[on_top, None]
    assert (reach <= [0.4, 0.7]).all()


def test_the_tag_map_is_exact_and_survives_its_file(tmp_path: Path) -> None:
    room = Room.make(0, (TABLE,), extra_tags=[(facing([0.75, 0.0, 0.88], [0, 0, 1], [1, 0, 0]), 0.08)])
    room.tag_map.save(tmp_path / "tag_map.toml")
    loaded = TagMap.load(tmp_path / "tag_map.toml")
    assert np.array_equal(loaded.T_room_target, room.T_world_tag)
    assert loaded.boards[0].tag_sizes[-1] == 0.08


def test_more_tags_than_the_dictionary_holds_are_refused() -> None:
    shelf = [SceneObject(f"shelf{i}", "box", (0.5, 0.5, 0.5), (0, 0, 0), at(0, 0, 0.3)) for i in range(40)]
    with pytest.raises(UsageError, match="DICT_APRILTAG_36h11 holds 587"):
        Room.make(0, shelf)
