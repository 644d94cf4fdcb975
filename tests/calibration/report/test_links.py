"""Which cameras saw the same thing at the same moment, and on what their relative poses hang."""

from __future__ import annotations

import numpy as np

from bodydouble.calibration.bundle.state import Views
from bodydouble.calibration.report.links import ROOM, Link, shared_moments, strongest_links


def views(*seen: tuple[int, int, int]) -> Views:
    """Camera, moment and target of each view."""
    camera, moment, target = np.array(seen).T
    count = len(seen)
    pixels = np.zeros((count, 4, 2))
    return Views(camera, moment, target, np.zeros(count), np.zeros((count, 4, 3)), pixels, np.tile(np.arange(4), (count, 1)))


MOVING, STANDING = np.array([False, False]), np.array([True, True])


def test_a_moving_board_ties_cameras_that_saw_it_at_the_same_moment_only():
    shared = shared_moments(views((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 2, 0)), 2, MOVING, [ROOM] * 2)
    assert shared.tolist() == [[2, 1], [1, 2]]


def test_two_moving_boards_are_not_the_same_thing_and_two_standing_ones_are():
    both = views((0, 0, 0), (1, 0, 1))
    assert shared_moments(both, 2, MOVING, ["helmet"] * 2)[0, 1] == 0
    assert shared_moments(both, 2, STANDING, ["helmet"] * 2)[0, 1] == 1


def test_cameras_in_the_room_are_tied_by_what_stands_there_whenever_they_saw_it():
    apart = views((0, 0, 0), (0, 1, 0), (1, 7, 1))
    assert shared_moments(apart, 2, STANDING, [ROOM] * 2)[0, 1] == 1
    assert shared_moments(apart, 2, STANDING, ["helmet"] * 2)[0, 1] == 0


def test_a_moment_counts_once_however_many_targets_were_seen():
    assert shared_moments(views((0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)), 2, MOVING, [ROOM] * 2)[0, 1] == 1


def test_without_views_nothing_is_shared():
    nothing = views((0, 0, 0)).select(np.zeros(1, dtype=bool))
    assert shared_moments(nothing, 3, MOVING, [ROOM] * 3).tolist() == np.zeros((3, 3)).tolist()


def test_the_links_are_the_strongest_that_tie_all_cameras():
    shared = np.array([[9, 5, 7, 0], [5, 9, 3, 1], [7, 3, 9, 0], [0, 1, 0, 9]])
    links, groups = strongest_links(shared, [ROOM] * 4)
    assert links == [Link(0, 2, 7), Link(0, 1, 5), Link(1, 3, 1)]
    assert groups == [[0, 1, 2, 3]]


def test_cameras_that_nothing_ties_are_groups_of_their_own_and_bodies_are_apart():
    shared = np.array([[9, 5, 9], [5, 9, 9], [9, 9, 9]])
    links, groups = strongest_links(shared, ["helmet", "helmet", "backpack"])
    assert links == [Link(0, 1, 5)]
    assert groups == [[0, 1], [2]]
    assert strongest_links(np.diag([4, 4]), [ROOM] * 2) == ([], [[0], [1]])
