"""Poses of what each image shows, against poses multiplied out, and how fast they change, against finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_bundles import RIGS, disturbed, hidden, linear_of, make_bundle

from bodydouble.calibration.bundle.images import images_of, lifts_of, points_in_base
from bodydouble.calibration.bundle.state import STATIC, motion_of
from bodydouble.calibration.transform import apply, invert, pose_from


@pytest.mark.parametrize("rig", RIGS)
def test_static_targets_of_a_frame_share_an_image_and_each_moving_one_has_its_own(rig):
    bundle = hidden(make_bundle(rig, order=2))
    views, structure = bundle.views, bundle.structure
    images = images_of(bundle.state, structure, views)
    chain = structure.chain_of_target[views.target]
    shown = {(c, m, k) for c, m, k in zip(views.camera, views.moment, chain, strict=True)}
    assert len(images.first) == len(shown)
    for part in (views.camera, views.moment, chain):
        assert np.array_equal(part[images.first][images.of_view], part)


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("order", [1, 3])
def test_images_are_where_the_poses_multiplied_out_are(rig, order):
    bundle = make_bundle(rig, order=order)
    state, views, structure = disturbed(bundle), bundle.views, bundle.structure
    images, in_base = images_of(state, structure, views), points_in_base(state, structure, views)
    for v in range(len(views)):
        c, m, g, image = views.camera[v], views.moment[v : v + 1], views.target[v], images.of_view[v]
        dt = views.time_s[v : v + 1] + state.offset_s[c] - structure.moment_s[m]
        body, base = (motion_of(state, chain, m, dt) for chain in (structure.camera_chain(np.array([c])), structure.chain_of_target[[g]]))
        T = invert(pose_from(body.R[0], body.p[0]) @ state.T_body_camera[c]) @ pose_from(base.R[0], base.p[0])
        assert np.allclose(pose_from(images.R[image], images.t[image]), T, rtol=0, atol=1e-13)
        still = structure.chain_of_target[g] == STATIC
        expected = apply(state.T_room_target[g], views.points[v]) if still else views.points[v]
        assert np.allclose(in_base[v], expected, rtol=0, atol=1e-14)


def test_what_stands_still_in_the_room_has_no_lift():
    bundle = make_bundle("all at once", order=3)
    images = images_of(bundle.state, bundle.structure, bundle.views)
    lifts = lifts_of(images, bundle.state, bundle.views)
    on_wall = bundle.structure.camera_chain(bundle.views.camera[images.first]) == STATIC
    still = bundle.structure.chain_of_target[bundle.views.target[images.first]] == STATIC
    assert not lifts.by_body[on_wall].any()
    assert not lifts.by_target[still].any()
    assert not lifts.rate[on_wall & still].any()
    assert np.abs(lifts.rate[~(on_wall & still)]).max(axis=1).min() > 0.01


@pytest.mark.parametrize("order", [2, 3])
def test_a_view_knows_how_fast_its_target_moves_past_the_camera(order):
    bundle = make_bundle("all at once", order=order)
    views, h = bundle.views, 1e-5
    linear = linear_of(bundle, bundle.state)
    later, earlier = (linear_of(replace(bundle, views=replace(views, time_s=views.time_s + k * h)), bundle.state).images for k in (1, -1))
    rate = linear.lifts.rate
    assert np.array_equal(linear.rate, rate[linear.images.of_view])
    assert np.allclose(rate[:, 3:], (later.t - earlier.t) / (2 * h), rtol=0, atol=1e-6)
    turning = np.swapaxes(linear.images.R, 1, 2) @ (later.R - earlier.R) / (2 * h)
    assert np.allclose(rate[:, :3], np.stack([turning[:, 2, 1], turning[:, 0, 2], turning[:, 1, 0]], axis=1), rtol=0, atol=1e-6)
    assert np.abs(rate).max() > 0.1
