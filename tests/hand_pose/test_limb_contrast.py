"""What a limb's projections look like: high contrast where it is, none where it is not."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from drawn_arm import FOREARM_M, MODEL, RADII_M, WRIST, drawn_views, turned

from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.hand_pose.limb_contrast import FEATURES, THICKNESSES, View, limb_features

TRUE = np.array([0.35, 0.80, -0.49]) / np.linalg.norm([0.35, 0.80, -0.49])
SHARES = np.linspace(0.2, 0.95, 7)
RADII = RADII_M[0] + (RADII_M[1] - RADII_M[0]) * SHARES
TYPICAL = THICKNESSES.index(1.0)


def stations(*directions: np.ndarray) -> np.ndarray:
    return np.stack([WRIST + FOREARM_M * SHARES[:, None] * direction for direction in directions])


def feature(found: np.ndarray, name: str) -> np.ndarray:
    return found[:, :, TYPICAL, 0, FEATURES.index(name)]


def test_the_true_limb_has_more_contrast_and_less_variation_than_others() -> None:
    found = limb_features(
        drawn_views(TRUE), stations(TRUE, turned(TRUE, 25, np.array([1.0, 0, 0])), turned(TRUE, 25, np.array([0, 0, 1.0]))), RADII
    )
    assert found.shape == (3, 3, len(THICKNESSES), 1, len(FEATURES))
    for name in ("either_edge", "weaker_edge", "strong_edges"):
        assert feature(found, name).mean(axis=1).argmax() == 0
    for name in ("uneven_across", "unlike_in_cameras"):
        assert feature(found, name).mean(axis=1).argmin() == 0


def test_features_are_shares() -> None:
    found = limb_features(drawn_views(TRUE), stations(TRUE, -TRUE), RADII)
    assert found.min() >= 0.0
    assert found[..., 1:].max() <= 1.0 + 1e-5
    assert found[..., 0].max() <= 2.0 + 1e-5


def test_what_is_outside_the_image_or_hidden_does_not_count() -> None:
    views = drawn_views(TRUE)
    assert np.all(limb_features(views, stations(TRUE) - (5.0, 0.0, 0.0), RADII) == 0.0)
    camera = views[0].T_frame_camera[:3, 3]
    before = camera + 0.5 * (stations(TRUE)[:, 4:5] - camera)
    hidden = limb_features(views[:1], stations(TRUE), RADII, before)
    assert feature(hidden, "seen")[0, 0] < feature(limb_features(views[:1], stations(TRUE), RADII), "seen")[0, 0]


def test_what_hangs_on_the_far_end_behind_the_limb_hides_nothing() -> None:
    views = drawn_views(TRUE)[:1]
    camera = views[0].T_frame_camera[:3, 3]
    behind = camera + 1.6 * (stations(TRUE)[:, 4:5] - camera)
    assert np.array_equal(limb_features(views, stations(TRUE), RADII, behind), limb_features(views, stations(TRUE), RADII))


def test_a_reduced_image_tells_the_same() -> None:
    view = drawn_views(TRUE)[0]
    large = FisheyeCamera((800, 600), (340.0, 340.0), (399.5, 299.5))
    full = View(large, view.T_frame_camera, cv2.resize(view.rgb, (800, 600), interpolation=cv2.INTER_NEAREST))
    reduced = full.reduced(170.0)
    assert reduced.reduction == 2
    assert reduced.rgb.shape == (300, 400, 3)
    assert reduced.reduced(170.0) is reduced
    assert np.allclose(limb_features([reduced], stations(TRUE), RADII), limb_features([view], stations(TRUE), RADII), atol=0.06)
    assert MODEL.focal[0] * 2 == large.focal[0]


def test_grey_cameras_do_not_contradict_coloured_ones() -> None:
    views = drawn_views(TRUE)
    grey = cv2.cvtColor(cv2.cvtColor(views[0].rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixed = [dataclasses.replace(views[0], rgb=grey), *views[1:]]
    found = feature(limb_features(mixed, stations(TRUE), RADII), "unlike_in_cameras")
    assert found[0, 0] == 0.0
    assert np.allclose(found[0, 1:], feature(limb_features(views[1:], stations(TRUE), RADII), "unlike_in_cameras")[0], atol=1e-5)


def test_parts_make_up_the_whole() -> None:
    whole = limb_features(drawn_views(TRUE), stations(TRUE), RADII)
    parts = limb_features(drawn_views(TRUE), stations(TRUE), RADII, parts=(0, 2, 4))
    assert parts.shape[3] == 3
    assert np.allclose((parts * (np.array([2, 2, 3]) / 7)[:, None]).sum(axis=3), whole[:, :, :, 0], atol=1e-5)
