"""Where moving frames are between knots, and how a step changes what is free and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_bundles import RIGS, make_bundle, moved_along, unknowns

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.state import STATIC, layout, motion_of, moved, stepped
from bodydouble.calibration.transform import pose_from

seeds = st.integers(0, 2**32 - 1)
orders = pytest.mark.parametrize("order", [1, 2, 3])
CHAIN = np.array([0, 2, STATIC, 1, 0])
MOMENT = np.array([1, 3, 0, 0, 2])


def moving(order: int, seed: int = 0):
    """Return the state of four moving frames whose rates are lively."""
    state, random = make_bundle("all at once", order=order, seed=seed).state, np.random.default_rng(seed)
    return replace(state, rates=random.normal(0, 3, state.rates.shape)), random.uniform(-0.4, 0.4, len(CHAIN))


@orders
def test_a_frame_is_at_its_knot_when_no_time_has_passed_and_a_static_one_at_the_origin(order):
    state, _ = moving(order)
    motion = motion_of(state, CHAIN, MOMENT, np.zeros(5))
    for v, (chain, moment) in enumerate(zip(CHAIN, MOMENT, strict=True)):
        expected = np.eye(4) if chain == STATIC else state.T_room_knot[chain, moment]
        assert np.array_equal(pose_from(motion.R[v], motion.p[v]), expected)


@orders
@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_a_frame_moves_on_from_its_knot_by_its_rates(order, seed):
    state, dt = moving(order, seed)
    motion = motion_of(state, CHAIN, MOMENT, dt)
    for v in np.flatnonzero(CHAIN != STATIC):
        T, rates = state.T_room_knot[CHAIN[v], MOMENT[v]], np.zeros((2, 6))
        rates[: order - 1] = state.rates[CHAIN[v], MOMENT[v]]
        went = rates[0] * dt[v] + rates[1] * dt[v] ** 2 / 2
        assert np.allclose(motion.R[v], T[:3, :3] @ rotation.exp(went[:3]), rtol=0, atol=1e-13)
        assert np.allclose(motion.p[v], T[:3, 3] + went[3:], rtol=0, atol=1e-13)


@orders
@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_its_rate_is_how_fast_it_moves_at_that_instant(order, seed):
    state, dt = moving(order, seed)
    h = 1e-4
    motion, later, earlier = (motion_of(state, CHAIN, MOMENT, dt + k * h) for k in (0, 1, -1))
    R_back = np.swapaxes(motion.R, 1, 2)
    turning = (rotation.log(R_back @ later.R) - rotation.log(R_back @ earlier.R)) / (2 * h)
    assert np.allclose(motion.rate[:, :3], turning, rtol=0, atol=1e-5)
    assert np.allclose(motion.rate[:, 3:], (later.p - earlier.p) / (2 * h), rtol=0, atol=1e-8)


@orders
@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_its_lift_is_how_it_depends_on_the_terms_of_its_knot(order, seed):
    state, dt = moving(order, seed)
    motion, h = motion_of(state, CHAIN, MOMENT, dt), 1e-4
    R_back = np.swapaxes(motion.R, 1, 2)

    def changed(column: int, by: float) -> np.ndarray:
        step = np.zeros((*state.T_room_knot.shape[:2], order, 6))
        step[..., column // 6, column % 6] = by
        other = motion_of(replace(state, T_room_knot=moved(state.T_room_knot, step[:, :, 0]), rates=state.rates + step[:, :, 1:]),
                          CHAIN, MOMENT, dt)  # fmt: skip
        return np.concatenate([rotation.log(R_back @ other.R), other.p - motion.p], axis=1)

    assert motion.lift.shape == (5, 6, 6 * order)
    for column in range(6 * order):
        numeric = (8 * (changed(column, h) - changed(column, -h)) - (changed(column, 2 * h) - changed(column, -2 * h))) / (12 * h)
        assert np.allclose(motion.lift[:, :, column], numeric, rtol=0, atol=1e-9)
    assert not motion.lift[CHAIN == STATIC].any()


def test_without_rates_unknown_times_do_not_matter():
    state, _ = moving(1)
    motion = motion_of(state, CHAIN, MOMENT, np.full(5, np.nan))
    assert np.array_equal(motion.R, motion_of(state, CHAIN, MOMENT, np.zeros(5)).R)
    assert np.isfinite(motion.p).all()
    assert np.isfinite(motion.lift).all()
    assert not motion.rate.any()


def test_where_nothing_moves_every_frame_is_the_room():
    state = make_bundle("nothing moves").state
    motion = motion_of(state, np.full(3, STATIC), np.zeros(3, dtype=int), np.zeros(3))
    assert np.array_equal(motion.R, np.tile(np.eye(3), (3, 1, 1)))
    assert not motion.p.any()
    assert not motion.lift.any()
    assert not motion.rate.any()


@pytest.mark.parametrize(
    ("rig", "chains"), [("moving board", 1), ("moving head", 1), ("two bodies", 2), ("all at once", 4), ("nothing moves", 0)]
)
def test_a_structure_counts_what_moves_and_knows_what_each_camera_rides_on(rig, chains):
    structure = make_bundle(rig).structure
    assert structure.chains == chains
    bodies, chain_of_body, _ = RIGS[rig]
    assert structure.camera_chain(np.arange(len(bodies))).tolist() == [chain_of_body[b] for b in bodies]


def test_selected_views_keep_everything_of_theirs():
    views = make_bundle().views
    some = views.select(np.array([3, 1]))
    assert len(some) == 2
    for name in ("camera", "moment", "target", "time_s", "points", "pixels", "point"):
        assert np.array_equal(getattr(some, name), getattr(views, name)[[3, 1]])
    assert len(views.select(views.camera == 0)) == (views.camera == 0).sum()


def test_points_that_are_taken_out_of_views_are_not_seen():
    views = make_bundle().views
    outliers = np.zeros(views.point.shape, dtype=bool)
    outliers[2, 1] = True
    left = views.without(outliers)
    assert np.array_equal(left.seen, ~outliers)
    assert np.array_equal(np.isnan(left.pixels[..., 0]), outliers)
    assert views.seen.all(), "the views given are as they were"


flags = st.integers(0, 2**31).map(lambda seed: np.random.default_rng(seed))


@settings(deadline=None)
@given(flags)
def test_a_layout_numbers_every_free_unknown_once_and_puts_the_held_ones_past_the_end(random):
    lens, mount, offset, target = (random.random(shape) < 0.5 for shape in ((3, 9), 3, 3, 4))
    where = layout(lens, mount, offset, target)
    parts = [where.intrinsics, where.mount, where.offset, where.target]
    free = np.concatenate([part.ravel() for part in parts])
    assert sorted(free[free < where.size]) == list(range(where.size))
    assert where.size == lens.sum() + 6 * mount.sum() + offset.sum() + 6 * target.sum()
    for part, wanted in zip(parts, (lens, mount[:, None], offset, target[:, None]), strict=True):
        assert np.array_equal(part < where.size, np.broadcast_to(wanted, part.shape))
        assert (part <= where.size).all()


def parts_of(state) -> dict[str, np.ndarray]:
    lens = np.stack([np.pad(model.parameters, (0, 16 - len(model.parameters))) for model in state.models])
    return {"intrinsics": lens, "mount": state.T_body_camera, "offset": state.offset_s, "target": state.T_room_target,
            "knots": state.T_room_knot, "rates": state.rates}  # fmt: skip


@pytest.mark.parametrize("rig", RIGS)
def test_a_step_of_one_unknown_changes_one_thing_by_that_much(rig):
    bundle = make_bundle(rig, order=3, moments=2, lenses=("pinhole", "fisheye624", "omni"))
    before, kinds = parts_of(bundle.state), dict.fromkeys(("intrinsics", "mount", "offset", "target"), 0)
    for unknown in range(unknowns(bundle)):
        after = parts_of(moved_along(bundle, bundle.state, unknown, 1e-3))
        different = [name for name in before if not np.array_equal(before[name], after[name])]
        assert len(different) == 1
        (name,) = different
        change = after[name] - before[name]
        here = [getattr(bundle.where, kind) == unknown for kind in kinds]
        if unknown < bundle.where.size:
            assert [kind for kind, at in zip(kinds, here, strict=True) if at.any()] == [name]
            kinds[name] += 1
        else:
            assert name == ("knots" if (unknown - bundle.where.size) % 18 < 6 else "rates")
        if name in ("intrinsics", "offset", "rates"):
            assert np.count_nonzero(change) == 1
            assert change.sum() == pytest.approx(1e-3, abs=1e-9)
        else:
            assert np.count_nonzero(np.abs(change).max(axis=(-2, -1))) == 1
    assert kinds["intrinsics"] == (bundle.where.intrinsics < bundle.where.size).sum()


def test_a_step_of_nothing_changes_nothing_and_what_is_held_stays():
    bundle = make_bundle("all at once", order=2)
    moments, K = len(bundle.structure.moment_s), bundle.structure.chains * 12
    same = stepped(bundle.state, bundle.where, np.zeros(bundle.where.size), np.zeros((moments, K)))
    for name, value in parts_of(bundle.state).items():
        assert np.array_equal(parts_of(same)[name], value)
    held = np.zeros(4, dtype=bool)
    nothing_free = layout(np.zeros((4, 9), dtype=bool), held, held, held)
    stayed = parts_of(stepped(bundle.state, nothing_free, np.zeros(0), np.ones((moments, K))))
    for name in ("intrinsics", "mount", "offset", "target"):
        assert np.array_equal(stayed[name], parts_of(bundle.state)[name])


def test_a_step_to_a_camera_that_cannot_be_is_an_error():
    bundle = make_bundle()
    step = np.zeros(bundle.where.size)
    step[bundle.where.intrinsics[0, 0]] = -1e4
    with pytest.raises(ValueError, match="focal length"):
        stepped(bundle.state, bundle.where, step, np.zeros((4, 6)))


def test_poses_are_disturbed_by_turning_in_their_own_frame_and_shifting_in_the_room():
    T = pose_from(rotation.exp([0.3, -2.0, 0.5]), [1.0, 2.0, 3.0])
    after = moved(T, np.array([0.1, 0.2, -0.3, 4.0, 5.0, 6.0]))
    assert np.allclose(after[:3, :3], T[:3, :3] @ rotation.exp([0.1, 0.2, -0.3]), rtol=0, atol=1e-14)
    assert after[:3, 3].tolist() == [5.0, 7.0, 9.0]
    assert after[3].tolist() == [0.0, 0.0, 0.0, 1.0]
