"""A start for the bundle adjustment: everything that views tie together gets a place, and nothing else does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_capture import Truth, charuco, hand_held, person, room_tags, simulate, standing_rig

from bodydouble.calibration.bundle.state import STATIC, Structure, Views
from bodydouble.calibration.connections import NotConnectedError, check_connected
from bodydouble.calibration.observations import Observations, views_of
from bodydouble.calibration.pose_graph import PoseGraph, connect
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.transform import invert, pose_distance

BoolArray = npt.NDArray[np.bool_]

MOMENTS = 6


def moving_board(
    seed: int = 0, noise_px: float = 0.0, moments: int = MOMENTS, cameras: int = 4, **options: float
) -> tuple[Observations, Truth]:
    """Four webcams on tripods see a board that is moved; they all see it at nearly every moment."""
    board = charuco()
    motion = {board.name: hand_held(seed, spread=(0.2, 0.2, 0.1))}
    return simulate(
        standing_rig(cameras), board.targets, np.full((1, 4, 4), np.nan), motion, seconds=moments / 2, rate_hz=2, seed=seed, noise_px=noise_px,
        missed=0.0, **options,
    )  # fmt: skip


def still_tags(
    seed: int = 0, noise_px: float = 0.0, rig: str = "optimus-helmet-backpack5", rate_hz: float = 5.0
) -> tuple[Observations, Truth]:
    """A person with cameras on head and back looks around in a room with tags."""
    board, poses = room_tags(seed)
    return simulate(
        preset_rig(rig), board.targets, poses, person(seed), seconds=8, rate_hz=rate_hz, seed=seed, noise_px=noise_px, missed=0.0
    )


def structure_of(seen: Observations, truth: Truth) -> Structure:
    """Bodies that move have a chain each, and so has every target that moves."""
    bodies = truth.rig.bodies
    moving = [b for b, body in enumerate(bodies) if body != "room"]
    chain_of_body = np.full(len(bodies), STATIC)
    chain_of_body[moving] = np.arange(len(moving))
    moves = np.isnan(truth.T_room_target[:, 0, 0])
    chain_of_target = np.where(moves, len(moving) + np.cumsum(moves) - 1, STATIC)
    body_of_camera = np.array([bodies.index(camera.body) for camera in truth.rig.cameras.values()])
    return Structure(body_of_camera, chain_of_body, chain_of_target, np.arange(seen.moments, dtype=float), 1)


def connected(seen: Observations, truth: Truth) -> tuple[PoseGraph, Views, BoolArray]:
    views = views_of(seen)
    graph, usable = connect([camera.model for camera in truth.rig.cameras.values()], structure_of(seen, truth), views)
    return graph, views, usable


def worst_mount(graph: PoseGraph, truth: Truth) -> tuple[float, float]:
    """Return the largest error of a placed camera relative to the one that is held on its body, in rad and m."""
    cameras, errors = list(truth.rig.cameras.values()), [(0.0, 0.0)]
    for c in np.flatnonzero(graph.placed_cameras):
        held = graph.reference_camera[truth.rig.bodies.index(cameras[c].body)]
        true = invert(cameras[held].T_body_camera) @ cameras[c].T_body_camera
        errors.append(tuple(map(float, pose_distance(true, invert(graph.T_body_camera[held]) @ graph.T_body_camera[c]))))
    return max(error[0] for error in errors), max(error[1] for error in errors)


@pytest.mark.parametrize("seed", range(3))
def test_static_cameras_and_a_moving_board_are_put_together(seed: int) -> None:
    seen, truth = moving_board(seed)
    graph, views, usable = connected(seen, truth)
    assert graph.placed_cameras.all()
    assert graph.reference_target is None
    assert usable.all()
    assert np.isfinite(graph.T_room_knot[0, np.unique(views.moment), 0, 0]).all()
    turned, moved = worst_mount(graph, truth)
    assert turned < 1e-4
    assert moved < 2e-4


@pytest.mark.parametrize("rig", ["optimus-helmet5", "optimus-helmet-backpack5"])
def test_worn_cameras_and_still_tags_are_put_together(rig: str) -> None:
    seen, truth = still_tags(1, rig=rig)
    graph, _, _ = connected(seen, truth)
    assert graph.placed_cameras.all()
    assert set(graph.reference_camera) == set(range(len(truth.rig.bodies)))
    turned, moved = worst_mount(graph, truth)
    assert turned < 1e-3
    assert moved < 1e-3
    reference = graph.reference_target
    assert reference is not None
    assert np.array_equal(graph.T_room_target[reference], np.eye(4))
    true = invert(truth.T_room_target[reference]) @ truth.T_room_target[graph.placed_targets]
    assert pose_distance(true, graph.T_room_target[graph.placed_targets])[1].max() < 5e-3
    saw = [bool(seen.seen[:, :, seen.targets.points_of(g)].any()) for g in range(24)]
    assert np.array_equal(graph.placed_targets, saw), "what any camera saw is placed"


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_the_two_readings_of_small_tags_leave_a_start_that_is_near(seed: int) -> None:
    seen, truth = still_tags(seed, noise_px=0.2)
    graph, _, _ = connected(seen, truth)
    assert graph.placed_cameras.all()
    turned, moved = worst_mount(graph, truth)
    assert np.degrees(turned) < 3
    assert moved < 0.05


def test_a_false_detection_does_not_place_a_camera() -> None:
    seen, truth = moving_board(2)
    pixels = seen.pixels.copy()
    pixels[1, 2] = np.random.default_rng(0).uniform([0, 0], [1280, 720], pixels[1, 2].shape)
    graph, _, _ = connected(Observations(seen.cameras, seen.image_size, seen.targets, seen.frame_index, seen.times_s, pixels), truth)
    assert worst_mount(graph, truth)[1] < 2e-4


def test_the_frame_of_a_body_stays_where_its_camera_is_said_to_be() -> None:
    seen, truth = still_tags(1)
    mounts = np.stack([camera.T_body_camera for camera in truth.rig.cameras.values()])
    graph, _ = connect([c.model for c in truth.rig.cameras.values()], structure_of(seen, truth), views_of(seen), mounts)
    for c in graph.reference_camera.values():
        assert np.array_equal(graph.T_body_camera[c], mounts[c])
    assert np.abs(graph.T_body_camera - mounts).max() < 1e-3


def test_what_is_first_tied_in_by_moments_beyond_the_first_choice_is_placed_too() -> None:
    """Only some of many moments are used at first; a camera that shares one other moment with the rest is found all the same."""
    seen, truth = moving_board(0, moments=200)
    kept = np.ones(seen.frame_index.shape, dtype=bool)
    kept[3] = False
    kept[3, 101] = True
    graph, views, _ = connected(seen.where(kept), truth)
    assert graph.placed_cameras.all()
    assert worst_mount(graph, truth)[1] < 1e-3
    assert np.isfinite(graph.T_room_knot[0, np.unique(views.moment), 0, 0]).all()


def together(saw: BoolArray) -> list[set[int]]:
    """Return the groups of cameras (C, T) that shared moments tie together; those that saw nothing are in none."""
    groups: list[set[int]] = []
    for moment in saw.T:
        new = set(np.flatnonzero(moment).tolist())
        if new:
            touched = [group for group in groups if group & new]
            groups = [group for group in groups if not group & new] + [set().union(new, *touched)]
    return groups


FRAMES = st.lists(st.lists(st.booleans(), min_size=MOMENTS, max_size=MOMENTS), min_size=4, max_size=4).map(np.array)


def test_of_two_readings_of_one_image_the_better_places_a_camera() -> None:
    """cam1 and cam3 share one moment, in which the board has a second, worse reading in cam1."""
    everything, truth = moving_board(2)
    saw = np.zeros(everything.frame_index.shape, dtype=bool)
    saw[1, 0] = saw[3, [0, 5]] = True
    graph, _, _ = connected(everything.where(saw), truth)
    assert graph.placed_cameras.tolist() == [False, True, False, True]
    assert worst_mount(graph, truth)[1] < 1e-4


@settings(max_examples=40, deadline=None)
@given(saw=FRAMES, seed=st.integers(0, 2))
def test_exactly_those_cameras_are_placed_that_shared_moments_tie_to_the_held_one(saw: BoolArray, seed: int) -> None:
    everything, truth = moving_board(seed)
    seen = everything.where(saw)
    saw = seen.seen.any(axis=-1)
    graph, _, _ = connected(seen, truth)
    held = graph.reference_camera.get(0)
    placed = set(np.flatnonzero(graph.placed_cameras).tolist())
    assert placed == next((group for group in together(saw) if held in group), set())
    assert (held is None) == (not saw.any())
    assert worst_mount(graph, truth)[1] < 5e-4
    missing = [name for c, name in enumerate(seen.cameras) if c not in placed]
    if not missing:
        check_connected(graph, structure_of(seen, truth), seen)
        return
    with pytest.raises(NotConnectedError) as error:
        check_connected(graph, structure_of(seen, truth), seen)
    blind = [name for c, name in enumerate(seen.cameras) if not saw[c].any()]
    assert error.value.missing == tuple(blind or missing)
    assert all(f"'{name}'" in str(error.value) for name in blind or missing)


def reached(seen: Observations, body_of_camera: npt.NDArray[np.int64], graph: PoseGraph) -> tuple[set[int], set[int]]:
    """Return the cameras and the tags that a chain of images ties to what is held: a moment of a body, once known, ties all that its cameras see."""
    saw = np.stack(
        [np.isfinite(seen.pixels[:, :, seen.targets.points_of(g), 0]).all(axis=-1) for g in range(len(seen.targets.names))], axis=-1
    )
    assert graph.reference_target is not None
    cameras, tags, moments = set(graph.reference_camera.values()), {graph.reference_target}, set[tuple[int, int]]()
    while True:
        before = len(cameras) + len(tags) + len(moments)
        for c, m, g in np.argwhere(saw).tolist():
            moment = (int(body_of_camera[c]), m)
            known = (c in cameras) + (g in tags) + (moment in moments)
            if known == 2:
                cameras.add(c)
                tags.add(g)
                moments.add(moment)
        if len(cameras) + len(tags) + len(moments) == before:
            return cameras, tags


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 3), keep=st.floats(0.03, 0.6), choice=st.integers(0, 1000))
def test_exactly_what_images_tie_together_is_placed_among_still_tags(seed: int, keep: float, choice: int) -> None:
    everything, truth = still_tags(seed, rate_hz=1.5)
    rng = np.random.default_rng(choice)
    pixels = everything.pixels.copy()
    gone = rng.random((*everything.frame_index.shape, 24)) > keep
    pixels[gone[:, :, everything.targets.target_of_point]] = np.nan
    seen = Observations(everything.cameras, everything.image_size, everything.targets, everything.frame_index, everything.times_s, pixels)
    graph, _, _ = connected(seen, truth)
    if graph.reference_target is None:
        return
    body = structure_of(seen, truth).body_of_camera
    cameras, tags = reached(seen, body, graph)
    assert set(np.flatnonzero(graph.placed_cameras).tolist()) == cameras
    assert set(np.flatnonzero(graph.placed_targets).tolist()) == tags


def test_without_views_nothing_is_placed() -> None:
    seen, truth = moving_board()
    graph, _, usable = connected(seen.where(np.zeros(seen.frame_index.shape, dtype=bool)), truth)
    assert not graph.placed_cameras.any()
    assert len(usable) == 0
