"""NPY files and the JSON of their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.landmarks import HAND_NAMES, LEFT_HAND, RIGHT_HAND
from bodydouble.retarget.motions.named_joints import read_named_joints, which_hand

PLACES = np.random.default_rng(0).normal(size=(5, 3, 3))


def saved(folder: Path, name: str = "walk.npy", places: Any = PLACES) -> Path:
    np.save(folder / name, places)
    return folder / name


def described(path: Path, names: Any = ("a", "b", "c"), **more: Any) -> Path:
    path.write_text(json.dumps({"joint_names": list(names), **more}))
    return path


def test_names_unit_axes_and_rate_come_from_the_json_of_the_same_name(tmp_path: Path) -> None:
    described(tmp_path / "walk_names.json", units="mm", axes="y up", rate_hz=50)
    found, notes = read_named_joints(saved(tmp_path))
    assert (found.names, found.metres, found.axes) == (("a", "b", "c"), 0.001, "y up")
    np.testing.assert_allclose(np.diff(found.times_s), 0.02)
    np.testing.assert_array_equal(found.places, PLACES)
    assert notes == ["names: walk_names.json"]


def test_names_come_from_a_joints_file_beside_it_that_has_as_many(tmp_path: Path) -> None:
    described(tmp_path / "optitrack_joints.json", "abc")
    described(tmp_path / "other_joints.json", "abcd")
    (tmp_path / "walk_notes.json").write_text('{"who": "me"}')
    assert read_named_joints(saved(tmp_path), 30.0)[0].names == ("a", "b", "c")


def test_the_json_that_is_passed_comes_first_and_must_fit(tmp_path: Path) -> None:
    described(tmp_path / "walk.json", "abc")
    given = described(tmp_path / "given.json", "xyz")
    assert read_named_joints(saved(tmp_path), 30.0, given)[0].names == ("x", "y", "z")
    with pytest.raises(UsageError, match=r"given\.json names 2 joints, but .*walk\.npy has 3"):
        read_named_joints(saved(tmp_path), 30.0, described(given, "xy"))


def test_names_that_are_not_known_are_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with pytest.raises(
        UsageError, match=r"3 joints and their names are not known \(no walk\*\.json or \*_joints\.json is beside it\); pass --names"
    ):
        read_named_joints(path, 30.0)
    described(tmp_path / "walk.json", "abcd")
    with pytest.raises(UsageError, match=r"walk\.json names 4"):
        read_named_joints(path, 30.0)
    (tmp_path / "walk.json").unlink()
    described(tmp_path / "a_joints.json", "abc")
    described(tmp_path / "b_joints.json", "cba")
    with pytest.raises(UsageError, match=r"a_joints\.json, b_joints\.json all name 3 joints"):
        read_named_joints(path, 30.0)


def test_a_rate_that_is_not_known_is_asked_for_unless_there_is_one_frame(tmp_path: Path) -> None:
    described(tmp_path / "walk.json")
    with pytest.raises(UsageError, match="pass --rate-hz with the rate of the recording"):
        read_named_joints(saved(tmp_path))
    assert read_named_joints(saved(tmp_path, places=PLACES[:1]))[0].times_s.tolist() == [0.0]


@pytest.mark.parametrize("rate", [0.0, -30.0, 1e9, float("nan")])
def test_a_rate_that_cannot_be_is_an_error(tmp_path: Path, rate: float) -> None:
    described(tmp_path / "walk.json")
    with pytest.raises(UsageError, match="1 to 2000 Hz can be"):
        read_named_joints(saved(tmp_path), rate)


def test_arrays_of_another_kind_are_one_sentence(tmp_path: Path) -> None:
    described(tmp_path / "walk.json")
    for places, message in [
        (PLACES[..., :2], "Two coordinates a point are not enough"),
        (PLACES[0], r"holds an array \(3, 3\); joint positions \(frames, joints, 3\) were expected"),
        (PLACES[:0], "holds no frames"),
        (np.full((4, 3, 3), np.nan), "every value is missing"),
        (np.where(np.arange(5)[:, None, None] == 2, np.inf, PLACES), "infinite value in frame 3"),
        (PLACES.astype(str), "does not hold one array of numbers"),
        (np.array([{"a": 1}], dtype=object), "cannot be read as an NPY array of numbers"),
    ]:
        with pytest.raises(DataError, match=message):
            read_named_joints(saved(tmp_path, places=places), 30.0)


def test_a_file_that_is_cut_off_or_no_npy_is_one_sentence(tmp_path: Path) -> None:
    path = saved(tmp_path)
    described(tmp_path / "walk.json")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="cut off, of another kind"):
        read_named_joints(path, 30.0)
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match="cut off, of another kind"):
        read_named_joints(path, 30.0)


def test_a_json_that_is_none_is_one_sentence_where_it_was_asked_for(tmp_path: Path) -> None:
    path, names = saved(tmp_path), tmp_path / "n.json"
    names.write_text("{")
    with pytest.raises(DataError, match=r"n\.json is not valid JSON"):
        read_named_joints(path, 30.0, names)
    names.write_text('{"joint_names": 3}')
    with pytest.raises(DataError, match="has no list of joint_names"):
        read_named_joints(path, 30.0, names)
    with pytest.raises(UnknownNameError, match="unit 'furlong'"):
        read_named_joints(path, 30.0, described(names, units="furlong"))
    with pytest.raises(DataError, match="the rate 'fast' is not a number"):
        read_named_joints(path, None, described(names, fps="fast"))


@pytest.mark.parametrize("side", ["left", "right"])
def test_21_rows_without_names_are_a_hand_whose_side_shows_by_its_curl(tmp_path: Path, posed: Any, side: str) -> None:
    bend = {
        f"{s}_{finger}_{joint}": 0.6
        for s in ("left", "right")
        for finger in ("index", "middle", "ring", "little")
        for joint in ("mcp", "pip")
    }
    hand = posed(bend).landmarks[:, LEFT_HAND if side == "left" else RIGHT_HAND]
    found, notes = read_named_joints(saved(tmp_path, "take3.npy", hand))
    assert found.names == tuple(f"{side}_hand_{name}" for name in HAND_NAMES)
    assert f"hand: {side}, by the way its fingers curl" in notes


def test_the_side_in_the_files_name_counts_first_and_only_as_a_word(posed: Any) -> None:
    bend = {f"left_{finger}_mcp": 0.8 for finger in ("index", "middle", "ring", "little")}
    left = posed(bend).landmarks[:, LEFT_HAND]
    assert which_hand(Path("my_right-hand.npy"), left) == ("right", "by the file's name, though its fingers curl as a left hand's")
    assert which_hand(Path("bright.npy"), left)[0] == "left"
    flat = left * [1.0, 0.0, 1.0]
    assert which_hand(Path("take.npy"), flat) == ("right", "assumed: neither the file's name nor its fingers tell")


def test_a_hand_with_plain_names_gets_its_side_too(tmp_path: Path, posed: Any) -> None:
    hand = posed({f"left_{finger}_mcp": 0.8 for finger in ("index", "middle", "ring", "little")}).landmarks[:, LEFT_HAND]
    described(tmp_path / "take.json", HAND_NAMES)
    assert read_named_joints(saved(tmp_path, "take.npy", hand))[0].names[5] == "left_hand_index_mcp"


def test_a_unit_of_the_wrong_kind_and_a_json_too_deep_to_read_are_told(tmp_path: Path) -> None:
    path = saved(tmp_path)
    names = described(tmp_path / "names.json", units=["m"], rate_hz=50)
    with pytest.raises(UnknownNameError, match="unit"):
        read_named_joints(path, names=names)
    names.write_text("[" * 100_000)
    with pytest.raises(DataError, match="is not valid JSON"):
        read_named_joints(path, names=names)


def test_an_infinite_value_in_a_hand_is_one_sentence_without_warnings(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    places = np.random.default_rng(0).normal(size=(5, 21, 3))
    places[3] = np.inf
    with pytest.raises(DataError, match=r"walk\.npy holds an infinite value in frame 4; the file is damaged"):
        read_named_joints(saved(tmp_path, places=places), 30.0)
    assert [str(warning.message) for warning in recwarn] == []
