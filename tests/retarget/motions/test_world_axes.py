"""Unit, upright axis and handedness of a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.errors import DataError, UnknownNameError
from bodydouble.retarget.mapping import HUMAN_LINKS
from bodydouble.retarget.motions import world_axes as wa


def points_of(person: Any) -> dict[str, np.ndarray]:
    return {link: person.place(link) for link in HUMAN_LINKS}


@pytest.mark.parametrize("up", wa.UPS)
def test_the_axis_that_points_up_becomes_z_and_the_axes_stay_right_handed(up: str) -> None:
    turn = wa.to_z_up(up)
    axis = np.zeros(3)
    axis["xyz".index(up[-1])] = -1.0 if up[0] == "-" else 1.0
    np.testing.assert_allclose(turn @ axis, [0, 0, 1])
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_the_usual_y_up_z_forward_x_left_becomes_z_up_x_forward_y_left() -> None:
    np.testing.assert_allclose(
        wa.to_z_up("Y up") @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]).T, np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]).T
    )
    np.testing.assert_allclose(wa.to_z_up("z"), np.eye(3))


def test_an_axis_that_is_none_is_an_error_that_lists_them() -> None:
    with pytest.raises(UnknownNameError, match="axis 'north' is not in the axes that can point up; valid: x, y, z, -x"):
        wa.to_z_up("north")


@pytest.mark.parametrize("up", wa.UPS)
def test_the_upright_axis_is_where_the_trunk_stands(up: str, walking: Any) -> None:
    back = wa.to_z_up(up).T
    assert wa.find_up({name: place @ back.T for name, place in points_of(walking).items()}) == up


def test_a_body_that_lies_askew_takes_the_axis_of_its_rest_pose(walking: Any, t_pose: Any) -> None:
    askew = Rotation.align_vectors([[1.0, 1.0, 1.0]], [wa.trunk_direction(points_of(walking))])[0].as_matrix()
    lying = {name: place @ askew.T for name, place in points_of(walking).items()}
    assert wa.find_up(lying) is None
    assert wa.find_up(lying, points_of(t_pose)) == "z"
    assert wa.find_up({"left_hand": np.zeros((3, 3))}) is None


@pytest.mark.parametrize(
    ("unit", "stature"), [("m", 1.73), ("cm", 1.73), ("mm", 1.9), ("inch", 1.6), ("inch/0.45", 1.73), ("cm", 1.1), ("m", 1.2)]
)
def test_the_unit_is_the_one_that_makes_a_person_of_the_bones(unit: str, stature: float, walking: Any) -> None:
    size = stature / 1.73
    places = {name: place * size / wa.METRES[unit] for name, place in points_of(walking).items()}
    found, ratio = wa.guess_unit(places)
    assert found == unit
    assert ratio == pytest.approx(size, rel=0.01)


def test_a_hand_alone_tells_its_unit(walking: Any) -> None:
    hand = {
        name: place / 0.001
        for name, place in points_of(walking).items()
        if name.startswith("left_") and ("_hand" in name or "index" in name)
    }
    assert wa.guess_unit(hand)[0] == "mm"


def test_a_size_that_no_unit_makes_a_person_of_is_an_error() -> None:
    far = {"left_thigh": np.zeros((2, 3)), "left_shank": np.array([[0, 0, 5e6], [0, 0, 5e6]])}
    with pytest.raises(DataError, match="no person's joints, or it is in an unknown unit"):
        wa.guess_unit(far)
    with pytest.raises(DataError, match="no bone between two of its points"):
        wa.guess_unit({"left_thigh": np.zeros((2, 3))})


def test_a_unit_that_the_file_names_wrongly_is_an_error_that_names_the_likely_one(walking: Any) -> None:
    places = {name: place / 0.001 for name, place in points_of(walking).items()}
    with pytest.raises(DataError, match=r"it says m, but then its body would be 1\.73e\+03 m tall; it looks like mm"):
        wa.check_unit(places, 1.0, "m")
    wa.check_unit(places, 0.001, "mm")


def test_left_handed_axes_show_by_feet_that_point_backwards_and_knees_that_bend_so(walking: Any) -> None:
    places = points_of(walking)
    assert not wa.is_mirrored(places)
    assert wa.is_mirrored({name: place * [1, -1, 1] for name, place in places.items()})
    assert not wa.is_mirrored(
        {name: place for name, place in places.items() if "toes" not in name and "shank" not in name}
    )  # nothing to tell it by


def test_joints_that_all_lie_on_one_another_are_no_body_in_any_unit(walking: Any) -> None:
    places = {name: np.zeros((2, 3)) for name in points_of(walking)}
    with pytest.raises(DataError, match="all lie on one another"):
        wa.check_unit(places, 1.0, "m")
    wa.check_unit({"head": np.zeros((2, 3))}, 1.0, "m")  # no bone, so no size to judge
