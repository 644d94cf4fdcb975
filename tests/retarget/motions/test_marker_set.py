"""Marker sets: which human points the markers on a skin stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.human_motion import Source
from bodydouble.retarget.motions.marker_set import body_of_markers, load_marker_set, marker_sets, recognise_set
from bodydouble.retarget.motions.qualisys import Markers

SET = """name = "two"
unit = "cm"
up = "y"
recognised_by = ["a", "b", "c"]
ignored = ["table_*"]
[[frames]]
name = "hand"
first = [["a"], ["b"]]
second = [["a"], ["c"]]
[[links]]
link = "left_hand"
frame = "hand"
z = [-1.0, 0.0, 0.0]
x = [0.0, 1.0, 0.0]
[[points]]
point = "left_hand"
markers = ["a"]
frame = "hand"
offset_mm = [10.0, 0.0, -20.0]
sigma_mm = 7
[[points]]
point = "left_forearm"
markers = ["a", "b"]
[[points]]
point = "left_index_proximal"
markers = ["left_hand"]
frame = "hand"
offset_mm = [90.0, 0.0, 0.0]
source = "inferred"
"""


@pytest.fixture
def two(tmp_path: Path) -> Any:
    (tmp_path / "two.toml").write_text(SET)
    return load_marker_set(tmp_path / "two.toml")


def seen(**places: Any) -> Markers:
    columns = {name: np.tile(np.asarray(place, dtype=float), (40, 1)) for name, place in places.items()}
    return Markers(tuple(columns), np.arange(40) / 100, np.stack(list(columns.values()), axis=1))


FILE = Path("file.tsv")


def test_points_are_means_of_markers_with_offsets_in_a_frame_of_markers(two: Any) -> None:
    # y up in the file: a at the origin, b along the file's z (our x), c along the file's x (our y).
    made = body_of_markers(FILE, seen(a=[0, 100, 0], b=[0, 100, 10], c=[5, 100, 0], table_1=[1, 1, 1], odd=[2, 2, 2]), two)
    body = made.body
    np.testing.assert_allclose(body.place("left_hand")[0], [0.01, 0.0, 0.98])  # the third axis is up
    np.testing.assert_allclose(body.place("left_forearm")[0], [0.05, 0.0, 1.0])
    np.testing.assert_allclose(body.place("left_index_proximal")[0], [0.10, 0.0, 0.98])
    np.testing.assert_allclose(body.turn("left_hand")[0], [[0, 0, -1], [1, 0, 0], [0, -1, 0]], atol=1e-12)
    assert (body.source["left_hand"] == Source.OBSERVED).all()
    assert (body.source["left_index_proximal"] == Source.INFERRED).all()
    assert body.sigma == {"left_hand": 0.007}
    notes = " ".join(made.notes)
    assert "they sit on the skin" in notes
    assert "not on the person: table_1" in notes
    assert "of no known use: odd" in notes


def test_a_point_is_known_as_the_worst_of_its_markers(two: Any) -> None:
    markers = seen(a=[0, 100, 0], b=[0, 100, 10], c=[5, 100, 0])
    places = markers.places.copy()
    places[10:20, 1] = np.nan  # b, for 0.1 s
    places[25:, 0] = np.nan  # a, to the end
    body = body_of_markers(FILE, Markers(markers.names, markers.times_s, places), two).body
    assert (body.source["left_forearm"][10:20] == Source.INTERPOLATED).all()
    assert (body.source["left_hand"][25:] == Source.MISSING).all()
    assert np.isnan(body.place("left_hand")[25:]).all()
    np.testing.assert_allclose(body.place("left_forearm")[15], [0.05, 0.0, 1.0])


def test_points_whose_markers_the_file_lacks_are_left_out_and_named(two: Any) -> None:
    made = body_of_markers(FILE, seen(a=[0, 100, 0], b=[0, 100, 10]), two)
    assert set(made.body.places) == {"left_forearm"}
    assert any("lacks" in note and "frame 'hand'" in note for note in made.notes)
    with pytest.raises(DataError, match="lacks the markers of every point of set 'two'"):
        body_of_markers(FILE, seen(q=[0, 0, 1]), two)


def test_a_set_with_wrong_names_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    for old, new, error, message in [
        ('point = "left_hand"', 'point = "left_hnd"', UnknownNameError, "Did you mean 'left_hand'"),
        ('link = "left_hand"', 'link = "palm"', UnknownNameError, "human link 'palm'"),
        ('frame = "hand"\nz', 'frame = "hnad"\nz', UnknownNameError, "frame 'hnad'"),
        ("x = [0.0, 1.0, 0.0]\n", "", UsageError, "needs exactly two of the keys x, y and z"),
        ('unit = "cm"', 'unit = "yard"', UnknownNameError, "unit 'yard'"),
        ("recognised_by", "recognized_by", UsageError, "unknown key 'recognized_by'"),
    ]:
        assert old in SET
        path.write_text(SET.replace(old, new, 1))
        with pytest.raises(error, match=message):
            load_marker_set(path)


def test_an_upright_link_is_vertical_on_average(tmp_path: Path) -> None:
    (tmp_path / "up.toml").write_text(SET.replace("x = [0.0, 1.0, 0.0]\n", "x = [0.0, 1.0, 0.0]\nupright = true\n"))
    body = body_of_markers(FILE, seen(a=[0, 100, 0], b=[0, 99, 10], c=[5, 100, 0]), load_marker_set(tmp_path / "up.toml")).body
    np.testing.assert_allclose(body.turn("left_hand")[:, 2, 2].mean(), 1.0, atol=1e-9)


def test_the_shipped_set_is_recognised_by_its_markers() -> None:
    names = ("pillow_top", "hand_top", "hand_left", "hand_right", "thumb_tip", "index_tip", "index_middle")
    assert recognise_set(FILE, names).name == "qualisys_hand_arm"
    with pytest.raises(
        UsageError, match=r"its markers \(LASI, RASI\) are of no known set. Known sets .*qualisys_hand_arm \(hand_top.* Pass --markers"
    ):
        recognise_set(FILE, ("LASI", "RASI"))
    assert all(one.description for one in marker_sets())
